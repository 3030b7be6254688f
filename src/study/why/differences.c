/* From a recipe that works back to the job: what they differ in, and the job with some of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "why_internal.h"

#include "json/json_arena.h"

/* What a path of the recipe is in words, the cause that owns such a change, and where the probes
 * of causes change the same. The path is a member of an object, or one of the two below. */
static const struct {
    const char *path, *words, *cause, *probes;
} owners[] = {
    {PP__BODY, "the hidden layers", NULL, "model."},
    {PP__HEAD, "output and loss", "wrong-loss", "model. loss"},
    {"optimizer", "the optimiser", "unsuitable-optimiser", "optimizer"},
    {"schedule", "the schedule", "learning-rate-schedule", "schedule"},
    {"training.steps", "the number of steps", NULL,
     "training.steps training.epochs training.early"},
    {"training.batch", "the batch", NULL, "training.batch training.lanes"},
    {"training.clip_norm", "clipping", "exploding", "training.clip"},
    {"data.standardise", "the scale of the features", "unscaled-inputs", "data.standardise"},
    {"data.balance", "the weights of the classes", NULL, "data.balance data.class_weights"},
    {"data.shuffle", "the order of the rows", "rows-not-mixed", "data.shuffle"},
    {"data.recode_labels", "the code of the labels", "label-code", "data.recode"},
    {"data.standardise_targets", "the scale of the targets", "unscaled-targets",
     "data.standardise_targets"},
};

static void set_owner(pp__difference *d, const char *path)
{
    *d = (pp__difference){.path = path, .words = path};
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (strcmp(owners[i].path, path) == 0) {
            d->words = owners[i].words;
            d->cause = owners[i].cause;
            d->probes = owners[i].probes;
        }
}

/* ---- the patch of some differences ---- */

static const char *value_of(const pp_patch *recipe, const char *path)
{
    for (int i = 0; i < recipe->count; i++)
        if (strcmp(recipe->paths[i], path) == 0) return recipe->values[i];
    return NULL;
}

static int last_dense(const pp_json *layers)
{
    int last = -1;
    for (int i = 0; i < pp_json_count(layers); i++) {
        const pp_json *type = pp_json_get(pp_json_at(layers, i), "type");
        if (type != NULL && strcmp(pp_json_string(type), "dense") == 0) last = i;
    }
    return last;
}

static void put_layers(pp_json_writer *w, const pp_json *layers, int from, int to)
{
    for (int i = from; i < to; i++)
        pp_json_put_value(w, NULL, pp_json_at(layers, i));
}

/* Hidden layers of one network, and what comes behind them of another. */
static const char *join(const pp_json *body, const pp_json *head, pp_arena *arena)
{
    pp_json_writer *w = pp_json_writer_create(0);
    if (w == NULL) return NULL;
    pp_json_begin_array(w, NULL);
    put_layers(w, body, 0, last_dense(body));
    put_layers(w, head, last_dense(head), (int)pp_json_count(head));
    pp_json_end_array(w);
    return pp_json_writer_into_arena(w, arena);
}

static void add_change(pp_patch *patch, const char *path, const char *value)
{
    patch->paths[patch->count] = path;
    patch->values[patch->count++] = value;
}

static void add_network(const pp__differences *d, pp_patch *patch, int body, int head,
                        pp_arena *arena)
{
    const pp_json *theirs = pp_json_get(d->model, "layers");
    const char *loss = value_of(d->recipe, "loss");
    if (!body && !head) return;
    add_change(patch, "model.layers",
               join(body ? theirs : d->layers, head ? theirs : d->layers, arena));
    if (!head) return;
    add_change(patch, "model.clamp_low", "null");
    add_change(patch, "model.clamp_high", "null");
    add_change(patch, "model.at_prediction", "none");
    if (loss != NULL) add_change(patch, "loss", loss);
}

static void add_training(const pp__differences *d, pp_patch *patch, const char *path)
{
    int is_length = strcmp(path, "training.steps") == 0, is_batch = strstr(path, "batch") != NULL;
    for (int64_t i = 0; i < pp_json_count(d->training); i++) {
        const pp_json *member = pp_json_at(d->training, i);
        const char *key = pp_json_key(member);
        int of_length = strcmp(key, "steps") == 0 || strcmp(key, "epochs") == 0;
        int of_batch = strcmp(key, "batch") == 0 || strcmp(key, "lanes") == 0;
        int wanted = is_length ? of_length : is_batch ? of_batch : !of_length && !of_batch;
        if (!wanted) continue;
        add_change(patch, pp_arena_printf(d->arena, "training.%s", key),
                   pp_json_in_arena(member, d->arena));
    }
    if (is_length) add_change(patch, "training.early_stopping", "0");
}

static void add_simple(const pp__differences *d, pp_patch *patch, const char *path)
{
    const char *weights = value_of(d->recipe, "data.class_weights");
    if (strcmp(path, "data.balance") == 0 && weights != NULL)
        add_change(patch, "data.class_weights", weights);
    add_change(patch, path, value_of(d->recipe, path));
}

static int has(const pp__differences *d, uint32_t which, const char *path)
{
    for (int i = 0; i < d->n; i++)
        if (which >> i & 1 && strcmp(d->of[i].path, path) == 0) return 1;
    return 0;
}

pp_status pp__difference_patch(const pp__differences *d, uint32_t which, int room, pp_patch *patch,
                               pp_error *err)
{
    enum { MOST_OF_ONE = 8 };
    size_t size = (size_t)(MOST_OF_ONE * (d->n + 1) + room);
    *patch = (pp_patch){.paths = PP_ARENA_NEW(d->arena, const char *, size),
                        .values = PP_ARENA_NEW(d->arena, const char *, size)};
    if (patch->paths == NULL || patch->values == NULL)
        return pp_fail(err, PP_E_MEMORY, "out of memory");
    add_network(d, patch, has(d, which, PP__BODY), has(d, which, PP__HEAD), d->arena);
    for (int i = 0; i < d->n; i++) {
        const char *path = d->of[i].path;
        if (!(which >> i & 1) || strcmp(path, PP__BODY) == 0 || strcmp(path, PP__HEAD) == 0)
            continue;
        if (strncmp(path, "training.", 9) == 0)
            add_training(d, patch, path);
        else
            add_simple(d, patch, path);
    }
    for (int i = 0; i < patch->count; i++)
        if (patch->paths[i] == NULL || patch->values[i] == NULL)
            return pp_fail(err, PP_E_MEMORY, "out of memory");
    return PP_OK;
}

/* ---- which there are ---- */

/* The job as it is understood; NULL: it is refused. */
static char *echo_with(const why_plan *p, const pp_patch *patch)
{
    pp_job *job = NULL;
    char *copy = NULL;
    if (pp_job_parse(p->spec->job, p->spec->origin, patch, &job, NULL) != PP_OK) return NULL;
    pp_json_writer *w = pp_json_writer_create(0);
    if (w != NULL) {
        pp_job_echo(job, w);
        const char *text = pp_json_text(w, NULL);
        if (text != NULL) copy = strdup(text);
    }
    pp_json_writer_destroy(w);
    pp_job_destroy(job);
    return copy;
}

/* Whether the last one changes the job at all; what is refused alone may do so with others. */
static int changes(const why_plan *p, pp__differences *d, const char *before)
{
    pp_patch patch;
    if (pp__difference_patch(d, 1u << (d->n - 1), 0, &patch, NULL) != PP_OK) return 0;
    char *after = echo_with(p, &patch);
    int differs = after == NULL || strcmp(after, before) != 0;
    free(after);
    return differs;
}

static void consider(const why_plan *p, pp__differences *d, const char *path, const char *before)
{
    if (d->n == PP__MOST_DIFFERENCES) return;
    set_owner(&d->of[d->n++], path);
    if (!changes(p, d, before)) d->n--;
}

static void find_all(const why_plan *p, pp__differences *d, const char *before)
{
    const char *const of_training[] = {"training.steps", "training.batch", "training.clip_norm"};
    for (int i = 0; i < d->recipe->count; i++) {
        const char *path = d->recipe->paths[i];
        if (strcmp(path, "loss") == 0 || strcmp(path, "data.class_weights") == 0) continue;
        if (strcmp(path, "model") == 0) {
            consider(p, d, PP__BODY, before);
            consider(p, d, PP__HEAD, before);
        } else if (strcmp(path, "training") == 0) {
            for (int k = 0; k < 3; k++)
                consider(p, d, of_training[k], before);
        } else {
            consider(p, d, path, before);
        }
    }
}

static double number_at(const pp_json *object, const char *key)
{
    const pp_json *value = pp_json_get(object, key);
    return value != NULL && pp_json_type_of(value) == PP_JSON_NUMBER ? pp_json_number(value) : 0;
}

/* Of the layers in front of the last dense one. */
static double hidden_units(const pp_json *layers)
{
    double units = 0;
    for (int i = 0; i < last_dense(layers); i++)
        units += number_at(pp_json_at(layers, i), "units");
    return units;
}

static int has_more_units(const pp__differences *d)
{
    return hidden_units(pp_json_get(d->model, "layers")) >= hidden_units(d->layers);
}

/* Some changes have a direction. */
static void name_by_direction(const why_plan *p, pp__differences *d)
{
    const pp_job_training *t = &p->job->training;
    double steps = (double)pp__steps_of(p->job, p->rows), batch = (double)t->batch;
    for (int i = 0; i < d->n; i++) {
        pp__difference *one = &d->of[i];
        if (strcmp(one->path, "training.steps") == 0)
            one->cause = number_at(d->training, "steps") > steps ? "too-few-steps" : "overfitting";
        if (strcmp(one->path, PP__BODY) == 0)
            one->cause = has_more_units(d) ? "network-too-small" : "overfitting";
        if (strcmp(one->path, "data.balance") == 0) one->cause = "class-weights-inverted";
        if (strcmp(one->path, "training.batch") == 0)
            one->cause =
                number_at(d->training, "batch") > batch ? "batch-too-small" : "batch-too-large";
    }
}

pp_status pp__differences_find(const why_plan *p, const pp_patch *recipe, pp__differences *d,
                               pp_error *err)
{
    const char *model = value_of(recipe, "model"), *training = value_of(recipe, "training");
    *d = (pp__differences){.recipe = recipe, .arena = p->arena};
    char *before = echo_with(p, NULL);
    pp_status status = before != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    if (status == PP_OK) status = pp_json_parse(before, "job", &d->job, err);
    if (status == PP_OK && model != NULL) status = pp_json_parse(model, "recipe", &d->model, err);
    if (status == PP_OK && training != NULL)
        status = pp_json_parse(training, "recipe", &d->training, err);
    if (status == PP_OK && d->model != NULL && d->training != NULL) {
        d->layers = pp_json_get(pp_json_get(d->job, "model"), "layers");
        if (last_dense(d->layers) >= 0) find_all(p, d, before);
        name_by_direction(p, d);
    }
    free(before);
    return status;
}

void pp__differences_free(pp__differences *d)
{
    pp_json_destroy(d->job);
    pp_json_destroy(d->model);
    pp_json_destroy(d->training);
}

/* ---- probes that change less of the same ---- */

static int lies_in(const char *path, const char *places)
{
    for (const char *at = places; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (strncmp(path, at, length) == 0) return 1;
        at += length + (at[length] == ' ');
    }
    return 0;
}

int pp__difference_owns(const pp__difference *d, const pp_patch *patch)
{
    for (int i = 0; i < patch->count; i++)
        if (!lies_in(patch->paths[i], d->probes)) return 0;
    return patch->count > 0;
}
