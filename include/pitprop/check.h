/* Always-on assertions for our own bugs; bad input is a pp_status, never a check. */
#ifndef PITPROP_CHECK_H
#define PITPROP_CHECK_H

#ifdef __cplusplus
extern "C" {
#endif

/* Prints file, line and condition, then ends the process with exit code 70. Under MPI the handler
 * set with pp_check_on_failure aborts the other ranks as well. */
void pp_check_failed(const char *file, int line, const char *condition) __attribute__((noreturn));
void pp_check_on_failure(void (*handler)(void));

#define PP_CHECK(condition)                                                                        \
    ((condition) ? (void)0 : pp_check_failed(__FILE__, __LINE__, #condition))

#ifdef __cplusplus
}
#endif

#endif
