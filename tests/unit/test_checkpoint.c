/* Checkpoints: the newest complete one is found, old ones go, and a run that was superseded keeps
 * its hands off. */
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/checkpoint.h"
#include "support/scratch.h"

enum { LENGTH = 100 };

static const char *name_of(scratch *s, int64_t step, int64_t generation)
{
    return pp_arena_printf(s->paths, "%s/checkpoints/step-%012lld-g%06lld.safetensors",
                           s->directory, (long long)step, (long long)generation);
}

static int is_there(scratch *s, int64_t step, int64_t generation)
{
    return pp_fs_exists(name_of(s, step, generation));
}

static pp_status save(scratch *s, int64_t generation, int64_t step, int64_t keep, pp_error *err)
{
    float values[LENGTH];
    char text[32];
    for (int i = 0; i < LENGTH; i++)
        values[i] = (float)(step % 1000 * 1000 + i);
    snprintf(text, sizeof text, "%lld", (long long)step);
    pp_tensor tensor = {"params", PP_F32, 1, {LENGTH}, values};
    pp_tensor_note note = {"step", text};
    return pp_checkpoint_write(s->directory, generation, step, keep, &tensor, 1, &note, 1, err);
}

static int64_t claim(scratch *s)
{
    int64_t generation = 0;
    CU_ASSERT_EQUAL_FATAL(pp_generation_claim(s->directory, &generation, NULL), PP_OK);
    return generation;
}

/* What `say` was told. */
typedef struct told {
    int count;
    char text[1024]; /* all of it */
} told;

static void hear(void *context, const char *text)
{
    told *t = context;
    t->count++;
    CU_ASSERT_TRUE_FATAL(strlen(t->text) + strlen(text) + 2 < sizeof t->text);
    strncat(t->text, text, sizeof t->text - strlen(t->text) - 1);
    strncat(t->text, "\n", sizeof t->text - strlen(t->text) - 1);
}

/* The step of the newest complete checkpoint, -1 where there is none. */
static int64_t newest(scratch *s, told *t)
{
    pp_tensorfile *file = NULL;
    long long step = -1;
    *t = (told){.text = ""};
    CU_ASSERT_EQUAL_FATAL(pp_checkpoint_newest(s->directory, &file, hear, t, NULL), PP_OK);
    if (file == NULL) return -1;
    CU_ASSERT_EQUAL(sscanf(pp_tensorfile_note(file, "step"), "%lld", &step), 1);
    const pp_tensor *params = pp_tensorfile_find(file, "params");
    CU_ASSERT_PTR_NOT_NULL_FATAL(params);
    CU_ASSERT_EQUAL(((const float *)params->data)[3], (float)(step % 1000 * 1000 + 3));
    pp_tensorfile_destroy(file);
    return step;
}

/* Cuts a file off, or flips a bit of its last byte (cut = 0). */
static void damage(const char *path, size_t cut)
{
    char *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(path, &bytes, &length, NULL), PP_OK);
    if (cut == 0) bytes[length - 1] ^= 0x10;
    CU_ASSERT_EQUAL_FATAL(pp_fs_write(path, bytes, length - cut, NULL), PP_OK);
    free(bytes);
}

/* ---- finding ---- */

static void test_none(void)
{
    scratch s;
    told t;
    scratch_make(&s);
    CU_ASSERT_EQUAL(newest(&s, &t), -1); /* not even a directory */
    claim(&s);
    CU_ASSERT_EQUAL(newest(&s, &t), -1);
    CU_ASSERT_EQUAL(t.count, 0);
    scratch_remove(&s);
}

static void test_newest(void)
{
    scratch s;
    told t;
    scratch_make(&s);
    int64_t generation = claim(&s);
    CU_ASSERT_EQUAL(save(&s, generation, 9, 9, NULL), PP_OK);
    CU_ASSERT_EQUAL(newest(&s, &t), 9);
    CU_ASSERT_EQUAL(save(&s, generation, 10, 9, NULL), PP_OK);
    CU_ASSERT_EQUAL(save(&s, generation, 12345678901234, 9, NULL),
                    PP_OK); /* wider than its field */
    CU_ASSERT_EQUAL(newest(&s, &t), 12345678901234);
    CU_ASSERT_EQUAL(t.count, 0);
    CU_ASSERT_TRUE(is_there(&s, 9, generation) && is_there(&s, 10, generation));
    scratch_remove(&s);
}

static void test_damaged(void)
{
    scratch s;
    told t;
    scratch_make(&s);
    int64_t generation = claim(&s);
    for (int64_t step = 1; step <= 4; step++)
        CU_ASSERT_EQUAL_FATAL(save(&s, generation, step, 9, NULL), PP_OK);
    damage(name_of(&s, 4, generation), 1);
    CU_ASSERT_EQUAL(newest(&s, &t), 3);
    CU_ASSERT_EQUAL(t.count, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(t.text, name_of(&s, 4, generation)));
    damage(name_of(&s, 3, generation), 0);
    CU_ASSERT_EQUAL(newest(&s, &t), 2);
    CU_ASSERT_EQUAL(t.count, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(t.text, name_of(&s, 3, generation)));
    CU_ASSERT_PTR_NOT_NULL(strstr(t.text, "checksum"));
    CU_ASSERT_EQUAL_FATAL(truncate(name_of(&s, 2, generation), 0), 0);
    CU_ASSERT_EQUAL(newest(&s, &t), 1);
    CU_ASSERT_EQUAL_FATAL(truncate(name_of(&s, 1, generation), 40), 0);
    CU_ASSERT_EQUAL(newest(&s, &t), -1);
    CU_ASSERT_EQUAL(t.count, 4);
    scratch_remove(&s);
}

/* Nobody need listen. */
static void test_damaged_in_silence(void)
{
    scratch s;
    pp_tensorfile *file = NULL;
    scratch_make(&s);
    int64_t generation = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, generation, 5, 1, NULL), PP_OK);
    damage(name_of(&s, 5, generation), 10);
    CU_ASSERT_EQUAL(pp_checkpoint_newest(s.directory, &file, NULL, NULL, NULL), PP_OK);
    CU_ASSERT_PTR_NULL(file);
    scratch_remove(&s);
}

/* Of one step the later generation comes first. */
static void test_same_step(void)
{
    scratch s;
    told t;
    scratch_make(&s);
    int64_t first = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, first, 7, 5, NULL), PP_OK);
    int64_t second = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, second, 7, 5, NULL), PP_OK);
    damage(name_of(&s, 7, second), 1);
    CU_ASSERT_EQUAL(newest(&s, &t), 7);
    CU_ASSERT_EQUAL(t.count, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(t.text, name_of(&s, 7, second)));
    scratch_remove(&s);
}

/* ---- pruning ---- */

static void test_keep(void)
{
    scratch s;
    scratch_make(&s);
    int64_t generation = claim(&s);
    for (int64_t step = 10; step <= 50; step += 10)
        CU_ASSERT_EQUAL_FATAL(save(&s, generation, step, 2, NULL), PP_OK);
    for (int64_t step = 10; step <= 50; step += 10)
        CU_ASSERT_EQUAL(is_there(&s, step, generation), step >= 40);
    CU_ASSERT_EQUAL_FATAL(save(&s, generation, 60, 1, NULL), PP_OK);
    CU_ASSERT_FALSE(is_there(&s, 50, generation));
    CU_ASSERT_TRUE(is_there(&s, 60, generation));
    scratch_remove(&s);
}

/* A run that went on from step 20 because step 40 was damaged keeps its own checkpoints, not that.
 */
static void test_keep_after_damage(void)
{
    scratch s;
    told t;
    scratch_make(&s);
    int64_t first = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, first, 20, 2, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(save(&s, first, 40, 2, NULL), PP_OK);
    damage(name_of(&s, 40, first), 1);
    int64_t second = claim(&s);
    CU_ASSERT_EQUAL(newest(&s, &t), 20);
    CU_ASSERT_EQUAL_FATAL(save(&s, second, 30, 1, NULL), PP_OK);
    CU_ASSERT_EQUAL(newest(&s, &t), 30);
    CU_ASSERT_EQUAL(t.count, 1);
    CU_ASSERT_TRUE(is_there(&s, 40, first)); /* nobody knows whether it can be read some day */
    CU_ASSERT_FALSE(is_there(&s, 20, first));
    CU_ASSERT_EQUAL_FATAL(save(&s, second, 50, 2, NULL), PP_OK);
    CU_ASSERT_FALSE(is_there(&s, 40, first));
    CU_ASSERT_TRUE(is_there(&s, 30, second));
    scratch_remove(&s);
}

/* What is there and cannot be read is a failure, not a reason to go on from an earlier one. */
static void test_unreadable(void)
{
    scratch s;
    pp_error err;
    pp_tensorfile *file = NULL;
    scratch_make(&s);
    int64_t generation = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, generation, 1, 9, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(pp_fs_make_directory(name_of(&s, 2, generation), NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_checkpoint_newest(s.directory, &file, NULL, NULL, &err), PP_E_IO);
    CU_ASSERT_PTR_NULL(file);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, name_of(&s, 2, generation)));
    scratch_remove(&s);
}

/* Clearing is for those before the run that clears. */
static void test_clear_own(void)
{
    scratch s;
    scratch_make(&s);
    int64_t first = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, first, 1, 9, NULL), PP_OK);
    int64_t second = claim(&s), third = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, third, 2, 9, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_checkpoint_clear(s.directory, second, NULL), PP_OK);
    CU_ASSERT_FALSE(is_there(&s, 1, first));
    CU_ASSERT_TRUE(is_there(&s, 2, third));
    scratch_remove(&s);
}

/* A generation is taken by one, after what it has seen. */
static void test_take(void)
{
    scratch s;
    int taken;
    int64_t newest;
    scratch_make(&s);
    CU_ASSERT_EQUAL(pp_generation_newest(s.directory, &newest, NULL), PP_OK);
    CU_ASSERT_EQUAL(newest, 0);
    CU_ASSERT_EQUAL(pp_generation_take(s.directory, 0, &taken, NULL), PP_OK);
    CU_ASSERT_TRUE(taken);
    CU_ASSERT_EQUAL(pp_generation_take(s.directory, 0, &taken, NULL), PP_OK);
    CU_ASSERT_FALSE(taken);
    CU_ASSERT_FALSE(pp_generation_is_over(s.directory, 1, NULL));
    CU_ASSERT_EQUAL(pp_generation_take(s.directory, 1, &taken, NULL), PP_OK);
    CU_ASSERT_TRUE(taken && pp_generation_is_over(s.directory, 1, NULL));
    scratch_remove(&s);
}

/* The second start that ends at a step is told, and not after the run has moved on. */
static void test_idle(void)
{
    scratch s;
    int again;
    int64_t step;
    scratch_make(&s);
    CU_ASSERT_EQUAL(pp_idle_note(s.directory, &step, &again, NULL), PP_OK);
    CU_ASSERT_TRUE(step == 0 && !again);
    CU_ASSERT_EQUAL(pp_idle_note(s.directory, &step, &again, NULL), PP_OK);
    CU_ASSERT_TRUE(step == 0 && again);
    int64_t generation = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, generation, 7, 1, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_idle_note(s.directory, &step, &again, NULL), PP_OK);
    CU_ASSERT_TRUE(step == 7 && !again);
    pp_idle_forget(s.directory, 7);
    CU_ASSERT_EQUAL(pp_idle_note(s.directory, &step, &again, NULL), PP_OK);
    CU_ASSERT_TRUE(step == 7 && !again);
    scratch_remove(&s);
}

/* Other files are left alone: names must fit to the last character. */
static void test_other_files(void)
{
    static const char *const names[] = {
        "checkpoints/notes.txt", "checkpoints/step-000000000001-g000001.safetensors.bak",
        "checkpoints/step-000000000001.safetensors", "checkpoints/generation-000999.old"};
    scratch s;
    told t;
    scratch_make(&s);
    int64_t generation = claim(&s);
    for (int i = 0; i < 4; i++)
        scratch_write(&s, names[i], "x", 1);
    CU_ASSERT_EQUAL_FATAL(save(&s, generation, 2, 1, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(save(&s, generation, 3, 1, NULL), PP_OK);
    CU_ASSERT_EQUAL(claim(&s), generation + 1);
    CU_ASSERT_EQUAL(pp_checkpoint_clear(s.directory, INT64_MAX, NULL), PP_OK);
    CU_ASSERT_EQUAL(newest(&s, &t), -1);
    CU_ASSERT_EQUAL(t.count, 0);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_TRUE(pp_fs_exists(scratch_path(&s, names[i])));
    scratch_remove(&s);
}

static void test_clear(void)
{
    scratch s;
    pp_error err;
    scratch_make(&s);
    CU_ASSERT_EQUAL(pp_checkpoint_clear(s.directory, INT64_MAX, NULL), PP_OK); /* nothing there */
    int64_t first = claim(&s), second = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, second, 1, 9, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(save(&s, second, 2, 9, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_checkpoint_clear(s.directory, INT64_MAX, NULL), PP_OK);
    CU_ASSERT_FALSE(is_there(&s, 1, second) || is_there(&s, 2, second));
    CU_ASSERT_EQUAL(pp_generation_check(s.directory, first, &err), PP_E_IO); /* still superseded */
    CU_ASSERT_EQUAL(claim(&s), second + 1);
    scratch_remove(&s);
}

/* ---- generations ---- */

static void test_generations(void)
{
    scratch s;
    pp_error err;
    scratch_make(&s);
    int64_t first = claim(&s);
    CU_ASSERT_EQUAL(first, 1);
    CU_ASSERT_EQUAL(pp_generation_check(s.directory, first, NULL), PP_OK);
    int64_t second = claim(&s);
    CU_ASSERT_EQUAL(second, 2);
    CU_ASSERT_EQUAL(pp_generation_check(s.directory, second, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_generation_check(s.directory, first, &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, s.directory));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "generation 2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "generation 1"));
    scratch_write(&s, "checkpoints/generation-000041", "", 0);
    CU_ASSERT_EQUAL(claim(&s), 42);
    scratch_remove(&s);
}

static void test_superseded(void)
{
    scratch s;
    told t;
    pp_error err;
    scratch_make(&s);
    int64_t first = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, first, 1, 3, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(save(&s, first, 2, 3, NULL), PP_OK);
    claim(&s);
    CU_ASSERT_EQUAL(save(&s, first, 3, 1, &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "has taken over"));
    CU_ASSERT_FALSE(is_there(&s, 3, first));
    CU_ASSERT_TRUE(is_there(&s, 1, first) && is_there(&s, 2, first)); /* nor does it prune */
    CU_ASSERT_EQUAL(newest(&s, &t), 2);
    scratch_remove(&s);
}

/* What a killed run had not finished is removed by the next one, and nothing else is. */
static void test_leftovers(void)
{
    scratch s;
    scratch_make(&s);
    int64_t first = claim(&s);
    CU_ASSERT_EQUAL_FATAL(save(&s, first, 1, 3, NULL), PP_OK);
    const char *left = pp_arena_printf(s.paths, "%s.tmp-12345", name_of(&s, 2, first));
    CU_ASSERT_EQUAL_FATAL(pp_fs_write(left, "half", 4, NULL), PP_OK);
    scratch_write(&s, "model.safetensors.tmp-1", "elsewhere", 9);
    claim(&s);
    CU_ASSERT_FALSE(pp_fs_exists(left));
    CU_ASSERT_TRUE(is_there(&s, 1, first));
    CU_ASSERT_TRUE(pp_fs_exists(scratch_path(&s, "model.safetensors.tmp-1")));
    scratch_remove(&s);
}

/* ---- what cannot be ---- */

static void test_no_directory(void)
{
    scratch s;
    pp_error err;
    int64_t generation = -7;
    scratch_make(&s);
    const char *file = scratch_write(&s, "file", "x", 1);
    CU_ASSERT_EQUAL(pp_generation_claim(file, &generation, &err), PP_E_IO);
    CU_ASSERT_EQUAL(generation, -7);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, file));
    pp_tensorfile *found = NULL;
    CU_ASSERT_EQUAL_FATAL(pp_fs_make_directory(scratch_path(&s, "run"), NULL), PP_OK);
    scratch_write(&s, "run/checkpoints", "no directory", 1);
    CU_ASSERT_EQUAL(pp_checkpoint_newest(scratch_path(&s, "run"), &found, NULL, NULL, &err),
                    PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "run/checkpoints"));
    CU_ASSERT_PTR_NULL(found);
    scratch_remove(&s);
}

const pp_test pp_tests_checkpoint[] = {
    {"no checkpoint is no failure", test_none},
    {"the newest is found", test_newest},
    {"damaged ones are passed over and named", test_damaged},
    {"damaged ones are passed over in silence too", test_damaged_in_silence},
    {"of one step, the later generation", test_same_step},
    {"the newest are kept", test_keep},
    {"a damaged checkpoint does not push out good ones", test_keep_after_damage},
    {"one that cannot be read is a failure", test_unreadable},
    {"clearing leaves what later runs have made", test_clear_own},
    {"a generation is taken once", test_take},
    {"starts that come to nothing are told apart", test_idle},
    {"other files are left alone", test_other_files},
    {"clearing leaves generations", test_clear},
    {"generations are claimed once, and superseded", test_generations},
    {"a superseded run neither writes nor prunes", test_superseded},
    {"what was left unfinished is removed", test_leftovers},
    {"no directory to write to", test_no_directory},
    {NULL, NULL},
};
