#include "pitprop/report.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

#include "paint.h"

enum { BAR_CELLS = 16, LINE = 256 };

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

/* Tenths of a second of a steady clock, never 0: also what progress_on holds while a line stands,
 * so that the next one of the same tenth can be left out. */
static int tenth_of_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1 + (int)((now.tv_sec % 100000000) * 10 + now.tv_nsec / 100000000);
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

void pp_report_progress(pp_log *log, const pp_progress *progress)
{
    if (log == NULL || !log->speaks || log->terminal == NULL || log->level < PP_LOG_INFO) return;
    int tenth = tenth_of_now();
    if (log->progress_on == tenth && progress->step < progress->steps) return;
    pp_style style = pp_style_of(log->terminal);
    if (!style.terminal) return;
    char numbers[LINE];
    put_numbers(progress, numbers, sizeof numbers);
    double share = progress->steps > 0 ? (double)progress->step / (double)progress->steps : 0;
    int room = style.width - 1 - 6 - BAR_CELLS; /* the last column would wrap */
    fprintf(log->terminal, "\r%4.0f%% ", floor(100 * share));
    pp__ink_set(log->terminal, style, PP__BAR);
    int filled = pp__bar(log->terminal, style, share, BAR_CELLS);
    pp__ink_set(log->terminal, style, PP__INK_OFF);
    fprintf(log->terminal, "%*s%.*s\033[K", BAR_CELLS - filled, "", room, numbers);
    fflush(log->terminal);
    log->progress_on = tenth;
}
