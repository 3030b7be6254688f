#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "audit/candidates.h"

static const pp_task tasks[] = {[PP_SKETCH_BINARY] = PP_TASK_BINARY,
                                [PP_SKETCH_MULTICLASS] = PP_TASK_MULTICLASS,
                                [PP_SKETCH_REGRESSION] = PP_TASK_REGRESSION};

static void merge_groups(void *into, const void *from, size_t size)
{
    pp_group *to = into;
    for (size_t i = 0; i < size / sizeof *to; i++)
        pp_group_merge(to + i, (const pp_group *)from + i);
}

/* Collective: the groups of all ranks on rank 0, where they are compared. */
static pp_status compare_groups(pp_comm *comm, pp__groups *groups, double tolerance,
                                pp_split *split, pp_error *err)
{
    int64_t count = groups->count;
    pp_comm_max_i64(comm, &count, 1);
    if (count == 0) return PP_OK;
    pp_group *all = calloc((size_t)count, sizeof *all);
    pp_status status = all == NULL
                           ? pp_fail(err, PP_E_MEMORY, "no memory for %lld ranks", (long long)count)
                           : PP_OK;
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) {
        if (groups->count > 0) memcpy(all, groups->of, (size_t)groups->count * sizeof *all);
        pp_comm_merge(comm, 0, all, (size_t)count * sizeof *all, merge_groups);
        *split = pp_groups_compare(all, count, tolerance);
    }
    free(all);
    return status;
}

/* sketches [2]: rows that are not held out, and held-out ones; NULL after a failure. */
static pp_status sketch_all(pp_comm *comm, const pp_audit_spec *spec, pp__places *places,
                            pp_sketch *sketches[2], pp_sketch_shape *shape, pp__groups *groups,
                            pp_error *err)
{
    pp__survey survey;
    pp_status status = pp__survey_rows(comm, places, &survey, err);
    if (status != PP_OK) return status;
    status = pp__settle_task(spec, places, &survey, shape, err);
    for (int part = 0; part < 2 && status == PP_OK; part++) {
        sketches[part] = pp_sketch_create(shape);
        if (sketches[part] == NULL) status = pp_fail(err, PP_E_MEMORY, "no memory for a sketch");
    }
    if (status == PP_OK) status = pp__sketch_rows(spec, places, shape, sketches, groups, err);
    status = pp_comm_agree(comm, status, err);
    for (int part = 0; part < 2 && status == PP_OK; part++)
        pp_comm_merge(comm, 0, sketches[part], pp_sketch_bytes(shape), pp_sketch_merge);
    return status;
}

/* Rank 0: what the sketches say. Takes the one that is judged. */
static void judge(pp_audit *audit, pp_sketch *sketches[2])
{
    audit->train = pp_sketch_summarise(sketches[0]);
    audit->held_out = pp_sketch_summarise(sketches[1]);
    int judged = audit->held_out.rows > 0;
    audit->train.loss = audit->held_out.loss = NAN; /* what was trained on is not known */
    audit->held_out_rows = audit->held_out.rows;
    audit->sketch = sketches[judged];
    sketches[judged] = NULL;
}

/* Where there is one for each class. */
static pp_status keep_names(const pp__places *places, const pp_sketch_shape *shape, pp_audit *audit,
                            pp_error *err)
{
    int count = (int)places->n_class_names;
    audit->labels_unnamed = places->labels_unnamed;
    int classes = shape->kind == PP_SKETCH_BINARY ? 2 : shape->classes;
    if (count == 0 || count != classes || shape->kind == PP_SKETCH_REGRESSION) return PP_OK;
    audit->class_names = calloc((size_t)count, sizeof *audit->class_names);
    for (int k = 0; audit->class_names != NULL && k < count; k++) {
        audit->class_names[k] = strdup(places->class_names[k]);
        if (audit->class_names[k] == NULL) break;
        audit->n_class_names = k + 1;
    }
    return audit->n_class_names == count ? PP_OK
                                         : pp_fail(err, PP_E_MEMORY, "no memory for the classes");
}

/* Rows of which nothing is known are judged as they are; without training rows, held-out ones. */
static pp_evidence evidence_of(const pp_audit *audit)
{
    int both = audit->train.rows > 0 && audit->held_out.rows > 0;
    return (pp_evidence){.train = audit->train.rows > 0 ? &audit->train : &audit->held_out,
                         .held_out = both ? &audit->held_out : NULL,
                         .split = &audit->split,
                         .names = (const char *const *)audit->class_names,
                         .by_rank = 1,
                         .alpha = audit->alpha};
}

pp_status pp_audit_run(pp_comm *comm, const pp_audit_spec *spec, pp_audit *audit, pp_error *err)
{
    pp__places places;
    pp_sketch *sketches[2] = {NULL, NULL};
    pp_sketch_shape shape = {0};
    pp__groups groups = {NULL, 0};
    memset(audit, 0, sizeof *audit);
    audit->alpha = spec->alpha;
    pp_status status = pp__places_open(comm, spec, &places, err);
    if (status == PP_OK) status = sketch_all(comm, spec, &places, sketches, &shape, &groups, err);
    if (status == PP_OK) {
        audit->task = tasks[shape.kind];
        audit->rows = places.rows;
        if (pp_comm_rank(comm) == 0) judge(audit, sketches);
        status = pp_comm_agree(comm, keep_names(&places, &shape, audit, err), err);
    }
    if (status == PP_OK) {
        status =
            compare_groups(comm, &groups, pp_audit_judged(audit)->tolerance, &audit->split, err);
    }
    if (status == PP_OK && pp_comm_rank(comm) == 0) {
        pp_evidence evidence = evidence_of(audit);
        audit->verdict = pp_verdict_of(&evidence);
    }
    free(groups.of);
    free(sketches[0]);
    free(sketches[1]);
    pp__places_close(&places);
    return status;
}

void pp_audit_free(pp_audit *audit)
{
    free(audit->sketch);
    for (int k = 0; k < audit->n_class_names; k++)
        free(audit->class_names[k]);
    free(audit->class_names);
}

/* ---- JSON ---- */

static void write_source(const pp_audit_spec *spec, pp_json_writer *w)
{
    const struct {
        const char *key, *value;
    } places[] = {{"predictions", spec->file}, {"p", spec->p},       {"y", spec->y},
                  {"raw", spec->raw},          {"rank", spec->rank}, {"held_out", spec->held_out}};
    pp_json_begin_object(w, "source");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i].value != NULL) pp_json_put_string(w, places[i].key, places[i].value);
    pp_json_put_bool(w, "logits", spec->logits);
    pp_json_end_object(w);
}

static void write_candidates(const pp_verdict *verdict, const pp_summary *summary,
                             pp_json_writer *w)
{
    int count;
    const pp_candidate *table = pp_candidates(&count);
    pp_json_begin_array(w, "candidates");
    for (int i = 0; i < count; i++) {
        if (!pp_candidate_fits(table + i, verdict, summary)) continue;
        pp_json_begin_object(w, NULL);
        pp_json_put_string(w, "id", table[i].id);
        pp_json_put_string(w, "title", table[i].title);
        pp_json_put_string(w, "look_for", table[i].look_for);
        pp_json_put_string(w, "test", table[i].test);
        pp_json_end_object(w);
    }
    pp_json_end_array(w);
}

const pp_summary *pp_audit_judged(const pp_audit *audit)
{
    return audit->held_out.rows > 0 ? &audit->held_out : &audit->train;
}

void pp_audit_write(const pp_audit_spec *spec, const pp_audit *audit, pp_json_writer *w)
{
    static const char *const names[] = {[PP_TASK_BINARY] = "binary",
                                        [PP_TASK_MULTICLASS] = "multiclass",
                                        [PP_TASK_REGRESSION] = "regression"};
    const pp_summary *judged = pp_audit_judged(audit);
    pp_json_begin_object(w, NULL);
    write_source(spec, w);
    pp_json_put_string(w, "task", names[audit->task]);
    pp_json_put_int(w, "rows", audit->rows);
    pp_json_put_strings(w, "class_names", (const char *const *)audit->class_names,
                        audit->n_class_names);
    pp_evidence evidence = evidence_of(audit);
    pp_verdict_put(&audit->verdict, &evidence, w);
    write_candidates(&audit->verdict, judged, w);
    pp_json_end_object(w);
}
