/* The class of a row. */
#include "data/rows/info.h"

static int64_t largest(const float *y, int64_t columns)
{
    int64_t best = 0;
    for (int64_t k = 1; k < columns; k++)
        if (y[k] > y[best]) best = k;
    return best;
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
