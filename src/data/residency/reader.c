/* The thread that fills frames. From its start to its end nobody else calls HDF5, which is not
 * thread-safe; it never calls MPI, which is for the thread that started it.
 *
 * What has been asked for is taken in portions, each read in file order, so that the disk sees
 * mostly ascending places although windows are needed at random. */
#include "residency_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PORTION = 64 }; /* frames read in file order; an urgent one waits for as many at most */

typedef struct asked {
    pp__frame *head, *tail;
} asked;

struct pp__reader {
    const pp__data_residency *set;
    pthread_t thread;
    int started;
    pthread_mutex_t lock;      /* of all that follows, and of is_ready of frames */
    pthread_cond_t work, done; /* for the thread; for who waits */
    asked urgent, ordinary;
    int stop;
    pp_error failure; /* PP_OK: none */
    double waited;    /* of the thread that waits alone */
    double *scratch;  /* of pp__read_x; of the thread */
};

/* ---- the thread ---- */

static void push(asked *list, pp__frame *frame)
{
    frame->next_asked = NULL;
    if (list->head == NULL)
        list->head = frame;
    else
        list->tail->next_asked = frame;
    list->tail = frame;
}

static int take(asked *list, pp__frame **frames)
{
    int n = 0;
    for (; list->head != NULL && n < PORTION; list->head = list->head->next_asked)
        frames[n++] = list->head;
    return n;
}

static int by_place(const void *left, const void *right)
{
    const pp__frame *a = *(pp__frame *const *)left, *b = *(pp__frame *const *)right;
    if (a->source != b->source) return a->source < b->source ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Of the rows between held-out ones none is used. */
static void standardise(const pp__data_residency *set, pp__frame *f)
{
    if (f->piece >= 0) pp__standardise(set, f->x, f->rows);
    for (int64_t i = 0; f->piece < 0 && i < f->n_held; i++) {
        int64_t row = set->held.at.index[f->held + i] - f->source->first - f->first;
        pp__standardise(set, f->x + row * set->rows->info.inputs, 1);
    }
}

static pp_status fill(const pp__reader *r, pp__frame *f, pp_error *err)
{
    const pp__data_residency *set = r->set;
    pp_status status = pp__read_x(set, f->source, f->first, f->rows, f->x, r->scratch, err);
    if (status == PP_OK)
        status = pp__targets(set->rows, f->source, f->first, f->rows, f->y, f->weight, err);
    if (status == PP_OK && set->scale != NULL && set->wide_shift == NULL) standardise(set, f);
    return status;
}

/* Reads frames [n]; the lock is not held. */
static void serve(pp__reader *r, pp__frame **frames, int n)
{
    qsort(frames, (size_t)n, sizeof *frames, by_place);
    for (int i = 0; i < n; i++) {
        pp_error err = {.code = PP_OK};
        pp_status status = fill(r, frames[i], &err);
        pthread_mutex_lock(&r->lock);
        if (status == PP_OK)
            frames[i]->is_ready = 1;
        else if (r->failure.code == PP_OK)
            r->failure = err;
        int is_over = r->stop || r->failure.code != PP_OK;
        pthread_cond_signal(&r->done);
        pthread_mutex_unlock(&r->lock);
        if (is_over) return;
    }
}

static void *run(void *context)
{
    pp__reader *r = context;
    pp__frame *frames[PORTION];
    pthread_mutex_lock(&r->lock);
    while (!r->stop && r->failure.code == PP_OK) {
        int n = take(r->urgent.head != NULL ? &r->urgent : &r->ordinary, frames);
        if (n == 0) {
            pthread_cond_wait(&r->work, &r->lock);
            continue;
        }
        pthread_mutex_unlock(&r->lock);
        serve(r, frames, n);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- for the other thread ---- */

/* Signals are for the thread that trains. */
static int start_thread(pp__reader *r)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r->started = pthread_create(&r->thread, NULL, run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r->started;
}

pp_status pp__reader_start(const pp__data_residency *set, pp__reader **reader, pp_error *err)
{
    pp__reader *r = calloc(1, sizeof *r);
    if (r == NULL) return pp__data_no_memory(err);
    r->set = set;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->done, NULL);
    if (set->wide_shift != NULL) {
        r->scratch = malloc((size_t)pp__scratch_values(set) * sizeof *r->scratch);
        if (r->scratch == NULL) {
            pp__reader_stop(r);
            return pp__data_no_memory(err);
        }
    }
    if (start_thread(r)) {
        *reader = r;
        return PP_OK;
    }
    pp__reader_stop(r);
    return pp_fail(err, PP_E_MEMORY, "cannot start the thread that reads the data");
}

void pp__reader_stop(pp__reader *r)
{
    if (r == NULL) return;
    pthread_mutex_lock(&r->lock);
    r->stop = 1;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
    if (r->started) pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->done);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    free(r->scratch);
    free(r);
}

void pp__reader_ask(pp__reader *r, pp__frame *frame, int urgent)
{
    pthread_mutex_lock(&r->lock);
    frame->is_ready = 0;
    push(urgent ? &r->urgent : &r->ordinary, frame);
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
}

int pp__reader_wait(pp__reader *r, pp__frame *frame)
{
    pthread_mutex_lock(&r->lock);
    if (!frame->is_ready && r->failure.code == PP_OK) {
        double begun = pp_comm_seconds();
        while (!frame->is_ready && r->failure.code == PP_OK)
            pthread_cond_wait(&r->done, &r->lock);
        r->waited += pp_comm_seconds() - begun;
    }
    int ok = r->failure.code == PP_OK;
    pthread_mutex_unlock(&r->lock);
    return ok;
}

double pp__reader_waited(const pp__reader *r)
{
    return r->waited;
}

pp_status pp__reader_status(pp__reader *r, pp_error *err)
{
    pthread_mutex_lock(&r->lock);
    pp_error failure = r->failure;
    pthread_mutex_unlock(&r->lock);
    return failure.code == PP_OK ? PP_OK : pp_fail(err, failure.code, "%s", failure.text);
}

/* ---- rows of a frame ---- */

void pp__copy_framed(const pp__data_residency *set, const pp__frame *frame, int64_t offset,
                     pp_rows *out, int64_t to)
{
    size_t inputs = (size_t)set->rows->info.inputs, columns = (size_t)set->rows->info.y_columns;
    size_t from = (size_t)offset, at = (size_t)to;
    const float *y = frame->y + from * columns;
    memcpy(out->x + at * inputs, frame->x + from * inputs, inputs * sizeof(float));
    memcpy(out->y + at * columns, y, columns * sizeof(float));
    out->weight[at] =
        pp__weight_of(set->rows, y, frame->source->weights == NULL ? 1 : frame->weight[from]);
    out->index[at] = frame->source->first + frame->first + offset;
}
