/* metrics.jsonl: rows of text that stay whole lines whatever the disk does. A row that cannot be
 * written waits in memory, and half of one is cut off again: the disk may be full for a moment
 * only. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trial_internal.h"

#include "base/fs.h"
#include "run/run_files.h"

struct pp__metrics {
    char path[PATH_MAX];
    pp_log *log;
    int file;
    int64_t size;   /* bytes of whole lines in the file */
    int64_t synced; /* of which are known to be on the disk */
    int is_unsure;  /* a sync has failed: what came after those may have been dropped */
    char *waiting;  /* [n_waiting] rows that are not there yet; malloc'ed */
    size_t n_waiting;
    int told, error; /* that rows wait; why: an errno, 0: all is well */
    int lost;        /* no memory for a row: the next checkpoint fails */
};

static int put_all(int file, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(file, text, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return 0;
        text += n;
        length -= (size_t)n;
    }
    return 1;
}

/* Half a row, and what else is behind the last whole one, goes. */
static void cut_off(pp__metrics *m)
{
    if (ftruncate(m->file, m->size) == 0) (void)lseek(m->file, m->size, SEEK_SET);
}

/* 1: all rows are in the file. */
static int put_waiting(pp__metrics *m)
{
    if (m->error != 0) cut_off(m);
    if (put_all(m->file, m->waiting, m->n_waiting)) {
        if (m->told) pp_log_write(m->log, PP_LOG_INFO, "%s: is written again", m->path);
        m->size += (int64_t)m->n_waiting;
        m->n_waiting = 0;
        m->told = m->error = 0;
        return 1;
    }
    m->error = errno;
    cut_off(m);
    return 0;
}

static void tell_waiting(pp__metrics *m)
{
    if (!m->told)
        pp_log_write(m->log, PP_LOG_WARN, "%s: cannot write: %s; its rows wait until it can be",
                     m->path, strerror(m->error));
    m->told = 1;
}

void pp__trial_metrics(trial *t, const pp_json_writer *row)
{
    size_t length;
    const char *text = row != NULL ? pp_json_text(row, &length) : NULL;
    pp__metrics *m = t->metrics;
    if (m == NULL) return;
    char *more = text != NULL ? realloc(m->waiting, m->n_waiting + length + 1) : NULL;
    m->lost = m->lost || more == NULL;
    if (more == NULL) return;
    m->waiting = more;
    memcpy(more + m->n_waiting, text, length);
    more[m->n_waiting + length] = '\n';
    m->n_waiting += length + 1;
    if (!put_waiting(m)) tell_waiting(m);
}

/* A sync that fails may leave the system in the belief that all is written: it is told again. */
static int put_again(pp__metrics *m)
{
    char part[4096];
    for (int64_t at = m->synced; at < m->size;) {
        int64_t left = m->size - at;
        size_t wanted = left < (int64_t)sizeof part ? (size_t)left : sizeof part;
        ssize_t n = pread(m->file, part, wanted, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0 || pwrite(m->file, part, (size_t)n, at) != n) return 0;
        at += n;
    }
    return 1;
}

static int sync_lines(pp__metrics *m)
{
    if (!put_waiting(m) || (m->is_unsure && !put_again(m))) return 0;
    m->is_unsure = pp_fs_sync(m->file) != 0;
    if (!m->is_unsure) m->synced = m->size;
    return !m->is_unsure;
}

pp_status pp__metrics_sync(pp__metrics *m, int64_t *bytes, pp_error *err)
{
    if (m->lost) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", m->path);
    *bytes = m->size + (int64_t)m->n_waiting;
    if (sync_lines(m)) return PP_OK;
    return pp_fail(err, PP_E_IO,
                   "%s: cannot write: %s; when it can be, --resume goes on from the newest "
                   "checkpoint",
                   m->path, strerror(m->error != 0 ? m->error : errno));
}

int64_t pp__metrics_tail(const pp__metrics *m, char *tail, int64_t room)
{
    int64_t length = m->size < room ? m->size : room, at = 0;
    while (at < length) {
        ssize_t n = pread(m->file, tail + at, (size_t)(length - at), m->size - length + at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0; /* then a checkpoint is without it */
        at += n;
    }
    if (length == m->size) return length;
    const char *line = memchr(tail, '\n', (size_t)length); /* the first one is cut */
    int64_t skipped = line == NULL ? length : line + 1 - tail;
    memmove(tail, tail + skipped, (size_t)(length - skipped));
    return length - skipped;
}

/* ---- opening ---- */

/* Whole lines at the beginning of text. */
static int64_t whole_lines(const char *text, int64_t length)
{
    while (length > 0 && text[length - 1] != '\n')
        length--;
    return length;
}

/* What the file is to begin with: the first `kept` bytes of the old one, of which the checkpoint
 * has the last. Where that differs, whole lines of both. malloc'ed. */
static pp_status restored(const pp__metrics *m, const pp__metrics_past *past, char **text,
                          int64_t *length, pp_error *err)
{
    char *old = NULL;
    size_t there = 0;
    int exists;
    int64_t first = past->kept - past->n_tail; /* of the tail, in the file */
    pp_status status = pp_fs_look(m->path, &exists, err);
    if (status == PP_OK && exists) status = pp_fs_read(m->path, &old, &there, err);
    if (status != PP_OK) return status;
    int64_t has = (int64_t)there < first ? whole_lines(old, (int64_t)there) : first;
    int is_whole =
        (int64_t)there >= past->kept && memcmp(old + first, past->tail, (size_t)past->n_tail) == 0;
    *text = malloc((size_t)past->kept + 1);
    if (*text == NULL) {
        free(old);
        return pp_fail(err, PP_E_MEMORY, "%s: out of memory", m->path);
    }
    if (has > 0) memcpy(*text, old, (size_t)has);
    memcpy(*text + has, past->tail, (size_t)past->n_tail);
    *length = has + past->n_tail;
    free(old);
    if (!is_whole)
        pp_log_write(m->log, PP_LOG_WARN,
                     "%s: %s; rebuilt from the checkpoint: %" PRId64 " of %" PRId64 " bytes",
                     m->path, exists ? "is not what it was" : "is missing", *length, past->kept);
    return PP_OK;
}

/* A new file takes the name while we keep it open: a superseded run goes on writing to the old one,
 * which nobody sees any more. */
static pp_status begin_file(trial *t, pp__metrics *m, const char *text, int64_t length,
                            pp_error *err)
{
    char aside[PATH_MAX + 32];
    snprintf(aside, sizeof aside, "%s.tmp-%ld", m->path, (long)getpid());
    m->file = open(aside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int ok = m->file >= 0 && put_all(m->file, text, (size_t)length) && pp_fs_sync(m->file) == 0;
    pp_status status = PP_OK;
    if (!ok) status = pp_fail(err, PP_E_IO, "%s: cannot write: %s", m->path, strerror(errno));
    if (status == PP_OK) status = t->guard.check(t->guard.context, err);
    if (status == PP_OK && pp_fs_rename(aside, m->path) != 0)
        status = pp_fail(err, PP_E_IO, "%s: cannot write: %s", m->path, strerror(errno));
    if (status != PP_OK && m->file >= 0) unlink(aside);
    m->size = m->synced = length;
    return status;
}

pp_status pp__trial_open_metrics(trial *t, const pp__metrics_past *past, pp_error *err)
{
    char *text = NULL;
    int64_t length = 0;
    pp__metrics *m = calloc(1, sizeof *m);
    if (m == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    t->metrics = m;
    m->file = -1;
    m->log = t->log;
    pp_status status = PP_OK;
    if (snprintf(m->path, sizeof m->path, "%s/" PP_RUN_METRICS, t->dir) >= PATH_MAX)
        status = pp_fail(err, PP_E_IO, "%s: path is too long", t->dir);
    if (status == PP_OK && past->kept > 0) status = restored(m, past, &text, &length, err);
    if (status == PP_OK) status = begin_file(t, m, text, length, err);
    free(text);
    return status;
}

void pp__metrics_close(pp__metrics *m)
{
    if (m == NULL) return;
    if (m->file >= 0) close(m->file);
    free(m->waiting);
    free(m);
}
