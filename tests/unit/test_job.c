#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "job/job.h"
#include "support/test.h"

#ifndef PP_TEST_JOBS
#define PP_TEST_JOBS "tests/jobs"
#endif

/* ---- helpers ---- */

static const char minimal[] =
    "{\"name\": \"m\", \"data\": {\"files\": \"t.h5\"},"
    " \"model\": {\"layers\": [{\"type\": \"dense\", \"units\": \"auto\"}]}}";

static pp_job *parse_with(const char *text, const pp_patch *patch)
{
    pp_error err = {0};
    pp_job *job = NULL;
    pp_status status = pp_job_parse(text, "job", patch, &job, &err);
    if (status != PP_OK) fprintf(stderr, "got: %s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(status, PP_OK);
    return job;
}

/* minimal with one path set; path NULL: as it is. */
static pp_job *parse_set(const char *path, const char *value)
{
    const pp_patch patch = {&path, &value, path == NULL ? 0 : 1};
    return parse_with(minimal, &patch);
}

static void expect_text(const char *text, const char *phrase)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, phrase));
    if (strstr(text, phrase) == NULL) fprintf(stderr, "wanted: %s\n   got: %s\n", phrase, text);
}

static char *echo(const pp_job *job)
{
    pp_json_writer *writer = pp_json_writer_create(2);
    pp_job_echo(job, writer);
    const char *text = pp_json_text(writer, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    char *copy = strdup(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    pp_json_writer_destroy(writer);
    return copy;
}

/* Calls check(path, text of the file) for each .json of a folder of the corpus; returns how many.
 */
static int each_job(const char *folder, void (*check)(const char *path, const char *text))
{
    char directory[512], path[1024];
    int count = 0;
    snprintf(directory, sizeof directory, "%s/%s", PP_TEST_JOBS, folder);
    DIR *open = opendir(directory);
    CU_ASSERT_PTR_NOT_NULL_FATAL(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        const size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 5, ".json") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        char *text = NULL;
        size_t size = 0;
        CU_ASSERT_EQUAL_FATAL(pp_fs_read(path, &text, &size, NULL), PP_OK);
        check(path, text);
        free(text);
        count++;
    }
    closedir(open);
    return count;
}

/* ---- the corpus ---- */

static void check_invalid(const char *path, const char *text)
{
    char other[1024];
    char *phrase = NULL;
    size_t size = 0;
    pp_error err = {0};
    pp_job *job = NULL;
    snprintf(other, sizeof other, "%.*s.err", (int)strlen(path) - 5, path);
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(other, &phrase, &size, NULL), PP_OK);
    phrase[strcspn(phrase, "\n")] = '\0';
    CU_ASSERT_TRUE(strlen(phrase) > 8);
    CU_ASSERT_EQUAL(pp_job_parse(text, path, NULL, &job, &err), PP_E_JOB);
    CU_ASSERT_PTR_NULL(job);
    CU_ASSERT_EQUAL(strncmp(err.text, path, strlen(path)), 0);
    CU_ASSERT_PTR_NULL(strchr(err.text, '\n'));
    expect_text(err.text, phrase);
    free(phrase);
}

static void test_invalid(void)
{
    CU_ASSERT_TRUE(each_job("invalid", check_invalid) >= 64);
}

static void expect_same_again(const pp_job *job)
{
    char *first = echo(job);
    pp_job *again = parse_with(first, NULL);
    char *second = echo(again);
    CU_ASSERT_STRING_EQUAL(first, second);
    free(first);
    free(second);
    pp_job_destroy(again);
}

static const pp_job_facts facts_of[] = {
    {.rows = 100, .y_columns = 1, .task = PP_TASK_BINARY, .classes = 2, .window = 10},
    {.rows = 100, .y_columns = 1, .task = PP_TASK_MULTICLASS, .classes = 3, .window = 10},
    {.rows = 100, .y_columns = 4, .task = PP_TASK_REGRESSION, .classes = 0, .window = 10},
};

static void check_valid(const char *path, const char *text)
{
    pp_error err = {0};
    for (size_t i = 0; i < sizeof facts_of / sizeof *facts_of; i++) {
        pp_job *job = parse_with(text, NULL);
        expect_same_again(job);
        /* A job with balance cannot become a regression: then it must be as it was. */
        char *before = echo(job);
        if (pp_job_resolve(job, &facts_of[i], &err) == PP_OK) {
            expect_same_again(job);
        } else {
            char *after = echo(job);
            CU_ASSERT_STRING_EQUAL(before, after);
            CU_ASSERT_EQUAL(facts_of[i].task, PP_TASK_REGRESSION);
            if (facts_of[i].task != PP_TASK_REGRESSION) fprintf(stderr, "%s: %s\n", path, err.text);
            free(after);
        }
        free(before);
        pp_job_destroy(job);
    }
}

static void test_valid(void)
{
    CU_ASSERT_TRUE(each_job("valid", check_valid) >= 12);
}

/* ---- the schema against the corpus ---- */

static char *corpus; /* text of all valid jobs, while test_schema_keys runs */

static void collect(const char *path, const char *text)
{
    (void)path;
    const size_t old = corpus == NULL ? 0 : strlen(corpus);
    char *longer = realloc(corpus, old + strlen(text) + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(longer);
    memcpy(longer + old, text, strlen(text) + 1);
    corpus = longer;
}

/* Every name under "properties", at any depth, stands in the corpus. Returns how many. */
static int expect_used(const pp_json *schema)
{
    int count = 0;
    const pp_json *properties = pp_json_get(schema, "properties");
    for (int64_t i = 0; properties != NULL && i < pp_json_count(properties); i++) {
        char quoted[64];
        const pp_json *member = pp_json_at(properties, i);
        snprintf(quoted, sizeof quoted, "\"%s\":", pp_json_key(member));
        expect_text(corpus, quoted);
        count += 1 + expect_used(member);
    }
    return count;
}

static pp_json *read_schema(void)
{
    pp_json *schema = NULL;
    pp_json_writer *writer = pp_json_writer_create(2);
    pp_job_schema(writer);
    CU_ASSERT_EQUAL_FATAL(pp_json_parse(pp_json_text(writer, NULL), "schema", &schema, NULL),
                          PP_OK);
    pp_json_writer_destroy(writer);
    return schema;
}

static void test_schema_keys(void)
{
    pp_json *schema = read_schema();
    const pp_json *layer = pp_json_get(pp_json_get(schema, "$defs"), "layer");
    each_job("valid", collect);
    CU_ASSERT_TRUE(expect_used(schema) > 50);
    CU_ASSERT_TRUE(expect_used(layer) > 12);
    free(corpus);
    corpus = NULL;
    pp_json_destroy(schema);
}

static const pp_json *dig(const pp_json *schema, const char *section, const char *key)
{
    const pp_json *at = pp_json_get(pp_json_get(schema, "properties"), section);
    return pp_json_get(pp_json_get(at, "properties"), key);
}

static void test_schema_rows(void)
{
    pp_json *schema = read_schema();
    const pp_json *batch = dig(schema, "training", "batch");
    CU_ASSERT_EQUAL(pp_json_number(pp_json_get(batch, "minimum")), 1.0);
    CU_ASSERT_EQUAL(pp_json_number(pp_json_get(batch, "default")), 256.0);
    expect_text(pp_json_string(pp_json_get(batch, "description")), "Rows of the global batch");
    const pp_json *lanes = pp_json_get(dig(schema, "training", "lanes"), "enum");
    CU_ASSERT_EQUAL(pp_json_count(lanes), 15); /* auto, 1 ... 8192 */
    const pp_json *fraction = dig(schema, "data", "validation");
    fraction = pp_json_get(pp_json_get(fraction, "properties"), "fraction");
    CU_ASSERT_EQUAL(pp_json_number(pp_json_get(fraction, "exclusiveMaximum")), 1.0);
    const pp_json *layers = pp_json_get(dig(schema, "model", "layers"), "items");
    CU_ASSERT_STRING_EQUAL(pp_json_string(pp_json_get(layers, "$ref")), "#/$defs/layer");
    CU_ASSERT_FALSE(pp_json_bool(pp_json_get(schema, "additionalProperties")));
    CU_ASSERT_EQUAL(pp_json_count(pp_json_get(schema, "required")), 3);
    const pp_json *layer = pp_json_get(pp_json_get(schema, "$defs"), "layer");
    CU_ASSERT_EQUAL(pp_json_count(pp_json_get(layer, "allOf")), PP_LAYER_FLATTEN + 1);
    /* dropout has no units; dense requires them */
    const pp_json *dense = pp_json_get(pp_json_at(pp_json_get(layer, "allOf"), 0), "then");
    const pp_json *dropout = pp_json_get(pp_json_at(pp_json_get(layer, "allOf"), 2), "then");
    CU_ASSERT_STRING_EQUAL(pp_json_string(pp_json_at(pp_json_get(dense, "required"), 0)), "units");
    CU_ASSERT_FALSE(pp_json_bool(pp_json_get(pp_json_get(dropout, "properties"), "units")));
    pp_json_destroy(schema);
}

/* ---- defaults ---- */

static void test_defaults(void)
{
    pp_job *job = parse_set(NULL, NULL);
    const pp_layer_spec *layer = &job->model.layers[0];
    CU_ASSERT_STRING_EQUAL(job->name, "m");
    CU_ASSERT_EQUAL(job->data.n_files, 1);
    CU_ASSERT_STRING_EQUAL(job->data.files[0], "t.h5");
    CU_ASSERT_EQUAL(job->data.n_x, 1);
    CU_ASSERT_STRING_EQUAL(job->data.x[0], "/x");
    CU_ASSERT_STRING_EQUAL(job->data.row_weights, "");
    CU_ASSERT_EQUAL(job->data.task, PP_TASK_AUTO);
    CU_ASSERT_EQUAL(job->data.classes, PP_AUTO);
    CU_ASSERT_EQUAL(job->data.validation_fraction, 0.1);
    CU_ASSERT_EQUAL(job->data.n_validation_files, 0);
    CU_ASSERT_EQUAL(job->data.shuffle, 1);
    CU_ASSERT_EQUAL(job->data.window, PP_AUTO);
    CU_ASSERT_EQUAL(job->data.open_windows, 16);
    CU_ASSERT_EQUAL(layer->units, PP_AUTO);
    CU_ASSERT_EQUAL(layer->bias, 1);
    CU_ASSERT_EQUAL(layer->bias_init, PP_INIT_ZEROS);
    CU_ASSERT_EQUAL(layer->trainable, 1);
    CU_ASSERT_EQUAL(job->loss.type, PP_LOSS_AUTO);
    CU_ASSERT_EQUAL(job->optimizer.type, PP_OPT_ADAM);
    CU_ASSERT_EQUAL(job->optimizer.lr, 0.001);
    CU_ASSERT_EQUAL(job->optimizer.beta2, 0.999);
    CU_ASSERT_EQUAL(job->schedule.type, PP_SCHEDULE_CONSTANT);
    CU_ASSERT_EQUAL(job->training.epochs, 10);
    CU_ASSERT_EQUAL(job->training.batch, 256);
    CU_ASSERT_EQUAL(job->training.lanes, PP_AUTO);
    CU_ASSERT_EQUAL(job->monitor.log_steps, 100);
    CU_ASSERT_EQUAL(job->checkpoint.every_epochs, 1.0);
    CU_ASSERT_EQUAL(job->checkpoint.keep, 2);
    CU_ASSERT_EQUAL(job->runtime.bucket, 4 << 20);
    pp_job_destroy(job);
    pp_job_destroy(NULL);
}

static void test_defaults_of_types(void)
{
    static const struct {
        const char *type;
        double lr, epsilon, weight_decay;
    } cases[] = {{"sgd", 0.01, 0, 0},
                 {"adam", 0.001, 1e-8, 0},
                 {"adamw", 0.001, 1e-8, 0.01},
                 {"rmsprop", 0.01, 1e-8, 0},
                 {"adagrad", 0.01, 1e-10, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pp_job *job = parse_set("optimizer.type", cases[i].type);
        CU_ASSERT_EQUAL(job->optimizer.lr, cases[i].lr);
        CU_ASSERT_EQUAL(job->optimizer.epsilon, cases[i].epsilon);
        CU_ASSERT_EQUAL(job->optimizer.weight_decay, cases[i].weight_decay);
        pp_job_destroy(job);
    }
}

static void test_defaults_that_yield(void)
{
    pp_job *job = parse_set("training.steps", "50");
    CU_ASSERT_EQUAL(job->training.steps, 50);
    CU_ASSERT_EQUAL(job->training.epochs, 0);
    pp_job_destroy(job);
    job = parse_set("data.validation.files", "v.h5");
    CU_ASSERT_EQUAL(job->data.validation_fraction, 0.0);
    CU_ASSERT_STRING_EQUAL(job->data.validation_files[0], "v.h5");
    pp_job_destroy(job);
}

/* ---- patches ---- */

static void test_patch(void)
{
    const char *paths[] = {"model.layers[1]", "model.layers[0].units", "optimizer.type", "seed"};
    const char *values[] = {"{\"type\": \"dense\", \"units\": \"auto\"}", "64", "sgd", "3"};
    const pp_patch patch = {paths, values, 4};
    pp_job *job = parse_with(minimal, &patch);
    CU_ASSERT_EQUAL_FATAL(job->model.n_layers, 2);
    CU_ASSERT_EQUAL(job->model.layers[0].units, 64);
    CU_ASSERT_EQUAL(job->optimizer.type, PP_OPT_SGD);
    CU_ASSERT_EQUAL(job->seed, 3);
    pp_job_destroy(job);
}

static void expect_patch_refused(const char *path, const char *value, const char *phrase)
{
    pp_error err = {0};
    pp_job *job = NULL;
    const pp_patch patch = {&path, &value, 1};
    CU_ASSERT_NOT_EQUAL(pp_job_parse(minimal, "job.json", &patch, &job, &err), PP_OK);
    CU_ASSERT_PTR_NULL(job);
    CU_ASSERT_EQUAL(pp_status_exit_code(err.code), 2);
    expect_text(err.text, phrase);
}

static void test_patch_refused(void)
{
    expect_patch_refused("model.layers[7].units", "3",
                         "job.json: model.layers[7].units: model.layers has 1 elements");
    expect_patch_refused("model.layers[0].unit", "3",
                         "job.json: model.layers[0].unit: unknown key; did you mean 'units'?");
    expect_patch_refused("name.x", "3", "name.x: name is a string and has no key 'x'");
    expect_patch_refused("training.batch", "many",
                         "training.batch: must be an integer, got a string");
    expect_patch_refused("modle.layers[0].units", "3", "modle: unknown key; did you mean 'model'?");
    expect_patch_refused("optimizer.momentum", "0.9",
                         "optimizer.momentum: not a key of 'adam' (sgd, rmsprop have it)");
}

/* ---- resolving ---- */

enum { BINARY, MULTICLASS, REGRESSION };

static pp_job *resolve_set(const char *path, const char *value, int task)
{
    pp_error err = {0};
    pp_job *job = parse_set(path, value);
    CU_ASSERT_EQUAL_FATAL(pp_job_resolve(job, &facts_of[task], &err), PP_OK);
    return job;
}

static void test_resolve_by_task(void)
{
    static const struct {
        pp_task task;
        int64_t classes, units;
        pp_loss_type loss;
        pp_targets targets;
    } expected[] = {
        {PP_TASK_BINARY, 2, 1, PP_LOSS_BCE_LOGITS, PP_TARGETS_DENSE},
        {PP_TASK_MULTICLASS, 3, 3, PP_LOSS_CE_LOGITS, PP_TARGETS_INDEX},
        {PP_TASK_REGRESSION, 0, 4, PP_LOSS_MSE, PP_TARGETS_DENSE},
    };
    for (int i = 0; i < 3; i++) {
        pp_job *job = resolve_set(NULL, NULL, i);
        CU_ASSERT_EQUAL(job->data.task, expected[i].task);
        CU_ASSERT_EQUAL(job->data.classes, expected[i].classes);
        CU_ASSERT_EQUAL(job->model.layers[0].units, expected[i].units);
        CU_ASSERT_EQUAL(job->loss.type, expected[i].loss);
        CU_ASSERT_EQUAL(job->loss.targets, expected[i].targets);
        CU_ASSERT_EQUAL(job->data.window, 10);
        CU_ASSERT_EQUAL(job->training.lanes, 8);
        CU_ASSERT_STRING_EQUAL(job->output, "runs/m");
        pp_job_destroy(job);
    }
}

static void test_resolve_what_is_given(void)
{
    pp_job *job = resolve_set("loss.type", "cross_entropy", BINARY);
    CU_ASSERT_EQUAL(job->model.layers[0].units, 2);
    CU_ASSERT_EQUAL(job->loss.targets, PP_TARGETS_INDEX);
    pp_job_destroy(job);
    job = resolve_set("loss.type", "mse", MULTICLASS);
    CU_ASSERT_EQUAL(job->model.layers[0].units, 3);
    CU_ASSERT_EQUAL(job->loss.targets, PP_TARGETS_ONE_HOT);
    pp_job_destroy(job);
    job = resolve_set("model.layers[0].units", "1", MULTICLASS);
    CU_ASSERT_EQUAL(job->model.layers[0].units, 1);
    pp_job_destroy(job);
    job = resolve_set("model", "{\"layers\": [{\"type\": \"dense\", \"units\": 1}]}", MULTICLASS);
    CU_ASSERT_EQUAL(job->loss.type, PP_LOSS_CE_LOGITS);
    pp_job_destroy(job);
    job = resolve_set("data.task", "regression", MULTICLASS);
    CU_ASSERT_EQUAL(job->data.task, PP_TASK_REGRESSION);
    CU_ASSERT_EQUAL(job->model.layers[0].units, 1); /* y_columns */
    pp_job_destroy(job);
    job = resolve_set("data.classes", "7", MULTICLASS);
    CU_ASSERT_EQUAL(job->model.layers[0].units, 7);
    pp_job_destroy(job);
    job = resolve_set("output", "elsewhere", BINARY);
    CU_ASSERT_STRING_EQUAL(job->output, "elsewhere");
    pp_job_destroy(job);
}

/* One unit for several classes with a loss of single units: y as it is. */
static void test_resolve_single_unit(void)
{
    static const char text[] =
        "{\"name\": \"m\", \"data\": {\"files\": \"t.h5\"}, \"loss\": {\"type\": \"bce\"},"
        " \"model\": {\"layers\": [{\"type\": \"dense\", \"units\": 1}]}}";
    pp_job *job = parse_with(text, NULL);
    CU_ASSERT_EQUAL(pp_job_resolve(job, &facts_of[MULTICLASS], NULL), PP_OK);
    CU_ASSERT_EQUAL(job->loss.targets, PP_TARGETS_DENSE);
    pp_job_destroy(job);
}

static void test_lanes_rule(void)
{
    static const struct {
        const char *batch;
        int64_t lanes;
    } cases[] = {{"1", 1},   {"63", 1},  {"64", 2},  {"127", 2},   {"128", 4},
                 {"255", 4}, {"256", 8}, {"512", 8}, {"100000", 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pp_job *job = parse_set("training.batch", cases[i].batch);
        CU_ASSERT_EQUAL(pp_job_lanes(job), cases[i].lanes);
        pp_job_destroy(job);
    }
    pp_job *job = parse_set("training.lanes", "16");
    CU_ASSERT_EQUAL(pp_job_lanes(job), 16);
    pp_job_destroy(job);
}

static void expect_unresolved(const char *path, const char *value, int task, const char *phrase)
{
    pp_error err = {0};
    pp_job *job = parse_set(path, value);
    char *before = echo(job);
    CU_ASSERT_EQUAL(pp_job_resolve(job, &facts_of[task], &err), PP_E_JOB);
    expect_text(err.text, phrase);
    char *after = echo(job);
    CU_ASSERT_STRING_EQUAL(before, after);
    free(before);
    free(after);
    pp_job_destroy(job);
}

static void test_resolve_refused(void)
{
    expect_unresolved("data.balance", "oversample", REGRESSION, "data.balance: needs classes");
    expect_unresolved("data.classes", "3", BINARY, "data.classes: a binary task has 2 classes");
    expect_unresolved("loss.label_smoothing", "0.1", REGRESSION,
                      "loss.label_smoothing: a regression");
    expect_unresolved("loss.targets", "index", BINARY, "loss.targets: 'index'");
    expect_unresolved("loss.targets", "broadcast", MULTICLASS, "loss.targets: 'broadcast'");
    expect_unresolved("data",
                      "{\"files\": \"t\", \"balance\": \"given\", \"class_weights\": [1, 2]}",
                      MULTICLASS, "data.class_weights: 2 weights for 3 classes");
}

const pp_test pp_tests_job[] = {
    {"each broken job is refused with its path and reason", test_invalid},
    {"each good job is the same after echo and parse, resolved or not", test_valid},
    {"every key of the schema is used by a good job", test_schema_keys},
    {"the schema has bounds, defaults, conditions", test_schema_rows},
    {"defaults", test_defaults},
    {"defaults that depend on the type", test_defaults_of_types},
    {"defaults that yield to another key", test_defaults_that_yield},
    {"patches change the job before it is checked", test_patch},
    {"a patch that cannot be is named", test_patch_refused},
    {"autos follow the task", test_resolve_by_task},
    {"what is given stays", test_resolve_what_is_given},
    {"one unit takes y as it is", test_resolve_single_unit},
    {"lanes follow from the batch", test_lanes_rule},
    {"what cannot be resolved is left as it was", test_resolve_refused},
    {NULL, NULL}};
