/* The table of the verdicts: the first predicate that holds names it. */
#include "pitprop/verdict.h"

#include <math.h>
#include <string.h>

#include "facts.h"

static void put_test(pp_verdict *v, pp_verdict_test test)
{
    if (v->n_tests < PP_VERDICT_TESTS && !isnan(test.value)) v->tests[v->n_tests++] = test;
}

/* The tests of one part of the rows. */
static void put_tests(pp_verdict *v, const pp__facts *f, const char *const names[3])
{
    const pp_summary *s = f->s;
    if (!f->varied) return;
    double width = f->skill_error;
    put_test(v, (pp_verdict_test){names[0], "predictions are independent of the targets",
                                  s->association, NAN, NAN, f->level, f->associated});
    double effect = pp__is_classification(s) ? s->auc : s->correlation;
    double none = pp__is_classification(s) ? 0.5 : 0.0;
    put_test(v, (pp_verdict_test){names[1],
                                  "the effect is worth having (AUC 0.05 from 0.5, correlation 0.1)",
                                  effect, effect - f->effect_error, effect + f->effect_error,
                                  f->level, fabs(effect - none) + f->effect_error < f->useful});
    put_test(v, (pp_verdict_test){names[2], "no better than the best constant answer", s->skill,
                                  s->skill - width, s->skill + width, f->level, f->skilled});
}

pp_verdict pp_verdict_of(const pp_evidence *evidence)
{
    static const char *const of_train[] = {"train association", "train effect", "train skill"};
    static const char *const of_held[] = {"held-out association", "held-out effect",
                                          "held-out skill"};
    pp_verdict v;
    memset(&v, 0, sizeof v);
    pp__case c = pp__case_of(evidence, evidence->alpha / 2);
    v.id = PP_VERDICT_HEALTHY;
    for (int id = PP_VERDICT_COUNT - 1; id >= 0; id--) {
        if (!pp__holds((pp_verdict_id)id, &c)) continue;
        v.id = (pp_verdict_id)id;
        v.holds |= 1u << id;
    }
    for (int id = PP_VERDICT_UNDETERMINED; id < PP_VERDICT_COUNT; id++)
        if (v.id != (pp_verdict_id)id) v.holds &= ~(1u << id); /* nothing else holds with these */
    v.collapse = pp_verdict_is_collapse(v.id) || (v.id == PP_VERDICT_NOT_YET_LEARNED && !c.falling);
    if (v.id == PP_VERDICT_WORSE_THAN_CONSTANT) v.reason = pp__reason_of(&c);
    put_tests(&v, &c.train, of_train);
    if (c.has_held_out) put_tests(&v, &c.judged, of_held);
    pp__say(&v, &c);
    return v;
}

#define NAME(name, id, collapse, title) id,
#define COLLAPSE(name, id, collapse, title) collapse,
#define TITLE(name, id, collapse, title) title,
static const char *const names[] = {PP_VERDICT_LIST(NAME)};
static const int collapses[] = {PP_VERDICT_LIST(COLLAPSE)};
static const char *const titles[] = {PP_VERDICT_LIST(TITLE)};
#define REASON(name, id) id,
static const char *const reasons[] = {PP_REASON_LIST(REASON)};
#undef REASON
#undef NAME
#undef COLLAPSE
#undef TITLE

const char *pp_verdict_name(pp_verdict_id id)
{
    return names[id];
}

pp_verdict_id pp_verdict_by_name(const char *name)
{
    int id = 0;
    while (id < PP_VERDICT_COUNT && strcmp(names[id], name) != 0)
        id++;
    return (pp_verdict_id)id;
}

const char *pp_verdict_title(pp_verdict_id id)
{
    return titles[id];
}

const char *pp_reason_name(pp_reason reason)
{
    return reasons[reason];
}

int pp_verdict_is_collapse(pp_verdict_id id)
{
    return collapses[id];
}

static void put_names(pp_json_writer *writer, const pp_evidence *e, const pp_summary *s, int count,
                      const int *first)
{
    for (int i = 0; i < count && i < PP_DEAD_LISTED; i++) {
        char name[80];
        pp__part_name(e, s, first[i], name, sizeof name);
        pp_json_put_string(writer, NULL, name);
    }
}

static void put_dead(pp_json_writer *writer, const pp_evidence *e)
{
    const pp_summary *s = e->held_out != NULL && e->held_out->rows > 0 ? e->held_out : e->train;
    pp_json_begin_array(writer, "dead");
    put_names(writer, e, s, s->dead, s->dead_list);
    put_names(writer, e, s, s->unrelated, s->unrelated_list);
    pp_json_end_array(writer);
}

static void put_part(pp_json_writer *writer, const char *key, const pp_summary *summary)
{
    if (summary == NULL || summary->rows == 0) return;
    pp_json_begin_object(writer, key);
    pp_summary_write(summary, writer);
    pp_json_end_object(writer);
}

static void put_called(pp_json_writer *writer, const pp_history *h)
{
    if (h == NULL || h->called == 0) return;
    pp_json_begin_object(writer, "called");
    pp_json_put_string(writer, "verdict", pp_verdict_name(h->called_id));
    pp_json_put_int(writer, "step", h->called_step);
    pp_json_put_number(writer, "share", h->called_share);
    pp_json_end_object(writer);
}

static void put_non_finite(pp_json_writer *writer, const pp_history *h)
{
    if (h == NULL || h->non_finite.step == 0) return;
    pp_json_begin_object(writer, "first_non_finite");
    pp_json_put_int(writer, "step", h->non_finite.step);
    pp_json_put_string(writer, "place", h->non_finite.place);
    if (h->non_finite.row >= 0) pp_json_put_int(writer, "row", h->non_finite.row);
    pp_json_end_object(writer);
}

static void put_split(pp_json_writer *writer, const pp_split *split)
{
    if (split == NULL || split->groups == 0) return;
    pp_json_begin_object(writer, "groups");
    pp_json_put_int(writer, "compared", split->groups);
    pp_json_put_int(writer, "constant", split->constant);
    pp_json_put_number(writer, "within", split->within);
    pp_json_put_number(writer, "between", split->between);
    pp_json_begin_array(writer, "odd");
    for (int i = 0; i < split->odd && i < PP_ODD_LISTED; i++) {
        pp_json_begin_object(writer, NULL);
        pp_json_put_int(writer, "group", split->odd_groups[i].group);
        pp_json_put_string(writer, "how", pp_odd_text(split->odd_groups[i].how));
        pp_json_put_number(writer, "correlation", split->odd_groups[i].correlation);
        pp_json_put_number(writer, "offset", split->odd_groups[i].offset);
        pp_json_end_object(writer);
    }
    pp_json_end_array(writer);
    pp_json_end_object(writer);
}

static void write_test(pp_json_writer *writer, const pp_verdict_test *test)
{
    pp_json_begin_object(writer, NULL);
    pp_json_put_string(writer, "test", test->name);
    pp_json_put_string(writer, "null", test->null);
    pp_json_put_number(writer, "value", test->value);
    if (!isnan(test->low)) {
        pp_json_put_number(writer, "low", test->low);
        pp_json_put_number(writer, "high", test->high);
    }
    pp_json_put_number(writer, "level", test->level);
    pp_json_put_bool(writer, "rejected", test->rejected);
    pp_json_end_object(writer);
}

void pp_verdict_put(const pp_verdict *v, const pp_evidence *evidence, pp_json_writer *writer)
{
    pp_json_put_string(writer, "verdict", pp_verdict_name(v->id));
    pp_json_put_bool(writer, "collapse", v->collapse);
    pp_json_begin_array(writer, "also");
    for (int id = (int)v->id + 1; id < PP_VERDICT_COUNT; id++)
        if (v->holds >> id & 1)
            pp_json_put_string(writer, NULL, pp_verdict_name((pp_verdict_id)id));
    pp_json_end_array(writer);
    if (v->reason != PP_REASON_NONE)
        pp_json_put_string(writer, "reason", pp_reason_name(v->reason));
    if (v->id == PP_VERDICT_PARTLY_DEAD) put_dead(writer, evidence);
    pp_json_put_string(writer, "sentence", v->sentence);
    put_non_finite(writer, evidence->history);
    put_called(writer, evidence->history);
    pp_json_begin_array(writer, "tests");
    for (int i = 0; i < v->n_tests; i++)
        write_test(writer, &v->tests[i]);
    pp_json_end_array(writer);
    pp_json_begin_object(writer, "evidence");
    put_part(writer, "train", evidence->train);
    put_part(writer, "held_out", evidence->held_out);
    put_part(writer, "running", evidence->running);
    put_split(writer, evidence->split);
    pp_json_end_object(writer);
}

void pp_verdict_write(const pp_verdict *v, const pp_evidence *evidence, pp_json_writer *writer)
{
    pp_json_begin_object(writer, NULL);
    pp_verdict_put(v, evidence, writer);
    pp_json_end_object(writer);
}
