/* A sweep on Slurm: one job, or an array of workers that share its directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"

#include "study/farm/farm.h"
#include "base/fs.h"
#include "study/sweep/sweep.h"

/* What the sweep file says. *rounds: nobody may leave before all trials have ended. */
static pp_status place(const cli_args *args, cli_batch *b, int *rounds, pp_error *err)
{
    char *text = NULL, *job = NULL;
    pp_sweep *sweep = NULL;
    pp_sweep_table *table = NULL;
    pp_status status = PP_OK;
    if (args->n_sets > 0)
        status = pp_fail(err, PP_E_ARG, "--set: a sweep takes no changes; make them in its file");
    if (status == PP_OK) status = cli_read_sweep(b->path, &text, &job, err);
    if (status == PP_OK) status = pp_sweep_parse(text, b->path, job, &sweep, err);
    if (status == PP_OK) status = pp_sweep_plan(sweep, &table, err);
    if (status == PP_OK) {
        const char *directory = args->output != NULL ? args->output : pp_sweep_directory(sweep);
        snprintf(b->name, sizeof b->name, "%s", table->name);
        *rounds = pp_sweep_has_rounds(sweep);
        if (snprintf(b->directory, PATH_MAX, "%s", directory) >= PATH_MAX)
            status = pp_fail(err, PP_E_ARG, "%s: path is too long", directory);
    }
    pp_sweep_table_destroy(table);
    pp_sweep_destroy(sweep);
    free(text);
    free(job);
    return status;
}

pp_status cli_submit_sweep(cli_args *args, const char *path, pp_error *err)
{
    cli_batch b = {.command = "sweep", .path = path};
    int rounds;
    pp_status status = place(args, &b, &rounds, err);
    return status == PP_OK ? cli_batch_submit(args, &b, err) : status;
}

/* ---- what Slurm says ---- */

/* The value of a line "NAME   = VALUE"; NULL: there is none. Cuts the text. */
static char *setting(char *text, const char *name)
{
    char *line = text;
    while ((line = strstr(line, name)) != NULL) {
        char *value = line + strlen(name) + strspn(line + strlen(name), " ");
        if ((line == text || line[-1] == '\n') && *value == '=') {
            value += 1 + strspn(value + 1, " ");
            value[strcspn(value, " \n")] = '\0';
            return value;
        }
        line++;
    }
    return NULL;
}

typedef struct slurm {
    long long most_tasks; /* of an array */
    char cluster[256];    /* its name */
} slurm;

static pp_status ask(slurm *s, pp_error *err)
{
    char *text = NULL;
    pp_status status = cli_slurm_says("scontrol show config", &text, err);
    if (status != PP_OK) return status;
    char *copy = strdup(text), *tasks = setting(text, "MaxArraySize");
    char *cluster = copy != NULL ? setting(copy, "ClusterName") : NULL;
    *s = (slurm){.most_tasks = tasks != NULL ? atoll(tasks) - 1 : 0}; /* numbers lie below it */
    snprintf(s->cluster, sizeof s->cluster, "%s", cluster != NULL ? cluster : "");
    free(text);
    free(copy);
    if (s->most_tasks > 0) return PP_OK;
    return pp_fail(err, PP_E_IO,
                   "this Slurm takes no arrays (MaxArraySize); use pitprop submit "
                   "sweep FILE");
}

static pp_status jobs_that_run(char **words, pp_error *err)
{
    char command[64];
    snprintf(command, sizeof command, "squeue -h -r -u %ld -o '%%F_%%K'", (long)geteuid());
    return cli_slurm_says(command, words, err);
}

/* ---- the array ---- */

/* "N" or "N%M". */
static pp_status read_workers(const char *text, long long *workers, long long *at_once,
                              pp_error *err)
{
    char number[32];
    size_t length = strcspn(text, "%");
    *at_once = 0;
    if (length >= sizeof number) length = sizeof number - 1;
    memcpy(number, text, length);
    number[length] = '\0';
    pp_status status = cli_integer("--array-workers", number, 1, 1000000000, workers, err);
    if (status == PP_OK && text[length] != '\0')
        status =
            cli_integer("--array-workers N%M: M:", text + length + 1, 1, 1000000000, at_once, err);
    return status;
}

static pp_status size_array(cli *c, const slurm *s, cli_batch *b, pp_error *err)
{
    const char *text = c->args.array_workers != NULL ? c->args.array_workers : "4";
    long long workers, at_once;
    pp_status status = read_workers(text, &workers, &at_once, err);
    if (status != PP_OK) return status;
    if (s->most_tasks > 0 && workers > s->most_tasks) {
        pp_log_write(&c->log, PP_LOG_WARN,
                     "--array-workers %s: %lld is what this Slurm takes; so "
                     "many run the whole sweep",
                     text, s->most_tasks);
        workers = s->most_tasks;
    }
    int length = snprintf(b->array, sizeof b->array, "1-%lld", workers);
    if (at_once > 0)
        snprintf(b->array + length, sizeof b->array - (size_t)length, "%%%lld", at_once);
    return PP_OK;
}

pp_status cli_submit_array(cli *c, const char *path, pp_error *err)
{
    cli_batch b = {.command = "sweep", .path = path, .nodes = "1"};
    slurm s = {0};
    int rounds;
    pp_status status = place(&c->args, &b, &rounds, err);
    if (status == PP_OK) b.flag = rounds ? NULL : "--no-wait";
    /* A script may be looked at where there is no Slurm. */
    if (status == PP_OK && ask(&s, err) != PP_OK && !c->args.dry_run) status = err->code;
    if (status == PP_OK) status = size_array(c, &s, &b, err);
    if (status == PP_OK && !c->args.dry_run)
        status = pp_farm_bury(b.directory, s.cluster, jobs_that_run, err);
    if (status == PP_OK && !c->args.dry_run && c->args.only_failed)
        status = pp_sweep_reopen(b.directory, err);
    return status == PP_OK ? cli_batch_submit(&c->args, &b, err) : status;
}
