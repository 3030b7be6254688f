#include <ctype.h>
#include <limits.h>
#include <stdio.h>

#include "cli.h"

#include "base/fs.h"
#include "report/report.h"
#include "train/trial.h"
#include "run/run_files.h"

static void print_json(const pp_job *job, const pp_result *r)
{
    pp_json_writer *w = pp_json_writer_create(2);
    if (w == NULL) return;
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "output", job->output);
    pp_json_put_bool(w, "stopped", r->stopped);
    pp_json_put_int(w, "steps", r->steps);
    pp_json_put_number(w, "seconds", r->seconds);
    pp_json_put_number(w, "rows_per_s", r->rows_per_s);
    if (!r->stopped) {
        pp_json_begin_object(w, "train");
        pp_summary_write(&r->train, w);
        pp_json_end_object(w);
        if (r->validation.rows > 0) {
            pp_json_begin_object(w, "validation");
            pp_summary_write(&r->validation, w);
            pp_json_end_object(w);
        }
        if (*r->early_stop != '\0') pp_json_put_string(w, "early_stop", r->early_stop);
        pp_json_put_string(w, "verdict", pp_verdict_name(r->verdict.id));
        pp_json_put_bool(w, "collapse", r->verdict.collapse);
        pp_json_put_string(w, "sentence", r->verdict.sentence);
    }
    pp_json_end_object(w);
    const char *text = pp_json_text(w, NULL);
    if (text != NULL) puts(text);
    pp_json_writer_destroy(w);
}

static void print_page(const cli *c, const pp_job *job, const pp_result *r)
{
    pp_style style = pp_style_of(stdout);
    if (c->launched) style.terminal = style.colour = 0;
    char duration[32];
    putchar('\n');
    if (r->validation.rows > 0) pp_report_metrics(stdout, style, "held-out rows", &r->validation);
    pp_report_metrics(stdout, style, "training rows", &r->train);
    putchar('\n');
    pp_report_distribution(stdout, style, r->sketch, (const char *const *)r->class_names);
    putchar('\n');
    pp_report_verdict(stdout, style, &r->verdict);
    pp_report_layers(stdout, style, r->layers, r->n_layers);
    if (*r->early_stop != '\0')
        printf("\n%c%s.\n", toupper((unsigned char)*r->early_stop), r->early_stop + 1);
    printf("\n%lld steps in %s (%.4g rows/s). Run directory: %s\n", (long long)r->steps,
           pp_report_duration(r->seconds, duration, sizeof duration), r->rows_per_s, job->output);
}

/* After a collapse its cause, else the model in use. */
static void tell_next(cli *c, const pp_job *job, const pp_result *r)
{
    const char *const why[] = {"why", job->output};
    const char *const use[] = {"predict", job->output, job->data.files[0], "-o", "predictions.csv"};
    int explained = job->monitor.on_collapse == PP_COLLAPSE_WHY;
    if (r->verdict.collapse && !explained) cli_next(c, why, 2);
    if (!r->verdict.collapse) cli_next(c, use, 5);
}

static int finish(cli *c, const pp_job *job, const pp_result *r)
{
    int speaks = c->log.speaks, code = 0;
    if (r->stopped) {
        pp_log_write(
            &c->log, PP_LOG_WARN,
            "stopped on request %sat step %lld with everything saved; run the same command with "
            "--resume to go on",
            r->is_idle ? "before the first step, " : "", (long long)r->steps);
        if (speaks && c->args.json) print_json(job, r);
        return 5;
    }
    if (speaks && c->args.json)
        print_json(job, r);
    else if (speaks)
        print_page(c, job, r);
    fflush(stdout);
    tell_next(c, job, r);
    int collapse = speaks && r->verdict.collapse;
    pp_comm_broadcast(c->world, 0, &collapse, sizeof collapse);
    if (collapse && job->monitor.on_collapse == PP_COLLAPSE_WHY) code = cli_explain_run(c, job);
    return code == 0 && collapse && c->args.fail_on_collapse ? 4 : code;
}

/* A run's own job.json may be run again. One that somebody has put into the directory may not be
 * replaced by what becomes of it. */
static pp_status keep_job(const cli *c, const pp_job *job, pp_error *err)
{
    static const char *const outputs[] = {PP_RUN_JOB, NULL};
    char directory[PATH_MAX], checkpoints[PATH_MAX];
    int fits = snprintf(directory, PATH_MAX, *job->output != '\0' ? "%s" : "runs/%s",
                        *job->output != '\0' ? job->output : job->name) < PATH_MAX &&
               snprintf(checkpoints, PATH_MAX, "%s/" PP_RUN_CHECKPOINTS, directory) < PATH_MAX;
    if (!fits || pp_fs_exists(checkpoints)) return PP_OK;
    return cli_keep_input_of(directory, outputs, c->args.positional[0], err);
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_job *job = NULL;
    pp_result result;
    if (c->args.resume && c->args.overwrite) {
        pp_status bad = pp_fail(&err, PP_E_ARG, "--resume and --overwrite exclude each other");
        return cli_fail(c, bad, &err);
    }
    if (c->args.output != NULL) {
        c->args.set_paths[c->args.n_sets] = "output";
        c->args.set_values[c->args.n_sets++] = c->args.output;
    }
    pp_status status = cli_load_job(c, &job, &err);
    if (status == PP_OK) status = pp_comm_agree(c->world, keep_job(c, job, &err), &err);
    if (status == PP_OK) {
        cli_warn_of_shared_cores(c);
        pp_trial_spec spec = {.job = job,
                              .comm = c->world,
                              .log = &c->log,
                              .existing = c->args.resume      ? PP_EXISTING_RESUME
                                          : c->args.overwrite ? PP_EXISTING_REPLACE
                                                              : PP_EXISTING_REFUSE,
                              .progress = pp_report_progress,
                              .progress_context = &c->log,
                              .stop = &cli_stop};
        status = pp_trial_run(&spec, &result, &err);
    }
    int code;
    if (status == PP_OK) {
        if (!result.stopped) cli_warn_of_rows(c, job, (int64_t)64 << 20);
        code = finish(c, job, &result);
        pp_result_free(&result);
    } else {
        code = cli_fail(c, status, &err);
    }
    pp_job_destroy(job);
    return code;
}

static const cli_option options[] = {
    CLI_OPTION("--set", NULL, "PATH=VALUE", CLI_SET, n_sets,
               "change a key of the job, such as training.epochs=3; may be repeated"),
    CLI_OPTION("--output", "-o", "DIR", CLI_TEXT, output, "run directory (default runs/NAME)"),
    CLI_OPTION("--resume", NULL, NULL, CLI_FLAG, resume,
               "go on from the newest complete checkpoint; start where there is none"),
    CLI_OPTION("--overwrite", NULL, NULL, CLI_FLAG, overwrite,
               "replace a run that is there already"),
    CLI_OPTION("--fail-on-collapse", NULL, NULL, CLI_FLAG, fail_on_collapse,
               "exit with 4 if the predictions have collapsed"),
    CLI_OPTION("--json", NULL, NULL, CLI_FLAG, json, "print the result as JSON"),
    CLI_OPTION("--quiet", "-q", NULL, CLI_FLAG, quiet, "warnings and errors only"),
    CLI_OPTION("--verbose", "-v", NULL, CLI_FLAG, verbose, "more messages"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_train = {
    .name = "train",
    .positionals = "JOB",
    .help = "train the model that a job file describes",
    .least = 1,
    .most = 1,
    .parallel = 1,
    .multiplies = 1,
    .saves = 1,
    .options = options,
    .run = run,
    .notes =
        "Runs as one process, under mpirun and under srun --mpi=pmix: the result is the same, bit "
        "for "
        "bit.\nCtrl-C, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 save a checkpoint and end the run with "
        "exit "
        "code 5, also while\ndata are read; a second Ctrl-C ends it at once.\n"
        "The keys of a job: pitprop schema.",
};
