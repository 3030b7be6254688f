/* Signs of life. A rank that dies is noticed by the launcher; one that is stopped, or whose node is
 * cut off, makes all others wait for ever. So every rank of a training has a thread that writes a
 * sign of life each second into the file by which the run holds its directory, a page per rank, and
 * the training step gains two stores and no communication. While training moves, nobody reads them.
 * A rank that has not moved for a while, measured against its longest step, begins to read; when
 * another's sign has not changed over so many of *its own* seconds, it says who, where, at which
 * step and in which phase, and ends all ranks. Seconds of a reader that is itself stopped, or waits
 * for the file system, do not count: suspending a whole job is harmless, and so is a file server
 * that pauses for everyone. A rank that computes or reads for long goes on giving signs: it is
 * waited for, with a warning.
 *
 * This rests on a run directory that all ranks see, and on NFS's promise that who opens a file sees
 * what was written before it was closed elsewhere. A rank that cannot write there is not watched.
 * Pages of 4096 bytes keep clients from writing back each other's signs. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trial_internal.h"

#include "pitprop/check.h"
#include "train/checkpoint.h"

enum {
    PAGE = 4096,
    /* seconds without a move until a rank looks at the others: twice its longest, within bounds */
    LOOK_LEAST = 5,
    LOOK_MOST = 30,
    SILENCE = 15,          /* seconds without a sign: the rank is lost */
    LAST_WORDS = 3,        /* the same once the launcher has told all to end */
    FILE_SPEED = 50000000, /* bytes a second: of a slow file server */
    SLOW_LEAST = 60,       /* a warning after so many seconds without a move, */
    SLOW_MOVES = 20,       /* or so many times the longest */
    GRACE = 5 /* seconds until the others end the run as well, if the speaker has not */
};

/* What a rank is doing. Signs may queue behind files that are being written or read as a whole. */
static const struct {
    const char *name;
    int moves_files;
} phases[] = {
    [PP_PHASE_START] = {"start", 1},           [PP_PHASE_INPUT] = {"input", 0},
    [PP_PHASE_FORWARD] = {"forward", 0},       [PP_PHASE_BACKWARD] = {"backward", 0},
    [PP_PHASE_EXCHANGE] = {"exchange", 0},     [PP_PHASE_LOOK] = {"look", 0},
    [PP_PHASE_EVALUATION] = {"evaluation", 0}, [PP_PHASE_CHECKPOINT] = {"checkpoint", 1},
    [PP_PHASE_CONCLUSION] = {"conclusion", 1},
};

typedef struct sign {
    int64_t beat, step;
    char host[64], phase[16], clock[16];
} sign;

struct pp__life {
    int rank, ranks;
    const char *dir; /* borrowed, as all of the trial */
    int64_t generation;
    char path[PATH_MAX];
    const volatile sig_atomic_t *stop;
    int file_seconds; /* that signs may queue behind a checkpoint */
    pp_log log;       /* a copy that speaks on every rank */

    atomic_llong step; /* written by the training thread alone */
    atomic_uint phase, moves;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int over; /* under the lock */

    /* the thread's own */
    int64_t beat;
    unsigned last_moves;
    int quiet, longest; /* seconds since the training thread moved; the longest so far */
    int warned, condemned;
    sign *seen;  /* [ranks] */
    int *silent; /* [ranks] seconds of looking in which the sign has not changed */
};

void pp__life_at(pp__life *l, pp__phase phase, int64_t step)
{
    if (l == NULL) return;
    atomic_store_explicit(&l->step, step, memory_order_relaxed);
    atomic_store_explicit(&l->phase, (unsigned)phase, memory_order_relaxed);
    pp__life_move(l);
}

void pp__life_move(pp__life *l)
{
    if (l == NULL) return;
    unsigned moves = atomic_load_explicit(&l->moves, memory_order_relaxed);
    atomic_store_explicit(&l->moves, moves + 1, memory_order_relaxed);
}

/* ---- signs: "beat step phase host clock", a page of text per rank ---- */

static int give_sign(pp__life *l)
{
    char page[PAGE + 1], host[64] = "", clock[16];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(clock, sizeof clock, "%H:%M:%S", &local);
    gethostname(host, sizeof host - 1);
    memset(page, ' ', PAGE);
    int length = snprintf(page, PAGE, "%" PRId64 " %lld %s %s %s", ++l->beat, atomic_load(&l->step),
                          phases[atomic_load(&l->phase)].name, host, clock);
    page[length] = ' ';
    page[PAGE - 1] = '\n';
    int fd = open(l->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    int written = pwrite(fd, page, PAGE, (off_t)l->rank * PAGE) == PAGE;
    return close(fd) == 0 && written;
}

static void read_signs(pp__life *l)
{
    char page[PAGE + 1];
    int fd = open(l->path, O_RDONLY | O_CLOEXEC);
    for (int r = 0; fd >= 0 && r < l->ranks; r++) {
        sign s;
        ssize_t length = pread(fd, page, PAGE, (off_t)r * PAGE);
        page[length > 0 ? length : 0] = '\0';
        if (sscanf(page, "%" SCNd64 " %" SCNd64 " %15s %63s %15s", &s.beat, &s.step, s.phase,
                   s.host, s.clock) != 5)
            continue;
        l->silent[r] = s.beat == l->seen[r].beat && r != l->rank ? l->silent[r] + 1 : 0;
        l->seen[r] = s;
    }
    if (fd >= 0) close(fd);
}

/* ---- what they say ---- */

static int stop_requested(const pp__life *l)
{
    return l->stop != NULL && *l->stop;
}

/* Seconds of silence that are held against others. */
static int patience(const pp__life *l)
{
    if (phases[atomic_load(&l->phase)].moves_files) return SILENCE + l->file_seconds;
    return stop_requested(l) ? LAST_WORDS : SILENCE;
}

static int when_to_look(const pp__life *l)
{
    int seconds = 2 * l->longest;
    if (stop_requested(l)) return 1;
    return seconds < LOOK_LEAST ? LOOK_LEAST : seconds > LOOK_MOST ? LOOK_MOST : seconds;
}

static void end_all(pp__life *l, const char *text)
{
    pp_log_write(&l->log, PP_LOG_ERROR, "%s", text);
    pp_comm_abort(pp_status_exit_code(PP_E_COMM));
}

/* The lowest rank that is not silent speaks for all. */
static void condemn(pp__life *l, int limit)
{
    int first = -1, count = 0, speaker = -1;
    for (int r = l->ranks - 1; r >= 0; r--) {
        if (l->silent[r] >= limit) {
            first = r;
            count++;
        } else {
            speaker = r;
        }
    }
    if (count == 0) return;
    l->condemned++;
    if (speaker != l->rank && l->condemned < GRACE) return;
    char text[512], others[64] = "";
    const sign *s = &l->seen[first];
    if (count > 1) snprintf(others, sizeof others, ", and of %d more ranks", count - 1);
    snprintf(text, sizeof text,
             "rank %d on %s: no sign of life for %d s; the last was at step %" PRId64
             ", phase %s, at %s%s; all ranks end now: --resume goes on from the newest checkpoint",
             first, s->host, l->silent[first], s->step, s->phase, s->clock, others);
    end_all(l, text);
}

/* Everyone lives and nothing moves: whoever is furthest behind is waited for. */
static void warn_of_slow(pp__life *l)
{
    int limit = SLOW_MOVES * l->longest > SLOW_LEAST ? SLOW_MOVES * l->longest : SLOW_LEAST;
    if (l->rank != 0 || l->warned || l->quiet < limit) return;
    l->warned = 1;
    int last = 0;
    for (int r = 1; r < l->ranks; r++)
        if (l->seen[r].beat > 0 && l->seen[r].step < l->seen[last].step) last = r;
    const sign *s = &l->seen[last];
    pp_log_write(&l->log, PP_LOG_WARN,
                 "no progress for %d s: all ranks live, and rank %d on %s is furthest behind, at "
                 "step %" PRId64 ", phase %s",
                 l->quiet, last, s->host, s->step, s->phase);
}

static void tick(pp__life *l)
{
    pp_error err;
    if (!give_sign(l)) return;
    unsigned moves = atomic_load(&l->moves);
    if (moves != l->last_moves) {
        l->last_moves = moves;
        l->longest = l->quiet > l->longest ? l->quiet : l->longest;
        l->quiet = l->warned = l->condemned = 0;
        memset(l->silent, 0, (size_t)l->ranks * sizeof *l->silent);
        return;
    }
    if (++l->quiet < when_to_look(l)) return;
    if (pp_generation_is_over(l->dir, l->generation, &err)) end_all(l, err.text);
    read_signs(l);
    condemn(l, patience(l));
    warn_of_slow(l);
}

static void *watch(void *life)
{
    pp__life *l = life;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&l->lock);
    while (!l->over) {
        pthread_mutex_unlock(&l->lock);
        tick(l);
        pthread_mutex_lock(&l->lock);
        /* From now on, not from the last time: seconds that were missed are not made up for. */
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_sec++;
        int late = 0;
        while (!l->over && !late)
            late = pthread_cond_timedwait(&l->wake, &l->lock, &next) != 0;
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- start and stop ---- */

/* Signals are for the training thread. */
static int start_thread(pp__life *l)
{
    pthread_condattr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&l->thread, NULL, watch, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

static void release(pp__life *l)
{
    free(l->seen);
    free(l->silent);
    free(l);
}

pp_status pp__life_start(trial *t, pp_error *err)
{
    pp_comm_broadcast(t->comm, 0, &t->generation, sizeof t->generation);
    if (t->ranks == 1) return PP_OK;
    pp__life *l = calloc(1, sizeof *l);
    if (l == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    l->rank = t->rank;
    l->ranks = t->ranks;
    l->dir = t->dir;
    l->generation = t->generation;
    l->stop = t->spec->stop;
    l->file_seconds = (int)(3 * (int64_t)sizeof(float) * t->model->size / FILE_SPEED);
    if (t->log != NULL) l->log = *t->log;
    l->log.speaks = 1;
    l->seen = calloc((size_t)t->ranks, sizeof *l->seen);
    l->silent = calloc((size_t)t->ranks, sizeof *l->silent);
    if (l->seen != NULL && l->silent != NULL &&
        pp_generation_path(t->dir, t->generation, l->path) && start_thread(l)) {
        t->life = l;
        return PP_OK;
    }
    release(l);
    return pp_fail(err, PP_E_MEMORY, "cannot start a thread to watch the other ranks");
}

void pp__life_stop(trial *t)
{
    pp__life *l = t->life;
    t->life = NULL;
    if (l == NULL) return;
    pthread_mutex_lock(&l->lock);
    l->over = 1;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    release(l);
}
