/* Each odd job gives exactly the warnings that its row says; sensible ones give none. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/test.h"

#define DENSE(units, activation)                                                                   \
    "{\"type\": \"dense\", \"units\": " #units ", \"activation\": \"" activation "\"}"
#define RELU DENSE(16, "relu")
#define OUT DENSE("auto", "identity")
#define DROP(rate) "{\"type\": \"dropout\", \"rate\": " #rate "}"
#define BATCH_NORM "{\"type\": \"batch_norm\"}"
#define ACT(name) "{\"type\": \"activation\", \"activation\": \"" name "\"}"

enum { BINARY, MULTICLASS, REGRESSION };

static const pp_job_facts facts_of[] = {
    {.rows = 100, .y_columns = 1, .task = PP_TASK_BINARY, .classes = 2, .window = 10},
    {.rows = 100, .y_columns = 1, .task = PP_TASK_MULTICLASS, .classes = 3, .window = 10},
    {.rows = 100, .y_columns = 1, .task = PP_TASK_REGRESSION, .classes = 0, .window = 10},
};

typedef struct row {
    int task;
    const char *layers, *rest;     /* of the list; further keys of the job, with a comma in front */
    const char *path, *phrase;     /* the warning; NULL: none */
    const char *path_2, *phrase_2; /* a second one; NULL: none */
} row;

typedef struct seen {
    int count;
    char path[4][256], text[4][512];
} seen;

static void note(void *context, const char *path, const char *text)
{
    seen *s = context;
    if (s->count < 4) {
        snprintf(s->path[s->count], sizeof s->path[0], "%s", path);
        snprintf(s->text[s->count], sizeof s->text[0], "%s", text);
    }
    s->count++;
}

static int was_seen(const seen *s, const char *path, const char *phrase)
{
    for (int i = 0; i < s->count && i < 4; i++)
        if (strcmp(s->path[i], path) == 0 && strstr(s->text[i], phrase) != NULL) return 1;
    return 0;
}

static pp_job *make(const row *r)
{
    char text[2048];
    pp_error err = {0};
    pp_job *job = NULL;
    snprintf(
        text, sizeof text,
        "{\"name\": \"lint\", \"data\": {\"files\": \"t.h5\"}, \"model\": {\"layers\": [%s]}%s}",
        r->layers, r->rest);
    pp_status status = pp_job_parse(text, "job", NULL, &job, &err);
    if (status == PP_OK) status = pp_job_resolve(job, &facts_of[r->task], &err);
    if (status != PP_OK) fprintf(stderr, "%s\n%s\n", text, err.text);
    CU_ASSERT_EQUAL_FATAL(status, PP_OK);
    return job;
}

static void expect(const row *r)
{
    seen s = {0};
    pp_job *job = make(r);
    const int wanted = (r->path != NULL) + (r->path_2 != NULL);
    CU_ASSERT_EQUAL(pp_job_lint(job, note, &s), wanted);
    CU_ASSERT_EQUAL(s.count, wanted);
    int good = s.count == wanted;
    if (r->path != NULL) good &= was_seen(&s, r->path, r->phrase);
    if (r->path_2 != NULL) good &= was_seen(&s, r->path_2, r->phrase_2);
    CU_ASSERT_TRUE(good);
    for (int i = 0; !good && i < s.count && i < 4; i++)
        fprintf(stderr, "[%s]%s: got: %s: %s\n", r->layers, r->rest, s.path[i], s.text[i]);
    if (!good && s.count == 0) fprintf(stderr, "[%s]%s: got nothing\n", r->layers, r->rest);
    pp_job_destroy(job);
}

static void expect_all(const row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(&rows[i]);
}

#define EXPECT_ALL(rows) expect_all(rows, sizeof(rows) / sizeof *(rows))
#define LOSS(type) ", \"loss\": {\"type\": \"" type "\"}"
#define LATE(name) "\"at_prediction\": \"" name "\""

static void test_sensible(void)
{
    static const row rows[] = {
        {.task = BINARY, .layers = OUT, .rest = ""},
        {.task = MULTICLASS, .layers = OUT, .rest = ""},
        {.task = REGRESSION, .layers = OUT, .rest = ""},
        {.task = MULTICLASS,
         .layers = RELU "," DROP(0.5) "," RELU "," DROP(0.5) "," OUT,
         .rest = ""},
        {.task = MULTICLASS,
         .layers = DENSE(8, "identity") "," BATCH_NORM "," ACT("relu") "," DROP(0.2) "," OUT,
         .rest = ", \"loss\": {\"label_smoothing\": 0.1}"},
        {.task = BINARY, .layers = RELU "," DENSE(1, "sigmoid"), .rest = LOSS("bce")},
        {.task = MULTICLASS, .layers = RELU "," DENSE(3, "softmax"), .rest = LOSS("cross_entropy")},
        {.task = BINARY, .layers = RELU "," DENSE(2, "softmax"), .rest = LOSS("cross_entropy")},
        {.task = BINARY,
         .layers = RELU "," DENSE(1, "identity") "," ACT("sigmoid"),
         .rest = LOSS("bce")},
        {.task = REGRESSION,
         .layers = DENSE(8, "tanh") "," BATCH_NORM "," OUT,
         .rest = LOSS("huber")},
        {.task = REGRESSION, .layers = RELU "," DENSE(1, "softplus"), .rest = LOSS("mse")},
        {.task = MULTICLASS,
         .layers =
             DENSE(8, "identity") ",{\"type\": \"residual\", \"layers\": [{\"type\": "
                                  "\"layer_norm\"}," RELU ",{\"type\": \"dense\", \"units\": 8,"
                                  " \"init\": \"zeros\"}]}," OUT,
         .rest = ""},
        {.task = REGRESSION,
         .layers = "{\"type\": \"dense\", \"units\": 1, \"init\": \"zeros\"}",
         .rest = ", \"optimizer\": {\"type\": \"sgd\", \"lr\": 0.5}"},
        {.task = BINARY, .layers = OUT, .rest = ", \"training\": {\"batch\": 4}"},
    };
    EXPECT_ALL(rows);
}

static void test_output_and_loss(void)
{
    static const row rows[] = {
        {BINARY, OUT, LOSS("bce"), "loss.type", "the output is linear; use 'bce_logits'", 0, 0},
        {MULTICLASS, OUT, LOSS("cross_entropy"), "loss.type",
         "the output is linear; use 'cross_entropy_logits'", 0, 0},
        {BINARY, DENSE(1, "sigmoid"), LOSS("bce_logits"), "loss.type",
         "'bce_logits' applies its own sigmoid or softmax to what 'sigmoid' has squashed", 0, 0},
        {MULTICLASS, DENSE(3, "softmax"), LOSS("cross_entropy_logits"), "loss.type",
         "what 'softmax' has squashed", 0, 0},
        {MULTICLASS, DENSE(3, "identity") "," ACT("softmax"), "", "loss.type", "has squashed", 0,
         0},
        {BINARY, DENSE(1, "softmax"), LOSS("bce"), "model.layers[0].activation",
         "softmax over one unit is always 1", 0, 0},
        {BINARY, DENSE(1, "relu"), LOSS("bce"), "loss.type",
         "'bce' expects probabilities, which 'relu' does not give", 0, 0},
        {BINARY, DENSE(1, "tanh"), LOSS("bce"), "loss.type", "which 'tanh' does not give", 0, 0},
        {MULTICLASS, DENSE(3, "gelu"), LOSS("cross_entropy"), "loss.type",
         "which 'gelu' does not give", 0, 0},
        {MULTICLASS, DENSE(3, "softmax"), LOSS("bce"), "loss.type", "'softmax' ties them together",
         0, 0},
        {MULTICLASS, DENSE(3, "sigmoid"), LOSS("cross_entropy"), "loss.type",
         "sum to 1 over the classes, which 'sigmoid' outputs do not", 0, 0},
        {BINARY, DENSE(1, "relu"), LOSS("bce_logits"), "loss.type",
         "'relu' gives hardly any below 0", 0, 0},
        {BINARY, DENSE(1, "tanh"), LOSS("bce_logits"), "loss.type", "within -1 and 1", 0, 0},
    };
    EXPECT_ALL(rows);
}

static void test_task(void)
{
    static const row rows[] = {
        {MULTICLASS, DENSE(3, "identity"), LOSS("mse"), "loss.type",
         "'mse' treats class labels as numbers", 0, 0},
        {BINARY, DENSE(1, "sigmoid"), LOSS("mae"), "loss.type",
         "'mae' treats class labels as numbers", 0, 0},
        {REGRESSION, DENSE(4, "identity"), LOSS("cross_entropy_logits"), "loss.type",
         "the task is a regression", 0, 0},
        {MULTICLASS, DENSE(1, "sigmoid"), LOSS("bce"), "model.layers",
         "one output unit cannot tell 3 classes apart", 0, 0},
        {MULTICLASS, DENSE(5, "identity"), "", "model.layers", "5 output units for 3 classes", 0,
         0},
        {BINARY, DENSE(1, "identity"), LOSS("cross_entropy_logits"), "loss.type",
         "over one unit is always 0", 0, 0},
        {REGRESSION, RELU "," DENSE(1, "sigmoid"), "", "model.layers[1].activation",
         "'sigmoid' limits what a regression can predict", 0, 0},
        {REGRESSION, DENSE(1, "relu"), "", "model.layers[0].activation", "'relu' limits", 0, 0},
        {REGRESSION, DENSE(1, "identity") "," ACT("tanh"), "", "model.layers[1].activation",
         "'tanh' limits", 0, 0},
    };
    EXPECT_ALL(rows);
}

/* at_prediction belongs to the model, so these are whole jobs. */
static void expect_late(const char *layers, const char *loss, const char *late, int task,
                        const char *phrase)
{
    char text[1024];
    seen s = {0};
    pp_job *job = NULL;
    snprintf(text, sizeof text,
             "{\"name\": \"lint\", \"data\": {\"files\": \"t.h5\"}, \"model\": {\"layers\": [%s], "
             "%s}%s}",
             layers, late, loss);
    CU_ASSERT_EQUAL_FATAL(pp_job_parse(text, "job", NULL, &job, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(pp_job_resolve(job, &facts_of[task], NULL), PP_OK);
    pp_job_lint(job, note, &s);
    CU_ASSERT_EQUAL(was_seen(&s, "model.at_prediction", phrase != NULL ? phrase : ""),
                    phrase != NULL);
    pp_job_destroy(job);
}

static void test_at_prediction(void)
{
    static const char sigmoid[] = DENSE(1, "sigmoid"), softmax[] = DENSE(3, "softmax");
    static const char one[] = DENSE(1, "identity"), three[] = DENSE(3, "identity");
    expect_late(sigmoid, LOSS("bce"), LATE("sigmoid"), BINARY, "sigmoid or softmax already");
    expect_late(softmax, LOSS("cross_entropy"), LATE("softmax"), MULTICLASS, "already");
    expect_late(one, LOSS("mse"), LATE("sigmoid"), REGRESSION, "never sees this function");
    expect_late(one, LOSS("mse"), LATE("sigmoid"), BINARY, "never sees this function");
    expect_late(three, LOSS("cross_entropy_logits"), LATE("sigmoid"), MULTICLASS,
                "a sigmoid on each");
    expect_late(one, LOSS("bce_logits"), LATE("softmax"), BINARY, "a softmax over units");
    expect_late(one, LOSS("bce_logits"), LATE("clamp"), BINARY, "cuts logits");
    expect_late(one, LOSS("bce_logits"), LATE("sigmoid"), BINARY, NULL);
    expect_late(three, LOSS("cross_entropy_logits"), LATE("softmax"), MULTICLASS, NULL);
    expect_late(one, LOSS("mse"), LATE("clamp"), REGRESSION, NULL);
}

static void test_layers(void)
{
    static const row rows[] = {
        {MULTICLASS, RELU "," ACT("relu") "," OUT, "", "model.layers[1].activation",
         "follows the activation of layer 0", 0, 0},
        {MULTICLASS, RELU "," DROP(0.1) "," ACT("tanh") "," OUT, "", "model.layers[2].activation",
         "follows the activation of layer 0", 0, 0},
        {MULTICLASS, DENSE(8, "identity") "," OUT, "", "model.layers[0].activation",
         "the two are one linear map", 0, 0},
        {MULTICLASS, RELU "," DENSE(8, "identity") "," BATCH_NORM "," DROP(0.1) "," OUT, "",
         "model.layers[1].activation", "one linear map", 0, 0},
        {MULTICLASS,
         RELU ",{\"type\": \"residual\", \"layers\": [" DENSE(4, "identity") "," DENSE(
             16, "relu") "]}," OUT,
         "", "model.layers[1].layers[0].activation", "one linear map", 0, 0},
        {MULTICLASS, RELU "," OUT "," DROP(0.1), "", "model.layers[2]", "drops outputs themselves",
         0, 0},
        {REGRESSION, RELU "," DROP(0.1) "," OUT, "", "model.layers[1]",
         "dropout right before the output of a regression", 0, 0},
        {MULTICLASS, RELU "," DROP(0.8) "," OUT, "", "model.layers[1].rate",
         "0.8 drops more than half", 0, 0},
        {MULTICLASS, DENSE(8, "softmax") "," OUT, "", "model.layers[0].activation",
         "softmax in a hidden layer", 0, 0},
        {MULTICLASS,
         "{\"type\": \"dense\", \"units\": 8, \"activation\": \"relu\", \"init\": "
         "\"zeros\"}," OUT,
         "", "model.layers[0].init", "start equal and stay equal", 0, 0},
        {MULTICLASS,
         "{\"type\": \"dense\", \"units\": 8, \"activation\": \"relu\", \"init\": "
         "\"constant\"}," OUT,
         "", "model.layers[0].init", "start equal", 0, 0},
        {MULTICLASS, "{\"type\": \"dense\", \"units\": \"auto\", \"trainable\": false}", "",
         "model.layers", "every layer is frozen", 0, 0},
        {BINARY, ACT("sigmoid"), LOSS("bce"), "model.layers", "no layer has weights", 0, 0},
    };
    EXPECT_ALL(rows);
}

static void test_training(void)
{
    static const row rows[] = {
        {MULTICLASS, DENSE(8, "identity") "," BATCH_NORM "," ACT("relu") "," OUT,
         ", \"training\": {\"batch\": 8, \"lanes\": 8}", "training.batch", "fewer than 2", 0, 0},
        {MULTICLASS, OUT, ", \"training\": {\"batch\": 8, \"lanes\": 16}", "training.lanes",
         "16 lanes share a batch of 8 rows", 0, 0},
        {REGRESSION, OUT, ", \"loss\": {\"type\": \"mse\", \"targets\": \"broadcast\"}",
         "loss.targets", "pairs every prediction with every target", 0, 0},
        {MULTICLASS, OUT, ", \"loss\": {\"label_smoothing\": 0.4}", "loss.label_smoothing",
         "0.4 leaves little of the labels", 0, 0},
        {MULTICLASS, OUT, ", \"optimizer\": {\"type\": \"adam\", \"lr\": 0.5}", "optimizer.lr",
         "0.5 is large for 'adam'", 0, 0},
        {MULTICLASS, DENSE(1, "softmax"), LOSS("cross_entropy"), "model.layers[0].activation",
         "softmax over one unit", "model.layers", "one output unit cannot tell 3 classes apart"},
    };
    EXPECT_ALL(rows);
}

const pp_test pp_tests_job_lint[] = {{"sensible jobs give no warnings", test_sensible},
                                     {"output activation against loss", test_output_and_loss},
                                     {"loss and units against task", test_task},
                                     {"activations at prediction only", test_at_prediction},
                                     {"odd layers and sequences", test_layers},
                                     {"odd training settings", test_training},
                                     {NULL, NULL}};
