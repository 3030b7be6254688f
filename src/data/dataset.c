/* Opening, loading and closing; the parts are in the other files of this folder. */
#include "dataset_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

__extension__ typedef __int128 wide;

int64_t pp__share(int64_t a, int64_t b, int64_t c)
{
    return (int64_t)((wide)a * b / c);
}

static const char *without_slash(const char *name)
{
    return name + strspn(name, "/");
}

static void take_options(pp_dataset *set, const pp_job *job)
{
    const pp_job_data *data = &job->data;
    set->seed = (uint64_t)job->seed;
    set->shuffle = data->shuffle;
    set->standardise = data->standardise;
    set->moves_targets = data->recode_labels || data->permute_targets || data->shift_targets != 0 ||
                         data->standardise_targets;
    set->window = data->window;
    set->open_windows = data->open_windows;
    set->batch = job->training.batch;
    set->x_name = without_slash(data->x[0]);
    set->y_name = without_slash(*data->target_column != '\0' ? data->x[0] : data->y);
    set->weights_name = data->row_weights == NULL ? "" : without_slash(data->row_weights);
    set->epoch = -1;
}

static pp_status open_sources(pp_dataset *set, const pp_job_data *data, pp_error *err)
{
    pp__source *train = &set->source[PP__TRAINING], *held = &set->source[PP__HELD_OUT];
    const char **files;
    int n_files;
    pp_status status =
        pp_data_expand(set->arena, data->files, data->n_files, &files, &n_files, err);
    if (status == PP_OK) status = pp__source_open(set, data, train, files, n_files, err);
    if (status != PP_OK) return status;
    set->n_sources = 1;
    set->info.file_rows = train->rows;
    set->info.inputs = pp_h5_columns(train->x);
    set->info.y_columns = pp_h5_columns(train->y);
    set->info.chunk_rows = pp_h5_chunk_rows(train->x);
    if (data->n_validation_files == 0) return PP_OK;
    status = pp_data_expand(set->arena, data->validation_files, data->n_validation_files, &files,
                            &n_files, err);
    if (status == PP_OK) status = pp__source_open(set, data, held, files, n_files, err);
    held->first = train->rows;
    set->n_sources = 2;
    return status;
}

static pp_status name_files(pp_dataset *set, pp_error *err)
{
    int count = 0;
    for (int i = 0; i < set->n_sources; i++)
        count += set->source[i].n_files;
    const char **names = PP_ARENA_NEW(set->arena, const char *, count);
    if (names == NULL) return pp__no_memory(err);
    set->info.files = names;
    for (int i = 0; i < set->n_sources; i++)
        for (int k = 0; k < set->source[i].n_files; k++) {
            const char *slash = strrchr(set->source[i].files[k], '/');
            const char *name = slash == NULL ? set->source[i].files[k] : slash + 1;
            *names = pp_arena_strdup(set->arena, name);
            if (*names++ == NULL) return pp__no_memory(err);
        }
    set->info.n_files = count;
    return PP_OK;
}

static pp_status keep_targets(pp_dataset *set, pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; status == PP_OK && i < set->n_sources; i++)
        status = pp__keep_targets(set, &set->source[i], err);
    return status;
}

static int64_t window_rows(const pp_dataset *set, int64_t lanes)
{
    const pp_dataset_info *info = &set->info;
    return pp_window_rows(set->window, info->file_rows, info->inputs, info->chunk_rows, lanes);
}

static pp_status settle_rows(const pp_job *job, pp_dataset *set, pp_error *err)
{
    set->info.category_column = pp_h5_category_column(set->source[PP__TRAINING].x);
    pp_status status = pp__find_collapsed(set, err);
    if (status == PP_OK) status = keep_targets(set, err);
    if (status == PP_OK) status = pp__survey_y(set, job, err);
    if (status == PP_OK && job->data.recode_labels) pp__recode_labels(set);
    for (int i = 0; i < set->n_sources && job->data.shift_targets != 0 && status == PP_OK; i++)
        status = pp__shift_targets(set, &set->source[i], job->data.shift_targets, err);
    if (status == PP_OK) status = pp__hold_out(set, &job->data, err);
    if (status == PP_OK && job->data.standardise_targets)
        status = pp__standardise_targets(set, err);
    if (status == PP_OK && job->data.permute_targets) status = pp__permute_targets(set, err);
    if (status == PP_OK) status = pp__balance(set, &job->data, err);
    if (status == PP_OK) set->info.window = window_rows(set, pp_job_lanes(job));
    return status;
}

static pp_dataset *create(void)
{
    pp_dataset *set = calloc(1, sizeof *set);
    if (set == NULL) return NULL;
    set->arena = pp_arena_create();
    set->until_loaded = pp_arena_create();
    if (set->arena != NULL && set->until_loaded != NULL) return set;
    pp_dataset_close(set);
    return NULL;
}

pp_status pp_dataset_open(pp_comm *comm, const pp_job *job, pp_dataset **set, pp_error *err)
{
    pp_dataset *made = create();
    pp_status status = made == NULL ? pp__no_memory(err) : PP_OK;
    if (status == PP_OK) {
        take_options(made, job);
        status = open_sources(made, &job->data, err);
        if (status == PP_OK) status = name_files(made, err);
    }
    status = pp_comm_agree(comm, status, err);
    for (int i = 0; status == PP_OK && i < made->n_sources; i++)
        made->reads_doubles |= made->standardise && !pp_h5_is_single(made->source[i].x);
    for (int i = 0; status == PP_OK && i < made->n_sources; i++)
        status = pp__source_compare(made, comm, &made->source[i], err);
    if (status == PP_OK) {
        pp__settle_residency(made, comm, &job->data);
        status = pp_comm_agree(comm, settle_rows(job, made, err), err);
    }
    for (int i = 0; status == PP_OK && i < made->n_sources; i++) {
        const pp__source *s = &made->source[i];
        status = pp_data_agree(comm, s->files, s->n_files, s->prints, err);
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
        pp__source_close(&set->source[i]);
    pp_arena_destroy(set->until_loaded);
    set->until_loaded = NULL;
    set->times = NULL;
    set->held_out = NULL;
    set->window_first = NULL;
}

void pp_dataset_close(pp_dataset *set)
{
    if (set == NULL) return;
    pp__stream_destroy(set);
    forget_what_load_needed(set);
    free(set->train.at.x);
    free(set->held.at.x);
    pp_arena_destroy(set->arena);
    free(set);
}

const pp_dataset_info *pp_dataset_describe(const pp_dataset *set)
{
    return &set->info;
}

static int64_t largest(const float *y, int64_t columns)
{
    int64_t best = 0;
    for (int64_t k = 1; k < columns; k++)
        if (y[k] > y[best]) best = k;
    return best;
}

int64_t pp_dataset_class(const pp_dataset *set, const float *y)
{
    return pp_class_of(&set->info, y);
}

int64_t pp_class_of(const pp_dataset_info *info, const float *y)
{
    if (info->one_hot) return largest(y, info->y_columns);
    if (info->y_columns > 1) return -1; /* binary, and several at once: no single class */
    if (info->task == PP_TASK_BINARY)
        return (double)y[0] >= info->low_label + (info->high_label - info->low_label) / 2;
    int is_class = y[0] >= 0 && (double)y[0] < (double)info->classes;
    return is_class && (double)(int64_t)y[0] == (double)y[0] ? (int64_t)y[0] : -1;
}

/* ---- load ---- */

static pp_status take_lanes(pp_dataset *set, const pp_comm *comm, int lanes, const int64_t *cut,
                            pp_error *err)
{
    set->lanes = lanes;
    set->rank = pp_comm_rank(comm);
    set->ranks = pp_comm_size(comm);
    set->range = pp_lanes_of_rank(lanes, set->rank, set->ranks);
    set->batch = cut[lanes];
    set->cut = PP_ARENA_NEW(set->arena, int64_t, lanes + 1);
    if (set->cut == NULL) return pp__no_memory(err);
    memcpy(set->cut, cut, sizeof *cut * (size_t)(lanes + 1));
    set->info.window = window_rows(set, lanes);
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
    for (int64_t i = 0; i < set->n_pieces; i++) {
        const pp__piece *piece = &set->pieces[i];
        const float *x = set->train.at.x + piece->first_owned * set->info.inputs;
        pp__moments_begin(moments);
        pp__moments_add(moments, x, piece->owned);
        pp__moments_end(moments);
    }
}

/* Rows that are in memory as the files have them. */
static void standardise(const pp_dataset *set)
{
    if (set->train.at.x != NULL) pp__standardise(set, set->train.at.x, set->train.rows);
    if (set->held.at.x != NULL) pp__standardise(set, set->held.at.x, set->held.rows);
}

/* Once through the rows of this rank, or all of them into memory. Collective. */
typedef pp_status (*bring_fn)(pp_dataset *set, pp__moments *moments, int64_t *bad_row,
                              pp_error *bad, pp_error *err);
static pp_status bring(pp_dataset *set, pp_comm *comm, bring_fn how, pp__moments *moments,
                       pp_error *err)
{
    int64_t bad_row = INT64_MAX;
    pp_error bad = {.code = PP_OK};
    pp_status status = pp_comm_agree(comm, how(set, moments, &bad_row, &bad, err), err);
    return status == PP_OK ? agree_on_rows(comm, bad_row, &bad, err) : status;
}

static pp_status read_rows(pp_dataset *set, pp__moments *moments, int64_t *bad_row, pp_error *bad,
                           pp_error *err)
{
    (void)moments;
    return pp__read_rows(set, bad_row, bad, err);
}

/* What is standardised from doubles is read once more, when mean and deviation are known. */
static pp_status bring_rows(pp_dataset *set, pp_comm *comm, pp_arena *scratch, pp_error *err)
{
    pp__moments *moments = NULL;
    int looks = set->streams || set->reads_doubles;
    pp_status status = scratch == NULL ? pp__no_memory(err) : PP_OK;
    if (status == PP_OK && set->standardise)
        status = pp__moments_create(set, scratch, &moments, err);
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK)
        status = bring(set, comm, looks ? pp__look_at_rows : read_rows, moments, err);
    if (status != PP_OK) return status;
    if (!looks) pp__print_rows(set);
    pp__settle_print(set, comm);
    if (!looks && set->standardise) measure_pieces(set, moments);
    if (set->standardise) pp__moments_settle(moments, set, comm);
    if (!set->streams && looks) status = bring(set, comm, read_rows, NULL, err);
    if (set->streams && set->wide_shift != NULL)
        status = pp_comm_agree(comm, pp__reread_held_out(set, err), err);
    if (status == PP_OK && set->standardise && set->wide_shift == NULL) standardise(set);
    return status;
}

pp_status pp_dataset_load(pp_dataset *set, pp_comm *comm, int lanes, const int64_t *cut,
                          pp_error *err)
{
    PP_CHECK(set->lanes == 0 && lanes > 0 && cut[lanes] > 0);
    pp_status status = take_lanes(set, comm, lanes, cut, err);
    if (status == PP_OK) status = pp__deal(set, err);
    if (status == PP_OK) status = (set->streams ? pp__stream_plan : pp__plan_order)(set, err);
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK && set->streams)
        status = pp_comm_agree(comm, pp__stream_fit(set, comm, err), err);
    if (status != PP_OK) return status;
    pp_arena *scratch = pp_arena_create();
    status = bring_rows(set, comm, scratch, err);
    pp_arena_destroy(scratch);
    if (status != PP_OK) return status;
    if (set->streams) return pp_comm_agree(comm, pp__stream_start(set, err), err);
    forget_what_load_needed(set);
    return PP_OK;
}

int64_t pp_dataset_bytes(const pp_dataset *set)
{
    if (set->stream != NULL) return pp__stream_bytes(set);
    int64_t values = set->info.inputs + set->info.y_columns + 1; /* and the weight */
    int64_t row = values * (int64_t)sizeof(float) + (int64_t)sizeof(int64_t);
    return row * (set->train.rows + set->held.rows);
}

int pp_dataset_streams(const pp_dataset *set)
{
    return set->streams;
}

double pp_dataset_waited(const pp_dataset *set)
{
    return set->stream == NULL ? 0 : pp__reader_waited(pp__stream_reader(set->stream));
}

pp_status pp_dataset_status(const pp_dataset *set, pp_error *err)
{
    return set->stream == NULL ? PP_OK : pp__reader_status(pp__stream_reader(set->stream), err);
}

const float *pp_dataset_shift(const pp_dataset *set)
{
    return set->shift;
}

const float *pp_dataset_scale(const pp_dataset *set)
{
    return set->scale;
}

const double *pp_dataset_wide_shift(const pp_dataset *set)
{
    return set->wide_shift;
}

const double *pp_dataset_wide_scale(const pp_dataset *set)
{
    return set->wide_scale;
}

const float *pp_dataset_target_shift(const pp_dataset *set)
{
    return set->target_shift;
}

const float *pp_dataset_target_scale(const pp_dataset *set)
{
    return set->target_scale;
}
