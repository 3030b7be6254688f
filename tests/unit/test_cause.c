/* Every probe of every cause and both recipes, on top of every job that there is: they parse and
 * change something, and one of them at least leaves less of its cause than before. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/candidates.h"
#include "base/fs.h"
#include "study/causes/cause_internal.h"
#include "support/test.h"

enum { ROOM = 10 };

/* ---- what rows may show ---- */

enum { BINARY, RARE, LABELS_1_2, MULTICLASS, ONE_HOT, REGRESSION, UNIT_INTERVAL, FAULTY, N_ROWS };

/* Of 1000 rows; the first feature is 1000 times the others, which are around 50. */
static const struct {
    pp_task task;
    int64_t y_columns, classes, class_rows[3];
    double min, max;
} rows_of[N_ROWS] = {
    [BINARY] = {PP_TASK_BINARY, 1, 2, {500, 500}, 0, 1},
    [RARE] = {PP_TASK_BINARY, 1, 2, {980, 20}, 0, 1},
    [LABELS_1_2] = {PP_TASK_BINARY, 1, 2, {500, 500}, 1, 2},
    [MULTICLASS] = {PP_TASK_MULTICLASS, 1, 3, {900, 80, 20}, 0, 2},
    [ONE_HOT] = {PP_TASK_MULTICLASS, 3, 3, {300, 300, 400}, 0, 1},
    [REGRESSION] = {PP_TASK_REGRESSION, 1, 0, {0}, -40, 400},
    [UNIT_INTERVAL] = {PP_TASK_REGRESSION, 1, 0, {0}, 0, 1},
    [FAULTY] = {PP_TASK_REGRESSION, 1, 0, {0}, -40, 400},
};

/* Of the faulty rows, which have a code in each feature and the target, one feature that is the
 * target, and every record twice. */
static const pp_finding_kind faulty_kinds[] = {
    {"missing-code", PP_SEVERITY_WARNING, "", ""},
    {"missing-target-code", PP_SEVERITY_WARNING, "", ""},
    {"feature-outlier", PP_SEVERITY_WARNING, "", ""},
    {"target-outlier", PP_SEVERITY_WARNING, "", ""},
    {"leak-equal", PP_SEVERITY_ERROR, "", ""},
};
enum { N_FAULTY = sizeof faulty_kinds / sizeof *faulty_kinds };

typedef struct rows {
    pp_inspection data;
    pp_inspection_feature features[3];
    int64_t class_rows[3];
    pp_finding findings[N_FAULTY];
    pp_job_facts facts;
} rows;

static void make_faulty(rows *r)
{
    pp_inspection *d = &r->data;
    for (int i = 0; i < 3; i++) {
        r->features[i].code = -999;
        r->features[i].distinct = 500;
        r->features[i].q25 = 49;
        r->features[i].q75 = 51;
    }
    r->features[2].equal_targets = d->rows;
    for (int i = 0; i < N_FAULTY; i++)
        r->findings[i].kind = &faulty_kinds[i];
    d->findings = r->findings;
    d->n_findings = N_FAULTY;
    d->sample_rows = d->rows;
    d->distinct_rows = d->repeats.duplicates = 500;
    d->targets.code = 400;
}

/* As an inspection finds them that follows the task of a job. */
static void rows_make(rows *r, int kind, const char *text)
{
    memset(r, 0, sizeof *r);
    memcpy(r->class_rows, rows_of[kind].class_rows, sizeof r->class_rows);
    for (int i = 0; i < 3; i++)
        r->features[i] = (pp_inspection_feature){
            .mean = i == 0 ? 5e4 : 50, .deviation = 1, .min = -1, .max = 1e5, .duplicate_of = -1};
    pp_inspection *d = &r->data;
    d->rows = 1000;
    d->inputs = 3;
    d->features = r->features;
    d->y_columns = rows_of[kind].y_columns;
    d->task = rows_of[kind].task;
    d->classes = rows_of[kind].classes;
    pp_job *job = NULL;
    if (pp_job_parse(text, "job", NULL, &job, NULL) == PP_OK && job->data.task != PP_TASK_AUTO)
        d->task = job->data.task;
    pp_job_destroy(job);
    if (d->task == PP_TASK_REGRESSION) d->classes = 0;
    d->class_rows = d->classes > 0 ? r->class_rows : NULL;
    d->targets = (pp_inspection_targets){
        .min = rows_of[kind].min, .max = rows_of[kind].max, .spike_rows = 10, .disorder = 0.01};
    d->targets.mean = (d->targets.min + d->targets.max) / 2;
    d->targets.deviation = (d->targets.max - d->targets.min) / 4;
    if (kind == FAULTY) make_faulty(r);
    r->facts = (pp_job_facts){.rows = 1000,
                              .y_columns = d->y_columns,
                              .task = d->task,
                              .classes = d->classes,
                              .window = 8};
}

/* ---- jobs ---- */

static char *echo_of(const pp_job *job)
{
    pp_json_writer *w = pp_json_writer_create(0);
    pp_job_echo(job, w);
    char *text = strdup(pp_json_text(w, NULL));
    pp_json_writer_destroy(w);
    return text;
}

/* NULL where the rows do not suit the job. */
static pp_job *resolved(const char *text, const pp_patch *patch, const rows *r, pp_error *err)
{
    pp_job *job = NULL;
    if (pp_job_parse(text, "job", patch, &job, err) != PP_OK) return NULL;
    if (pp_job_resolve(job, &r->facts, err) == PP_OK) return job;
    pp_job_destroy(job);
    return NULL;
}

static void tell(const char *job, const pp_cause *cause, const pp_probe *probe, const char *what)
{
    fprintf(stderr, "%s: %s: %s: %s\n", job, cause != NULL ? cause->id : "recipe",
            probe != NULL ? probe->label : "", what);
}

/* ---- one probe, one case ---- */

typedef struct trial {
    const char *name, *text, *echo; /* job, as text; after parsing */
    const rows *rows;
    pp_case c;
    int probes; /* that were looked at */
} trial;

static double sign_of(const pp_cause *cause, const pp_case *c)
{
    double sign = cause->sign != NULL ? cause->sign(c) : 0;
    CU_ASSERT_TRUE(sign >= 0 && sign <= 1);
    if (!(sign >= 0 && sign <= 1)) fprintf(stderr, "%s: sign %g\n", cause->id, sign);
    return sign;
}

/* Returns the sign with the probe. */
static double check_probe(trial *t, const pp_cause *cause, const pp_probe *probe)
{
    pp_error err = {0};
    CU_ASSERT_TRUE(probe->patch.count > 0 && probe->label[0] != '\0');
    pp_job *job = resolved(t->text, &probe->patch, t->rows, &err);
    CU_ASSERT_PTR_NOT_NULL(job);
    if (job == NULL) {
        tell(t->name, cause, probe, err.text);
        return 1;
    }
    char *echo = echo_of(job);
    CU_ASSERT_STRING_NOT_EQUAL(echo, t->echo);
    if (strcmp(echo, t->echo) == 0) tell(t->name, cause, probe, "changes nothing");
    pp_case after = t->c;
    after.job = job;
    double left = sign_of(cause, &after);
    free(echo);
    pp_job_destroy(job);
    t->probes++;
    return left;
}

static void check_probes(trial *t, const pp_cause *cause)
{
    pp_probe probes[ROOM];
    double before = sign_of(cause, &t->c), least = 1;
    int n = cause->probes(&t->c, probes, ROOM);
    CU_ASSERT_TRUE(n >= 0 && n <= ROOM);
    for (int k = 0; k < n; k++) {
        double left = check_probe(t, cause, &probes[k]);
        if (left < least) least = left;
    }
    /* the faults of a mended copy are gone with the rows, not with the job */
    int mends = n > 0 && probes[0].mend != NULL;
    int removes = n == 0 || mends || before < 0.3 || least < before;
    CU_ASSERT_TRUE(removes);
    if (!removes) tell(t->name, cause, NULL, "no probe leaves less of it");
    CU_ASSERT_EQUAL(cause->probes(&t->c, probes, 0), 0);
    CU_ASSERT_TRUE(cause->probes(&t->c, probes, 1) <= 1);
}

static void check_recipe(const trial *t,
                         pp_status (*recipe)(const pp_case *, pp_patch *, pp_error *))
{
    pp_error err = {0};
    pp_patch patch;
    CU_ASSERT_EQUAL_FATAL(recipe(&t->c, &patch, &err), PP_OK);
    pp_job *job = resolved(t->text, &patch, t->rows, &err);
    CU_ASSERT_PTR_NOT_NULL(job);
    if (job == NULL) tell(t->name, NULL, NULL, err.text);
    pp_job_destroy(job);
}

static void check_causes(trial *t)
{
    int count;
    const pp_cause *causes = pp_causes(&count);
    for (int i = 0; i < count; i++)
        if (causes[i].probes != NULL)
            check_probes(t, &causes[i]);
        else
            sign_of(&causes[i], &t->c);
    check_recipe(t, pp_cause_reference);
    check_recipe(t, pp_cause_linear);
}

/* A job on rows of a kind; returns how many probes were looked at, -1: these rows do not suit. */
static int check_case(const char *name, const char *text, int kind, const char *verdict)
{
    rows r;
    pp_error err = {0};
    rows_make(&r, kind, text);
    pp_job *job = resolved(text, NULL, &r, &err);
    if (job == NULL) return -1;
    trial t = {.name = name, .text = text, .echo = echo_of(job), .rows = &r};
    pp_json *document = NULL;
    if (verdict != NULL) CU_ASSERT_EQUAL(pp_json_parse(verdict, "v", &document, NULL), PP_OK);
    t.c = (pp_case){.job = job,
                    .data = &r.data,
                    .verdict = document,
                    .arena = pp_arena_create(),
                    .copies = "copies"};
    check_causes(&t);
    if (verdict == NULL) {
        t.c.data = NULL;
        check_causes(&t);
    }
    pp_arena_destroy(t.c.arena);
    pp_json_destroy(document);
    free((char *)t.echo);
    pp_job_destroy(job);
    return t.probes;
}

/* ---- every job in the repository ---- */

static int checked_jobs, checked_probes;

static void check_job_file(const char *path)
{
    char *text = NULL;
    size_t size;
    pp_job *job = NULL;
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(path, &text, &size, NULL), PP_OK);
    if (pp_job_parse(text, path, NULL, &job, NULL) == PP_OK) {
        char *echo = echo_of(job); /* as `why` hands it to its trials */
        int suits = 0;
        for (int kind = 0; kind < N_ROWS; kind++) {
            int probes = check_case(path, text, kind, NULL);
            check_case(path, echo, kind, "{\"verdict\": \"constant\"}");
            if (probes > 0) checked_probes += probes;
            suits += probes > 0;
        }
        CU_ASSERT_TRUE(suits > 0);
        checked_jobs++;
        free(echo);
    }
    pp_job_destroy(job);
    free(text);
}

static void each_job(const char *directory)
{
    char path[1024];
    DIR *open = opendir(directory);
    CU_ASSERT_PTR_NOT_NULL_FATAL(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        size_t length = strlen(entry->d_name);
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] == '.') continue;
        if (pp_fs_is_directory(path))
            each_job(path);
        else if (length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0)
            check_job_file(path);
    }
    closedir(open);
}

static void test_every_job(void)
{
    checked_jobs = checked_probes = 0;
    each_job(PP_TEST_JOBS "/valid");
    each_job(PP_TEST_JOBS "/../../jobs");
    CU_ASSERT_TRUE(checked_jobs >= 40);
    CU_ASSERT_TRUE(checked_probes >= 40 * 20);
}

/* ---- a fault for each cause ---- */

/* HIDDEN, DROPOUT and LAST stand for the paths of layers. */
typedef struct fault {
    const char *cause;
    int rows;
    double least_sign;
    const char *path[5], *value[5];
} fault;

static const fault faults[] = {
    {"learning-rate-too-high", BINARY, 0.5, {"optimizer.lr"}, {"10"}},
    {"learning-rate-too-low", BINARY, 0.5, {"optimizer.lr"}, {"1e-7"}},
    {"learning-rate-schedule",
     BINARY,
     0.4,
     {"schedule"},
     {"{\"type\": \"exponential\", \"factor\": 0.01}"}},
    {"learning-rate-schedule", BINARY, 0.4, {"schedule.warmup_steps"}, {"100000"}},
    {"too-few-steps", BINARY, 0.5, {"training"}, {"{\"epochs\": 1, \"batch\": 100}"}},
    {"too-few-steps", BINARY, 0.5, {"training"}, {"{\"steps\": 10, \"early_stopping\": 2}"}},
    {"unsuitable-optimiser", BINARY, 0.2, {"optimizer"}, {"{\"type\": \"adagrad\"}"}},
    {"momentum-too-high",
     BINARY,
     0.5,
     {"optimizer"},
     {"{\"type\": \"sgd\", \"momentum\": 0.999, \"nesterov\": true}"}},
    {"momentum-too-high",
     BINARY,
     0.5,
     {"optimizer"},
     {"{\"type\": \"rmsprop\", \"momentum\": 0.999}"}},
    {"momentum-too-high", BINARY, 0.5, {"optimizer.beta1"}, {"0.999"}},
    {"class-imbalance", RARE, 0.4, {NULL}, {NULL}},
    {"class-imbalance", MULTICLASS, 0.3, {NULL}, {NULL}},
    {"class-weights-inverted",
     RARE,
     0.5,
     {"data.balance", "data.class_weights"},
     {"given", "[50, 1]"}},
    {"missing-output-activation", BINARY, 0.9, {"loss"}, {"{\"type\": \"bce\"}"}},
    {"missing-output-activation",
     MULTICLASS,
     0.9,
     {"loss"},
     {"{\"type\": \"cross_entropy\", \"label_smoothing\": 0.1, \"epsilon\": 1e-5}"}},
    {"activation-only-at-prediction",
     BINARY,
     0.9,
     {"loss", "model.at_prediction"},
     {"{\"type\": \"mse\"}", "sigmoid"}},
    {"activation-only-at-prediction",
     MULTICLASS,
     0.9,
     {"loss", "model.at_prediction"},
     {"{\"type\": \"mse\"}", "softmax"}},
    {"activation-only-at-prediction", UNIT_INTERVAL, 0.9, {"model.at_prediction"}, {"sigmoid"}},
    {"activation-twice", BINARY, 0.9, {"LAST.activation"}, {"sigmoid"}},
    {"activation-twice", MULTICLASS, 0.9, {"LAST.activation"}, {"softmax"}},
    {"activation-twice",
     BINARY,
     0.9,
     {"LAST.activation", "loss", "model.at_prediction"},
     {"sigmoid", "{\"type\": \"bce\"}", "sigmoid"}},
    {"wrong-loss", MULTICLASS, 0.5, {"loss"}, {"{\"type\": \"huber\", \"delta\": 2}"}},
    {"wrong-loss", BINARY, 0.3, {"loss"}, {"{\"type\": \"quantile\", \"quantile\": 0.3}"}},
    {"wrong-loss",
     MULTICLASS,
     0.5,
     {"loss", "LAST.units", "LAST.activation"},
     {"{\"type\": \"bce\", \"epsilon\": 1e-3}", "3", "sigmoid"}},
    {"output-range",
     BINARY,
     0.9,
     {"loss", "LAST.units", "LAST.activation"},
     {"{\"type\": \"bce\"}", "1", "softmax"}},
    {"wrong-loss", REGRESSION, 0.1, {"loss"}, {"{\"type\": \"quantile\", \"quantile\": 0.999}"}},
    {"wrong-loss",
     REGRESSION,
     0.5,
     {"loss", "loss.targets"},
     {"{\"type\": \"bce_logits\", \"label_smoothing\": 0.1}", "dense"}},
    {"loss-for-bounded-targets", UNIT_INTERVAL, 0.1, {NULL}, {NULL}},
    {"output-range", REGRESSION, 0.9, {"LAST.activation"}, {"relu"}},
    {"output-range", REGRESSION, 0.9, {"LAST.activation"}, {"tanh"}},
    {"clamped-predictions",
     REGRESSION,
     0.4,
     {"model.at_prediction", "model.clamp_low", "model.clamp_high"},
     {"clamp", "-1", "1"}},
    {"label-code",
     LABELS_1_2,
     0.9,
     {"loss"},
     {"{\"type\": \"bce_logits\", \"targets\": \"dense\"}"}},
    {"label-code",
     LABELS_1_2,
     0.9,
     {"data.task", "loss", "LAST.activation"},
     {"binary", "{\"type\": \"bce\"}", "sigmoid"}},
    {"target-broadcast",
     REGRESSION,
     0.9,
     {"loss"},
     {"{\"type\": \"mse\", \"targets\": \"broadcast\"}"}},
    {"label-smoothing-too-strong", BINARY, 0.5, {"loss.label_smoothing"}, {"0.9"}},
    {"rows-not-mixed", BINARY, 0.5, {"data.shuffle"}, {"false"}},
    {"misaligned-rows", BINARY, 0, {"data.shift_targets"}, {"4"}},
    {"unscaled-inputs", BINARY, 0.3, {"data.standardise"}, {"false"}},
    {"dominant-feature", BINARY, 0.3, {"data.standardise"}, {"false"}},
    {"unscaled-targets", REGRESSION, 0.3, {"data.standardise_targets"}, {"false"}},
    {"validation-from-elsewhere",
     BINARY,
     0.1,
     {"data.validation"},
     {"{\"files\": [\"elsewhere.h5\"]}"}},
    {"missing-codes", FAULTY, 0.5, {NULL}, {NULL}},
    {"outliers", FAULTY, 0.5, {NULL}, {NULL}},
    {"leaking-feature", FAULTY, 0.5, {NULL}, {NULL}},
    {"copied-rows", FAULTY, 0.5, {NULL}, {NULL}},
    {"initialisation", BINARY, 0.5, {"HIDDEN.init"}, {"zeros"}},
    {"initialisation", BINARY, 0.5, {"HIDDEN.init", "HIDDEN.init_scale"}, {"constant", "0.1"}},
    {"initialisation",
     BINARY,
     0.5,
     {"HIDDEN.init", "HIDDEN.init_scale", "HIDDEN.bias_init", "HIDDEN.bias_scale"},
     {"normal", "10", "uniform", "2"}},
    {"initialisation", BINARY, 0.5, {"HIDDEN.bias_init", "HIDDEN.bias_scale"}, {"constant", "-10"}},
    {"dead-relus", BINARY, 0.05, {"HIDDEN.activation"}, {"relu"}},
    {"saturated-units", BINARY, 0.05, {"HIDDEN.activation"}, {"sigmoid"}},
    {"dropout-too-high", BINARY, 0.5, {"DROPOUT.rate"}, {"0.95"}},
    {"batch-norm-share-too-small", BINARY, 0.5, {"training.batch", "training.lanes"}, {"4", "2"}},
    {"network-too-small", BINARY, 0.3, {"HIDDEN.units"}, {"1"}},
    {"network-too-small",
     BINARY,
     0.2,
     {"model"},
     {"{\"layers\": [{\"type\": \"dense\", \"units\": \"auto\"}]}"}},
    {"network-too-small",
     BINARY,
     0.2,
     {"model"},
     {"{\"layers\": [{\"type\": \"layer_norm\"}, {\"type\": \"dense\", \"units\": 1},"
      "{\"type\": \"activation\", \"activation\": \"identity\"}]}"}},
    {"learning-rate-too-low", BINARY, 0.5, {"optimizer.lr"}, {"1e-14"}},
    {"frozen-layers", BINARY, 0.2, {"HIDDEN.trainable"}, {"false"}},
    {"weight-decay-too-strong", BINARY, 0.5, {"optimizer.weight_decay"}, {"3"}},
    {"weight-decay-too-strong", BINARY, 0.5, {"HIDDEN.l1", "LAST.l2"}, {"1", "1"}},
    {"batch-too-large",
     BINARY,
     0.5,
     {"training"},
     {"{\"epochs\": 20, \"batch\": 1000, \"lanes\": 8}"}},
    {"batch-too-small", BINARY, 0.5, {"training.batch", "training.lanes"}, {"1", "1"}},
    {"clipping-too-tight", BINARY, 0.5, {"training.clip_norm"}, {"1e-4"}},
    {"exploding", BINARY, 0.05, {"training.clip_norm"}, {"0"}},
    {"unlucky-initialisation", BINARY, 0.05, {"seed"}, {"5"}},
};

/* Two sound jobs and where their layers are. */
static const struct {
    const char *text, *hidden, *dropout, *last;
    int has_batch_norm;
} sound[] = {
    {"{\"name\": \"plain\", \"data\": {\"files\": \"t.h5\"}, \"model\": {\"layers\": ["
     "{\"type\": \"dense\", \"units\": 64, \"activation\": \"tanh\"},"
     "{\"type\": \"dropout\", \"rate\": 0.1},"
     "{\"type\": \"dense\", \"units\": 64, \"activation\": \"relu\"},"
     "{\"type\": \"dense\", \"units\": \"auto\"}]}}",
     "model.layers[0]", "model.layers[1]", "model.layers[3]", 0},
    {"{\"name\": \"residual\", \"data\": {\"files\": \"t.h5\"}, \"model\": {\"layers\": ["
     "{\"type\": \"dense\", \"units\": 64}, {\"type\": \"batch_norm\"},"
     "{\"type\": \"activation\", \"activation\": \"gelu\"},"
     "{\"type\": \"residual\", \"layers\": [{\"type\": \"residual\", \"layers\": ["
     "{\"type\": \"dense\", \"units\": 64, \"activation\": \"silu\"},"
     "{\"type\": \"dropout\", \"rate\": 0.2}, {\"type\": \"dense\", \"units\": 64}]}]},"
     "{\"type\": \"dense\", \"units\": \"auto\"}, {\"type\": \"activation\", \"activation\": "
     "\"identity\"}]}}",
     "model.layers[3].layers[0].layers[0]", "model.layers[3].layers[0].layers[1]",
     "model.layers[4]", 1},
};

/* A path of a fault in sound job i; static. */
static const char *place(const char *path, int i, char *room, size_t size)
{
    static const char *const names[] = {"HIDDEN", "DROPOUT", "LAST"};
    const char *const paths[] = {sound[i].hidden, sound[i].dropout, sound[i].last};
    for (int k = 0; k < 3; k++)
        if (strncmp(path, names[k], strlen(names[k])) == 0) {
            snprintf(room, size, "%s%s", paths[k], path + strlen(names[k]));
            return room;
        }
    return path;
}

/* The sound job with the fault, as text that the caller frees. */
static char *break_job(const fault *f, int i)
{
    pp_patch patch = {(const char *[5]){0}, (const char *[5]){0}, 0};
    char room[5][128];
    pp_error err = {0};
    pp_job *job = NULL;
    for (; patch.count < 5 && f->path[patch.count] != NULL; patch.count++) {
        int k = patch.count;
        patch.paths[k] = place(f->path[k], i, room[k], sizeof room[k]);
        patch.values[k] = f->value[k];
    }
    pp_status status = pp_job_parse(sound[i].text, f->cause, &patch, &job, &err);
    if (status != PP_OK) fprintf(stderr, "%s: %s\n", f->cause, err.text);
    CU_ASSERT_EQUAL_FATAL(status, PP_OK);
    char *text = echo_of(job);
    pp_job_destroy(job);
    return text;
}

static const pp_cause *find(const char *id)
{
    int count;
    const pp_cause *causes = pp_causes(&count);
    for (int i = 0; i < count; i++)
        if (strcmp(causes[i].id, id) == 0) return &causes[i];
    return NULL;
}

/* The cause of the fault is seen and has probes. */
static void check_cause_of(const fault *f, const char *text)
{
    rows r;
    pp_error err = {0};
    pp_probe probes[ROOM];
    rows_make(&r, f->rows, text);
    const pp_cause *cause = find(f->cause);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cause);
    pp_job *job = resolved(text, NULL, &r, &err);
    if (job == NULL) fprintf(stderr, "%s: %s\n", f->cause, err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(job);
    pp_case c = {.job = job, .data = &r.data, .arena = pp_arena_create(), .copies = "copies"};
    double sign = sign_of(cause, &c);
    int n = cause->probes(&c, probes, ROOM);
    CU_ASSERT_TRUE(sign >= f->least_sign);
    CU_ASSERT_TRUE(n > 0);
    if (sign < f->least_sign || n == 0)
        fprintf(stderr, "%s: sign %g, %d probes: %s\n", f->cause, sign, n, text);
    pp_arena_destroy(c.arena);
    pp_job_destroy(job);
}

/* However far off a rate is, one of its probes comes within a factor of 30 of Adam's default. */
static void test_far_rates(void)
{
    static const char *const rates[] = {"1e-14", "3e-9", "1e-5", "0.5", "100", "1e9"};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        rows r;
        pp_probe probes[ROOM];
        const char *path = "optimizer.lr", *value = rates[i];
        pp_patch patch = {&path, &value, 1};
        rows_make(&r, BINARY, sound[0].text);
        pp_job *job = resolved(sound[0].text, &patch, &r, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(job);
        pp_case c = {.job = job, .data = &r.data, .arena = pp_arena_create()};
        int low = job->optimizer.lr < 1e-3, near = 0;
        const pp_cause *cause = find(low ? "learning-rate-too-low" : "learning-rate-too-high");
        int n = cause->probes(&c, probes, ROOM);
        for (int k = 0; k < n; k++) {
            double lr = atof(probes[k].patch.values[0]);
            near += lr > 1e-3 / 30 && lr < 1e-3 * 30;
        }
        CU_ASSERT_TRUE(near > 0);
        if (near == 0) fprintf(stderr, "rate %s: none of %d probes comes near\n", value, n);
        pp_arena_destroy(c.arena);
        pp_job_destroy(job);
    }
}

static void test_faults(void)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (int k = 0; k < 2; k++) {
            const fault *f = &faults[i];
            if (strncmp(f->cause, "batch-norm", 10) == 0 && !sound[k].has_batch_norm) continue;
            char *text = break_job(f, k);
            check_cause_of(f, text);
            for (int kind = 0; kind < N_ROWS; kind++)
                check_case(f->cause, text, kind, "{\"verdict\": \"at-base-rate\"}");
            free(text);
        }
}

/* ---- the table ---- */

static int has_fault(const char *id)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (strcmp(faults[i].cause, id) == 0) return 1;
    return 0;
}

static void check_list(const pp_cause *cause)
{
    char list[512];
    snprintf(list, sizeof list, "%s", cause->explains != NULL ? cause->explains : "");
    for (char *id = strtok(list, " "); id != NULL; id = strtok(NULL, " ")) {
        const pp_cause *other = find(id);
        CU_ASSERT_TRUE(other != NULL && other != cause);
        if (other == NULL) fprintf(stderr, "%s explains %s, which is no cause\n", cause->id, id);
    }
}

/* Every row has its page, every page its parts, and no page is of no row. */
static void test_prose(void)
{
    static const char *const parts[] = {"## What happens\n\n", "## How it shows\n\n",
                                        "## In PyTorch\n\n", "## Remedy\n\n",
                                        "## Mistaken for\n\n"};
    int count, pages = 0;
    const pp_cause *causes = pp_causes(&count);
    for (int i = 0; i < count; i++) {
        const char *text = pp_cause_prose(&causes[i]), *at = text;
        CU_ASSERT_PTR_NOT_NULL(text);
        if (text == NULL) fprintf(stderr, "no src/study/causes/%s.md\n", causes[i].id);
        for (int k = 0; k < 5 && at != NULL; k++)
            at = strstr(at, parts[k]);
        CU_ASSERT_PTR_NOT_NULL(at);
    }
    for (const pp__page *page = pp__prose; page->id != NULL; page++, pages++)
        CU_ASSERT_PTR_NOT_NULL(find(page->id));
    CU_ASSERT_EQUAL(pages, count);
}

/* Candidates of an audit have the ids of causes where both mean the same; no task has one twice. */
static void test_candidates(void)
{
    int count, shared = 0;
    const pp_candidate *table = pp_candidates(&count);
    for (int i = 0; i < count; i++) {
        shared += find(table[i].id) != NULL;
        for (int k = 0; k < i; k++)
            CU_ASSERT_FALSE(strcmp(table[i].id, table[k].id) == 0 &&
                            (table[i].kinds & table[k].kinds) != 0);
    }
    CU_ASSERT_EQUAL(shared, 18);
}

/* ---- what is learnt by heart: told from the verdict, not from the job ---- */

static double overfitting_of(double train, double held_out, int *probes)
{
    rows r;
    char text[256];
    pp_probe room[ROOM];
    pp_json *verdict = NULL;
    rows_make(&r, BINARY, sound[0].text);
    pp_job *job = resolved(sound[0].text, NULL, &r, NULL);
    snprintf(text, sizeof text,
             "{\"verdict\": \"memorised\", \"evidence\": {\"train\": {\"skill\": %g}, "
             "\"held_out\": {\"skill\": %g}}}",
             train, held_out);
    CU_ASSERT_EQUAL_FATAL(pp_json_parse(text, "v", &verdict, NULL), PP_OK);
    pp_case c = {.job = job, .data = &r.data, .verdict = verdict, .arena = pp_arena_create()};
    const pp_cause *cause = find("overfitting");
    double sign = sign_of(cause, &c);
    *probes = cause->probes(&c, room, ROOM);
    trial t = {.name = "overfitting", .text = sound[0].text, .echo = echo_of(job), .rows = &r};
    t.c = c;
    for (int k = 0; k < *probes; k++)
        check_probe(&t, cause, &room[k]);
    free((char *)t.echo);
    pp_arena_destroy(c.arena);
    pp_json_destroy(verdict);
    pp_job_destroy(job);
    return sign;
}

static void test_overfitting(void)
{
    int n;
    CU_ASSERT_TRUE(overfitting_of(0.9, -2, &n) > 0.5 && n >= 5);
    CU_ASSERT_TRUE(overfitting_of(0.9, 0.3, &n) > 0.5 && n >= 5);
    CU_ASSERT_TRUE(overfitting_of(0.9, 0.8, &n) == 0 && n == 0);
    CU_ASSERT_TRUE(overfitting_of(0.01, -0.5, &n) == 0 && n == 0); /* nothing is learnt */
}

static void test_table(void)
{
    int count;
    const pp_cause *causes = pp_causes(&count);
    CU_ASSERT_TRUE(count >= 40);
    for (int i = 0; i < count; i++) {
        CU_ASSERT_PTR_EQUAL(find(causes[i].id), &causes[i]); /* no id twice */
        CU_ASSERT_TRUE(causes[i].title != NULL && causes[i].transfer != NULL);
        check_list(&causes[i]);
        int tested = has_fault(causes[i].id) || strcmp(causes[i].id, "overfitting") == 0;
        CU_ASSERT_EQUAL(tested, causes[i].probes != NULL);
        if (tested != (causes[i].probes != NULL)) fprintf(stderr, "%s: no fault\n", causes[i].id);
    }
}

const pp_test pp_tests_cause[] = {
    {"rows of the table: ids, titles, what they explain", test_table},
    {"every cause has its page", test_prose},
    {"candidates of an audit share the ids", test_candidates},
    {"every probe and recipe on top of every job", test_every_job},
    {"a fault for each cause is seen and can be probed", test_faults},
    {"what is learnt by heart is seen in the verdict", test_overfitting},
    {"a learning rate that is far off is brought near", test_far_rates},
    {NULL, NULL}};
