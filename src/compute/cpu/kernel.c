/* The machine's side of the rule: what runs, what the CPU can do, products tried, and the start. */
#include "compute/kernel.h"

#include <cblas.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "kernel_rule.h"

static const char asked_key[] = "OPENBLAS_CORETYPE", mark_key[] = "PITPROP_BLAS_KERNEL";

const char *pp_kernel_name(void)
{
    return openblas_get_corename();
}

/* ---- facts ---- */

/* By CPUID and not by /proc/cpuinfo: an emulator answers for itself there. */
static int cpu_has(const char *feature)
{
#ifdef __x86_64__
    const struct {
        const char *name;
        int is_there;
    } known[] = {{"pni", __builtin_cpu_supports("sse3")},
                 {"ssse3", __builtin_cpu_supports("ssse3")},
                 {"sse4_2", __builtin_cpu_supports("sse4.2")},
                 {"avx", __builtin_cpu_supports("avx")},
                 {"avx2", __builtin_cpu_supports("avx2")},
                 {"fma", __builtin_cpu_supports("fma")},
                 {"avx512f", __builtin_cpu_supports("avx512f")},
                 {"avx512dq", __builtin_cpu_supports("avx512dq")},
                 {"avx512bw", __builtin_cpu_supports("avx512bw")},
                 {"avx512vl", __builtin_cpu_supports("avx512vl")},
                 {"avx512_bf16", __builtin_cpu_supports("avx512bf16")}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, feature) == 0) return known[i].is_there != 0;
#endif
    (void)feature;
    return 0;
}

static pp__kernel_mark read_mark(void)
{
    pp__kernel_mark mark = {0};
    const char *text = getenv(mark_key);
    long pid;
    if (text != NULL &&
        sscanf(text, "%ld %23s %23s %23s", &pid, mark.found, mark.set, mark.wrong) == 4) {
        mark.is_there = 1;
        mark.is_mine = pid == (long)getpid();
    }
    return mark;
}

static int has_many_kernels(void)
{
    return strstr(openblas_get_config(), "DYNAMIC_ARCH") != NULL;
}

/* A start would leave Valgrind, and take the first argument for the program where the loader was
 * called by hand. */
static int can_start(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return has_many_kernels() && getauxval(AT_BASE) != 0 &&
           (preloaded == NULL || !strstr(preloaded, "vgpreload"));
}

static pp__kernel_facts facts_of(const char *wanted)
{
    return (pp__kernel_facts){.loaded = pp_kernel_name(),
                              .wanted = wanted,
                              .asked = getenv(asked_key),
                              .mark = read_mark(),
                              .is_right = 1,
                              .can_start = can_start(),
                              .has = cpu_has};
}

/* ---- products tried ---- */

enum { M = 37, N = 43, K = 29 }; /* whole tiles and rests of any kernel */

static double plain(int transposes, const float *a, const float *b, int i, int j)
{
    double sum = 0;
    for (int k = 0; k < K; k++)
        sum += (double)a[transposes & 1 ? k * M + i : i * K + k] *
               (double)b[transposes & 2 ? j * K + k : k * N + j];
    return sum;
}

/* Small integers: their products and sums are exact in float32, in any order. */
static int is_right(void)
{
    static float a[M * K], b[K * N], c[M * N];
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(i * 7 % 31 - 15);
    for (int i = 0; i < K * N; i++)
        b[i] = (float)(i * 11 % 29 - 14);
    openblas_set_num_threads(1);
    for (int transposes = 0; transposes < 4; transposes++) {
        for (int i = 0; i < M * N; i++)
            c[i] = 1;
        cblas_sgemm(CblasRowMajor, transposes & 1 ? CblasTrans : CblasNoTrans,
                    transposes & 2 ? CblasTrans : CblasNoTrans, M, N, K, 1.0f, a,
                    transposes & 1 ? M : K, b, transposes & 2 ? K : N, 1.0f, c, N);
        for (int i = 0; i < M * N; i++)
            if ((double)c[i] != 1 + plain(transposes, a, b, i / N, i % N)) return 0;
    }
    return 1;
}

/* ---- the start ---- */

static void put_back(const char *key, const char *value)
{
    if (value != NULL)
        setenv(key, value, 1);
    else
        unsetenv(key);
}

/* Returns where it fails, with the environment as it was. */
static void start_again(const pp__kernel_plan *plan, char **argv)
{
    static const char path[] = "/proc/self/exe";
    char target[PATH_MAX], mark[128];
    const char *asked = getenv(asked_key), *marked = getenv(mark_key);
    char *asked_before = asked != NULL ? strdup(asked) : NULL;
    char *marked_before = marked != NULL ? strdup(marked) : NULL;
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length > 0) target[length] = '\0';
    snprintf(mark, sizeof mark, "%ld %s %s %s", (long)getpid(), plan->mark.found, plan->mark.set,
             plan->mark.wrong);
    setenv(asked_key, plan->kernel, 1);
    setenv(mark_key, mark, 1);
    fflush(NULL);
    if (length > 0) execv(target, argv); /* by its name, which tools show */
    execv(path, argv);
    put_back(asked_key, asked_before);
    put_back(mark_key, marked_before);
    free(asked_before);
    free(marked_before);
}

pp_status pp_kernel_settle(const char *wanted, char **argv, pp_error *err)
{
    pp__kernel_facts facts = facts_of(wanted);
    facts.is_right = pp__kernel_runs_here(&facts) && is_right();
    pp__kernel_plan plan = pp__kernel_decide(&facts);
    if (plan.act == PP_KERNEL_START) {
        start_again(&plan, argv);
        facts.can_start = 0;
        plan = pp__kernel_decide(&facts);
    }
    return plan.act == PP_KERNEL_REFUSE ? pp_fail(err, PP_E_DEVICE, "%s", plan.text) : PP_OK;
}

/* ---- what is said ---- */

void pp_kernel_describe(char *text, size_t size)
{
    pp__kernel_facts f = facts_of("auto");
    const char *better = pp__kernel_better(&f);
    int is_ours = f.mark.is_there && !pp__kernel_is_asked(&f);
    int is_set = is_ours && strcasecmp(f.mark.found, f.loaded) != 0;
    snprintf(text, size, "kernel %s%s%s%s%s", f.loaded,
             is_set                    ? ", started again: OpenBLAS chose "
             : pp__kernel_is_asked(&f) ? ", as OPENBLAS_CORETYPE asks"
                                       : "",
             is_set ? f.mark.found : "", better != NULL ? "; this CPU can run " : "",
             better != NULL ? better : "");
}

static void say_below(const pp__kernel_facts *f, const char *better, char text[PP_KERNEL_TEXT])
{
    char reason[160] = "";
    if (f->mark.is_mine && strcmp(f->mark.wrong, "-") != 0)
        snprintf(reason, sizeof reason, " (%s multiplies wrongly here)", f->mark.wrong);
    else if (!has_many_kernels())
        snprintf(reason, sizeof reason, " (this build has no other)");
    else if (!f->can_start)
        snprintf(reason, sizeof reason,
                 " (the program cannot be started again here, as under "
                 "Valgrind)");
    snprintf(text, PP_KERNEL_TEXT,
             "OpenBLAS runs its %s kernel, which uses a part of this CPU only%s: products can take "
             "several times as long; install OpenBLAS 0.3.25 or newer, or set OPENBLAS_CORETYPE=%s "
             "in the environment of every rank",
             f->loaded, reason, better);
}

int pp_kernel_remark(const char *wanted, char text[PP_KERNEL_TEXT], pp_level *level)
{
    pp__kernel_facts f = facts_of(wanted);
    const char *better = pp__kernel_better(&f);
    int is_named = strcmp(wanted, "auto") != 0;
    *level = PP_LOG_INFO;
    if (is_named && f.mark.is_mine)
        snprintf(text, PP_KERNEL_TEXT,
                 "runtime.blas_kernel: started again with OpenBLAS's %s kernel in place of %s",
                 f.loaded, f.mark.found);
    else if (is_named)
        return 0;
    else if (pp__kernel_is_asked(&f) && better != NULL)
        snprintf(
            text, PP_KERNEL_TEXT,
            "OPENBLAS_CORETYPE=%s: OpenBLAS runs its %s kernel, as asked for; this CPU can run "
            "%s, which uses more of it",
            f.asked, f.loaded, better);
    else if (pp__kernel_is_asked(&f) && strcasecmp(f.asked, f.loaded) != 0)
        snprintf(text, PP_KERNEL_TEXT,
                 "OPENBLAS_CORETYPE=%s: this OpenBLAS knows no such kernel and runs %s", f.asked,
                 f.loaded);
    else if (better != NULL)
        *level = PP_LOG_WARN, say_below(&f, better, text);
    else if (f.mark.is_there && !pp__kernel_is_asked(&f) &&
             pp_kernel_width(f.mark.found) < pp_kernel_width(f.loaded))
        snprintf(text, PP_KERNEL_TEXT,
                 "OpenBLAS chose its %s kernel, which uses a part of this CPU only: started again "
                 "with %s, whose products agree with plain loops",
                 f.mark.found, f.loaded);
    else
        return 0;
    return 1;
}
