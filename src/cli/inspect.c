#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

#include "inspect/inspect.h"
#include "report/report.h"

/* A job is a JSON object; anything else is taken for HDF5, which says so if it is not. */
static pp_status is_job(cli *c, int *answer, pp_error *err)
{
    pp_status status = PP_OK;
    int first = EOF;
    if (pp_comm_rank(c->world) == 0) {
        const char *path = c->args.positional[0];
        FILE *file = fopen(path, "rb");
        if (file == NULL) status = pp_fail(err, PP_E_ARG, "%s: cannot open it", path);
        do
            first = file == NULL ? EOF : fgetc(file);
        while (first == ' ' || first == '\n' || first == '\r' || first == '\t');
        if (file != NULL) fclose(file);
    }
    *answer = first == '{';
    status = pp_comm_agree(c->world, status, err);
    pp_comm_broadcast(c->world, 0, answer, sizeof *answer);
    return status;
}

/* A data file is inspected for the job that says nothing but its name. */
static pp_status job_of_file(cli *c, const pp_patch *patch, pp_job **job, pp_error *err)
{
    const char *path = c->args.positional[0];
    pp_json_writer *w = pp_json_writer_create(0);
    if (w == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "name", "inspect");
    pp_json_begin_object(w, "data");
    pp_json_put_string(w, "files", path);
    pp_json_end_object(w);
    pp_json_begin_object(w, "model");
    pp_json_begin_array(w, "layers");
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "type", "dense");
    pp_json_put_string(w, "units", "auto");
    pp_json_end_object(w);
    pp_json_end_array(w);
    pp_json_end_object(w);
    pp_json_end_object(w);
    const char *text = pp_json_text(w, NULL);
    pp_status status = text == NULL ? pp_fail(err, PP_E_MEMORY, "%s: out of memory", path)
                                    : pp_job_parse(text, path, patch, job, err);
    pp_json_writer_destroy(w);
    return status;
}

static void add_set(cli_args *args, const char *path, const char *value)
{
    if (value == NULL) return;
    args->set_paths[args->n_sets] = path;
    args->set_values[args->n_sets++] = value;
}

static pp_status load(cli *c, pp_job **job, pp_error *err)
{
    int job_given;
    pp_status status = is_job(c, &job_given, err);
    if (status != PP_OK) return status;
    if (c->args.n_sets > CLI_SETS - 2)
        return pp_fail(err, PP_E_ARG, "--set: more than %d", CLI_SETS - 2);
    add_set(&c->args, "data.x", c->args.x);
    add_set(&c->args, "data.y", c->args.y);
    if (job_given) return cli_load_job(c, job, err);
    pp_patch patch = {c->args.set_paths, c->args.set_values, c->args.n_sets};
    return pp_comm_agree(c->world, job_of_file(c, &patch, job, err), err);
}

static pp_status print_json(const pp_inspection *inspection, pp_error *err)
{
    pp_json_writer *w = pp_json_writer_create(2);
    const char *text = NULL;
    if (w != NULL) {
        pp_json_begin_object(w, NULL);
        pp_inspection_write(inspection, w);
        pp_json_end_object(w);
        text = pp_json_text(w, NULL);
    }
    if (text != NULL) puts(text);
    pp_json_writer_destroy(w);
    return text != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

static pp_status print(cli *c, const pp_inspection *inspection, pp_error *err)
{
    if (inspection == NULL) return PP_OK; /* rank 0 has it */
    if (c->args.json) return print_json(inspection, err);
    pp_style style = pp_style_of(stdout);
    if (c->launched) style.terminal = style.colour = 0;
    pp_report_inspection(stdout, style, inspection);
    return PP_OK;
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_job *job = NULL;
    pp_inspection *inspection = NULL;
    pp_status status = load(c, &job, &err);
    if (status == PP_OK) status = pp_inspect(c->world, job, &inspection, &err);
    if (status == PP_OK) status = pp_comm_agree(c->world, print(c, inspection, &err), &err);
    int errors = inspection != NULL ? inspection->n_errors : 0;
    pp_comm_broadcast(c->world, 0, &errors, sizeof errors);
    pp_inspection_destroy(inspection);
    pp_job_destroy(job);
    if (status != PP_OK) return cli_fail(c, status, &err);
    return c->args.strict && errors > 0 ? 3 : 0;
}

static void print_kind(const pp_finding_kind *kind)
{
    printf("  %-22s %-8s %s\n", kind->id, pp_severity_name(kind->severity), kind->title);
}

static void print_kinds(void)
{
    printf("\nfindings:\n");
    pp_inspect_kinds(print_kind);
}

static const cli_option options[] = {
    CLI_OPTION("--x", NULL, "NAME", CLI_TEXT, x, "data set with the features (default /x)"),
    CLI_OPTION("--y", NULL, "NAME", CLI_TEXT, y, "data set with the targets (default /y)"),
    CLI_OPTION("--set", NULL, "PATH=VALUE", CLI_SET, n_sets,
               "change a key of the job, such as data.task=multiclass; may be repeated"),
    CLI_OPTION("--json", NULL, NULL, CLI_FLAG, json,
               "print all numbers as JSON; the member timing is of this run, the rest is the same "
               "on any number of ranks"),
    CLI_OPTION("--strict", NULL, NULL, CLI_FLAG, strict,
               "exit with 3 if there is a finding of severity error"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_inspect = {
    .name = "inspect",
    .positionals = "FILE|JOB",
    .help = "survey the data of a job, or one HDF5 file, and say what is wrong with them",
    .least = 1,
    .most = 1,
    .parallel = 1,
    .options = options,
    .run = run,
    .print_more = print_kinds,
};
