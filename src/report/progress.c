#include "report/report.h"

#include <math.h>

#include "paint.h"

enum {
    BAR_CELLS = 16,
    LINE = 256,
    SILENCE = 10,    /* seconds: shorter ones are not broken where there is no terminal */
    MOST_LINES = 100 /* about as many in a run, however long */
};

char *pp_report_duration(double seconds, char *text, size_t size)
{
    static const struct {
        long long unit;
        const char *format;
    } scales[] = {{86400, "%lldd %02lldh"}, {3600, "%lldh %02lldm"}, {60, "%lldm %02llds"}};
    static const long long parts[] = {3600, 60, 1}; /* unit of the second number */
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(text, size, "?");
        return text;
    }
    long long whole = (long long)(seconds + 0.5);
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        long long unit = scales[i].unit, rest = whole % unit / parts[i];
        if (whole < unit) continue;
        snprintf(text, size, scales[i].format, whole / unit, rest);
        return text;
    }
    snprintf(text, size, seconds < 9.95 ? "%.1fs" : "%.0fs", seconds);
    return text;
}

/* What stands right of the bar, most wanted first: the end is cut where the terminal is narrow. */
static void put_numbers(const pp_progress *p, char *text, size_t size)
{
    char left[32], loss[32] = "", epoch[64] = "";
    pp_report_duration(p->seconds_left, left, sizeof left);
    if (p->epochs > 0)
        snprintf(epoch, sizeof epoch, "  epoch %lld/%lld", (long long)p->epoch,
                 (long long)p->epochs);
    if (!isnan(p->loss)) snprintf(loss, sizeof loss, "  loss %.4g", p->loss);
    snprintf(text, size, "  %s left%s%s  %.0f rows/s", left, epoch, loss, p->rows_per_s);
}

static double share_of(const pp_progress *p)
{
    return p->steps > 0 ? (double)p->step / (double)p->steps : 0;
}

static void rewrite_line(pp_log *log, pp_style style, const pp_progress *p)
{
    int now = pp_log_now();
    if (log->progress_on == now && p->step < p->steps) return;
    char numbers[LINE];
    put_numbers(p, numbers, sizeof numbers);
    int room = style.width - 1 - 6 - BAR_CELLS; /* the last column would wrap */
    fprintf(log->terminal, "\r%4.0f%% ", floor(100 * share_of(p)));
    pp__ink_set(log->terminal, style, PP__BAR);
    int filled = pp__bar(log->terminal, style, share_of(p), BAR_CELLS);
    pp__ink_set(log->terminal, style, PP__INK_OFF);
    fprintf(log->terminal, "%*s%.*s\033[K", BAR_CELLS - filled, "", room, numbers);
    fflush(log->terminal);
    log->progress_on = now;
}

/* A line of the log once nothing has been said for a while, so that short epochs need none. */
static void break_silence(pp_log *log, const pp_progress *p)
{
    double whole = p->seconds_left / (1 - share_of(p)); /* the run's duration; NaN at its end */
    double tenths = 10 * fmax(SILENCE, whole / MOST_LINES);
    if (log->written != 0 && pp_log_now() - log->written < tenths) return;
    char numbers[LINE];
    put_numbers(p, numbers, sizeof numbers);
    pp_log_write(log, PP_LOG_INFO, "%.0f%%%s", floor(100 * share_of(p)), numbers);
}

void pp_report_progress(void *context, const pp_progress *progress)
{
    pp_log *log = context;
    if (log == NULL || !log->speaks || log->terminal == NULL || log->level < PP_LOG_INFO) return;
    pp_style style = pp_style_of(log->terminal);
    if (style.terminal)
        rewrite_line(log, style, progress);
    else
        break_silence(log, progress);
}
