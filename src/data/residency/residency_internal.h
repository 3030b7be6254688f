/* Part three of a data set: where the rows of this rank are, in memory or in the files.
 *
 * residency.c chooses. In memory, memory.c brings the rows and slots.c hands them out. Streaming,
 * first_look.c looks at the rows once, reader.c is the thread that fills frames, stream.c plans
 * what it reads for batches, stream_blocks.c for evaluation. standardise.c measures x. Both give
 * the same rows in the same order. A *frame* is room for a piece. */
#ifndef PITPROP_DATA_RESIDENCY_INTERNAL_H
#define PITPROP_DATA_RESIDENCY_INTERNAL_H

#include "data/residency/standardise.h"
#include "data/share/share_internal.h"

/* Rows in memory. */
typedef struct pp__store {
    pp_rows at; /* [rows] each; x is malloc'ed, the rest from the arena */
    int64_t rows;
} pp__store;

typedef struct pp__data_residency {
    pp__data_rows *rows;
    pp__data_share *share;
    int64_t budget;    /* bytes of this rank for rows */
    int reads_doubles; /* x is standardised, and its types hold more than float */
    pp__store train, held;
    float *shift, *scale;                  /* [inputs], NULL: not standardised */
    double *wide_shift, *wide_scale;       /* [inputs], NULL: float32 cuts no value of x */
    uint64_t x_fingerprint;                /* of this rank's rows so far */
    uint64_t fingerprint;                  /* once loaded */
    struct pp__reader *reader;             /* NULL: rows are in memory */
    struct pp__stream *stream;             /* likewise */
    struct pp__block_stream *block_stream; /* likewise */
} pp__data_residency;

/* A kind of residency: how rows are handed out, see dataset.h. */
typedef struct pp__residence {
    pp_status (*plan)(pp__data_residency *set, pp_error *err);
    void (*batch)(pp__data_residency *set, int64_t step, pp_rows *out, int64_t *lane_rows);
    int64_t (*blocks)(const pp__data_residency *set); /* of training rows */
    int64_t (*block)(pp__data_residency *set, pp_part part, int64_t block, pp_rows *out);
    int (*lane)(const pp__data_residency *set, int64_t block);
    int64_t (*bytes)(const pp__data_residency *set);
} pp__residence;
extern const pp__residence pp__in_memory; /* slots.c */
extern const pp__residence pp__streamed;  /* stream.c */

/* residency.c: budget; whether to stream. Collective. */
int pp__choose_residency(pp__data_residency *set, pp_comm *comm, const pp_job_data *data);

/* memory.c: x, y, weight and index of this rank's rows; *bad_row is the lowest global row with a
 * value that is not finite, INT64_MAX for none, and then err says which. */
pp_status pp__read_rows(pp__data_residency *set, int64_t *bad_row, pp_error *bad, pp_error *err);
/* slots.c: room for the x, y and weights of a store's rows. */
pp_status pp__make_store(pp__data_residency *set, pp__store *store, pp_error *err);
/* Numbers of the pieces in file order [n_pieces]; NULL: no memory. */
int64_t *pp__sort_pieces(const pp__data_residency *set, pp_arena *arena);

/* Block `block` of the held-out rows, which are in memory. */
int64_t pp__slots_held_out(const pp__data_residency *set, int64_t block, pp_rows *out);

/* fingerprint.c */
/* Adds the rows in memory to x_fingerprint, each over all ranks once. */
void pp__fingerprint_rows(pp__data_residency *set);
/* Collective. */
void pp__finish_fingerprint(pp__data_residency *set, pp_comm *comm);

/* standardise.c */
typedef struct pp__moments pp__moments; /* of the features, over the training rows */
pp_status pp__moments_create(pp__data_residency *set, pp_arena *arena, pp__moments **moments,
                             pp_error *err);
/* Rows of one piece, in order: begin, rows, end. x [rows, inputs] */
void pp__moments_begin(pp__moments *moments);
void pp__moments_add(pp__moments *moments, const float *x, int64_t rows);
/* Notes whether float32 cuts any value. */
void pp__moments_add_doubles(pp__moments *moments, const double *x, int64_t rows);
void pp__moments_end(pp__moments *moments);
/* Collective: shift and scale from the pieces of all ranks. */
void pp__moments_finish(pp__moments *moments, pp__data_residency *set, pp_comm *comm);
void pp__standardise(const pp__data_residency *set, float *x, int64_t rows);
/* Rows of a source as they are trained on: float32, made from doubles where float32 would cut
 * them. Standardised only then. scratch [pp__scratch_values], NULL where wide_shift is. */
pp_status pp__read_x(const pp__data_residency *set, const pp__source *s, int64_t first,
                     int64_t rows, float *x, double *scratch, pp_error *err);
int64_t pp__scratch_values(const pp__data_residency *set);

/* first_look.c: one look at the rows of this rank, for streaming: *bad_row as in pp__read_rows;
 * moments NULL: not wanted. */
pp_status pp__look_at_rows(pp__data_residency *set, pp__moments *moments, int64_t *bad_row,
                           pp_error *bad, pp_error *err);
/* Held-out rows that are kept, standardised from doubles. */
pp_status pp__reread_held_out(pp__data_residency *set, pp_error *err);

/* ---- streaming ---- */

/* Room for rows, and which ones. The reader's while they are asked for and not ready. */
typedef struct pp__frame {
    struct pp__frame *next, *next_asked; /* of its owner's list; of the reader's */
    const pp__source *source;
    int64_t first, rows;   /* rows [first, first + rows) of the source */
    float *x, *y, *weight; /* [rows, inputs], [rows, y_columns], [rows] */
    int64_t piece;         /* or -1: held-out rows */
    int64_t held, n_held;  /* held.at.index[held] ... [held + n_held - 1] */
    int is_ready;
} pp__frame;

/* reader.c: a thread that fills frames, the only one that calls HDF5 from then on. */
typedef struct pp__reader pp__reader;
pp_status pp__reader_start(const pp__data_residency *set, pp__reader **reader, pp_error *err);
void pp__reader_stop(pp__reader *reader); /* NULL is fine */
/* Those asked for as urgent come first, the others in about the order of asking. */
void pp__reader_ask(pp__reader *reader, pp__frame *frame, int urgent);
/* Waits until the frame is ready; 0: reading has failed, now or before. */
int pp__reader_wait(pp__reader *reader, pp__frame *frame);
double pp__reader_waited(const pp__reader *reader); /* seconds in all */
pp_status pp__reader_status(pp__reader *reader, pp_error *err);

/* Row `offset` of a frame becomes row `to` of out. */
void pp__copy_framed(const pp__data_residency *set, const pp__frame *frame, int64_t offset,
                     pp_rows *out, int64_t to);

/* stream.c */
/* Collective. As many frames as data.memory allows; held-out rows stay in memory if there is
 * plenty. */
pp_status pp__stream_fit(pp__data_residency *set, pp_comm *comm, pp_error *err);
pp_status pp__stream_start(pp__data_residency *set, pp_error *err);
void pp__stream_destroy(pp__data_residency *set);

/* stream_blocks.c: frames [count], for blocks alone. */
pp_status pp__block_stream_create(pp__data_residency *set, int64_t frame_rows, pp_error *err);
void pp__block_stream_give(pp__data_residency *set, pp__frame *frames, int64_t count);
int64_t pp__block_stream_count(const pp__data_residency *set); /* blocks of training rows */
int pp__block_stream_lane(const pp__data_residency *set, int64_t block);
int64_t pp__block_stream_next(pp__data_residency *set, pp_part part, int64_t block, pp_rows *out);

#endif
