#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <limits.h>

#include "cli.h"

#include "pitprop/fs.h"
#include "pitprop/report.h"
#include "pitprop/why.h"

/* What is asked about: a job file, or a run directory with its job and perhaps its verdict. */
typedef struct subject {
    char *job, *verdict; /* texts; verdict NULL: the job has not been run */
    char origin[PATH_MAX], directory[PATH_MAX];
} subject;

static pp_status share_text(pp_comm *world, char **text, pp_error *err)
{
    int64_t length = *text != NULL ? (int64_t)strlen(*text) : -1;
    pp_comm_broadcast(world, 0, &length, sizeof length);
    if (length < 0) return PP_OK;
    if (*text == NULL) *text = malloc((size_t)length + 1);
    pp_status status = *text != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    status = pp_comm_agree(world, status, err);
    if (status == PP_OK) pp_comm_broadcast(world, 0, *text, (size_t)length + 1);
    return status;
}

/* The job with --set, as text. */
static pp_status with_sets(cli *c, subject *s, const char *text, pp_error *err)
{
    pp_patch patch = {c->args.set_paths, c->args.set_values, c->args.n_sets};
    pp_job *job;
    pp_status status = pp_job_parse(text, s->origin, &patch, &job, err);
    if (status != PP_OK) return status;
    const char *directory = c->args.output != NULL ? c->args.output : job->output;
    if (*s->directory != '\0')
        ; /* the run's own */
    else if (*directory != '\0')
        snprintf(s->directory, sizeof s->directory, "%s", directory);
    else
        snprintf(s->directory, sizeof s->directory, "runs/%s", job->name);
    pp_json_writer *w = pp_json_writer_create(2);
    if (w != NULL) pp_job_echo(job, w);
    const char *echo = w != NULL ? pp_json_text(w, NULL) : NULL;
    s->job = echo != NULL ? strdup(echo) : NULL;
    pp_json_writer_destroy(w);
    pp_job_destroy(job);
    return s->job != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* Rank 0. */
static pp_status read_subject(cli *c, subject *s, pp_error *err)
{
    const char *path = c->args.positional[0];
    char verdict[PATH_MAX], *text = NULL;
    int is_run = pp_fs_is_directory(path);
    int fits =
        snprintf(s->origin, sizeof s->origin, is_run ? "%s/job.json" : "%s", path) < PATH_MAX;
    if (!fits || snprintf(verdict, sizeof verdict, "%s/verdict.json", path) >= PATH_MAX)
        return pp_fail(err, PP_E_ARG, "%s: path is too long", path);
    if (is_run) snprintf(s->directory, sizeof s->directory, "%s", path);
    pp_status status = pp_fs_read(s->origin, &text, NULL, err);
    if (status == PP_E_IO) status = PP_E_ARG;
    if (status == PP_OK) status = with_sets(c, s, text, err);
    if (status == PP_OK && is_run && c->args.n_sets == 0 && pp_fs_exists(verdict))
        status = pp_fs_read(verdict, &s->verdict, NULL, err);
    free(text);
    return status;
}

static pp_status load(cli *c, subject *s, pp_error *err)
{
    memset(s, 0, sizeof *s);
    pp_status status = pp_comm_rank(c->world) == 0 ? read_subject(c, s, err) : PP_OK;
    status = pp_comm_agree(c->world, status, err);
    if (status != PP_OK) return status;
    pp_comm_broadcast(c->world, 0, s->origin, sizeof s->origin);
    pp_comm_broadcast(c->world, 0, s->directory, sizeof s->directory);
    status = share_text(c->world, &s->job, err);
    if (status == PP_OK) status = share_text(c->world, &s->verdict, err);
    return status;
}

static void print(cli *c, const pp_why *why, const char *directory)
{
    if (!c->args.json) {
        pp_style style = pp_style_of(stdout);
        if (c->launched) style.terminal = style.colour = 0;
        pp_report_why(stdout, style, why);
        printf("\nEverything: %s/why.json%s%s%s\n", directory,
               why->remedy >= 0 ? "; the job with the remedy: " : "",
               why->remedy >= 0 ? directory : "", why->remedy >= 0 ? "/fixed.json" : "");
        return;
    }
    pp_json_writer *w = pp_json_writer_create(2);
    if (w == NULL) return;
    pp_json_begin_object(w, NULL);
    pp_why_write(why, w);
    pp_json_end_object(w);
    const char *text = pp_json_text(w, NULL);
    if (text != NULL) puts(text);
    pp_json_writer_destroy(w);
}

static int run(cli *c)
{
    pp_error err = {0};
    subject s;
    pp_why *why = NULL;
    int stopped = 0;
    double budget = c->args.budget != NULL ? atof(c->args.budget) : 0;
    pp_status status = load(c, &s, &err);
    if (status == PP_OK) {
        pp_why_spec spec = {.job = s.job,
                            .origin = s.origin,
                            .verdict = s.verdict,
                            .directory = s.directory,
                            .causes = c->args.causes,
                            .budget = budget,
                            .comm = c->world,
                            .backend = pp_backend_cpu(),
                            .log = &c->log,
                            .stop = &cli_stop};
        status = pp_why_run(&spec, &why, &stopped, &err);
    }
    if (why != NULL) print(c, why, s.directory);
    pp_why_destroy(why);
    free(s.job);
    free(s.verdict);
    if (status != PP_OK) return cli_fail(c, status, &err);
    return stopped ? 5 : 0;
}

static const cli_option options[] = {
    CLI_OPTION("--set", NULL, "PATH=VALUE", CLI_SET, n_sets,
               "change a key of the job, such as training.epochs=3; may be repeated"),
    CLI_OPTION("--output", "-o", "DIR", CLI_TEXT, output,
               "where why.json, fixed.json and the trials go (default: the run directory)"),
    CLI_OPTION("--budget", NULL, "TIMES", CLI_TEXT, budget,
               "what the experiments may cost, in trainings of the job (default 3; more for a job "
               "of seconds)"),
    CLI_OPTION("--causes", NULL, "LIST", CLI_TEXT, causes, "probe these alone, commas between"),
    CLI_OPTION("--json", NULL, NULL, CLI_FLAG, json, "print the answer as JSON"),
    CLI_OPTION("--quiet", "-q", NULL, CLI_FLAG, quiet, "warnings and errors only"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_why = {
    .name = "why",
    .positionals = "JOB|RUN",
    .help = "find the cause of a collapse by experiment",
    .least = 1,
    .most = 1,
    .parallel = 1,
    .options = options,
    .run = run,
    .notes =
        "Trains the job with one change at a time, several at once where there are ranks, and "
        "names the cause\nwhose removal alone restores the skill. Stopped or killed, it goes on "
        "where it was when run again.",
};
