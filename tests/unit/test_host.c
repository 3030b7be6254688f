/* What a host lets a process take, and whose files are whose. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "support/scratch.h"

/* ---- limits of memory, from files of another root ---- */

static void put(scratch *s, const char *name, const char *text)
{
    char *directory = strdup(scratch_path(s, name));
    *strrchr(directory, '/') = '\0';
    CU_ASSERT_EQUAL_FATAL(pp_fs_make_directory(directory, NULL), PP_OK);
    scratch_write(s, name, text, strlen(text));
    free(directory);
}

static void unset_slurm(void)
{
    unsetenv("SLURM_MEM_PER_NODE");
    unsetenv("SLURM_MEM_PER_CPU");
    unsetenv("SLURM_CPUS_ON_NODE");
}

static int64_t megabytes(const scratch *s)
{
    return pp_limit_of_memory(s->directory) >> 20;
}

static void test_host(void)
{
    scratch s;
    scratch_make(&s);
    unset_slurm();
    CU_ASSERT_EQUAL(megabytes(&s), 0); /* not known */
    put(&s, "proc/meminfo", "MemTotal:       1048576 kB\nMemFree:        1000 kB\n");
    CU_ASSERT_EQUAL(megabytes(&s), 1024);
    scratch_remove(&s);
}

static void test_groups(void)
{
    scratch s;
    scratch_make(&s);
    unset_slurm();
    put(&s, "proc/meminfo", "MemTotal:       1048576 kB\n");
    put(&s, "proc/self/cgroup", "0::/slurm/job_7/step_0\n");
    put(&s, "sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n");
    CU_ASSERT_EQUAL(megabytes(&s), 1024);
    put(&s, "sys/fs/cgroup/slurm/job_7/memory.max", "314572800\n"); /* of a group above */
    CU_ASSERT_EQUAL(megabytes(&s), 300);
    put(&s, "sys/fs/cgroup/memory.max", "104857600\n"); /* as a container sees its own */
    CU_ASSERT_EQUAL(megabytes(&s), 100);
    put(&s, "proc/self/cgroup", "4:cpuset:/a\n3:memory,hugetlb:/slurm/job_7\n0::/\n");
    put(&s, "sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "52428800\n");
    CU_ASSERT_EQUAL(megabytes(&s), 50);
    put(&s, "sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "9223372036854771712\n");
    CU_ASSERT_EQUAL(megabytes(&s), 100);
    scratch_remove(&s);
}

static void test_slurm(void)
{
    scratch s;
    scratch_make(&s);
    unset_slurm();
    put(&s, "proc/meminfo", "MemTotal:       1048576 kB\n");
    setenv("SLURM_MEM_PER_NODE", "200", 1);
    CU_ASSERT_EQUAL(megabytes(&s), 200);
    setenv("SLURM_MEM_PER_NODE", "0", 1); /* all that the node has */
    CU_ASSERT_EQUAL(megabytes(&s), 1024);
    setenv("SLURM_MEM_PER_CPU", "30", 1);
    CU_ASSERT_EQUAL(megabytes(&s), 1024); /* of how many is not known */
    setenv("SLURM_CPUS_ON_NODE", "4", 1);
    CU_ASSERT_EQUAL(megabytes(&s), 120);
    unset_slurm();
    scratch_remove(&s);
}

/* ---- files ---- */

static void test_input_under_other_names(void)
{
    scratch s;
    pp_error err;
    scratch_make(&s);
    const char *input = scratch_write(&s, "data", "x", 1), *other = scratch_write(&s, "b", "x", 1);
    const char *hard = scratch_path(&s, "hard"), *soft = scratch_path(&s, "soft");
    CU_ASSERT_EQUAL_FATAL(link(input, hard), 0);
    CU_ASSERT_EQUAL_FATAL(symlink(input, soft), 0);
    CU_ASSERT_EQUAL(pp_fs_keep_input(other, input, &err), PP_OK);
    CU_ASSERT_EQUAL(pp_fs_keep_input(scratch_path(&s, "new"), input, &err), PP_OK);
    CU_ASSERT_EQUAL(pp_fs_keep_input(NULL, input, &err), PP_OK);
    CU_ASSERT_EQUAL(pp_fs_keep_input(other, NULL, &err), PP_OK);
    const char *const names[] = {input, hard, soft};
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(pp_fs_keep_input(names[i], input, &err), PP_E_ARG);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, names[i]));
    }
    scratch_remove(&s);
}

static void test_missing_or_not(void)
{
    scratch s;
    int exists;
    scratch_make(&s);
    const char *file = scratch_write(&s, "file", "x", 1);
    CU_ASSERT_EQUAL(pp_fs_look(file, &exists, NULL), PP_OK);
    CU_ASSERT_TRUE(exists);
    CU_ASSERT_EQUAL(pp_fs_look(scratch_path(&s, "none/there"), &exists, NULL), PP_OK);
    CU_ASSERT_FALSE(exists);
    CU_ASSERT_EQUAL_FATAL(symlink("loop", scratch_path(&s, "loop")), 0);
    CU_ASSERT_EQUAL(pp_fs_look(scratch_path(&s, "loop"), &exists, NULL), PP_E_IO);
    scratch_remove(&s);
}

/* An owner that is superseded while it works: what the guard sees. */
typedef struct owner {
    const char *path; /* that the new owner writes, when asked */
    int is_over;
} owner;

static pp_status check(void *context, pp_error *err)
{
    owner *o = context;
    if (!o->is_over) return PP_OK;
    if (o->path != NULL) CU_ASSERT_EQUAL(pp_fs_write(o->path, "theirs", 6, NULL), PP_OK);
    return pp_fail(err, PP_E_IO, "superseded");
}

static void check_content(const char *path, const char *expected)
{
    char *text;
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(path, &text, NULL, NULL), PP_OK);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static void test_guarded_write(void)
{
    scratch s;
    owner o = {0};
    pp_fs_guard guard = {check, &o};
    scratch_make(&s);
    const char *path = scratch_path(&s, "a");
    CU_ASSERT_EQUAL(pp_fs_write_if(path, "mine", 4, &guard, NULL), PP_OK);
    check_content(path, "mine");
    o = (owner){path, 1};
    CU_ASSERT_EQUAL(pp_fs_write_if(path, "late", 4, &guard, NULL), PP_E_IO);
    check_content(path, "theirs");
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    scratch_remove(&s);
}

static void test_guarded_removal(void)
{
    scratch s;
    owner o = {0};
    pp_fs_guard guard = {check, &o};
    scratch_make(&s);
    const char *path = scratch_write(&s, "a", "mine", 4);
    CU_ASSERT_EQUAL(pp_fs_remove_if(path, &guard, NULL), PP_OK);
    CU_ASSERT_EQUAL(scratch_count(&s), 0);
    CU_ASSERT_EQUAL(pp_fs_remove_if(path, &guard, NULL), PP_OK); /* none is fine */
    scratch_write(&s, "a", "theirs", 6);
    o.is_over = 1;
    CU_ASSERT_EQUAL(pp_fs_remove_if(path, &guard, NULL), PP_E_IO); /* put back */
    check_content(path, "theirs");
    o.path = path; /* they have written another meanwhile, which is the newer one */
    scratch_write(&s, "a", "older", 5);
    CU_ASSERT_EQUAL(pp_fs_remove_if(path, &guard, NULL), PP_E_IO);
    check_content(path, "theirs");
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    scratch_remove(&s);
}

const pp_test pp_tests_host[] = {
    {"memory of the host", test_host},
    {"memory of control groups, both versions", test_groups},
    {"memory that Slurm has granted", test_slurm},
    {"an input is one under any name", test_input_under_other_names},
    {"what cannot be looked at is not missing", test_missing_or_not},
    {"who is superseded writes nothing", test_guarded_write},
    {"who is superseded removes nothing", test_guarded_removal},
    {NULL, NULL},
};
