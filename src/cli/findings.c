/* What the survey of the rows calls an error, told by other commands than `inspect`. */
#include <sys/stat.h>

#include "cli.h"

#include "inspect/inspect.h"

/* Bytes of the files of data; those that are not there count for nothing. */
static int64_t bytes_of(const char *const *files, int n)
{
    struct stat facts;
    int64_t bytes = 0;
    for (int i = 0; i < n; i++)
        if (stat(files[i], &facts) == 0) bytes += (int64_t)facts.st_size;
    return bytes;
}

static int64_t bytes_of_job(const pp_job *job)
{
    const char **files;
    int n;
    int64_t bytes = -1;
    pp_arena *arena = pp_arena_create();
    if (arena != NULL &&
        pp_data_expand(arena, job->data.files, job->data.n_files, &files, &n, NULL) == PP_OK)
        bytes = bytes_of(files, n);
    pp_arena_destroy(arena);
    return bytes;
}

void cli_warn_of_rows(cli *c, const pp_job *job, int64_t most_bytes)
{
    pp_inspection *found = NULL;
    pp_error err;
    int64_t bytes = bytes_of_job(job);
    pp_comm_broadcast(c->world, 0, &bytes, sizeof bytes);
    if (bytes < 0 || bytes > most_bytes) return;
    if (pp_inspect(c->world, job, &found, &err) != PP_OK || found == NULL) return;
    for (int i = 0; i < found->n_errors; i++) /* they come first */
        pp_log_write(&c->log, PP_LOG_WARN, "%s: %s; %s", found->findings[i].kind->id,
                     found->findings[i].sentence, found->findings[i].kind->advice);
    pp_inspection_destroy(found);
}
