#include "train/predict.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "base/fs.h"
#include "base/names.h"
#include "convert/answers.h"
#include "convert/table.h"
#include "run/run_files.h"

enum { MOST_CLASSES = 20 };

static void print_answers(const pp_prediction *p)
{
    int64_t shown = p->classes < MOST_CLASSES ? p->classes : MOST_CLASSES;
    for (int64_t k = 0; k < shown; k++) {
        char class[PP_NAME_TEXT];
        pp_names_text((const char *const *)p->class_names, k, class);
        printf("class %s: %lld rows\n", class, (long long)p->answers[k]);
    }
    if (shown < p->classes)
        printf("%lld more classes: see /class\n", (long long)(p->classes - shown));
}

/* What lies beside the output until the command ends: rows of a file that is not HDF5, and
 * predictions that are to become one. Rank 0 owns the files, all know their names. */
typedef struct aside {
    pp_fs_file *rows, *predictions;
    char *rows_name, *predictions_name; /* NULL: there is none */
    pp_table_format data;
    pp_answers_format output;
} aside;

static pp_status check_output(const cli *c, aside *a, pp_error *err)
{
    char model[PATH_MAX];
    if (c->args.output == NULL)
        return pp_fail(err, PP_E_ARG,
                       "predict: wants -o FILE (.csv, .npy or .h5) to write the predictions to");
    a->output = pp_answers_format_of(c->args.output);
    snprintf(model, sizeof model, "%s/" PP_RUN_MODEL, c->args.positional[0]);
    const char *const inputs[] = {c->args.positional[1], model, NULL};
    pp_status status = cli_keep_inputs(c->args.output, inputs, err);
    if (status == PP_OK) status = pp_table_format_of(c->args.positional[1], &a->data, err);
    if (status != PP_OK) return status;
    if (c->args.id != NULL && (a->data != PP_TABLE_CSV || a->output != PP_ANSWERS_CSV))
        return pp_fail(err, PP_E_ARG, "--id: hands on a column of csv to csv; %s is none",
                       a->data != PP_TABLE_CSV ? c->args.positional[1] : c->args.output);
    if (c->args.target != NULL && a->data != PP_TABLE_CSV)
        return pp_fail(err, PP_E_ARG, "--target: is for csv; say --y NAME with --audit");
    if (c->args.audit && a->data == PP_TABLE_CSV && c->args.target == NULL)
        return pp_fail(err, PP_E_ARG, "--audit: say --target COLUMN, the targets in %s",
                       c->args.positional[1]);
    if (c->args.audit && a->data == PP_TABLE_NPY && c->args.y == NULL)
        return pp_fail(err, PP_E_ARG, "--audit: say --y FILE.npy, the targets of the rows");
    return PP_OK;
}

/* A file that vanishes at the end, whatever ends the command. */
static pp_status lay_aside(const char *output, const char *what, pp_fs_file **file, char **name,
                           pp_error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s.%s", output, what) >= (int)sizeof path)
        return pp_fail(err, PP_E_ARG, "%s: path is too long", output);
    pp_status status = pp_fs_create(path, file, err);
    if (status != PP_OK) return status;
    *name = strdup(pp_fs_aside(*file));
    return *name != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

static pp_status make_aside(cli *c, aside *a, pp_error *err)
{
    const cli_args *args = &c->args;
    pp_status status = PP_OK;
    if (pp_comm_rank(c->world) != 0) return PP_OK;
    if (a->output != PP_ANSWERS_H5)
        status = lay_aside(args->output, "p", &a->predictions, &a->predictions_name, err);
    if (status != PP_OK || a->data == PP_TABLE_H5) return status;
    status = lay_aside(args->output, "x", &a->rows, &a->rows_name, err);
    if (status != PP_OK) return status;
    const pp_predict_rows rows = {.data = args->positional[1],
                                  .target = args->target,
                                  .like = args->like,
                                  .na = args->na,
                                  .log = &c->log};
    return pp_predict_import(args->positional[0], &rows, a->rows_name, err);
}

static pp_status prepare(cli *c, aside *a, pp_error *err)
{
    pp_status status = pp_comm_agree(c->world, check_output(c, a, err), err);
    if (status == PP_OK) status = pp_comm_agree(c->world, make_aside(c, a, err), err);
    if (status == PP_OK) status = cli_share_text(c->world, &a->rows_name, err);
    if (status == PP_OK) status = cli_share_text(c->world, &a->predictions_name, err);
    return status;
}

static pp_status put_answers(const cli *c, const aside *a, pp_error *err)
{
    if (pp_comm_rank(c->world) != 0 || a->output == PP_ANSWERS_H5) return PP_OK;
    const pp_answers_spec spec = {
        .predictions = a->predictions_name, .ids_file = c->args.positional[1], .id = c->args.id};
    return pp_answers_write(&spec, a->output, c->args.output, err);
}

static void end_aside(aside *a)
{
    if (a->rows != NULL) pp_fs_abandon(a->rows);
    if (a->predictions != NULL) pp_fs_abandon(a->predictions);
    free(a->rows_name);
    free(a->predictions_name);
}

static void tell(cli *c, const pp_prediction *p)
{
    const char *data = c->args.positional[1];
    if (p->moved)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "%s: its columns have another order than the model's, and were taken by name",
                     data);
    if (p->unnamed)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "%s: its columns have no names, those of the model have: taken by number",
                     data);
    pp_log_write(&c->log, PP_LOG_INFO, "predictions of %lld rows: %s", (long long)p->rows,
                 c->args.output);
    if (c->log.speaks && !c->args.quiet) print_answers(p);
}

static int judge(cli *c, const aside *a)
{
    char p[PATH_MAX + 8], y[PATH_MAX + 8];
    const char *name = c->args.y != NULL ? c->args.y : "/y";
    snprintf(p, sizeof p, "%s:/p",
             a->predictions_name != NULL ? a->predictions_name : c->args.output);
    if (a->data == PP_TABLE_NPY)
        snprintf(y, sizeof y, "%s", name);
    else
        snprintf(y, sizeof y, "%s:%s", a->rows_name != NULL ? a->rows_name : c->args.positional[1],
                 name);
    const pp_audit_spec spec = {.p = p, .y = y, .classes = PP_AUTO, .alpha = 0.001};
    return cli_judge(c, &spec);
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_prediction prediction = {0};
    aside a = {.rows = NULL};
    int code = 0;
    pp_status status = prepare(c, &a, &err);
    if (status == PP_OK)
        status = pp_predict(c->world, c->args.positional[0],
                            a.rows_name != NULL ? a.rows_name : c->args.positional[1], c->args.x,
                            a.predictions_name != NULL ? a.predictions_name : c->args.output,
                            &prediction, &err);
    if (status == PP_OK) status = pp_comm_agree(c->world, put_answers(c, &a, &err), &err);
    if (status == PP_OK) tell(c, &prediction);
    if (status == PP_OK && c->args.audit) code = judge(c, &a);
    pp_prediction_free(&prediction);
    end_aside(&a);
    return status == PP_OK ? code : cli_fail(c, status, &err);
}

static const cli_option options[] = {
    CLI_OPTION("--output", "-o", "FILE", CLI_TEXT, output,
               "file to write: .csv, .npy (probabilities alone) or HDF5 (/raw, /p and /class)"),
    CLI_OPTION("--id", NULL, "COLUMN", CLI_TEXT, id,
               "csv: this column of DATA goes along, in place of the number of the row"),
    CLI_OPTION("--x", NULL, "NAME", CLI_TEXT, x,
               "data set with the features (default: as in the job)"),
    CLI_OPTION("--audit", NULL, NULL, CLI_FLAG, audit,
               "judge the predictions at once, by the targets in DATA"),
    CLI_OPTION("--like", NULL, "FILE.h5", CLI_TEXT, like,
               "csv: the training file: what stood for missing values there stands for them here"),
    CLI_OPTION("--na", NULL, "WORDS", CLI_TEXT, na,
               "csv: further marks of missing values: nd,-999"),
    CLI_OPTION("--target", NULL, "COLUMN", CLI_TEXT, target, "csv: the targets, for --audit"),
    CLI_OPTION("--y", NULL, "NAME", CLI_TEXT, y,
               "the targets, for --audit: a data set (default /y), or an npy file for npy"),
    CLI_OPTION("--fail-on-collapse", NULL, NULL, CLI_FLAG, fail_on_collapse,
               "with --audit: exit with 4 if the predictions have collapsed"),
    CLI_OPTION("--quiet", "-q", NULL, CLI_FLAG, quiet, "warnings and errors only"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_predict = {
    .name = "predict",
    .positionals = "RUN DATA",
    .help = "write the predictions of a finished run for an HDF5, csv or npy file",
    .least = 2,
    .most = 2,
    .parallel = 1,
    .multiplies = 1,
    .options = options,
    .run = run,
    .notes =
        "csv: columns are taken by the names that the model's training file had, and others are "
        "left out; the answer\nhas the id or number of each row, the class by its name and the "
        "probability of each class, or the prediction.",
};
