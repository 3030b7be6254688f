#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "audit/audit.h"
#include "base/fs.h"
#include "report/report.h"

static pp_status parse_task(const char *text, pp_task *task, pp_error *err)
{
    static const struct {
        const char *name;
        pp_task task;
    } tasks[] = {{"auto", PP_TASK_AUTO},
                 {"binary", PP_TASK_BINARY},
                 {"multiclass", PP_TASK_MULTICLASS},
                 {"regression", PP_TASK_REGRESSION}};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i].name, text) == 0) {
            *task = tasks[i].task;
            return PP_OK;
        }
    return pp_fail(err, PP_E_ARG,
                   "--task %s: no such task; there are binary, multiclass and regression", text);
}

static pp_status parse_alpha(const char *text, double *alpha, pp_error *err)
{
    char *end;
    *alpha = strtod(text, &end);
    if (*text != '\0' && *end == '\0' && *alpha > 0 && *alpha < 0.5) return PP_OK;
    return pp_fail(err, PP_E_ARG, "--alpha %s: wants an error rate above 0 and below 0.5", text);
}

static pp_status make_spec(const cli_args *a, pp_audit_spec *spec, pp_error *err)
{
    *spec = (pp_audit_spec){.file = a->n_positional > 0 ? a->positional[0] : NULL,
                            .p = a->p,
                            .y = a->y,
                            .raw = a->raw,
                            .rank = a->rank,
                            .held_out = a->held_out,
                            .classes = PP_AUTO,
                            .logits = a->logits,
                            .alpha = 0.001};
    pp_status status = PP_OK;
    long long classes = PP_AUTO;
    if (a->task != NULL) status = parse_task(a->task, &spec->task, err);
    if (status == PP_OK && a->classes != NULL)
        status = cli_integer("--classes", a->classes, 2, 1 << 20, &classes, err);
    if (status == PP_OK && a->alpha != NULL) status = parse_alpha(a->alpha, &spec->alpha, err);
    spec->classes = classes;
    return status;
}

/* A place may be a file of its own, or in one: FILE, FILE:/NAME. */
static pp_status keep_places(const cli_args *a, pp_error *err)
{
    const char *const places[] = {
        a->n_positional > 0 ? a->positional[0] : NULL, a->p, a->y, a->raw, a->rank, a->held_out};
    pp_status status = PP_OK;
    for (size_t i = 0; i < sizeof places / sizeof *places && status == PP_OK; i++) {
        char file[PATH_MAX];
        const char *name = places[i] != NULL ? strrchr(places[i], ':') : NULL;
        snprintf(file, sizeof file, "%.*s", name != NULL ? (int)(name - places[i]) : 0,
                 places[i] != NULL ? places[i] : "");
        status = pp_fs_keep_input(a->output, places[i], err);
        if (status == PP_OK) status = pp_fs_keep_input(a->output, file, err);
    }
    return status;
}

static void print_page(const cli *c, const pp_audit *audit)
{
    pp_style style = pp_style_of(stdout);
    if (c->launched) style.terminal = style.colour = 0;
    int split = audit->held_out.rows > 0;
    if (split) pp_report_metrics(stdout, style, "held-out rows", &audit->held_out);
    if (audit->train.rows > 0)
        pp_report_metrics(stdout, style, split ? "training rows" : "rows", &audit->train);
    putchar('\n');
    pp_report_distribution(stdout, style, audit->sketch, (const char *const *)audit->class_names);
    putchar('\n');
    pp_report_verdict(stdout, style, &audit->verdict);
    pp_report_candidates(stdout, style, &audit->verdict, pp_audit_judged(audit));
}

/* The same text to stdout and to the file. */
static pp_status put_results(const cli *c, const pp_audit_spec *spec, const pp_audit *audit,
                             pp_error *err)
{
    pp_json_writer *w = pp_json_writer_create(2);
    if (w != NULL) pp_audit_write(spec, audit, w);
    size_t length = 0;
    const char *text = w == NULL ? NULL : pp_json_text(w, &length);
    pp_status status = text == NULL ? pp_fail(err, PP_E_MEMORY, "no memory for the result") : PP_OK;
    if (status == PP_OK && c->command == &cli_audit && c->args.output != NULL)
        status = pp_fs_write(c->args.output, text, length, err);
    if (status == PP_OK && c->args.json) puts(text);
    if (status == PP_OK && !c->args.json) print_page(c, audit);
    pp_json_writer_destroy(w);
    return status;
}

int cli_judge(cli *c, const pp_audit_spec *spec)
{
    pp_error err = {0};
    pp_audit audit = {0};
    pp_status status = pp_audit_run(c->world, spec, &audit, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    int collapse = 0;
    if (audit.labels_unnamed)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "the classes of the predictions have names, those of the targets have none: "
                     "labels are taken as numbers of classes, from 0");
    if (c->log.speaks) {
        status = put_results(c, spec, &audit, &err);
        collapse = audit.verdict.collapse;
    }
    pp_audit_free(&audit);
    status = pp_comm_agree(c->world, status, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    pp_comm_broadcast(c->world, 0, &collapse, sizeof collapse);
    return collapse && c->args.fail_on_collapse ? 4 : 0;
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_audit_spec spec;
    pp_status status = make_spec(&c->args, &spec, &err);
    if (status == PP_OK) status = pp_comm_agree(c->world, keep_places(&c->args, &err), &err);
    return status == PP_OK ? cli_judge(c, &spec) : cli_fail(c, status, &err);
}

static const cli_option options[] = {
    CLI_OPTION("--p", NULL, "PLACE", CLI_TEXT, p, "predictions (default: /p; csv: column p)"),
    CLI_OPTION("--y", NULL, "PLACE", CLI_TEXT, y, "targets (default: /y; csv: column y)"),
    CLI_OPTION("--raw", NULL, "PLACE", CLI_TEXT, raw,
               "outputs before the last function (clamp, sigmoid), as /z"),
    CLI_OPTION("--rank", NULL, "PLACE", CLI_TEXT, rank,
               "process that predicted a row, 0, 1, ...: finds models that differ between them"),
    CLI_OPTION("--held-out", NULL, "PLACE", CLI_TEXT, held_out,
               "1 for rows held out from training, 0 for the others; held-out rows are judged"),
    CLI_OPTION("--logits", NULL, NULL, CLI_FLAG, logits,
               "--p holds logits: apply a sigmoid (one column) or a softmax"),
    CLI_OPTION("--task", NULL, "TASK", CLI_TEXT, task,
               "binary, multiclass or regression (default: as the numbers show)"),
    CLI_OPTION("--classes", NULL, "K", CLI_TEXT, classes, "classes (default: columns of --p)"),
    CLI_OPTION("--alpha", NULL, "RATE", CLI_TEXT, alpha,
               "rate of false alarms of the verdict (default 0.001)"),
    CLI_OPTION("--output", "-o", "FILE", CLI_TEXT, output, "write the verdict as JSON too"),
    CLI_OPTION("--json", NULL, NULL, CLI_FLAG, json, "print the verdict as JSON"),
    CLI_OPTION("--fail-on-collapse", NULL, NULL, CLI_FLAG, fail_on_collapse,
               "exit with 4 if the predictions have collapsed"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_audit = {
    .name = "audit",
    .positionals = "[PREDICTIONS]",
    .help = "judge the predictions of any program: HDF5, npy or csv",
    .least = 0,
    .most = 1,
    .parallel = 1,
    .options = options,
    .run = run,
    .notes = "A PLACE is a data set of PREDICTIONS (HDF5: /p), columns of it (npy, csv: p, "
             "p0,p1,p2, p0..p9,\nor numbers from 0), or a file of its own (p.npy, data.h5:/y).\n"
             "Predictions are probabilities [rows] or [rows, classes], or real numbers; targets "
             "are class numbers\nfrom 0, one-hot rows, or real numbers. Without a job to "
             "experiment on, causes are candidates.\n"
             "Runs as one process, under mpirun and under srun --mpi=pmix: the result is the same, "
             "bit for bit.",
};
