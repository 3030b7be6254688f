/* pitprop torch: starts the Python package that runs a PyTorch script and reads what it trains. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#include "base/fs.h"

/* Where the package lies, from the program's directory: built in the sources, or installed. */
static const char *const places[] = {"../src/torch", "../share/pitprop/python"};

static int find_package(const char *directory, char package[PATH_MAX])
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char module[PATH_MAX];
        int length = snprintf(module, sizeof module, "%s/%s/pitprop_torch", directory, places[i]);
        if (length >= PATH_MAX || !pp_fs_exists(module)) continue;
        return snprintf(package, PATH_MAX, "%s/%s", directory, places[i]) < PATH_MAX;
    }
    return 0;
}

/* In front of what the user's PYTHONPATH has. */
static void add_to_path(const char *package)
{
    char path[2 * PATH_MAX];
    const char *old = getenv("PYTHONPATH");
    int has_old = old != NULL && *old != '\0';
    snprintf(path, sizeof path, "%s%s%s", package, has_old ? ":" : "", has_old ? old : "");
    setenv("PYTHONPATH", path, 1);
}

static int start(int argc, char **argv)
{
    char self[PATH_MAX], directory[PATH_MAX], package[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = '\0';
        setenv("PITPROP", self, 1);
        snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(self, '/') - self), self);
        if (find_package(directory, package)) add_to_path(package);
    }
    char **words = calloc((size_t)argc + 4, sizeof *words);
    if (words == NULL) return 3;
    words[0] = "python3";
    words[1] = "-m";
    words[2] = "pitprop_torch";
    memcpy(words + 3, argv, (size_t)argc * sizeof *words);
    execvp(words[0], words);
    fprintf(stderr, "pitprop: error: torch: cannot start python3: %s\n", strerror(errno));
    free(words);
    return 3;
}

const cli_command cli_torch = {
    .name = "torch",
    .positionals = "SCRIPT.py [ARG]...",
    .help = "run a PyTorch script as it is, say why its model fails, and prove the repair",
    .start = start,
};
