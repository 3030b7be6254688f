#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "study/causes/cause.h"
#include "base/fs.h"
#include "report/report.h"
#include "study/why/why.h"
#include "run/run_files.h"

/* What is asked about: a job file, or a run directory with its job and perhaps its verdict. */
typedef struct subject {
    char *job, *verdict; /* texts; verdict NULL: the job has not been run */
    char origin[PATH_MAX], run[PATH_MAX], directory[PATH_MAX];
} subject;

/* Where a job writes has no part in what it is. */
static char *text_of(const pp_job *job)
{
    pp_job anywhere = *job;
    pp_json_writer *w = pp_json_writer_create(2);
    anywhere.output = "";
    if (w != NULL) pp_job_echo(&anywhere, w);
    const char *echo = w != NULL ? pp_json_text(w, NULL) : NULL;
    char *text = echo != NULL ? strdup(echo) : NULL;
    pp_json_writer_destroy(w);
    return text;
}

static pp_status place(const cli *c, const pp_job *job, int is_run, char directory[PATH_MAX],
                       pp_error *err)
{
    const char *chosen = c->args.output != NULL ? c->args.output
                         : is_run               ? c->args.positional[0]
                                                : job->output;
    int length = *chosen != '\0' ? snprintf(directory, PATH_MAX, "%s", chosen)
                                 : snprintf(directory, PATH_MAX, "runs/%s", job->name);
    if (length < PATH_MAX) return PP_OK;
    return pp_fail(err, PP_E_ARG, "%s: path is too long", chosen);
}

/* The job with --set. */
static pp_status take_job(cli *c, subject *s, const char *text, int is_run, pp_error *err)
{
    pp_patch patch = {c->args.set_paths, c->args.set_values, c->args.n_sets};
    pp_job *job;
    pp_status status = pp_job_parse(text, s->origin, &patch, &job, err);
    if (status != PP_OK) return status;
    status = place(c, job, is_run, s->directory, err);
    s->job = text_of(job);
    pp_job_destroy(job);
    if (status == PP_OK && s->job == NULL) status = pp_fail(err, PP_E_MEMORY, "out of memory");
    return status;
}

static const char *const outputs[] = {PP_RUN_WHY, PP_RUN_FIXED, NULL};

/* Rank 0. */
static pp_status read_subject(cli *c, subject *s, pp_error *err)
{
    const char *path = c->args.positional[0];
    char verdict[PATH_MAX], *text = NULL;
    int is_run = pp_fs_is_directory(path);
    int fits = snprintf(s->origin, PATH_MAX, is_run ? "%s/" PP_RUN_JOB : "%s", path) < PATH_MAX;
    if (!fits || snprintf(verdict, PATH_MAX, "%s/" PP_RUN_VERDICT, path) >= PATH_MAX)
        return pp_fail(err, PP_E_ARG, "%s: path is too long", path);
    pp_status status = pp_fs_read(s->origin, &text, NULL, err);
    /* A job that cannot be read is a wrong command line: exit code 2. */
    if (status == PP_E_IO) status = PP_E_ARG;
    if (status == PP_OK) status = take_job(c, s, text, is_run, err);
    if (status == PP_OK) status = cli_keep_input_of(s->directory, outputs, s->origin, err);
    snprintf(s->run, PATH_MAX, "%s", path);
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
    status = cli_share_text(c->world, &s->job, err);
    if (status == PP_OK) status = cli_share_text(c->world, &s->verdict, err);
    return status;
}

static void print_page(const cli *c, const pp_why *why, const char *directory)
{
    pp_style style = pp_style_of(stdout);
    if (c->launched) style.terminal = style.colour = 0;
    pp_report_why(stdout, style, why);
    printf("Everything: %s/" PP_RUN_WHY "\n", directory);
    if (why->remedy >= 0) printf("The job with the remedy: %s/" PP_RUN_FIXED "\n", directory);
}

static void print_json(const pp_why *why)
{
    pp_json_writer *w = pp_json_writer_create(2);
    if (w == NULL) return;
    pp_json_begin_object(w, NULL);
    pp_why_write(why, w);
    pp_json_end_object(w);
    const char *text = pp_json_text(w, NULL);
    if (text != NULL) puts(text);
    pp_json_writer_destroy(w);
}

static int explain(cli *c, const subject *s, double budget, double rows)
{
    pp_error err = {0};
    pp_why *why = NULL;
    int stopped = 0;
    pp_why_spec spec = {.job = s->job,
                        .origin = s->origin,
                        .verdict = s->verdict,
                        .run = s->run,
                        .directory = s->directory,
                        .causes = c->args.causes,
                        .budget = budget,
                        .rows = rows,
                        .replace = c->args.overwrite,
                        .comm = c->world,
                        .log = &c->log,
                        .stop = &cli_stop};
    pp_status status = pp_why_run(&spec, &why, &stopped, &err);
    if (why != NULL && c->args.json && c->command == &cli_why)
        print_json(why);
    else if (why != NULL && !c->args.json)
        print_page(c, why, s->directory);
    pp_why_destroy(why);
    if (status != PP_OK) return cli_fail(c, status, &err);
    if (stopped)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "stopped on request; run the same command again to go on");
    return stopped ? 5 : 0;
}

int cli_explain_run(cli *c, const pp_job *job)
{
    pp_error err = {0};
    subject s = {.job = text_of(job)};
    char verdict[PATH_MAX];
    int fits = snprintf(s.directory, PATH_MAX, "%s", job->output) < PATH_MAX &&
               snprintf(s.run, PATH_MAX, "%s", job->output) < PATH_MAX &&
               snprintf(s.origin, PATH_MAX, "%s/" PP_RUN_JOB, job->output) < PATH_MAX &&
               snprintf(verdict, PATH_MAX, "%s/" PP_RUN_VERDICT, job->output) < PATH_MAX;
    pp_status status = PP_OK;
    if (!fits) status = pp_fail(&err, PP_E_ARG, "%s: path is too long", job->output);
    if (s.job == NULL) status = pp_fail(&err, PP_E_MEMORY, "out of memory");
    if (status == PP_OK && pp_comm_rank(c->world) == 0)
        status = pp_fs_read(verdict, &s.verdict, NULL, &err);
    status = pp_comm_agree(c->world, status, &err);
    if (status == PP_OK) status = cli_share_text(c->world, &s.verdict, &err);
    int code = status == PP_OK ? explain(c, &s, 0, 0) : cli_fail(c, status, &err);
    free(s.job);
    free(s.verdict);
    return code;
}

/* ---- the table of causes ---- */

static void list_causes(void)
{
    int count;
    const pp_cause *causes = pp_causes(&count);
    for (int i = 0; i < count; i++)
        printf("%-30s %s\n", causes[i].id, causes[i].title);
}

static pp_status explain_cause(const char *id, int speaks, pp_error *err)
{
    const pp_cause *cause = pp_cause_find(id, strlen(id));
    if (cause == NULL)
        return pp_fail(err, PP_E_ARG, "--explain %s: no such cause; pitprop why --list names them",
                       id);
    if (speaks)
        printf("# %s: %s\n\n%s\nIn one line: %s\n", cause->id, cause->title, pp_cause_prose(cause),
               cause->transfer);
    return PP_OK;
}

static pp_status check_causes(const char *list, pp_error *err)
{
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (pp_cause_find(at, length) == NULL)
            return pp_fail(err, PP_E_ARG,
                           "--causes: '%.*s' is no cause; pitprop why --list names them",
                           (int)length, at);
        at += length + (at[length] == ',');
    }
    return PP_OK;
}

static pp_status read_budget(const char *text, double *budget, pp_error *err)
{
    char *end;
    if (text == NULL) return PP_OK;
    *budget = strtod(text, &end);
    if (end != text && *end == '\0' && *budget > 0 && *budget < 1e9) return PP_OK;
    return pp_fail(err, PP_E_ARG, "--budget %s: wants a number above 0, such as 3", text);
}

/* "20000", "0.1" or "10%". */
static pp_status read_rows(const char *text, double *rows, pp_error *err)
{
    char *end;
    if (text == NULL) return PP_OK;
    *rows = strtod(text, &end);
    int is_share = strcmp(end, "%") == 0, is_number = end != text && (is_share || *end == '\0');
    if (is_share) *rows /= 100;
    int is_count = !is_share && *rows >= 1 && *rows == floor(*rows) && *rows < 1e15;
    if (is_number && (is_count || (*rows > 0 && *rows < 1))) return PP_OK;
    return pp_fail(err, PP_E_ARG,
                   "--rows %s: wants how many rows, such as 20000, or a share, such as 0.1 or 10%%",
                   text);
}

static int run(cli *c)
{
    pp_error err = {0};
    subject s = {0};
    double budget = 0, rows = 0;
    if (c->args.list || c->args.explain != NULL) {
        if (c->args.list && c->log.speaks) list_causes();
        pp_status told =
            c->args.explain == NULL ? PP_OK : explain_cause(c->args.explain, c->log.speaks, &err);
        return told == PP_OK ? 0 : cli_fail(c, told, &err);
    }
    pp_status status = read_budget(c->args.budget, &budget, &err);
    if (status == PP_OK) status = read_rows(c->args.rows_asked, &rows, &err);
    if (status == PP_OK) status = check_causes(c->args.causes, &err);
    if (status == PP_OK && c->args.n_positional == 0)
        status = pp_fail(&err, PP_E_ARG, "why: wants JOB or RUN; see pitprop why --help");
    if (status == PP_OK) status = load(c, &s, &err);
    int code = status == PP_OK ? explain(c, &s, budget, rows) : cli_fail(c, status, &err);
    free(s.job);
    free(s.verdict);
    return code;
}

static const cli_option options[] = {
    CLI_OPTION("--set", NULL, "PATH=VALUE", CLI_SET, n_sets,
               "change a key of the job, such as training.epochs=3; may be repeated"),
    CLI_OPTION("--output", "-o", "DIR", CLI_TEXT, output,
               "where why.json, fixed.json and the trials go (default: the run directory)"),
    CLI_OPTION("--budget", NULL, "TIMES", CLI_TEXT, budget,
               "what the experiments may cost, in trainings of the job (default 3; more for a job "
               "of seconds)"),
    CLI_OPTION(
        "--rows", NULL, "N|SHARE", CLI_TEXT, rows_asked,
        "ask about the job on so many of its rows (20000) or such a share of them (10%), from "
        "all over the files: cheaper"),
    CLI_OPTION("--causes", NULL, "LIST", CLI_TEXT, causes, "probe these alone, commas between"),
    CLI_OPTION("--list", NULL, NULL, CLI_FLAG, list, "list the causes"),
    CLI_OPTION("--explain", NULL, "CAUSE", CLI_TEXT, explain,
               "what a cause is, how it shows, how to find it in PyTorch, the remedy"),
    CLI_OPTION("--overwrite", NULL, NULL, CLI_FLAG, overwrite,
               "remove the experiments on another job that are there"),
    CLI_OPTION("--json", NULL, NULL, CLI_FLAG, json, "print the answer as JSON"),
    CLI_OPTION("--quiet", "-q", NULL, CLI_FLAG, quiet, "warnings and errors only"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_why = {
    .name = "why",
    .positionals = "JOB|RUN",
    .help = "find the cause of a collapse by experiment",
    .least = 0,
    .most = 1,
    .parallel = 1,
    .multiplies = 1,
    .saves = 1,
    .options = options,
    .run = run,
    .notes =
        "Trains the job with one change at a time, several at once where there are ranks, and "
        "names the cause\nwhose removal alone restores the skill. Stopped or killed, it goes on "
        "where it was when run again.",
};
