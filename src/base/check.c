#include "pitprop/check.h"

#include <stdio.h>
#include <stdlib.h>

static void (*on_failure)(void);

void pp_check_on_failure(void (*handler)(void))
{
    on_failure = handler;
}

void pp_check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "pitprop: a bug in Pitprop: %s:%d: %s\n", file, line, condition);
    if (on_failure != NULL) on_failure();
    exit(70);
}
