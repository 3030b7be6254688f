/* Where rows are: in memory from the beginning, or read when they are needed. */
#include "residency_internal.h"

#include "base/limits.h"

/* Of the rank that has most, in memory: values, weight, index, visit and its places in the order.
 */
static double share_bytes(const pp__data_residency *set, int ranks)
{
    double rows =
        (double)set->rows->source[PP__TRAINING].rows + (double)set->rows->source[PP__HELD_OUT].rows;
    double values = (double)(set->rows->info.inputs + set->rows->info.y_columns + 1);
    return rows * (values * sizeof(float) + 20) / ranks;
}

int pp__choose_residency(pp__data_residency *set, pp_comm *comm, const pp_job_data *data)
{
    static const int64_t unknown_host = (int64_t)8 << 30;
    set->budget = data->memory;
    if (set->budget == PP_AUTO) {
        int64_t host = pp_limit_of_memory("");
        set->budget = (host > 0 ? host : unknown_host) / 2 / pp_comm_host_processes();
    }
    pp_comm_min_i64(comm, &set->budget, 1); /* all ranks do the same */
    if (data->residency != PP_RESIDENCY_AUTO) return data->residency == PP_RESIDENCY_STREAM;
    return share_bytes(set, pp_comm_size(comm)) > (double)set->budget;
}
