/* The farm on any number of ranks: every trial ends once, whoever runs it, and claims of workers
 * that are gone are passed over. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "study/farm/farm.h"
#include "support/shared_files.h"

enum { TRIALS = 5, BAD = 3 };

static const char job_format[] =
    "{\"name\": \"farm\", \"data\": {\"files\": \"%s\"}, \"model\": {\"layers\": [{\"type\": "
    "\"dense\", \"units\": \"auto\"}]}, \"training\": {\"steps\": 20, \"batch\": 32, \"lanes\": "
    "2}, "
    "\"checkpoint\": {\"every_epochs\": 0}}";

/* Trial i has learning rate i; the one of trial BAD is impossible. */
typedef struct study {
    scratch files;
    char job[1024];
    pp_farm_trial trials[TRIALS];
    const char *path;
    const char *rates[TRIALS];
    int ended[TRIALS]; /* rank 0: how often each was told */
} study;

static const char *const ids[TRIALS] = {"a", "b.1", "c-2", "d", "e"};

static void count_end(void *context, const pp_farm_trial *trial, const pp_outcome *outcome)
{
    study *s = context;
    for (int i = 0; i < TRIALS; i++)
        if (&s->trials[i] == trial) s->ended[i]++;
    CU_ASSERT_NOT_EQUAL(outcome->state, PP_TRIAL_OPEN);
}

static void study_open(study *s)
{
    static const char *const rates[TRIALS] = {"0.1", "0.2", "0.3", "-1", "0.4"};
    data_file file = {.rows = 100, .inputs = 3, .y_type = PP_H5_I64, .y = data_two_classes};
    memset(s, 0, sizeof *s);
    share_scratch(&s->files);
    const char *data = share_file(&s->files, "data.h5", &file);
    snprintf(s->job, sizeof s->job, job_format, data);
    s->path = "optimizer.lr";
    for (int i = 0; i < TRIALS; i++) {
        s->rates[i] = rates[i];
        s->trials[i] = (pp_farm_trial){.id = ids[i], .patch = {&s->path, &s->rates[i], 1}};
    }
}

static void run(study *s, int ranks_per_trial)
{
    int stopped = -1;
    pp_error err = {0};
    pp_farm_spec spec = {.job = s->job,
                         .origin = "farm.json",
                         .directory = s->files.directory,
                         .ranks_per_trial = ranks_per_trial,
                         .comm = pp_test_comm,
                         .ended = count_end,
                         .context = s};
    pp_status status = pp_farm_run(&spec, s->trials, TRIALS, &stopped, &err);
    if (status != PP_OK) printf("\n  %s\n", err.text);
    CU_ASSERT_EQUAL(status, PP_OK);
    CU_ASSERT_EQUAL(stopped, 0);
}

static void check_ends(study *s)
{
    for (int i = 0; i < TRIALS; i++) {
        pp_outcome o;
        CU_ASSERT_EQUAL_FATAL(pp_farm_read(s->files.directory, ids[i], &o, NULL), PP_OK);
        CU_ASSERT_EQUAL(o.state, i == BAD ? PP_TRIAL_FAILED : PP_TRIAL_DONE);
        CU_ASSERT_TRUE(o.seconds >= 0);
        CU_ASSERT_TRUE(o.ranks > 0);
        if (i == BAD) CU_ASSERT_PTR_NOT_NULL_FATAL(o.error);
        if (i == BAD) CU_ASSERT_PTR_NOT_NULL(strstr(o.error, "optimizer.lr"));
        if (i != BAD) CU_ASSERT_PTR_NOT_NULL(pp_json_get(o.verdict, "verdict"));
        if (pp_comm_rank(pp_test_comm) == 0) CU_ASSERT_EQUAL(s->ended[i], 1);
        pp_outcome_free(&o);
    }
    pp_test_barrier();
}

static int has(study *s, const char *name)
{
    return pp_fs_exists(scratch_path(&s->files, name));
}

static void check_runs(int ranks_per_trial)
{
    study s;
    study_open(&s);
    run(&s, ranks_per_trial);
    check_ends(&s);
    memset(s.ended, 0, sizeof s.ended);
    run(&s, ranks_per_trial); /* nothing is left to do */
    check_ends(&s);
    CU_ASSERT_TRUE(has(&s, "claims/a.1"));
    CU_ASSERT_FALSE(has(&s, "claims/a.2"));
    unshare_scratch(&s.files);
}

static void test_runs(void)
{
    check_runs(0);
    check_runs(2);
    check_runs(pp_comm_size(pp_test_comm)); /* more than the two lanes of a trial, perhaps */
}

static void test_reopen(void)
{
    study s;
    study_open(&s);
    run(&s, 0);
    s.rates[BAD] = "0.5";
    if (pp_comm_rank(pp_test_comm) == 0)
        CU_ASSERT_EQUAL(pp_farm_reopen(s.files.directory, ids[BAD], NULL), PP_OK);
    pp_test_barrier();
    run(&s, 0);
    pp_outcome o;
    CU_ASSERT_EQUAL_FATAL(pp_farm_read(s.files.directory, ids[BAD], &o, NULL), PP_OK);
    CU_ASSERT_EQUAL(o.state, PP_TRIAL_DONE);
    pp_outcome_free(&o);
    unshare_scratch(&s.files);
}

/* What a worker leaves that was killed: on this host, elsewhere long ago, as this Slurm task before
 * it was requeued. */
static void leave_claim(study *s, const char *name, const char *text, long age)
{
    const char *path = scratch_write(&s->files, name, text, strlen(text));
    struct stat now;
    CU_ASSERT_EQUAL(stat(path, &now), 0);
    struct utimbuf then = {.actime = now.st_mtime - age, .modtime = now.st_mtime - age};
    CU_ASSERT_EQUAL(utime(path, &then), 0);
}

static void test_the_dead_are_passed_over(void)
{
    study s;
    char text[512], host[256] = "";
    study_open(&s);
    gethostname(host, sizeof host - 1);
    if (pp_comm_rank(pp_test_comm) == 0) {
        CU_ASSERT_EQUAL(pp_fs_make_directory(scratch_path(&s.files, "claims"), NULL), PP_OK);
        snprintf(text, sizeof text, "{\"host\": \"%s\", \"pid\": 1, \"started\": 1}\n", host);
        leave_claim(&s, "claims/a.1", text, 0);
        leave_claim(&s, "claims/b.1.1", "{\"host\": \"elsewhere\", \"pid\": 1, \"started\": 1}\n",
                    PP_FARM_LEASE + 5);
        leave_claim(&s, "claims/c-2.1", "", PP_FARM_LEASE + 5); /* killed before it could sign */
        for (int n = 1; n <= 4; n++) {
            char name[32];
            snprintf(name, sizeof name, "claims/e.%d", n);
            leave_claim(&s, name, text, 0);
        }
    }
    pp_test_barrier();
    run(&s, 0);
    CU_ASSERT_TRUE(has(&s, "claims/a.2"));
    CU_ASSERT_TRUE(has(&s, "claims/b.1.2"));
    CU_ASSERT_TRUE(has(&s, "claims/c-2.2"));
    CU_ASSERT_TRUE(has(&s, "claims/d.1"));
    CU_ASSERT_FALSE(has(&s, "claims/d.2"));
    pp_outcome o; /* the fifth to take it does not try */
    CU_ASSERT_EQUAL_FATAL(pp_farm_read(s.files.directory, "e", &o, NULL), PP_OK);
    CU_ASSERT_EQUAL(o.state, PP_TRIAL_FAILED);
    pp_outcome_free(&o);
    unshare_scratch(&s.files);
}

const pp_test pp_tests_farm[] = {
    {"every trial ends once, a bad one as failed", test_runs},
    {"a failed trial can be opened again", test_reopen},
    {"claims of the dead are passed over", test_the_dead_are_passed_over},
    {NULL, NULL},
};
