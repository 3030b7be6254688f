/* A part of the rows in place of all of them (--rows): the whole study is about the job on a copy
 * of that part, and what it finds is told of the job as it was asked about. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/causes/mend.h"
#include "study/why/why_run.h"

#include "base/fs.h"
#include "data/dataset.h"
#include "store/h5.h"
#include "run/run_files.h"

static const double most_bytes = 1e9; /* of the copy */

/* ---- which part ---- */

/* Of the training files, or of validation files; columns of x as well. */
static pp_status count_rows(const pp_job_data *data, int is_training, pp_arena *arena,
                            int64_t *rows, int64_t *columns, pp_error *err)
{
    const char **files;
    int n_files;
    pp_h5_set *x;
    *rows = 0;
    pp_status status = pp_data_expand(arena, is_training ? data->files : data->validation_files,
                                      is_training ? data->n_files : data->n_validation_files,
                                      &files, &n_files, err);
    if (status != PP_OK || n_files == 0) return status;
    status = pp_data_open_x(data, files, n_files, NULL, &x, err);
    if (status != PP_OK) return status;
    *rows = pp_h5_rows(x);
    *columns = pp_h5_columns(x);
    pp_h5_close(x);
    return PP_OK;
}

static pp_status check_size(int64_t rows, int64_t columns, pp_error *err)
{
    double bytes = 4 * (double)rows * (double)(columns + 1);
    if (bytes <= most_bytes) return PP_OK;
    return pp_fail(err, PP_E_ARG,
                   "--rows: a copy of %" PRId64 " rows takes %.3g GB, and 1 GB is the most: ask "
                   "for fewer",
                   rows, bytes / 1e9);
}

static char *echo_of(const pp_job *job)
{
    pp_json_writer *w = pp_json_writer_create(2);
    if (w != NULL) pp_job_echo(job, w);
    const char *text = w != NULL ? pp_json_text(w, NULL) : NULL;
    char *copy = text != NULL ? strdup(text) : NULL;
    pp_json_writer_destroy(w);
    return copy;
}

/* The job on the part as text, malloc'ed. */
static pp_status write_part_job(why *w, const pp_probe *probe, char **text, pp_error *err)
{
    pp_job *job;
    pp_status status = pp_job_parse(w->asked->job, w->asked->origin, &probe->patch, &job, err);
    if (status != PP_OK) return status;
    const pp_job_training *whole = &w->whole->training, *part = &job->training;
    if (part->epochs > 0) w->fewer_epochs = (double)whole->epochs / (double)part->epochs;
    if (part->steps > 0) w->fewer_steps = (double)whole->steps / (double)part->steps;
    *text = echo_of(job);
    pp_job_destroy(job);
    return *text != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* Rank 0. *text stays NULL where the part is all there is. */
static pp_status choose_part(why *w, char **text, pp_error *err)
{
    pp_arena *arena = w->result->arena;
    pp_probe probe = {0};
    int64_t held_out = 0, columns = 0;
    pp_status status = pp_job_parse(w->asked->job, w->asked->origin, NULL, &w->whole, err);
    if (status != PP_OK) return status;
    pp_case c = {
        .job = w->whole, .arena = arena, .copies = pp_arena_printf(arena, "%s/copies", w->study)};
    status = count_rows(&w->whole->data, 1, arena, &w->result->all_rows, &columns, err);
    if (status == PP_OK) status = count_rows(&w->whole->data, 0, arena, &held_out, &columns, err);
    double all = (double)w->result->all_rows, rows = w->asked->rows;
    rows = ceil(rows < 1 ? rows * all : rows);
    if (status != PP_OK || rows >= all) return status;
    status = check_size((int64_t)rows, columns, err);
    if (status == PP_OK)
        status = pp_cause_part(&c, (int64_t)rows, w->result->all_rows, held_out, &probe, err);
    if (status == PP_OK) status = write_part_job(w, &probe, text, err);
    w->part_mend = probe.mend;
    w->result->part_rows = (int64_t)rows;
    return status;
}

pp_status pp__take_part(why *w, pp_error *err)
{
    pp_comm *comm = w->asked->comm;
    char *text = NULL;
    pp_status status = PP_OK;
    if (!(w->asked->rows > 0)) return PP_OK;
    if (pp_comm_rank(comm) == 0) status = choose_part(w, &text, err);
    size_t length = text != NULL ? strlen(text) + 1 : 0;
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) pp_comm_broadcast(comm, 0, &length, sizeof length);
    if (status == PP_OK && length > 0) {
        char *mine = PP_ARENA_NEW(w->result->arena, char, length);
        if (mine == NULL) status = pp_fail(err, PP_E_MEMORY, "out of memory");
        status = pp_comm_agree(comm, status, err);
        if (status == PP_OK && text != NULL) memcpy(mine, text, length);
        if (status == PP_OK) pp_comm_broadcast(comm, 0, mine, length);
        w->part = *w->asked;
        w->part.job = mine;
        w->part.verdict = NULL; /* of all rows */
        w->spec = &w->part;
    }
    free(text);
    return status;
}

pp_status pp__write_part(const why *w, pp_error *err)
{
    char directory[PATH_MAX];
    if (w->part_mend == NULL) return PP_OK;
    if (snprintf(directory, sizeof directory, "%s/copies", w->study) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", w->study);
    pp_status status = pp_fs_make_directory(directory, err);
    if (status != PP_OK) return status;
    return pp__mend_write(&w->whole->data, w->result->part_rows, w->part_mend, err);
}

/* ---- back to all rows ---- */

static const char *times(const char *value, double factor, pp_arena *arena)
{
    double number = strtod(value, NULL);
    return factor > 0 && number > 0 ? pp_arena_printf(arena, "%.0f", ceil(number * factor)) : value;
}

pp_status pp__for_whole(const why *w, const pp_patch *patch, pp_patch *out, pp_error *err)
{
    pp_arena *arena = w->plan.arena;
    *out = *patch;
    if (w->part_mend == NULL) return PP_OK;
    out->values = PP_ARENA_NEW(arena, const char *, patch->count + 1);
    for (int i = 0; out->values != NULL && i < patch->count; i++) {
        double factor = strcmp(patch->paths[i], "training.epochs") == 0  ? w->fewer_epochs
                        : strcmp(patch->paths[i], "training.steps") == 0 ? w->fewer_steps
                                                                         : 0;
        out->values[i] = times(patch->values[i], factor, arena);
        if (out->values[i] == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    }
    return out->values != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* What the run on all rows ended as, where it is known and another thing; NULL: nothing of the
 * kind. */
static const char *other_verdict(const why *w)
{
    pp_json *known = NULL;
    const pp_experiment *job = &w->plan.experiments[PP_WHY_JOB];
    const char *name = NULL;
    if (w->asked->verdict == NULL || job->failed ||
        pp_json_parse(w->asked->verdict, PP_RUN_VERDICT, &known, NULL) != PP_OK)
        return NULL;
    const pp_json *verdict = pp_json_get(known, "verdict");
    const pp_json *collapse = pp_json_get(known, "collapse");
    if (verdict != NULL && collapse != NULL && pp_json_bool(collapse) != job->collapsed)
        name = pp_arena_strdup(w->plan.arena, pp_json_string(verdict));
    pp_json_destroy(known);
    return name;
}

/* More steps than the part has, and no more than the job has. */
static int is_for_want_of_steps(const why *w)
{
    const pp_why *r = w->result;
    pp_job *job;
    if (r->remedy < 0 || r->n_accused == 0) return 0;
    const pp_experiment *e = &r->experiments[r->accused[0]];
    if (strcmp(e->cause, "too-few-steps") != 0 ||
        pp_job_parse(w->spec->job, w->spec->origin, &e->patch, &job, NULL) != PP_OK)
        return 0;
    int is_more = pp__steps_of(job, r->part_rows) <= pp__steps_of(w->whole, r->all_rows) &&
                  job->training.early_stopping == w->whole->training.early_stopping;
    pp_job_destroy(job);
    return is_more;
}

static void leave_open(pp_why *r, const char *words)
{
    r->answer = PP_WHY_UNKNOWN;
    r->n_accused = 0;
    r->remedy = -1;
    snprintf(r->sentence, sizeof r->sentence, "%s", words);
}

void pp__say_part(why *w)
{
    pp_why *r = w->result;
    char words[256];
    if (w->part_mend == NULL) return;
    const char *whole = other_verdict(w);
    if (whole != NULL) {
        snprintf(words, sizeof words,
                 "All rows ended as %s, a part of them as %s: what decides does not show on so "
                 "few. Ask of more (--rows).",
                 whole, r->experiments[PP_WHY_JOB].verdict);
        leave_open(r, words);
    } else if (is_for_want_of_steps(w)) {
        leave_open(r,
                   "More steps would repair the job on a part of its rows, where it has fewer of "
                   "them than on all rows: that says nothing of the job. Ask of more (--rows).");
    } else if (r->remedy >= 0 && r->experiments[r->remedy].mended) {
        r->remedy = -1; /* a copy of a part is no data to train on */
    }
    size_t used = strlen(r->sentence);
    snprintf(r->sentence + used, sizeof r->sentence - used,
             " Asked and verified on %" PRId64 " of %" PRId64
             " rows, from all over the files: %s.h5, of "
             "which row numbers are.",
             r->part_rows, r->all_rows, w->part_mend->files);
}
