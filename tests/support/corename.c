/* Preloaded: OpenBLAS seems to have chosen the kernel FELL_BACK_TO, as builds do on a CPU that they
 * do not know, until OPENBLAS_CORETYPE asks for one. The second says what it then claims to run. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

char *openblas_get_corename(void);

char *openblas_get_corename(void)
{
    char *(*real)(void) = (char *(*)(void))dlsym(RTLD_NEXT, "openblas_get_corename");
    char *fallen = getenv("FELL_BACK_TO"), *always = getenv("RUNS_ALWAYS");
    if (always != NULL) return always;
    return fallen != NULL && getenv("OPENBLAS_CORETYPE") == NULL ? fallen : real();
}
