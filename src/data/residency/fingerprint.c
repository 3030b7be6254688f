/* The fingerprint of all rows, over all ranks. */
#include "residency_internal.h"

/* Owned rows of pieces, and this rank's share of the held-out rows. */
void pp__fingerprint_rows(pp__data_residency *set)
{
    int64_t inputs = set->rows->info.inputs;
    for (int64_t i = 0; i < set->share->n_pieces; i++) {
        int64_t first = set->share->pieces[i].first_owned;
        for (int64_t slot = first; slot < first + set->share->pieces[i].owned; slot++)
            set->x_fingerprint += pp__row_fingerprint(set->train.at.index[slot],
                                                      set->train.at.x + slot * inputs, inputs);
    }
    for (int64_t i = 0; i < set->held.rows; i++)
        set->x_fingerprint +=
            pp__row_fingerprint(set->held.at.index[i], set->held.at.x + i * inputs, inputs);
}

/* Halves, whose sums over ranks stay far from the limits of a signed number. */
void pp__finish_fingerprint(pp__data_residency *set, pp_comm *comm)
{
    int64_t halves[2] = {(int64_t)(set->x_fingerprint & 0xffffffffU),
                         (int64_t)(set->x_fingerprint >> 32)};
    pp_comm_sum_i64(comm, halves, 2);
    set->fingerprint =
        pp__mixed(((uint64_t)halves[1] << 32) + (uint64_t)halves[0]) + set->rows->y_fingerprint;
}
