#include "base/limits.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/environment.h"

static int64_t least(int64_t known, int64_t other)
{
    return other > 0 && (known == 0 || other < known) ? other : known;
}

/* The number that a file begins with, after a word; 0: none, as where it says "max". */
static int64_t number_in(const char *path, const char *word)
{
    char line[256];
    long long number = 0;
    size_t length = strlen(word);
    FILE *file = fopen(path, "r");
    while (file != NULL && number == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, word, length) == 0 && sscanf(line + length, "%lld", &number) != 1) break;
    if (file != NULL) fclose(file);
    return number > 0 ? number : 0;
}

/* Of a group and those above it. Seen from inside a container, a group may have another path, or
 * none: then its own files are at the top. */
static int64_t limit_of_group(const char *root, const char *mount, const char *group,
                              const char *file)
{
    char path[PATH_MAX], part[PATH_MAX];
    int64_t limit = 0;
    snprintf(part, sizeof part, "%s", group);
    for (;;) {
        if (snprintf(path, sizeof path, "%s%s%s/%s", root, mount, part, file) < PATH_MAX)
            limit = least(limit, number_in(path, ""));
        char *slash = strrchr(part, '/');
        if (slash == NULL) return limit;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup, "NUMBER:CONTROLLERS:PATH"; version 2 has no controllers in it. */
static int64_t limit_of_line(const char *root, char *line)
{
    char *names = strchr(line, ':'), *group = names != NULL ? strchr(names + 1, ':') : NULL;
    if (group == NULL) return 0;
    line[strcspn(line, "\n")] = '\0';
    *names++ = *group++ = '\0';
    if (*names == '\0')
        return least(limit_of_group(root, "/sys/fs/cgroup", group, "memory.max"),
                     limit_of_group(root, "/sys/fs/cgroup/unified", group, "memory.max"));
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ","))
        if (strcmp(name, "memory") == 0)
            return limit_of_group(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    return 0;
}

static int64_t limit_of_groups(const char *root)
{
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/sys/fs/cgroup/memory.max", root);
    int64_t limit = number_in(path, "");
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "r");
    while (file != NULL && getline(&line, &size, file) > 0)
        limit = least(limit, limit_of_line(root, line));
    free(line);
    if (file != NULL) fclose(file);
    return limit;
}

/* In MB, of which 0 stands for all that the node has. */
static int64_t limit_of_slurm(void)
{
    int64_t node = pp_environment_int("SLURM_MEM_PER_NODE");
    int64_t cores = pp_environment_int("SLURM_CPUS_ON_NODE");
    int64_t by_core = pp_environment_int("SLURM_MEM_PER_CPU") * cores;
    return least(node, by_core) << 20;
}

int64_t pp_limit_of_memory(const char *root)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    int64_t host = number_in(path, "MemTotal:") << 10;
    return least(least(host, limit_of_groups(root)), limit_of_slurm());
}
