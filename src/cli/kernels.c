/* The kernel of OpenBLAS: settled before MPI starts, agreed on by all ranks behind it. */
#include <gnu/libc-version.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#include "compute/kernel.h"
#include "base/fs.h"
#include "study/sweep/sweep.h"
#include "run/run_files.h"

/* ---- before MPI ---- */

/* A pipe would be empty when it is read again. */
static int is_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

/* Text of the job that a command works on, or of the one that its sweep or run has. What cannot be
 * read is NULL: the command itself will say so. */
static char *read_job(const cli *c)
{
    char path[PATH_MAX], *text = NULL, *job = NULL;
    const char *given = c->args.positional[0];
    int is_run = pp_fs_is_directory(given);
    if (snprintf(path, sizeof path, is_run ? "%s/" PP_RUN_JOB : "%s", given) >= PATH_MAX ||
        !is_file(path))
        return NULL;
    if (!c->command->sweeps) return pp_fs_read(path, &text, NULL, NULL) == PP_OK ? text : NULL;
    pp_sweep *sweep = NULL;
    if (cli_read_sweep(path, &text, &job, NULL) == PP_OK &&
        pp_sweep_parse(text, path, job, &sweep, NULL) == PP_OK) {
        free(job);
        job = strdup(pp_sweep_job(sweep));
    }
    pp_sweep_destroy(sweep);
    free(text);
    return job;
}

static void find_wanted(const cli *c, char *wanted)
{
    pp_patch patch = {(const char **)c->args.set_paths, (const char **)c->args.set_values,
                      c->args.n_sets};
    pp_job *job = NULL;
    char *text = c->args.n_positional > 0 ? read_job(c) : NULL;
    if (text != NULL && pp_job_parse(text, "job", &patch, &job, NULL) == PP_OK)
        snprintf(wanted, PP_KERNEL_NAME, "%s", job->runtime.blas_kernel);
    pp_job_destroy(job);
    free(text);
}

pp_status cli_settle_kernel(const cli *c, char **argv, char *wanted, pp_error *err)
{
    snprintf(wanted, PP_KERNEL_NAME, "auto");
    find_wanted(c, wanted);
    return pp_kernel_settle(wanted, argv, err);
}

/* ---- behind it ---- */

/* What the bits of a rank hang on. */
typedef struct origin {
    char host[64], kernel[PP_KERNEL_NAME], libc[24];
    uint64_t maths; /* hash of what the C library's functions answer */
} origin;

static uint64_t mix(uint64_t hash, double value)
{
    unsigned char bytes[sizeof value];
    memcpy(bytes, &value, sizeof value);
    for (size_t i = 0; i < sizeof bytes; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u; /* FNV-1a */
    return hash;
}

/* The C library has a variant of each function for several kinds of CPU. */
static uint64_t maths_of_this_rank(void)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 1; i <= 256; i++) {
        volatile double x = 0.037 * i - 4.7;
        volatile float f = (float)x;
        const double answers[] = {expf(f), tanhf(f),   erff(f),      log1pf(f * f),
                                  exp(x),  log(x * x), log1p(x * x), pow(x * x, 0.3),
                                  sin(x),  cos(x),     erf(x),       lgamma(x * x)};
        for (size_t k = 0; k < sizeof answers / sizeof *answers; k++)
            hash = mix(hash, answers[k]);
    }
    return hash;
}

static origin origin_of_this_rank(void)
{
    origin o;
    memset(&o, 0, sizeof o);
    gethostname(o.host, sizeof o.host - 1);
    snprintf(o.kernel, sizeof o.kernel, "%s", pp_kernel_name());
    snprintf(o.libc, sizeof o.libc, "%s", gnu_get_libc_version());
    o.maths = maths_of_this_rank();
    return o;
}

static int first_other_kernel(const origin *all, int size)
{
    for (int r = 1; r < size; r++)
        if (strcasecmp(all[r].kernel, all[0].kernel) != 0) return r;
    return 0;
}

static int first_other_maths(const origin *all, int size)
{
    for (int r = 1; r < size; r++)
        if (all[r].maths != all[0].maths) return r;
    return 0;
}

/* The narrowest: most likely one that all can run. */
static const char *common_kernel(const origin *all, int size)
{
    const char *name = all[0].kernel;
    for (int r = 1; r < size; r++)
        if (pp_kernel_width(all[r].kernel) < pp_kernel_width(name)) name = all[r].kernel;
    return name;
}

static pp_status compare(const origin *all, int size, pp_error *err)
{
    int kernel = first_other_kernel(all, size), maths = first_other_maths(all, size);
    if (kernel > 0)
        return pp_fail(err, PP_E_DEVICE,
                       "ranks multiply with unlike kernels of OpenBLAS, and their bits would be "
                       "those of neither: %s on rank 0 (%s), %s on rank %d (%s); set "
                       "runtime.blas_kernel=%s, or start on hosts of one kind",
                       all[0].kernel, all[0].host, all[kernel].kernel, kernel, all[kernel].host,
                       common_kernel(all, size));
    if (maths > 0)
        return pp_fail(err, PP_E_DEVICE,
                       "the C libraries of the ranks compute unlike digits, and the bits would be "
                       "those of neither: rank 0 (%s, glibc %s) and rank %d (%s, glibc %s); start "
                       "on hosts of one kind and one system",
                       all[0].host, all[0].libc, maths, all[maths].host, all[maths].libc);
    return PP_OK;
}

pp_status cli_agree_on_kernel(cli *c, const char *wanted, pp_error *err)
{
    int rank = pp_comm_rank(c->world), size = pp_comm_size(c->world);
    char text[PP_KERNEL_TEXT];
    pp_level level;
    origin mine = origin_of_this_rank();
    origin *all = rank == 0 ? calloc((size_t)size, sizeof *all) : NULL;
    pp_status status =
        rank != 0 || all != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    status = pp_comm_agree(c->world, status, err);
    if (status != PP_OK) return status;
    pp_comm_gather(c->world, 0, &mine, sizeof mine, all);
    if (rank == 0) status = compare(all, size, err);
    free(all);
    status = pp_comm_agree(c->world, status, err);
    if (status == PP_OK && pp_kernel_remark(wanted, text, &level))
        pp_log_write(&c->log, level, "%s", text);
    return status;
}
