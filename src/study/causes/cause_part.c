/* A part of the rows: the same job at a lower price. */
#include "cause_internal.h"

#include <math.h>

static double by_epochs(const pp_job_training *t, double rows)
{
    return (double)t->epochs * ceil(rows / (double)t->batch);
}

/* As many epochs as the job has, and more where that leaves too few steps to learn anything: what a
 * part is asked about must not be the lack of them. */
static void set_steps(const pp_case *c, pp_probe *probe, double rows, double all_rows)
{
    const pp_job_training *t = &c->job->training;
    double share = rows / all_rows;
    double steps = t->epochs > 0 ? by_epochs(t, all_rows) : (double)t->steps;
    double wanted = fmin(steps, fmax(steps * share, PP_PART_STEPS));
    if (t->epochs > 0 && by_epochs(t, rows) < wanted)
        pp__change(probe, "training.epochs",
                   pp__text(c, ceil(wanted / ceil(rows / (double)t->batch))));
    if (t->steps > 0) {
        double given = fmin((double)t->steps, steps);
        pp__change(probe, "training.steps",
                   pp__text(c, ceil(fmin(given, fmax(given * share, PP_PART_STEPS)))));
    }
}

pp_status pp_cause_part(const pp_case *c, int64_t rows, int64_t all_rows, int64_t all_held_out,
                        pp_probe *probe, pp_error *err)
{
    pp_mend *m = PP_ARENA_NEW(c->arena, pp_mend, 1);
    if (m == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    *m = (pp_mend){.target_low = -INFINITY, .target_high = INFINITY, .rows = rows};
    m->held_out = (int64_t)ceil((double)all_held_out * (double)rows / (double)all_rows);
    m->files = pp_arena_printf(c->arena, "%s/part", c->copies);
    if (m->files == NULL || !pp__on_copy(c, probe, "a part of the rows", m))
        return pp_fail(err, PP_E_MEMORY, "out of memory");
    set_steps(c, probe, (double)rows, (double)all_rows);
    return PP_OK;
}
