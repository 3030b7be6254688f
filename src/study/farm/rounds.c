#include "rounds.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "pitprop/json.h"

enum { BEFORE_PATCH = 4 }; /* id, work, serial, lanes; then path and value of each change */

static char *trials_to_text(const pp_farm_trial *trials, int n)
{
    pp_json_writer *w = pp_json_writer_create(0);
    if (w == NULL) return NULL;
    pp_json_begin_array(w, NULL);
    for (int i = 0; i < n; i++) {
        pp_json_begin_array(w, NULL);
        pp_json_put_string(w, NULL, trials[i].id);
        pp_json_put_number(w, NULL, trials[i].work);
        pp_json_put_number(w, NULL, trials[i].serial);
        pp_json_put_int(w, NULL, trials[i].lanes);
        for (int k = 0; k < trials[i].patch.count; k++) {
            pp_json_put_string(w, NULL, trials[i].patch.paths[k]);
            pp_json_put_string(w, NULL, trials[i].patch.values[k]);
        }
        pp_json_end_array(w);
    }
    pp_json_end_array(w);
    const char *text = pp_json_text(w, NULL);
    char *copy = text != NULL ? strdup(text) : NULL;
    pp_json_writer_destroy(w);
    return copy;
}

/* Strings stay the document's. */
static pp_status trials_from(const pp_json *list, pp_arena *arena, pp_farm_trial **trials,
                             pp_error *err)
{
    int64_t n = pp_json_count(list);
    *trials = PP_ARENA_NEW(arena, pp_farm_trial, n + 1);
    if (*trials == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        const pp_json *row = pp_json_at(list, i);
        pp_farm_trial *trial = &(*trials)[i];
        int count = (int)((pp_json_count(row) - BEFORE_PATCH) / 2);
        const char **texts = PP_ARENA_NEW(arena, const char *, 2 * count + 1);
        if (texts == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
        trial->id = pp_json_string(pp_json_at(row, 0));
        trial->work = pp_json_number(pp_json_at(row, 1));
        trial->serial = pp_json_number(pp_json_at(row, 2));
        trial->lanes = (int64_t)pp_json_number(pp_json_at(row, 3));
        trial->patch = (pp_patch){texts, texts + count, count};
        for (int k = 0; k < count; k++) {
            texts[k] = pp_json_string(pp_json_at(row, BEFORE_PATCH + 2 * k));
            texts[count + k] = pp_json_string(pp_json_at(row, BEFORE_PATCH + 1 + 2 * k));
        }
    }
    return PP_OK;
}

/* Collective; rank 0 brings the text of the trials, the others NULL. *more: there were any. */
static pp_status run(rounds *r, const char *text, int *more, pp_error *err)
{
    pp_comm *comm = r->farm.comm;
    size_t length = text != NULL ? strlen(text) : 0;
    pp_comm_broadcast(comm, 0, &length, sizeof length);
    *more = length > 0;
    if (!*more) return PP_OK;
    char *mine = malloc(length + 1);
    pp_arena *arena = pp_arena_create();
    pp_json *list = NULL;
    pp_farm_trial *trials = NULL;
    pp_status status = PP_OK;
    if (mine == NULL || arena == NULL) status = pp_fail(err, PP_E_MEMORY, "out of memory");
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) {
        if (text != NULL) memcpy(mine, text, length + 1);
        pp_comm_broadcast(comm, 0, mine, length + 1);
        status = pp_json_parse(mine, "round", &list, err);
        if (status == PP_OK) status = trials_from(list, arena, &trials, err);
        status = pp_comm_agree(comm, status, err);
    }
    r->trials = trials;
    if (status == PP_OK)
        status = pp_farm_run(&r->farm, trials, (int)pp_json_count(list), &r->stopped, err);
    r->left = status != PP_OK || r->stopped;
    pp_json_destroy(list);
    pp_arena_destroy(arena);
    free(mine);
    return status;
}

pp_status pp__round(rounds *r, const pp_farm_trial *trials, int n, pp_error *err)
{
    int more;
    char *text = trials_to_text(trials, n);
    if (text == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_status status = run(r, text, &more, err);
    free(text);
    return status;
}

void pp__rounds_end(rounds *r)
{
    int more;
    if (!r->left) run(r, NULL, &more, NULL);
}

pp_status pp__rounds_serve(rounds *r, pp_error *err)
{
    int more = 1;
    pp_status status = PP_OK;
    while (more && status == PP_OK && !r->stopped)
        status = run(r, NULL, &more, err);
    return status;
}
