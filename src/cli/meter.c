#include <math.h>

#include "cli.h"

#include "report/report.h"

static void tell(void *context, double share, int64_t rows)
{
    static int begun;
    enum { PARTS = 1 << 20 };
    cli *c = context;
    int now = pp_log_now();
    if (begun == 0) begun = now;
    double seconds = 0.1 * (now - begun);
    pp_progress progress = {.step = (int64_t)(share * PARTS),
                            .steps = PARTS,
                            .loss = NAN,
                            .rows_per_s = seconds > 0 ? (double)rows / seconds : 0,
                            .seconds_left = share > 0 ? seconds * (1 - share) / share : INFINITY};
    pp_report_progress(&c->log, &progress);
}

pp_meter cli_meter(cli *c)
{
    c->log.written = pp_log_now(); /* short work needs no line */
    return (pp_meter){tell, c};
}
