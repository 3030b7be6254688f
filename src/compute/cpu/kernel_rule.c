/* Stay, start again, or refuse. A kernel's width is how many floats one of its instructions
 * multiplies and adds; a kernel is below the CPU where another of the table, whose features the CPU
 * has, is wider. The table's order is that of preference, and each failed start goes down in it: no
 * loop. */
#include "kernel_rule.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kernels.h"

enum { N_ROWS = sizeof kernel_rows / sizeof *kernel_rows };

static const kernel_row *row_of(const char *name)
{
    for (int i = 0; i < N_ROWS; i++)
        if (strcasecmp(kernel_rows[i].name, name) == 0) return &kernel_rows[i];
    return NULL;
}

int pp_kernel_width(const char *name)
{
    const kernel_row *row = row_of(name);
    return row != NULL ? row->width : 0;
}

/* The first feature of the row that the CPU lacks; "": none. */
static void find_lack(const kernel_row *row, int (*has)(const char *feature), char lack[32])
{
    const char *at = row->features;
    for (size_t n; (n = strcspn(at, " ")) > 0; at += n + (at[n] == ' ')) {
        snprintf(lack, 32, "%.*s", (int)n, at);
        if (!has(lack)) return;
    }
    *lack = '\0';
}

static int runs_here(const kernel_row *row, int (*has)(const char *feature))
{
    char lack[32];
    find_lack(row, has, lack);
    return *lack == '\0';
}

/* The next row behind `tried` (NULL: from the first) that is wider. */
static const kernel_row *find_wider(const kernel_row *tried, int than,
                                    int (*has)(const char *feature))
{
    for (int i = tried != NULL ? (int)(tried - kernel_rows) + 1 : 0; i < N_ROWS; i++)
        if (kernel_rows[i].width > than && runs_here(&kernel_rows[i], has)) return &kernel_rows[i];
    return NULL;
}

int pp__kernel_runs_here(const pp__kernel_facts *f)
{
    const kernel_row *now = row_of(f->loaded);
    return now == NULL || runs_here(now, f->has);
}

int pp__kernel_is_asked(const pp__kernel_facts *f)
{
    return f->asked != NULL && *f->asked != '\0' &&
           !(f->mark.is_there && strcasecmp(f->asked, f->mark.set) == 0);
}

const char *pp__kernel_better(const pp__kernel_facts *f)
{
    const kernel_row *now = row_of(f->loaded);
    const kernel_row *wider = now != NULL ? find_wider(NULL, now->width, f->has) : NULL;
    return wider != NULL ? wider->name : NULL;
}

static pp__kernel_plan start(const pp__kernel_facts *f, const char *kernel)
{
    pp__kernel_plan plan = {.act = PP_KERNEL_START, .kernel = kernel, .mark = f->mark};
    if (!f->mark.is_there || pp__kernel_is_asked(f))
        snprintf(plan.mark.found, PP_KERNEL_NAME, "%s", f->loaded);
    if (!f->mark.is_there || !f->mark.is_mine) snprintf(plan.mark.wrong, PP_KERNEL_NAME, "-");
    if (!f->is_right) snprintf(plan.mark.wrong, PP_KERNEL_NAME, "%s", f->loaded);
    snprintf(plan.mark.set, PP_KERNEL_NAME, "%s", kernel);
    plan.mark.is_there = plan.mark.is_mine = 1;
    return plan;
}

static pp__kernel_plan refuse_wrong(const pp__kernel_facts *f)
{
    pp__kernel_plan plan = {.act = PP_KERNEL_REFUSE};
    snprintf(
        plan.text, sizeof plan.text,
        "OpenBLAS's %s kernel multiplies wrongly on this CPU; set OPENBLAS_CORETYPE to another "
        "in the environment of every rank, or install another OpenBLAS",
        f->loaded);
    return plan;
}

static pp__kernel_plan refuse_lack(const char *key, const kernel_row *row, const char *lack)
{
    pp__kernel_plan plan = {.act = PP_KERNEL_REFUSE};
    snprintf(plan.text, sizeof plan.text,
             "%s: OpenBLAS's %s kernel needs %s, which this CPU has not; name another", key,
             row->name, lack);
    return plan;
}

/* runtime.blas_kernel: the job's bits are asked for, whatever the environment says. */
static pp__kernel_plan decide_named(const pp__kernel_facts *f)
{
    const kernel_row *row = row_of(f->wanted);
    char lack[32] = "";
    pp__kernel_plan stay = {.act = PP_KERNEL_STAY};
    if (row != NULL) find_lack(row, f->has, lack);
    if (*lack != '\0') return refuse_lack("runtime.blas_kernel", row, lack);
    if (strcasecmp(f->loaded, f->wanted) == 0) return f->is_right ? stay : refuse_wrong(f);
    int is_tried = f->mark.is_mine && strcasecmp(f->mark.set, f->wanted) == 0;
    if (row != NULL && f->can_start && !is_tried) return start(f, row->name);
    stay.act = PP_KERNEL_REFUSE;
    if (is_tried)
        snprintf(stay.text, sizeof stay.text,
                 "runtime.blas_kernel: this OpenBLAS has no %s kernel: asked for it, it runs %s",
                 f->wanted, f->loaded);
    else
        snprintf(stay.text, sizeof stay.text,
                 "runtime.blas_kernel: OpenBLAS runs its '%s' kernel, not '%s'; start the job with "
                 "OPENBLAS_CORETYPE=%s in the environment of every rank",
                 f->loaded, f->wanted, f->wanted);
    return stay;
}

/* Where OPENBLAS_CORETYPE is the user's own. */
static pp__kernel_plan decide_asked(const pp__kernel_facts *f)
{
    pp__kernel_plan stay = {.act = PP_KERNEL_STAY};
    const kernel_row *row = row_of(f->loaded);
    char lack[32] = "";
    if (row != NULL) find_lack(row, f->has, lack);
    if (*lack != '\0') return refuse_lack("OPENBLAS_CORETYPE", row, lack);
    return f->is_right ? stay : refuse_wrong(f);
}

pp__kernel_plan pp__kernel_decide(const pp__kernel_facts *f)
{
    pp__kernel_plan stay = {.act = PP_KERNEL_STAY};
    if (strcmp(f->wanted, "auto") != 0) return decide_named(f);
    if (pp__kernel_is_asked(f)) return decide_asked(f);
    const kernel_row *now = row_of(f->loaded);
    if (now == NULL) return f->is_right ? stay : refuse_wrong(f); /* newer than the table */
    int is_set = f->mark.is_mine && strcasecmp(f->mark.set, f->loaded) == 0;
    if (is_set && f->is_right) return stay;
    int base = is_set ? pp_kernel_width(f->mark.found) : now->width;
    const kernel_row *tried = f->mark.is_mine ? row_of(f->mark.set) : NULL;
    const kernel_row *next = find_wider(tried, runs_here(now, f->has) ? base : 0, f->has);
    if (next != NULL && f->can_start) return start(f, next->name);
    if (f->is_right && runs_here(now, f->has)) return stay;
    if (is_set && f->can_start && strcasecmp(f->mark.set, f->mark.found) != 0)
        return start(f, f->mark.found);
    return refuse_wrong(f);
}
