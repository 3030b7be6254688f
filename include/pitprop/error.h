/* Errors: a code, the rank that failed, and one sentence that names the culprit.
 *
 * Every function that can fail ends in `pp_error *err`, owned by the caller and nullable, and
 * returns a pp_status: 0 is fine. A failed function has no side effects on its outputs. */
#ifndef PITPROP_ERROR_H
#define PITPROP_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* The one list of codes: X(name, exit code of the program, what it means). */
#define PP_STATUS_LIST(X)                                                                          \
    X(PP_OK, 0, "ok")                                                                              \
    X(PP_E_ARG, 2, "bad argument")                                                                 \
    X(PP_E_JOB, 2, "bad job")                                                                      \
    X(PP_E_DATA, 3, "bad data")                                                                    \
    X(PP_E_IO, 3, "input or output failed")                                                        \
    X(PP_E_MEMORY, 3, "out of memory")                                                             \
    X(PP_E_COMM, 3, "communication failed")                                                        \
    X(PP_E_DEVICE, 3, "device failed")                                                             \
    X(PP_E_UNSUPPORTED, 3, "not supported")                                                        \
    X(PP_E_STOPPED, 5, "stopped on request")

#define PP_STATUS_ENUM(name, exit_code, text) name,
typedef enum pp_status { PP_STATUS_LIST(PP_STATUS_ENUM) PP_STATUS_COUNT } pp_status;
#undef PP_STATUS_ENUM

typedef struct pp_error {
    pp_status code;
    int rank;       /* rank within the communicator that agreed on it; -1 before that */
    char text[768]; /* one line, no trailing newline */
} pp_error;

/* Fills err (if not NULL) and returns code, so that a failure is one line. */
pp_status pp_fail(pp_error *err, pp_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text of err; returns err->code (or code when err is NULL). */
pp_status pp_fail_within(pp_error *err, pp_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The program's exit code for a status (section "Exit codes" of the README). */
int pp_status_exit_code(pp_status status);
const char *pp_status_text(pp_status status);

#ifdef __cplusplus
}
#endif

#endif
