#include "base/log.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

int pp_log_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1 + (int)((now.tv_sec % 100000000) * 10 + now.tv_nsec / 100000000);
}

static void dated(FILE *stream, const char *format, va_list arguments)
{
    char date[32];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &local);
    fprintf(stream, "%s ", date);
    vfprintf(stream, format, arguments);
    fputc('\n', stream);
    fflush(stream);
}

static const char *prefix(pp_level level)
{
    return level == PP_LOG_ERROR  ? "pitprop: error: "
           : level == PP_LOG_WARN ? "pitprop: warning: "
                                  : "";
}

/* A terminal gets plain lines; a batch log gets dated ones. */
static void to_terminal(pp_log *log, pp_level level, const char *format, va_list arguments)
{
    if (log->progress_on) {
        fputs("\r\033[K", log->terminal);
        log->progress_on = 0;
    }
    fputs(prefix(level), log->terminal);
    if (level >= PP_LOG_INFO && !isatty(fileno(log->terminal))) {
        dated(log->terminal, format, arguments);
        return;
    }
    vfprintf(log->terminal, format, arguments);
    fputc('\n', log->terminal);
    fflush(log->terminal);
}

void pp_log_write(pp_log *log, pp_level level, const char *format, ...)
{
    if (log == NULL || !log->speaks) return;
    log->written = pp_log_now();
    va_list arguments;
    if (log->terminal != NULL && level <= log->level) {
        va_start(arguments, format);
        to_terminal(log, level, format, arguments);
        va_end(arguments);
    }
    if (log->file != NULL) {
        va_start(arguments, format);
        dated(log->file, format, arguments);
        va_end(arguments);
    }
}
