/* Class by class: what is dead or never answered, what the answers are worth, and what simple
 * repairs would make of the skill. */
#include <math.h>

#include "facts.h"
#include "layout.h"
#include "statistics.h"
#include "pitprop/check.h"

int64_t pp_sketch_targets(const pp_sketch *sketch, int class_index)
{
    PP_CHECK(class_index >= 0 && class_index < sketch->classes);
    return pp__counts(sketch)[sketch->targets + class_index];
}

int64_t pp_sketch_answers(const pp_sketch *sketch, int class_index)
{
    PP_CHECK(class_index >= 0 && class_index < sketch->classes);
    return pp__counts(sketch)[sketch->answers + class_index];
}

int64_t pp_sketch_confusion(const pp_sketch *sketch, int target, int predicted)
{
    int k = sketch->classes;
    PP_CHECK(target >= 0 && target < k && predicted >= 0 && predicted < k);
    const int64_t *counts = pp__counts(sketch);
    if (target == predicted) return counts[sketch->hits + target];
    if (k > CONFUSION_CLASSES) return -1;
    return counts[sketch->confusion + (int64_t)target * k + predicted];
}

#define SAME 0.02     /* deviation of probabilities that are the same, in the targets' */
#define SAME_ODDS 0.1 /* or of their log-odds */
enum { FEW = 20 };

static int64_t labelled_rows(const pp_sketch *sketch)
{
    int64_t rows = 0;
    for (int c = 0; c < sketch->classes; c++)
        rows += pp_sketch_targets(sketch, c);
    return rows;
}

/* Of a share of so many rows, never 0: two rows more of each kind, after Agresti and Coull (The
 * American Statistician 52, 1998). */
static double share_variance(double hits, double rows)
{
    double share = (hits + 2) / (rows + 4);
    return share * (1 - share) / (rows + 4);
}

static void put_decision(const pp_sketch *sketch, double rows, pp_summary *s)
{
    double sum = 0, variance = 0, k = s->classes_present;
    if (s->classes_present < 2) return;
    for (int c = 0; c < sketch->classes; c++) {
        double targets = (double)pp_sketch_targets(sketch, c);
        double answers = (double)pp_sketch_answers(sketch, c);
        double hits = (double)pp_sketch_confusion(sketch, c, c);
        if (targets == 0) continue;
        sum += hits / targets - (answers - hits) / (rows - targets);
        /* the two shares are of other rows; of several classes, of the same rows */
        variance += share_variance(hits, targets);
    }
    s->decision = sum / k;
    s->decision_error = sqrt(variance) / k * (sketch->kind == PP_SKETCH_BINARY ? 2 : 1);
}

/* Pearson's chi-squared of targets and answers, as a normal deviate (Wilson and Hilferty, PNAS 17,
 * 1931). Cells of which less than one row is expected are one cell: they would decide by lot. */
static double dependence_of(const pp_sketch *sketch, double rows, const pp_summary *s)
{
    double freedom = (s->classes_present - 1.0) * (s->classes_predicted - 1.0);
    double sum = 0, rare_seen = 0, rare = 0;
    if (sketch->classes > CONFUSION_CLASSES || freedom < 1) return NAN;
    if (rows < FEW || rows < s->classes_present * s->classes_predicted) return NAN;
    for (int c = 0; c < sketch->classes; c++)
        for (int a = 0; a < sketch->classes; a++) {
            double seen = (double)pp_sketch_confusion(sketch, c, a);
            double expected =
                (double)pp_sketch_targets(sketch, c) * (double)pp_sketch_answers(sketch, a) / rows;
            if (expected >= 1) sum += (seen - expected) * (seen - expected) / expected;
            rare_seen += expected < 1 ? seen : 0;
            rare += expected < 1 ? expected : 0;
        }
    if (rare >= 1) sum += (rare_seen - rare) * (rare_seen - rare) / rare;
    double variance = 2 / (9 * freedom);
    return (cbrt(sum / freedom) - (1 - variance)) / sqrt(variance);
}

/* The share of rows that would be right if class numbers meant something else: each class takes the
 * answer that most of its rows get, if it is no other's yet; those with most such rows first. */
static double mapped_share(const pp_sketch *sketch, double rows)
{
    int k = sketch->classes;
    char taken[CONFUSION_CLASSES] = {0}, done[CONFUSION_CLASSES] = {0};
    int64_t right = 0;
    if (k > CONFUSION_CLASSES) return NAN;
    for (int step = 0; step < k; step++) {
        int64_t most = 0;
        int target = -1, answer = -1;
        for (int c = 0; c < k; c++)
            for (int a = 0; a < k && !done[c]; a++) {
                int64_t here = taken[a] ? 0 : pp_sketch_confusion(sketch, c, a);
                if (here <= most) continue;
                most = here;
                target = c;
                answer = a;
            }
        if (target < 0) break;
        done[target] = taken[answer] = 1;
        right += most;
    }
    return (double)right / rows;
}

/* A class whose probability is the same for every row, and says nothing, or stays far below the
 * share of its rows. */
static int is_dead(const pp_sketch *sketch, const pp_part_summary *part, const pp__repair *r,
                   const pp__auc *auc, double rows)
{
    double share = part->target_mean, pq = share * (1 - share), targets = share * rows;
    double z = pp__two_sided_z(PP__DEAD_LEVEL / sketch->classes);
    double same = fmin(SAME, SAME_ODDS * sqrt(pq));
    double error = sqrt((rows + 1) / (12 * rows * rows * pq));
    if (rows < FEW || !(part->spread <= same) || fabs(auc->z) > z) return 0;
    int is_missed = targets - part->mean * rows > z * sqrt(part->mean * rows + 1);
    (void)r;
    return is_missed || fabs(auc->value - 0.5) + z * fmax(error, auc->error) < PP__USEFUL_AUC;
}

/* A class whose probability varies, and no more for its rows than for others. */
static int is_unrelated(const pp_sketch *sketch, const pp_part_summary *part, const pp__auc *auc,
                        double rows)
{
    double pq = part->target_mean * (1 - part->target_mean);
    double error = fmax(auc->error, sqrt((rows + 1) / (12 * rows * rows * pq)));
    double z = pp__two_sided_z(PP__UNRELATED_LEVEL / sketch->classes);
    return !part->dead && rows >= FEW && fabs(auc->z) < z &&
           fabs(auc->value - 0.5) + z * error < PP__USEFUL_AUC;
}

static pp_part_summary part_of(const pp_sketch *sketch, int c, const pp__repair *r, double rows)
{
    double targets = (double)pp_sketch_targets(sketch, c);
    double answers = (double)pp_sketch_answers(sketch, c);
    double hits = (double)pp_sketch_confusion(sketch, c, c), share = targets / rows;
    pp__auc auc = pp__class_auc(sketch, c);
    pp_part_summary part = {.index = c,
                            .mean = r->mean,
                            .spread = r->deviation / sqrt(share * (1 - share)),
                            .target_mean = share,
                            .effect = auc.value,
                            .association = auc.z,
                            .skill = r->known ? r->given.skill : (double)NAN,
                            .skill_error = r->known ? r->given.error : (double)NAN,
                            .recall = targets > 0 ? hits / targets : (double)NAN,
                            .precision = answers > 0 ? hits / answers : (double)NAN};
    part.dead = r->known && is_dead(sketch, &part, r, &auc, rows);
    part.unrelated = r->known && is_unrelated(sketch, &part, &auc, rows);
    return part;
}

/* Each class against the rest: sums of losses, and of their errors. */
typedef struct sums {
    double base, turned, turned_error, shifted, shifted_error, scaled, scaled_error;
    double offset, intercept, slope, decision, calibration;
    int classes;
} sums;

static void add_repair(sums *all, const pp__repair *r)
{
    double base = r->given.base;
    all->classes++;
    all->base += base;
    all->turned += base * r->turned.skill;
    all->turned_error += base * r->turned.error;
    all->shifted += base * r->shifted.skill;
    all->shifted_error += base * r->shifted.error;
    all->scaled += base * r->scaled.skill;
    all->scaled_error += base * r->scaled.error;
    all->offset = fabs(r->offset) > fabs(all->offset) ? r->offset : all->offset;
    all->intercept += r->intercept;
    all->slope += r->slope;
    all->decision += r->best_decision;
    all->calibration += r->calibration;
}

static void put_repairs(const sums *all, pp_summary *s)
{
    if (all->classes == 0) return;
    s->turned_skill = all->turned / all->base;
    s->turned_error = all->turned_error / all->base;
    s->shifted_skill = all->shifted / all->base;
    s->shifted_error = all->shifted_error / all->base;
    s->scaled_skill = all->scaled / all->base;
    s->scaled_error = all->scaled_error / all->base;
    s->offset = all->offset;
    s->intercept = all->intercept / all->classes;
    s->gain = all->slope / all->classes;
    s->decision_best = all->decision / all->classes;
    s->calibration_error = all->calibration / all->classes;
}

void pp__list_part(int index, int *count, int *first)
{
    if (*count < PP_DEAD_LISTED) first[*count] = index;
    ++*count;
}

static void put_classes(const pp_sketch *sketch, double rows, sums *all, pp_summary *s)
{
    for (int c = 0; c < sketch->classes; c++) {
        int64_t targets = pp_sketch_targets(sketch, c);
        pp__repair r = pp__repair_of(sketch, c);
        pp_part_summary part = part_of(sketch, c, &r, rows);
        if (r.known) add_repair(all, &r);
        if (s->n_parts < PP_PARTS_LISTED) s->parts[s->n_parts++] = part;
        if (targets == 0) continue;
        if (pp_sketch_answers(sketch, c) == 0) pp__list_part(c, &s->never, s->never_list);
        if (s->labels) continue;
        if (part.dead) pp__list_part(c, &s->dead, s->dead_list);
        if (part.unrelated) pp__list_part(c, &s->unrelated, s->unrelated_list);
    }
    if (s->dead + s->unrelated == s->classes_present) /* then no part of the model is alive */
        s->dead = s->unrelated = 0;
    if (s->mapped < s->accuracy) s->mapped = s->accuracy;
}

void pp__put_classes(const pp_sketch *sketch, pp_summary *s)
{
    double rows = (double)labelled_rows(sketch);
    sums all = {0};
    if (rows == 0) return;
    s->effective_rows = pp__effective_rows(sketch, rows);
    s->decimals = pp__decimals(sketch);
    s->labels = s->decimals == 0 && s->min < s->max;
    if (sketch->kind == PP_SKETCH_MULTICLASS) s->labels = s->decimals == 0;
    put_decision(sketch, rows, s);
    if (sketch->kind == PP_SKETCH_MULTICLASS) {
        s->dependence = dependence_of(sketch, rows, s);
        s->mapped = s->accuracy < 0.5 ? mapped_share(sketch, rows) : s->accuracy;
        put_classes(sketch, rows, &all, s);
        put_repairs(&all, s);
        return;
    }
    pp__repair r = pp__repair_of(sketch, 0);
    if (!r.known) return;
    add_repair(&all, &r);
    put_repairs(&all, s);
    s->threshold = r.threshold;
}
