/* What is told in several places: no memory, and values that are not finite. */
#include "rows_internal.h"

#include <math.h>
#include <string.h>

pp_status pp__data_no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "no memory for the data set; use more ranks on more hosts");
}

const char *pp__not_finite(float value)
{
    return isnan(value) ? "NaN" : isinf(value) ? "infinite" : NULL;
}

/* Integers, so that the compiler may take several at once. */
int pp__has_fault(const float *x, int64_t count)
{
    uint32_t fault = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        fault |= (bits & 0x7f800000U) == 0x7f800000U;
    }
    return fault != 0;
}

void pp__tell_fault(const pp__source *source, int64_t row, const float *x, pp_error *bad)
{
    int64_t column = 0;
    while (pp__not_finite(x[column]) == NULL)
        column++;
    char place[512];
    pp_h5_locate_value(source->x, row, column, place, sizeof place);
    (void)pp_fail(bad, PP_E_DATA, "%s is %s; remove or repair the row", place,
                  pp__not_finite(x[column]));
}
