/* A number that tells whether rows are the same as before: sums of hashes of rows with their
 * indices, so that ranks may take them in any order. No defence against forgery. */
#include "data/dataset_internal.h"

#include <string.h>

/* MurmurHash3's finaliser (A. Appleby). */
static uint64_t mixed(uint64_t h)
{
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

/* Sums of products of pairs, each value moved by a key of its place (NH: Black et al., "UMAC",
 * CRYPTO 1999): no step waits for the one before. */
uint64_t pp__row_print(int64_t row, const float *values, int64_t count)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < count; i += 2) {
        uint32_t bits[2] = {0, 0}, key = (uint32_t)i * 0x9e3779b1U;
        memcpy(bits, values + i, (size_t)(count - i > 1 ? 2 : 1) * sizeof *bits);
        sum += (uint64_t)(bits[0] + key + 0x85ebca6bU) * (bits[1] + key + 0xc2b2ae35U);
    }
    return mixed(sum + mixed((uint64_t)row + 1));
}

uint64_t pp__double_print(int64_t row, const double *values, int64_t count)
{
    return pp__row_print(row, (const float *)values, 2 * count); /* bits are bits */
}

/* Owned rows of pieces, and this rank's share of the held-out rows. */
void pp__print_rows(pp_dataset *set)
{
    int64_t inputs = set->info.inputs;
    for (int64_t i = 0; i < set->n_pieces; i++) {
        int64_t first = set->pieces[i].first_owned;
        for (int64_t slot = first; slot < first + set->pieces[i].owned; slot++)
            set->x_print +=
                pp__row_print(set->train.at.index[slot], set->train.at.x + slot * inputs, inputs);
    }
    for (int64_t i = 0; i < set->held.rows; i++)
        set->x_print += pp__row_print(set->held.at.index[i], set->held.at.x + i * inputs, inputs);
}

/* Halves, whose sums over ranks stay far from the limits of a signed number. */
void pp__settle_print(pp_dataset *set, pp_comm *comm)
{
    int64_t halves[2] = {(int64_t)(set->x_print & 0xffffffffU), (int64_t)(set->x_print >> 32)};
    pp_comm_sum_i64(comm, halves, 2);
    set->fingerprint = mixed(((uint64_t)halves[1] << 32) + (uint64_t)halves[0]) + set->y_print;
}

uint64_t pp_dataset_fingerprint(const pp_dataset *set)
{
    return set->fingerprint;
}
