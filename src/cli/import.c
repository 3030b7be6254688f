#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "base/fs.h"
#include "convert/import.h"

static pp_status wants_output(const cli *c, pp_error *err)
{
    if (c->args.output != NULL) return PP_OK;
    return pp_fail(err, PP_E_ARG, "%s: wants -o FILE.h5", c->command->name);
}

static pp_status import_idx(cli *c, int64_t *rows, pp_error *err)
{
    pp_meter meter = cli_meter(c);
    if (c->args.labels == NULL)
        return pp_fail(err, PP_E_ARG,
                       "import idx: wants --labels FILE, the idx file of the labels");
    return pp_import_idx(c->args.positional[1], c->args.labels, c->args.output, &meter, rows, err);
}

static pp_status import_npy(cli *c, int64_t *rows, pp_error *err)
{
    pp_meter meter = cli_meter(c);
    return pp_import_npy(c->args.positional[1], c->args.labels, c->args.output, &meter, rows, err);
}

/* --missing refuse|drop|median|mean|flag|NUMBER */
static pp_status take_missing(const char *text, pp_csv_options *options, pp_error *err)
{
    static const struct {
        const char *name;
        pp_csv_policy policy;
        pp_csv_fill by;
        int flags;
    } ways[] = {{"refuse", PP_CSV_REFUSE, PP_CSV_NUMBER, 0},
                {"drop", PP_CSV_DROP, PP_CSV_NUMBER, 0},
                {"median", PP_CSV_FILL, PP_CSV_MEDIAN, 0},
                {"mean", PP_CSV_FILL, PP_CSV_MEAN, 0},
                {"flag", PP_CSV_FILL, PP_CSV_MEDIAN, 1}};
    char *end;
    for (size_t i = 0; text != NULL && i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(text, ways[i].name) != 0) continue;
        options->policy = ways[i].policy;
        options->fill_by = ways[i].by;
        options->flags = ways[i].flags;
        return PP_OK;
    }
    if (text == NULL) return PP_OK;
    options->policy = PP_CSV_FILL;
    options->fill = strtof(text, &end);
    if (*text != '\0' && *end == '\0' && isfinite(options->fill)) return PP_OK;
    return pp_fail(err, PP_E_ARG,
                   "--missing %s: wants refuse, drop, median, mean, flag or a number", text);
}

static void tell_missing(cli *c, const pp_csv_options *options, const pp_csv_missing *missing)
{
    if (missing->rows == 0) return;
    if (options->policy == PP_CSV_DROP)
        pp_log_write(&c->log, PP_LOG_INFO, "%s: %lld rows with missing values left out",
                     c->args.positional[1], (long long)missing->rows);
    else
        pp_log_write(&c->log, PP_LOG_INFO, "%s: %lld missing values in %lld rows are filled in",
                     c->args.positional[1], (long long)missing->values, (long long)missing->rows);
}

static pp_status take_decimal(const char *text, pp_csv_options *options, pp_error *err)
{
    if (text == NULL) return PP_OK;
    options->decimal = strcmp(text, "point") == 0 ? '.' : strcmp(text, "comma") == 0 ? ',' : 0;
    if (options->decimal != 0) return PP_OK;
    return pp_fail(err, PP_E_ARG, "--decimal %s: wants point or comma", text);
}

static void print_report(cli *c, const pp_csv_report *report)
{
    for (int i = 0; i < report->n_lines; i++)
        puts(report->lines[i]);
    fflush(stdout);
    for (int i = 0; i < report->n_warnings; i++)
        pp_log_write(&c->log, PP_LOG_WARN, "%s", report->warnings[i]);
}

static pp_status import_csv(cli *c, int64_t *rows, pp_error *err)
{
    const cli_args *a = &c->args;
    pp_csv_options options = {.target = a->target,
                              .no_target = a->no_target,
                              .drop = a->drop,
                              .keep = a->keep,
                              .categories = a->categories,
                              .na = a->na,
                              .skip = a->skip,
                              .classes = a->class_names,
                              .header = a->no_header    ? PP_CSV_NO_HEADER
                                        : a->has_header ? PP_CSV_HEADER
                                                        : PP_CSV_GUESS,
                              .meter = cli_meter(c)};
    pp_csv_report report;
    pp_csv_like *like = NULL;
    pp_status status = take_missing(a->missing, &options, err);
    if (status == PP_OK && a->like != NULL && a->missing != NULL)
        status = pp_fail(err, PP_E_ARG, "--missing: is as it was in %s; leave it out", a->like);
    if (status == PP_OK && a->like != NULL) status = pp_csv_like_open(a->like, &like, err);
    if (status == PP_OK && like != NULL) pp_csv_like_apply(like, &options);
    if (status == PP_OK) status = take_decimal(a->decimal, &options, err);
    if (status == PP_OK)
        status = pp_import_csv(a->positional + 1, a->n_positional - 1, &options, a->output, &report,
                               err);
    pp_csv_like_close(like);
    if (status != PP_OK) return status;
    *rows = report.rows;
    print_report(c, &report);
    tell_missing(c, &options, &report.missing);
    pp_csv_report_free(&report);
    return status;
}

static const struct {
    const char *name;
    pp_status (*run)(cli *c, int64_t *rows, pp_error *err);
} formats[] = {{"idx", import_idx}, {"csv", import_csv}, {"npy", import_npy}};

static int run_import(cli *c)
{
    pp_error err = {0};
    pp_status status = wants_output(c, &err);
    int64_t rows = 0;
    size_t i = 0, n = sizeof formats / sizeof formats[0];
    while (i < n && strcmp(formats[i].name, c->args.positional[0]) != 0)
        i++;
    if (status == PP_OK && i == n)
        status = pp_fail(&err, PP_E_ARG, "import %s: no such format; there are idx, csv and npy",
                         c->args.positional[0]);
    if (status == PP_OK && c->args.n_positional > 2 && formats[i].run != import_csv)
        status = pp_fail(&err, PP_E_ARG, "import %s: takes one file", c->args.positional[0]);
    const char *const others[] = {c->args.labels != NULL ? c->args.labels : c->args.like, NULL};
    if (status == PP_OK) status = cli_keep_inputs(c->args.output, c->args.positional + 1, &err);
    if (status == PP_OK) status = cli_keep_inputs(c->args.output, others, &err);
    pp_fs_abandon_on_signals();
    if (status == PP_OK) status = formats[i].run(c, &rows, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    pp_log_write(&c->log, PP_LOG_INFO, "%s: %lld rows", c->args.output, (long long)rows);
    const char *const next[] = {"inspect", c->args.output};
    cli_next(c, next, 2);
    return 0;
}

static void print_names(void)
{
    int count;
    const pp_synth_row *table = pp_synth_table(&count);
    for (int i = 0; i < count; i++)
        printf("  %-13s %7lld rows  %s\n", table[i].name, (long long)table[i].default_rows,
               table[i].help);
}

static int run_synth(cli *c)
{
    if (c->args.n_positional == 0) {
        print_names();
        return 0;
    }
    pp_error err = {0};
    long long rows = 0, seed = 1;
    pp_status status = wants_output(c, &err);
    if (status == PP_OK && c->args.rows != NULL)
        status = cli_integer("--rows", c->args.rows, 1, 1LL << 40, &rows, &err);
    if (status == PP_OK && c->args.seed != NULL)
        status = cli_integer("--seed", c->args.seed, 0, 1LL << 53, &seed, &err);
    pp_fs_abandon_on_signals();
    if (status == PP_OK) status = pp_synth(c->args.positional[0], rows, seed, c->args.output, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    pp_log_write(&c->log, PP_LOG_INFO, "%s: made", c->args.output);
    return 0;
}

static const cli_option import_options[] = {
    CLI_OPTION("--output", "-o", "FILE", CLI_TEXT, output, "HDF5 file to write: /x and /y"),
    CLI_OPTION("--labels", NULL, "FILE", CLI_TEXT, labels,
               "idx, npy: the file with the targets (npy without it: /x alone)"),
    CLI_OPTION("--target", NULL, "COLUMN", CLI_TEXT, target,
               "csv: target column by name or number from 0 (-1: the last)"),
    CLI_OPTION("--no-target", NULL, NULL, CLI_FLAG, no_target, "csv: features alone"),
    CLI_OPTION("--drop", NULL, "COLUMNS", CLI_TEXT, drop, "csv: columns that are no features: a,b"),
    CLI_OPTION("--keep", NULL, "COLUMNS", CLI_TEXT, keep,
               "csv: features although they look like ids, codes or counts of rows"),
    CLI_OPTION(
        "--na", NULL, "WORDS", CLI_TEXT, na,
        "csv: further marks of missing values: nd,-999 (known: empty, NA, N/A, nan, null, ?)"),
    CLI_OPTION(
        "--missing", NULL, "WHAT", CLI_TEXT, missing,
        "csv: rows with missing values: refuse (default), drop; or for features median, mean, "
        "flag (median, and a column that says so) or a number"),
    CLI_OPTION("--categories", NULL, "COLUMNS", CLI_TEXT, categories,
               "csv: names, though they look like numbers (text that comes again is known)"),
    CLI_OPTION("--like", NULL, "FILE.h5", CLI_TEXT, like,
               "csv: columns, names, classes and what stands for missing values as import made "
               "them there"),
    CLI_OPTION("--classes", NULL, NULL, CLI_FLAG, class_names,
               "csv: targets are names of classes as they stand, numbers too"),
    CLI_OPTION("--decimal", NULL, "MARK", CLI_TEXT, decimal,
               "csv: point or comma (default: as the columns tell)"),
    CLI_OPTION("--skip", NULL, "LINES", CLI_TEXT, skip,
               "csv: lines that are no part of the table: 1-4,9"),
    CLI_OPTION("--header", NULL, NULL, CLI_FLAG, has_header, "csv: the first line is a header"),
    CLI_OPTION("--no-header", NULL, NULL, CLI_FLAG, no_header,
               "csv: the first line is a row (default: a header holds no number)"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_import = {
    .name = "import",
    .positionals = "idx|csv|npy FILE",
    .help = "convert idx (MNIST family) or csv files, plain or gzip, or npy arrays to HDF5",
    .least = 2,
    .most = CLI_POSITIONALS,
    .options = import_options,
    .run = run_import,
    .notes = "csv: several files of one table become one, columns by their names. Nothing is "
             "guessed at: what is no\nnumber, an id, or may be read in two ways is refused with "
             "file, line and column, and what became of each\ncolumn is printed. Names of columns "
             "and classes go into the file (attributes \"columns\" of /x, \"classes\" of /y).",
};

static const cli_option synth_options[] = {
    CLI_OPTION("--output", "-o", "FILE", CLI_TEXT, output, "HDF5 file to write: /x and /y"),
    CLI_OPTION("--rows", NULL, "N", CLI_TEXT, rows, "rows to make (default: as listed)"),
    CLI_OPTION("--seed", NULL, "N", CLI_TEXT, seed, "seed (default 1)"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_synth = {
    .name = "synth",
    .positionals = "[NAME]",
    .help = "make a data set with a known truth; without NAME: list them",
    .least = 0,
    .most = 1,
    .options = synth_options,
    .run = run_synth,
};
