#include "claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/environment.h"
#include "study/farm/farm.h"
#include "base/fs.h"
#include "pitprop/json.h"
#include "base/log.h"

enum { KEEP_TENTHS = 100 };

static const char NO_TASK[] = "N/A"; /* as squeue calls it */
static const char LOST[] = "{\"lost\": true}\n";

static int path_of(const char *directory, const char *id, int number, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/claims/%s.%d", directory, id, number) < PATH_MAX;
}

/* The last claim on the trial, 0: none. Numbers have no gaps but at their end. */
static int last_claim(const char *directory, const char *id)
{
    char path[PATH_MAX];
    int number = 0;
    while (path_of(directory, id, number + 1, path) && pp_fs_exists(path))
        number++;
    return number;
}

/* When a process of this host started, in ticks since boot; 0: there is none. A number is given
 * again to another process some day, this pair is not before the next boot. */
static int64_t start_of(long pid)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *at = strrchr(text, ')'); /* the name, field 2, may hold anything */
    for (int field = 3; at != NULL && field <= 22; field++)
        at = strchr(at + 1, ' '); /* proc(5) */
    return at != NULL ? strtoll(at + 1, NULL, 10) : 0;
}

static const char *slurm_task(char text[128])
{
    const char *job = getenv("SLURM_ARRAY_JOB_ID"), *task = getenv("SLURM_ARRAY_TASK_ID");
    if (job == NULL) job = getenv("SLURM_JOB_ID");
    snprintf(text, 128, "%s_%s", job != NULL ? job : "", task != NULL ? task : NO_TASK);
    return job != NULL ? text : "";
}

static const char *host_name(char text[256])
{
    memset(text, 0, 256);
    gethostname(text, 255);
    return text;
}

static pp_status sign(int file, const char *path, pp_error *err)
{
    char host[256], task[128];
    pp_json_writer *w = pp_json_writer_create(0);
    if (w == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "host", host_name(host));
    pp_json_put_int(w, "pid", getpid());
    pp_json_put_int(w, "started", start_of(getpid()));
    pp_json_put_string(w, "slurm", slurm_task(task));
    pp_json_put_int(w, "restarts", pp_environment_int("SLURM_RESTART_COUNT"));
    const char *cluster = getenv("SLURM_CLUSTER_NAME");
    pp_json_put_string(w, "cluster", cluster != NULL ? cluster : "");
    pp_json_end_object(w);
    size_t length;
    const char *text = pp_json_text(w, &length);
    pp_status status = PP_OK;
    if (text == NULL || write(file, text, length) != (ssize_t)length || write(file, "\n", 1) != 1)
        status = pp_fail(err, PP_E_IO, "%s: cannot write: %s", path, strerror(errno));
    pp_json_writer_destroy(w);
    return status;
}

static const char *text_of(const pp_json *object, const char *key)
{
    const pp_json *value = pp_json_get(object, key);
    return value != NULL && pp_json_type_of(value) == PP_JSON_STRING ? pp_json_string(value) : "";
}

static int64_t integer_of(const pp_json *object, const char *key)
{
    const pp_json *value = pp_json_get(object, key);
    int64_t integer = 0;
    return value != NULL && pp_json_integer(value, &integer) ? integer : 0;
}

typedef enum owner { GONE, THERE, UNKNOWN } owner;

/* What follows the first line of a claim: how its owner ended; "" while it has not. malloc'ed. */
static char *read_claim(const char *path, const char **end)
{
    char *text = NULL;
    if (pp_fs_read(path, &text, NULL, NULL) != PP_OK) return NULL;
    char *line = text + strcspn(text, "\n");
    *end = *line == '\0' ? line : line + 1;
    *line = '\0';
    return text;
}

static owner owner_of(const char *path)
{
    char host[256], task[128];
    const char *end;
    char *text = read_claim(path, &end);
    pp_json *signature = NULL;
    owner who = UNKNOWN;
    if (text == NULL) return UNKNOWN;
    if (*end != '\0') {
        who = GONE;
    } else if (pp_json_parse(text, path, &signature, NULL) == PP_OK) {
        const char *slurm = text_of(signature, "slurm");
        int64_t started = integer_of(signature, "started");
        if (*slurm != '\0' && strcmp(slurm, slurm_task(task)) == 0 &&
            integer_of(signature, "restarts") < pp_environment_int("SLURM_RESTART_COUNT"))
            who = GONE;
        else if (started > 0 && strcmp(text_of(signature, "host"), host_name(host)) == 0)
            who = start_of((long)integer_of(signature, "pid")) == started ? THERE : GONE;
    }
    pp_json_destroy(signature);
    free(text);
    return who;
}

/* Both times are the file server's, so that hosts whose clocks differ agree. */
static int lease_is_over(const char *directory, const char *path)
{
    char now[PATH_MAX], host[256];
    struct stat claimed, touched;
    int file = -1;
    if (snprintf(now, sizeof now, "%s/claims/now-%s-%ld", directory, host_name(host),
                 (long)getpid()) < PATH_MAX)
        file = open(now, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int known = file >= 0 && write(file, ".", 1) == 1 && fsync(file) == 0 &&
                fstat(file, &touched) == 0 && stat(path, &claimed) == 0;
    if (file >= 0) {
        close(file);
        unlink(now);
    }
    return known && touched.st_mtime - claimed.st_mtime > PP_FARM_LEASE;
}

pp_status pp__claim_take(const char *directory, const char *id, claim *taken, pp_error *err)
{
    char path[PATH_MAX];
    taken->number = 0;
    int last = last_claim(directory, id);
    if (last > 0 && path_of(directory, id, last, path)) {
        owner who = owner_of(path);
        if (who == THERE || (who == UNKNOWN && !lease_is_over(directory, path))) return PP_OK;
    }
    if (!path_of(directory, id, last + 1, path))
        return pp_fail(err, PP_E_IO, "%s: path is too long", directory);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (file < 0 && errno == EEXIST) return PP_OK; /* another was faster */
    if (file < 0) return pp_fail(err, PP_E_IO, "%s: cannot create: %s", path, strerror(errno));
    pp_status status = sign(file, path, err);
    close(file);
    if (status != PP_OK) {
        unlink(path);
        return status;
    }
    taken->directory = directory;
    taken->number = last + 1;
    taken->kept = pp_log_now();
    snprintf(taken->id, sizeof taken->id, "%s", id);
    return PP_OK;
}

int pp__claim_deaths(const char *directory, const char *id)
{
    char path[PATH_MAX];
    int deaths = 0;
    for (int n = last_claim(directory, id); n > 0 && path_of(directory, id, n, path); n--) {
        const char *end;
        char *text = read_claim(path, &end);
        deaths += text != NULL && (*end != '\0' ? strcmp(end, LOST) == 0 : owner_of(path) != THERE);
        free(text);
    }
    return deaths;
}

void pp__claim_keep(claim *held)
{
    char path[PATH_MAX];
    if (pp_log_now() - held->kept < KEEP_TENTHS) return;
    held->kept = pp_log_now();
    if (path_of(held->directory, held->id, held->number, path)) utimensat(AT_FDCWD, path, NULL, 0);
}

static void add_line(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    if (file == NULL) return; /* the trial stands without it */
    fputs(text, file);
    fclose(file);
}

static void note(const claim *held, const char *text)
{
    char path[PATH_MAX];
    if (path_of(held->directory, held->id, held->number, path)) add_line(path, text);
}

void pp__claim_close(const claim *held, double seconds, int ranks)
{
    char text[128];
    snprintf(text, sizeof text, "{\"seconds\": %.6g, \"ranks\": %d}\n", seconds, ranks);
    note(held, text);
}

void pp__claim_drop(const claim *held)
{
    note(held, "{\"dropped\": true}\n");
}

/* The last that says so: one who finds the trial ended when it has just taken it drops it. */
void pp__claim_read(const char *directory, const char *id, double *seconds, int *ranks)
{
    char path[PATH_MAX];
    int found = 0;
    for (int n = last_claim(directory, id); n > 0 && !found; n--) {
        const char *end;
        char *text = path_of(directory, id, n, path) ? read_claim(path, &end) : NULL;
        found =
            text != NULL && sscanf(end, " {\"seconds\": %lf, \"ranks\": %d}", seconds, ranks) == 2;
        free(text);
    }
    if (found) return;
    *seconds = NAN;
    *ranks = 0;
}

/* ---- claims of Slurm jobs that have ended ---- */

typedef struct open_claim {
    char path[PATH_MAX], job[128]; /* as slurm_task has it */
} open_claim;

/* Whether it is a claim that nobody has ended, of this user and a Slurm job of this cluster. */
static int is_open(const char *path, const char *cluster, char job[128])
{
    const char *end;
    struct stat facts;
    pp_json *signature = NULL;
    char *text =
        stat(path, &facts) == 0 && facts.st_uid == geteuid() ? read_claim(path, &end) : NULL;
    int open = text != NULL && *end == '\0' &&
               pp_json_parse(text, path, &signature, NULL) == PP_OK &&
               strcmp(text_of(signature, "cluster"), cluster) == 0;
    if (open) snprintf(job, 128, "%s", text_of(signature, "slurm"));
    pp_json_destroy(signature);
    free(text);
    return open && *job != '\0';
}

static pp_status list_open(const char *directory, const char *cluster, open_claim **claims,
                           int *count, pp_error *err)
{
    struct dirent *item;
    open_claim c;
    DIR *all = opendir(directory);
    *count = 0;
    *claims = NULL;
    while (all != NULL && (item = readdir(all)) != NULL) {
        if (snprintf(c.path, PATH_MAX, "%s/%s", directory, item->d_name) >= PATH_MAX) continue;
        if (!is_open(c.path, cluster, c.job)) continue;
        open_claim *more = realloc(*claims, (size_t)(*count + 1) * sizeof c);
        if (more == NULL) {
            closedir(all);
            return pp_fail(err, PP_E_MEMORY, "out of memory");
        }
        *claims = more;
        more[(*count)++] = c;
    }
    if (all != NULL) closedir(all);
    return PP_OK;
}

static int has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && (at[length] == '\n' || at[length] == '\0')) return 1;
    return 0;
}

pp_status pp_farm_bury(const char *directory, const char *cluster,
                       pp_status (*running)(char **jobs, pp_error *err), pp_error *err)
{
    char path[PATH_MAX], *jobs = NULL;
    open_claim *claims;
    int count;
    if (snprintf(path, sizeof path, "%s/claims", directory) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", directory);
    pp_status status = list_open(path, cluster, &claims, &count, err);
    if (status == PP_OK && count > 0) status = running(&jobs, err);
    for (int i = 0; i < count && status == PP_OK; i++)
        if (!has_word(jobs, claims[i].job)) add_line(claims[i].path, LOST);
    free(claims);
    free(jobs);
    return status;
}
