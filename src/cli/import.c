#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "pitprop/fs.h"
#include "pitprop/import.h"

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

/* --missing refuse|drop|NUMBER */
static pp_status take_missing(const char *text, pp_csv_options *options, pp_error *err)
{
    char *end;
    if (text == NULL || strcmp(text, "refuse") == 0) return PP_OK;
    options->policy = strcmp(text, "drop") == 0 ? PP_CSV_DROP : PP_CSV_FILL;
    if (options->policy == PP_CSV_DROP) return PP_OK;
    options->fill = strtof(text, &end);
    if (*text != '\0' && *end == '\0' && isfinite(options->fill)) return PP_OK;
    return pp_fail(err, PP_E_ARG, "--missing %s: wants refuse, drop or a number", text);
}

static void tell_missing(cli *c, const pp_csv_options *options, const pp_csv_missing *missing)
{
    if (missing->rows == 0) return;
    if (options->policy == PP_CSV_DROP)
        pp_log_write(&c->log, PP_LOG_INFO, "%s: %lld rows with missing values left out",
                     c->args.positional[1], (long long)missing->rows);
    else
        pp_log_write(&c->log, PP_LOG_INFO, "%s: %lld missing values in %lld rows are %g now",
                     c->args.positional[1], (long long)missing->values, (long long)missing->rows,
                     (double)options->fill);
}

static pp_status import_csv(cli *c, int64_t *rows, pp_error *err)
{
    pp_csv_options options = {.target = c->args.target != NULL ? c->args.target : "-1",
                              .has_header = c->args.no_header ? 0 : -1,
                              .meter = cli_meter(c)};
    pp_csv_missing missing = {0};
    pp_status status = take_missing(c->args.missing, &options, err);
    if (status == PP_OK)
        status =
            pp_import_csv(c->args.positional[1], &options, c->args.output, rows, &missing, err);
    if (status == PP_OK) tell_missing(c, &options, &missing);
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
    const char *const inputs[] = {c->args.positional[1], c->args.labels, NULL};
    if (status == PP_OK) status = cli_keep_inputs(c->args.output, inputs, &err);
    pp_fs_abandon_on_signals();
    if (status == PP_OK) status = formats[i].run(c, &rows, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    pp_log_write(&c->log, PP_LOG_INFO, "%s: %lld rows", c->args.output, (long long)rows);
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
               "csv: target column by name or index (default -1, the last)"),
    CLI_OPTION("--missing", NULL, "WHAT", CLI_TEXT, missing,
               "csv: rows with missing values: refuse (default), drop, or a number for features"),
    CLI_OPTION("--no-header", NULL, NULL, CLI_FLAG, no_header,
               "csv: the first line is a row (default: guess)"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_import = {
    .name = "import",
    .positionals = "idx|csv|npy FILE",
    .help = "convert idx (MNIST family) or csv files, plain or gzip, or npy arrays to HDF5",
    .least = 2,
    .most = 2,
    .options = import_options,
    .run = run_import,
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
