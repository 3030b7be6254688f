/* Whether all ranks have read the same under the same names: copies on the nodes' own disks may
 * differ, and a pattern may match more files by the time that the last rank looks. */
#include "data/rows/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/muldiv.h"
#include "rows_internal.h"

enum { SAMPLED_FILES = 32, SAMPLED_ROWS = 4, MOST_NAMED = 8 };

/* ---- what a file holds ---- */

/* Rows spread over a file, as doubles. */
static pp_status fingerprint_sample(pp_h5_set *set, int64_t first, int64_t rows, double *row,
                                    uint64_t *fingerprint, pp_error *err)
{
    pp_status status = PP_OK;
    int64_t n = rows < SAMPLED_ROWS ? rows : SAMPLED_ROWS, columns = pp_h5_columns(set);
    for (int64_t i = 0; i < n && status == PP_OK; i++) {
        int64_t at = n > 1 ? pp_muldiv(rows - 1, i, n - 1) : 0;
        status = pp_h5_read_f64(set, first + at, 1, row, err);
        if (status == PP_OK) *fingerprint += pp__double_fingerprint(at, row, columns);
    }
    return status;
}

pp_status pp_data_fingerprint(pp_h5_set *const *sets, int n_sets, int n_files,
                              pp_file_fingerprint *fingerprints, pp_error *err)
{
    pp_status status = PP_OK;
    for (int s = 0; s < n_sets && status == PP_OK; s++) {
        pp_h5_set *set = sets[s];
        int64_t form[] = {pp_h5_columns(set), pp_h5_chunk_rows(set),
                          2 * pp_h5_is_integer(set) + pp_h5_is_single(set)};
        double *row = malloc((size_t)form[0] * sizeof *row);
        int64_t first = 0;
        int every = (n_files + SAMPLED_FILES - 1) / SAMPLED_FILES;
        if (row == NULL) status = pp__data_no_memory(err);
        for (int f = 0; f < n_files && status == PP_OK; f++) {
            int64_t rows = pp_h5_file_rows(set, f);
            fingerprints[f].rows = rows;
            for (int i = 0; i < 3; i++)
                fingerprints[f].values +=
                    pp__row_fingerprint(3 * s + i, (const float *)&form[i], 2);
            if (f % every == 0)
                status = fingerprint_sample(set, first, rows, row, &fingerprints[f].values, err);
            first += rows;
        }
        free(row);
    }
    return status;
}

/* ---- comparing ---- */

static int are_equal(pp_comm *comm, const int64_t *values, int64_t count, int64_t *scratch)
{
    int differ = 0;
    memcpy(scratch, values, (size_t)count * sizeof *values);
    memcpy(scratch + count, values, (size_t)count * sizeof *values);
    pp_comm_min_i64(comm, scratch, count);
    pp_comm_max_i64(comm, scratch + count, count);
    for (int64_t i = 0; i < count; i++)
        differ |= scratch[i] != scratch[count + i];
    return !differ;
}

static int same(const pp_file_fingerprint *a, const pp_file_fingerprint *b)
{
    return a->rows == b->rows && a->values == b->values;
}

/* The rank whose file most ranks have. */
static int most_common(const pp_file_fingerprint *all, int ranks)
{
    int best = 0, most = 0;
    for (int r = 0; r < ranks && 2 * most <= ranks; r++) {
        int count = 0;
        for (int k = 0; k < ranks; k++)
            count += same(&all[k], &all[r]);
        if (count > most) {
            most = count;
            best = r;
        }
    }
    return best;
}

/* all [ranks]: what each has of one file, not all the same. */
static pp_status fail_file(const char *file, const pp_file_fingerprint *all, int ranks,
                           pp_error *err)
{
    char odd[128] = "", rows[96] = "";
    size_t used = 0;
    int usual = most_common(all, ranks), named = 0, other = -1;
    for (int r = 0; r < ranks; r++) {
        if (same(&all[r], &all[usual])) continue;
        if (other < 0) other = r;
        if (named++ < MOST_NAMED)
            used +=
                (size_t)snprintf(odd + used, sizeof odd - used, "%s%d", named > 1 ? ", " : "", r);
    }
    if (named > MOST_NAMED)
        used += (size_t)snprintf(odd + used, sizeof odd - used, ", ... (%d)", named);
    snprintf(odd + used, sizeof odd - used, named > 1 ? " have" : " has");
    if (all[other].rows != all[usual].rows)
        snprintf(rows, sizeof rows, " (%lld rows, and %lld)", (long long)all[other].rows,
                 (long long)all[usual].rows);
    return pp_fail(err, PP_E_DATA,
                   "%s: %s %s another file under this name than rank %d%s; copy it again to every "
                   "node, or put it where all of them see the same",
                   file, named > 1 ? "ranks" : "rank", odd, usual, rows);
}

static pp_status find_file(pp_comm *comm, const char *const *files, int n_files,
                           const pp_file_fingerprint *fingerprints, pp_error *err)
{
    int ranks = pp_comm_size(comm), differ = 0;
    pp_file_fingerprint *all = malloc((size_t)ranks * sizeof *all);
    pp_status status = pp_comm_agree(comm, all == NULL ? pp__data_no_memory(err) : PP_OK, err);
    for (int f = 0; f < n_files && status == PP_OK && !differ; f++) {
        pp_comm_all_gather(comm, &fingerprints[f], sizeof *fingerprints, all);
        for (int r = 1; r < ranks; r++)
            differ |= !same(&all[r], &all[0]);
        if (differ) status = fail_file(files[f], all, ranks, err);
    }
    free(all);
    return pp_comm_agree(comm, status, err);
}

pp_status pp_data_agree(pp_comm *comm, const char *const *files, int n_files,
                        const pp_file_fingerprint *fingerprints, pp_error *err)
{
    int64_t count = n_files, scratch[4];
    uint64_t folded = 0;
    if (pp_comm_size(comm) == 1) return PP_OK;
    pp_status status = PP_OK;
    if (!are_equal(comm, &count, 1, scratch))
        status = pp_fail(err, PP_E_DATA,
                         "%s: %lld files are named here, and on other ranks %lld to %lld match the "
                         "pattern; start when all are there",
                         files[0], (long long)count, (long long)scratch[0], (long long)scratch[1]);
    status = pp_comm_agree(comm, status, err);
    if (status != PP_OK) return status;
    for (int f = 0; f < n_files; f++)
        folded += pp__double_fingerprint(f, (const double *)&fingerprints[f], 2);
    int64_t halves[2] = {(int64_t)(folded & 0xffffffffU), (int64_t)(folded >> 32)};
    return are_equal(comm, halves, 2, scratch) ? PP_OK
                                               : find_file(comm, files, n_files, fingerprints, err);
}

pp_status pp_data_compare(pp_comm *comm, pp_h5_set *const *sets, int n_sets,
                          const char *const *files, int n_files, pp_error *err)
{
    if (pp_comm_size(comm) == 1) return PP_OK;
    pp_file_fingerprint *fingerprints = calloc((size_t)n_files, sizeof *fingerprints);
    pp_status status = fingerprints == NULL
                           ? pp__data_no_memory(err)
                           : pp_data_fingerprint(sets, n_sets, n_files, fingerprints, err);
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) status = pp_data_agree(comm, files, n_files, fingerprints, err);
    free(fingerprints);
    return status;
}
