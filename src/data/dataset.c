/* Opening, loading and closing, and the batches and blocks of rows: the only file that sees all
 * three parts, which are rows (which there are), share (which of them this rank has, in which
 * order) and residency (where they are). A part knows those before it. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "data/residency/residency_internal.h"
#include "pitprop/check.h"

struct pp_dataset {
    pp__data_rows rows;
    pp__data_share share;
    pp__data_residency at;
    const pp__residence *how; /* one of the kinds of residency, once opened */
};

static const char *without_slash(const char *name)
{
    return name + strspn(name, "/");
}

static void take_options(pp_dataset *set, const pp_job *job)
{
    const pp_job_data *data = &job->data;
    set->rows.seed = (uint64_t)job->seed;
    set->share.shuffle = data->shuffle;
    set->rows.standardise = data->standardise;
    set->rows.moves_targets = data->recode_labels || data->permute_targets ||
                              data->shift_targets != 0 || data->standardise_targets;
    set->share.window = data->window;
    set->share.open_windows = data->open_windows;
    set->share.batch = job->training.batch;
    set->rows.x_name = without_slash(data->x[0]);
    set->rows.y_name = without_slash(*data->target_column != '\0' ? data->x[0] : data->y);
    set->rows.weights_name = data->row_weights == NULL ? "" : without_slash(data->row_weights);
    set->share.epoch = -1;
}

static pp_status open_sources(pp_dataset *set, const pp_job_data *data, pp_error *err)
{
    pp__source *train = &set->rows.source[PP__TRAINING], *held = &set->rows.source[PP__HELD_OUT];
    const char **files;
    int n_files;
    pp_status status =
        pp_data_expand(set->rows.arena, data->files, data->n_files, &files, &n_files, err);
    if (status == PP_OK) status = pp__source_open(&set->rows, data, train, files, n_files, err);
    if (status != PP_OK) return status;
    set->rows.n_sources = 1;
    set->rows.info.file_rows = train->rows;
    set->rows.info.inputs = pp_h5_columns(train->x);
    pp_shape *shape = &set->rows.info.x_shape;
    shape->n_dims = pp_h5_row_shape(train->x, shape->size, PP_MOST_DIMS - 1);
    set->rows.info.y_columns = pp_h5_columns(train->y);
    set->rows.info.chunk_rows = pp_h5_chunk_rows(train->x);
    if (data->n_validation_files == 0) return PP_OK;
    status = pp_data_expand(set->rows.arena, data->validation_files, data->n_validation_files,
                            &files, &n_files, err);
    if (status == PP_OK) status = pp__source_open(&set->rows, data, held, files, n_files, err);
    held->first = train->rows;
    set->rows.n_sources = 2;
    return status;
}

static pp_status name_files(pp_dataset *set, pp_error *err)
{
    int count = 0;
    for (int i = 0; i < set->rows.n_sources; i++)
        count += set->rows.source[i].n_files;
    const char **names = PP_ARENA_NEW(set->rows.arena, const char *, count);
    if (names == NULL) return pp__data_no_memory(err);
    set->rows.info.files = names;
    for (int i = 0; i < set->rows.n_sources; i++)
        for (int k = 0; k < set->rows.source[i].n_files; k++) {
            const char *slash = strrchr(set->rows.source[i].files[k], '/');
            const char *name = slash == NULL ? set->rows.source[i].files[k] : slash + 1;
            *names = pp_arena_strdup(set->rows.arena, name);
            if (*names++ == NULL) return pp__data_no_memory(err);
        }
    set->rows.info.n_files = count;
    return PP_OK;
}

static pp_status keep_targets(pp_dataset *set, pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; status == PP_OK && i < set->rows.n_sources; i++)
        status = pp__keep_targets(&set->rows, &set->rows.source[i], err);
    return status;
}

static int64_t window_rows(const pp_dataset *set, int64_t lanes)
{
    const pp_dataset_info *info = &set->rows.info;
    return pp_window_rows(set->share.window, info->file_rows, info->inputs, info->chunk_rows,
                          lanes);
}

static pp_status settle_rows(const pp_job *job, pp_dataset *set, pp_error *err)
{
    set->rows.info.category_column = pp_h5_category_column(set->rows.source[PP__TRAINING].x);
    pp_status status = pp__find_collapsed(&set->rows, err);
    if (status == PP_OK) status = keep_targets(set, err);
    if (status == PP_OK) status = pp__survey_y(&set->rows, job, err);
    if (status == PP_OK && job->data.recode_labels) pp__recode_labels(&set->rows);
    for (int i = 0; i < set->rows.n_sources && job->data.shift_targets != 0 && status == PP_OK; i++)
        status = pp__shift_targets(&set->rows, &set->rows.source[i], job->data.shift_targets, err);
    if (status == PP_OK) status = pp__hold_out(&set->rows, &job->data, err);
    if (status == PP_OK && job->data.standardise_targets)
        status = pp__standardise_targets(&set->rows, err);
    if (status == PP_OK && job->data.permute_targets) status = pp__permute_targets(&set->rows, err);
    if (status == PP_OK) status = pp__balance(&set->rows, &job->data, err);
    if (status == PP_OK) set->rows.info.window = window_rows(set, pp_job_lanes(job));
    return status;
}

static pp_dataset *create(void)
{
    pp_dataset *set = calloc(1, sizeof *set);
    if (set == NULL) return NULL;
    set->rows.arena = pp_arena_create();
    set->rows.until_loaded = pp_arena_create();
    set->share.rows = set->at.rows = &set->rows;
    set->at.share = &set->share;
    if (set->rows.arena != NULL && set->rows.until_loaded != NULL) return set;
    pp_dataset_close(set);
    return NULL;
}

pp_status pp_dataset_open(pp_comm *comm, const pp_job *job, pp_dataset **set, pp_error *err)
{
    pp_dataset *made = create();
    pp_status status = made == NULL ? pp__data_no_memory(err) : PP_OK;
    if (status == PP_OK) {
        take_options(made, job);
        status = open_sources(made, &job->data, err);
        if (status == PP_OK) status = name_files(made, err);
    }
    status = pp_comm_agree(comm, status, err);
    for (int i = 0; status == PP_OK && i < made->rows.n_sources; i++)
        made->at.reads_doubles |=
            made->rows.standardise && !pp_h5_is_single(made->rows.source[i].x);
    for (int i = 0; status == PP_OK && i < made->rows.n_sources; i++)
        status = pp__source_compare(&made->rows, comm, &made->rows.source[i], err);
    if (status == PP_OK) {
        made->rows.streams = pp__choose_residency(&made->at, comm, &job->data);
        made->how = made->rows.streams ? &pp__streamed : &pp__in_memory;
        status = pp_comm_agree(comm, settle_rows(job, made, err), err);
    }
    for (int i = 0; status == PP_OK && i < made->rows.n_sources; i++) {
        const pp__source *s = &made->rows.source[i];
        status = pp_data_agree(comm, s->files, s->n_files, s->fingerprints, err);
    }
    if (status != PP_OK) {
        pp_dataset_close(made);
        return status;
    }
    *set = made;
    return PP_OK;
}

static void forget_what_load_needed(pp_dataset *set)
{
    for (int i = 0; i < PP__SOURCES; i++)
        pp__source_close(&set->rows.source[i]);
    pp_arena_destroy(set->rows.until_loaded);
    set->rows.until_loaded = NULL;
    set->rows.times = NULL;
    set->rows.held_out = NULL;
    set->share.window_first = NULL;
}

void pp_dataset_close(pp_dataset *set)
{
    if (set == NULL) return;
    pp__stream_destroy(&set->at);
    forget_what_load_needed(set);
    free(set->at.train.at.x);
    free(set->at.held.at.x);
    pp_arena_destroy(set->rows.arena);
    free(set);
}

const pp_dataset_info *pp_dataset_describe(const pp_dataset *set)
{
    return &set->rows.info;
}

int64_t pp_dataset_class(const pp_dataset *set, const float *y)
{
    return pp_class_of(&set->rows.info, y);
}

uint64_t pp_dataset_fingerprint(const pp_dataset *set)
{
    return set->at.fingerprint;
}

/* ---- load ---- */

static pp_status take_lanes(pp_dataset *set, const pp_comm *comm, int lanes, const int64_t *cut,
                            pp_error *err)
{
    set->share.lanes = lanes;
    set->share.rank = pp_comm_rank(comm);
    set->share.ranks = pp_comm_size(comm);
    set->share.range = pp_lanes_of_rank(lanes, set->share.rank, set->share.ranks);
    set->share.batch = cut[lanes];
    set->share.cut = PP_ARENA_NEW(set->rows.arena, int64_t, lanes + 1);
    if (set->share.cut == NULL) return pp__data_no_memory(err);
    memcpy(set->share.cut, cut, sizeof *cut * (size_t)(lanes + 1));
    set->rows.info.window = window_rows(set, lanes);
    return PP_OK;
}

/* All ranks leave with the message about the lowest bad row. */
static pp_status agree_on_rows(pp_comm *comm, int64_t bad_row, const pp_error *bad, pp_error *err)
{
    int64_t lowest = bad_row;
    pp_comm_min_i64(comm, &lowest, 1);
    if (lowest == INT64_MAX) return PP_OK;
    pp_status status = PP_OK;
    if (bad_row == lowest) status = pp_fail(err, bad->code, "%s", bad->text);
    return pp_comm_agree(comm, status, err);
}

static void measure_pieces(const pp_dataset *set, pp__moments *moments)
{
    for (int64_t i = 0; i < set->share.n_pieces; i++) {
        const pp__piece *piece = &set->share.pieces[i];
        const float *x = set->at.train.at.x + piece->first_owned * set->rows.info.inputs;
        pp__moments_begin(moments);
        pp__moments_add(moments, x, piece->owned);
        pp__moments_end(moments);
    }
}

/* Rows that are in memory as the files have them. */
static void standardise(const pp_dataset *set)
{
    if (set->at.train.at.x != NULL)
        pp__standardise(&set->at, set->at.train.at.x, set->at.train.rows);
    if (set->at.held.at.x != NULL) pp__standardise(&set->at, set->at.held.at.x, set->at.held.rows);
}

/* Once through the rows of this rank, or all of them into memory. Collective. */
typedef pp_status (*bring_fn)(pp__data_residency *at, pp__moments *moments, int64_t *bad_row,
                              pp_error *bad, pp_error *err);
static pp_status bring(pp_dataset *set, pp_comm *comm, bring_fn how, pp__moments *moments,
                       pp_error *err)
{
    int64_t bad_row = INT64_MAX;
    pp_error bad = {.code = PP_OK};
    pp_status status = pp_comm_agree(comm, how(&set->at, moments, &bad_row, &bad, err), err);
    return status == PP_OK ? agree_on_rows(comm, bad_row, &bad, err) : status;
}

static pp_status read_rows(pp__data_residency *at, pp__moments *moments, int64_t *bad_row,
                           pp_error *bad, pp_error *err)
{
    (void)moments;
    return pp__read_rows(at, bad_row, bad, err);
}

/* What is standardised from doubles is read once more, when mean and deviation are known. */
static pp_status bring_rows(pp_dataset *set, pp_comm *comm, pp_arena *scratch, pp_error *err)
{
    pp__moments *moments = NULL;
    int looks = set->rows.streams || set->at.reads_doubles;
    pp_status status = scratch == NULL ? pp__data_no_memory(err) : PP_OK;
    if (status == PP_OK && set->rows.standardise)
        status = pp__moments_create(&set->at, scratch, &moments, err);
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK)
        status = bring(set, comm, looks ? pp__look_at_rows : read_rows, moments, err);
    if (status != PP_OK) return status;
    if (!looks) pp__fingerprint_rows(&set->at);
    pp__finish_fingerprint(&set->at, comm);
    if (!looks && set->rows.standardise) measure_pieces(set, moments);
    if (set->rows.standardise) pp__moments_finish(moments, &set->at, comm);
    if (!set->rows.streams && looks) status = bring(set, comm, read_rows, NULL, err);
    if (set->rows.streams && set->at.wide_shift != NULL)
        status = pp_comm_agree(comm, pp__reread_held_out(&set->at, err), err);
    if (status == PP_OK && set->rows.standardise && set->at.wide_shift == NULL) standardise(set);
    return status;
}

pp_status pp_dataset_load(pp_dataset *set, pp_comm *comm, int lanes, const int64_t *cut,
                          pp_error *err)
{
    PP_CHECK(set->share.lanes == 0 && lanes > 0 && cut[lanes] > 0);
    pp_status status = take_lanes(set, comm, lanes, cut, err);
    if (status == PP_OK) status = pp__deal(&set->share, err);
    set->at.train = (pp__store){.rows = set->share.train_rows, .at.index = set->share.train_index};
    set->at.held = (pp__store){.rows = set->share.held_rows, .at.index = set->share.held_index};
    if (status == PP_OK) status = set->how->plan(&set->at, err);
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK && set->rows.streams)
        status = pp_comm_agree(comm, pp__stream_fit(&set->at, comm, err), err);
    if (status != PP_OK) return status;
    pp_arena *scratch = pp_arena_create();
    status = bring_rows(set, comm, scratch, err);
    pp_arena_destroy(scratch);
    if (status != PP_OK) return status;
    if (set->rows.streams) return pp_comm_agree(comm, pp__stream_start(&set->at, err), err);
    forget_what_load_needed(set);
    return PP_OK;
}

int64_t pp_dataset_bytes(const pp_dataset *set)
{
    return set->how->bytes(&set->at);
}

int pp_dataset_streams(const pp_dataset *set)
{
    return set->rows.streams;
}

double pp_dataset_waited(const pp_dataset *set)
{
    return set->at.reader == NULL ? 0 : pp__reader_waited(set->at.reader);
}

pp_status pp_dataset_status(const pp_dataset *set, pp_error *err)
{
    return set->at.reader == NULL ? PP_OK : pp__reader_status(set->at.reader, err);
}

const float *pp_dataset_shift(const pp_dataset *set)
{
    return set->at.shift;
}

const float *pp_dataset_scale(const pp_dataset *set)
{
    return set->at.scale;
}

const double *pp_dataset_wide_shift(const pp_dataset *set)
{
    return set->at.wide_shift;
}

const double *pp_dataset_wide_scale(const pp_dataset *set)
{
    return set->at.wide_scale;
}

const float *pp_dataset_target_shift(const pp_dataset *set)
{
    return set->rows.target_shift;
}

const float *pp_dataset_target_scale(const pp_dataset *set)
{
    return set->rows.target_scale;
}

/* ---- batches and blocks ---- */

int64_t pp_dataset_steps_per_epoch(const pp_dataset *set)
{
    return pp__steps_per_epoch(&set->share);
}

void pp_dataset_start_epoch(pp_dataset *set, int64_t epoch)
{
    pp__start_epoch(&set->share, epoch);
}

int64_t pp_dataset_batch(pp_dataset *set, int64_t step, pp_rows *out, int64_t *lane_rows)
{
    PP_CHECK(set->share.epoch >= 0 && step >= 0 && step < pp_dataset_steps_per_epoch(set));
    set->how->batch(&set->at, step, out, lane_rows);
    int64_t left = set->rows.info.train_rows - step * set->share.batch;
    return left < set->share.batch ? left : set->share.batch;
}

int64_t pp_dataset_blocks(const pp_dataset *set, pp_part part)
{
    if (part == PP_PART_TRAIN) return set->how->blocks(&set->at);
    return (set->share.held_rows + PP_BLOCK_ROWS - 1) / PP_BLOCK_ROWS;
}

int64_t pp_dataset_block(pp_dataset *set, pp_part part, int64_t block, pp_rows *out)
{
    PP_CHECK(block >= 0 && block < pp_dataset_blocks(set, part));
    return set->how->block(&set->at, part, block, out);
}

int pp_dataset_block_lane(const pp_dataset *set, int64_t block)
{
    PP_CHECK(block >= 0 && block < pp_dataset_blocks(set, PP_PART_TRAIN));
    return set->how->lane(&set->at, block);
}

int64_t pp_dataset_part_rows(const pp_dataset *set, pp_part part)
{
    return part == PP_PART_TRAIN ? set->rows.distinct_rows : set->rows.info.validation_rows;
}
