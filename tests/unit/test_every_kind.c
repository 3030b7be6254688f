/* A verdict is true of every kind that a job can name. Of each row of the lists of losses,
 * activations, layers and optimisers a small job is trained three times: as it should be, on rows
 * whose held-out targets mean something else, and behind a layer that hands on nothing. What the
 * answers are follows from that. A new row is tried without a line here; where it wants keys that
 * no other kind does, the test says so. */
#include "support/data_case.h"
#include "support/mpi_test.h"
#include "support/scratch.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "job/job.h"
#include "base/rng.h"
#include "train/trial.h"

enum { INPUTS = 16, ROWS = 3000, HELD_OUT = 1500, CLASSES = 3 };

static double noise(uint64_t stream, int64_t row, int64_t column)
{
    uint64_t at = (uint64_t)(row * INPUTS + column);
    return pp_rng_normal(pp_rng_at(41, PP_RNG_TEST, stream), at);
}

static double feature(int64_t row, int64_t column)
{
    return noise(1, row, column);
}

/* Of the first half of the features less the second, as pools leave of channels; deviation 1. */
static double score(int64_t row)
{
    double sum = 0.3 * noise(2, row, 0);
    for (int64_t c = 0; c < INPUTS; c++)
        sum += (c < INPUTS / 2 ? 1 : -1) * feature(row, c) / sqrt(INPUTS);
    return sum / sqrt(1.09);
}

/* Held-out rows come from ROWS on in the file that is turned, and from 2 * ROWS in the other. */
static int is_turned(int64_t row)
{
    return row >= ROWS && row < 2 * ROWS;
}

static double number(int64_t row, int64_t column)
{
    (void)column;
    return is_turned(row) ? 1 - score(row) : 1 + score(row);
}

static double two_classes(int64_t row, int64_t column)
{
    (void)column;
    return (score(row) > 0) != is_turned(row);
}

static double three_classes(int64_t row, int64_t column)
{
    (void)column;
    int class = (score(row) > -0.43) + (score(row) > 0.43);
    return (class + is_turned(row)) % CLASSES;
}

typedef struct task {
    const char *name;
    double (*y)(int64_t row, int64_t column);
    pp_h5_type type;
} task;

static const task tasks[] = {[PP_FAMILY_REAL] = {"regression", number, PP_H5_F64},
                             [PP_FAMILY_BINARY] = {"binary", two_classes, PP_H5_U8},
                             [PP_FAMILY_CLASSES] = {"multiclass", three_classes, PP_H5_U8}};

/* What is tried; NULL: what is usual. */
typedef struct kind {
    const char *name, *layer, *shape, *loss, *last, *optimiser;
    pp_loss_family family;
    double lr;
} kind;

typedef enum variant { SOUND, TURNED, DEAD } variant;

static scratch files;

static const char *data_of(pp_loss_family family, const char *part, int64_t first, int64_t rows)
{
    const task *t = tasks + family;
    const char *path =
        scratch_path(&files, pp_arena_printf(files.paths, "%s-%s.h5", t->name, part));
    data_write(path, &(data_file){.first = first,
                                  .rows = rows,
                                  .inputs = INPUTS,
                                  .x = feature,
                                  .y = t->y,
                                  .y_type = t->type});
    return path;
}

static void make_data(void)
{
    scratch_make(&files);
    for (int f = PP_FAMILY_REAL; f <= PP_FAMILY_CLASSES; f++) {
        data_of((pp_loss_family)f, "train", 0, ROWS);
        data_of((pp_loss_family)f, "turned", ROWS, HELD_OUT);
        data_of((pp_loss_family)f, "sound", 2 * ROWS, HELD_OUT);
    }
}

static const char *job_text(const kind *k, variant v)
{
    const char *of = tasks[k->family].name, *directory = files.directory;
    const char *frozen = "{\"type\": \"dense\", \"units\": 8, \"init\": \"zeros\", "
                         "\"trainable\": false},";
    return pp_arena_printf(
        files.paths,
        "{\"name\": \"%s\", \"output\": \"%s/run\", \"data\": {\"files\": \"%s/%s-train.h5\", "
        "\"task\": \"%s\", \"x_shape\": %s, \"validation\": {\"files\": \"%s/%s-%s.h5\"}}, "
        "\"model\": {\"layers\": [%s, {\"type\": \"flatten\"}, %s {\"type\": \"dense\", \"units\": "
        "12, \"activation\": \"tanh\"}, {\"type\": \"dense\", \"units\": \"auto\", \"activation\": "
        "\"%s\"}]}, \"loss\": {\"type\": \"%s\"}, \"optimizer\": {\"type\": \"%s\", \"lr\": %g}, "
        "\"training\": {\"steps\": 300, \"batch\": 64, \"lanes\": 1}, "
        "\"checkpoint\": {\"every_epochs\": 0}}",
        k->name, directory, directory, of, of, k->shape, directory, of,
        v == TURNED ? "turned" : "sound", k->layer, v == DEAD ? frozen : "",
        k->last != NULL ? k->last : "identity", k->loss != NULL ? k->loss : "auto",
        k->optimiser != NULL ? k->optimiser : "adam", k->optimiser != NULL ? k->lr : 0.01);
}

static int is_right(variant v, const pp_verdict *verdict)
{
    static const pp_verdict_id alike[] = {PP_VERDICT_AT_HALF, PP_VERDICT_AT_BASE_RATE,
                                          PP_VERDICT_AT_TARGET_MEAN, PP_VERDICT_CONSTANT,
                                          PP_VERDICT_ONE_CLASS};
    int is_alike = 0;
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        is_alike |= verdict->id == alike[i];
    if (v == SOUND) return verdict->id == PP_VERDICT_HEALTHY && !verdict->collapse;
    if (v == TURNED) return verdict->id == PP_VERDICT_WORSE_THAN_CONSTANT && verdict->collapse;
    return is_alike && verdict->collapse;
}

static void judge(const kind *k, variant v)
{
    pp_job *job;
    pp_error err = {0};
    pp_result result;
    pp_log log = {.level = PP_LOG_ERROR, .terminal = stderr};
    pp_status status = pp_job_parse(job_text(k, v), k->name, NULL, &job, &err);
    if (status == PP_OK) {
        pp_trial_spec spec = {
            .job = job, .comm = pp_test_world(), .log = &log, .existing = PP_EXISTING_REPLACE};
        status = pp_trial_run(&spec, &result, &err);
        int right = status == PP_OK && is_right(v, &result.verdict);
        CU_ASSERT(right);
        if (!right)
            fprintf(stderr, "%s, variant %d: %s\n", k->name, (int)v,
                    status == PP_OK ? result.verdict.sentence : err.text);
        if (status == PP_OK) pp_result_free(&result);
        pp_job_destroy(job);
    }
    CU_ASSERT_EQUAL(status, PP_OK);
}

static void judge_all(const kind *k)
{
    for (int v = SOUND; v <= DEAD; v++)
        judge(k, (variant)v);
}

static const char *const dense = "{\"type\": \"dense\", \"units\": 12, \"activation\": \"relu\"}";

static void losses(void)
{
#define NAME(identifier, name, family, link, task) name,
    static const char *const names[] = {PP_LOSS_LIST(NAME)};
#undef NAME
    make_data();
    for (int i = 0; i < PP_LOSS_AUTO; i++) {
        pp_loss_type type = (pp_loss_type)i;
        kind k = {.name = names[i], .layer = dense, .shape = "[16]", .loss = names[i]};
        k.family = pp_loss_family_of(type);
        if (pp_loss_is_on_probabilities(type))
            k.last = k.family == PP_FAMILY_BINARY ? "sigmoid" : "softmax";
        judge_all(&k);
    }
    scratch_remove(&files);
}

static void activations(void)
{
#define NAME(identifier, name, he, takes_input, range, low, high) name,
    static const char *const names[] = {PP_ACTIVATION_LIST(NAME)};
#undef NAME
    make_data();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        kind k = {.name = names[i], .shape = "[16]", .family = PP_FAMILY_BINARY};
        k.layer = pp_arena_printf(
            files.paths, "{\"type\": \"dense\", \"units\": 12, \"activation\": \"%s\"}", names[i]);
        judge_all(&k);
    }
    scratch_remove(&files);
}

/* Whether a layer of these keys (bits) takes such rows; then as text in k. */
static int is_layer(kind *k, unsigned set)
{
    static const char *const keys[] = {", \"units\": 16",
                                       ", \"channels\": 8",
                                       ", \"kernel\": 2",
                                       ", \"rate\": 0.1",
                                       ", \"activation\": \"tanh\"",
                                       ", \"layers\": [{\"type\": \"dense\", \"units\": 16}]"};
    pp_job *job;
    const char *text = pp_arena_printf(files.paths, "{\"type\": \"%s\"", k->name);
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
        if (set >> i & 1) text = pp_arena_printf(files.paths, "%s%s", text, keys[i]);
    k->layer = pp_arena_printf(files.paths, "%s}", text);
    if (pp_job_parse(job_text(k, SOUND), k->name, NULL, &job, NULL) != PP_OK) return 0;
    pp_job_destroy(job);
    return 1;
}

/* The first shape of rows and the fewest keys that make a layer of this name. */
static int find_layer(kind *k)
{
    static const char *const shapes[] = {"[4, 2, 2]", "[4, 4]", "[16]"};
    enum { MOST_KEYS = 3, SETS = 1 << 6 };
    for (int shape = 0; shape < 3; shape++)
        for (int wanted = 0; wanted <= MOST_KEYS; wanted++)
            for (unsigned set = 0; set < SETS; set++) {
                k->shape = shapes[shape];
                if (__builtin_popcount(set) == wanted && is_layer(k, set)) return 1;
            }
    return 0;
}

static void layers(void)
{
#define NAME(identifier, name, role, has_weights, shape, work) name,
    static const char *const names[] = {PP_LAYER_LIST(NAME)};
#undef NAME
    make_data();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        kind k = {.name = names[i], .family = PP_FAMILY_CLASSES};
        int found = find_layer(&k);
        CU_ASSERT(found);
        if (found)
            judge_all(&k);
        else
            fprintf(stderr, "layer %s: wants a key that is not tried here\n", k.name);
    }
    scratch_remove(&files);
}

/* At a rate between the usual one and the largest that holds together. */
static void optimisers(void)
{
#define TYPE(identifier, name, most, usual, with_momentum) identifier,
    static const pp_optimizer_type types[] = {PP_OPTIMIZER_LIST(TYPE)};
#undef TYPE
    make_data();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const pp_optimizer_kind *o = pp_optimizer_kind_of(types[i]);
        kind k = {.name = o->name, .layer = dense, .shape = "[16]", .optimiser = o->name};
        k.lr = sqrt(o->usual_lr * o->most_lr);
        judge_all(&k);
    }
    scratch_remove(&files);
}

const pp_test pp_tests_every_kind[];
const pp_test pp_tests_every_kind[] = {
    {"losses", losses}, {"activations", activations},
    {"layers", layers}, {"optimisers", optimisers},
    {NULL, NULL},
};
