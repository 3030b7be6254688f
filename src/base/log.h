/* Messages for people, on stderr and, once a run directory exists, in its log.txt as well.
 * Results go to stdout and never through here. Only the rank that was made the speaker writes. */
#ifndef PITPROP_LOG_H
#define PITPROP_LOG_H

#include <stdint.h>
#include <stdio.h>

typedef enum pp_level { PP_LOG_ERROR, PP_LOG_WARN, PP_LOG_INFO, PP_LOG_DEBUG } pp_level;

typedef struct pp_log {
    int speaks;      /* 0: nothing is written by this rank */
    pp_level level;  /* most detailed level written to the terminal stream */
    FILE *terminal;  /* borrowed; usually stderr */
    FILE *file;      /* borrowed, nullable: dated lines */
    int progress_on; /* not 0: a progress line stands on the terminal and must be cleared first; the
                        tenth of a second when it was written */
    int written;     /* the tenth of a second when the last line was; 0: none yet */
} pp_log;

/* Whom long work tells, a few times a second at most, how far it is. */
typedef struct pp_meter {
    void (*tell)(void *context, double share, int64_t rows); /* nullable; share done, rows so far */
    void *context;                                           /* borrowed */
} pp_meter;

/* Tenths of a second of a steady clock, never 0. */
int pp_log_now(void);

void pp_log_write(pp_log *log, pp_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
