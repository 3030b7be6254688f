#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "base/fs.h"
#include "store/repack.h"

static pp_status take_number(const char *option, const char *text, long long low, long long high,
                             int64_t *value, pp_error *err)
{
    long long number;
    if (text == NULL) return PP_OK;
    pp_status status = cli_integer(option, text, low, high, &number, err);
    if (status == PP_OK) *value = number;
    return status;
}

static pp_status take_options(const cli_args *args, pp_repack_options *o, pp_error *err)
{
    int64_t gzip = -1;
    if (args->x != NULL) o->x = args->x;
    o->shuffle = args->shuffle_seed != NULL;
    o->follow_links = args->follow_links;
    pp_status status =
        take_number("--chunk-rows", args->chunk_rows, 1, 1LL << 40, &o->chunk_rows, err);
    if (status == PP_OK) status = take_number("--gzip", args->gzip, 0, 9, &gzip, err);
    if (status == PP_OK)
        status = take_number("--shuffle-seed", args->shuffle_seed, 0, 1LL << 53, &o->seed, err);
    if (status == PP_OK)
        status = take_number("--memory", args->memory, 1, 1LL << 50, &o->memory, err);
    o->gzip = (int)gzip;
    return status;
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_repacked made;
    pp_repack_options options = {.x = "/x", .memory = PP_REPACK_MEMORY, .meter = cli_meter(c)};
    pp_status status = take_options(&c->args, &options, &err);
    const char *output = c->args.positional[1];
    if (status == PP_OK) status = pp_fs_keep_input(output, c->args.positional[0], &err);
    pp_fs_abandon_on_signals();
    if (status == PP_OK) status = pp_repack(c->args.positional[0], output, &options, &made, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    if (made.references > 0)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "%s: %lld data sets or attributes hold references to objects, which are left "
                     "out",
                     output, (long long)made.references);
    char layout[64] = "contiguous";
    if (made.chunk_rows > 0)
        snprintf(layout, sizeof layout, "in chunks of %lld rows", (long long)made.chunk_rows);
    pp_log_write(&c->log, PP_LOG_INFO, "%s: %lld rows of %lld data sets, %s%s", output,
                 (long long)made.rows, (long long)made.sets, layout,
                 options.shuffle ? ", shuffled" : "");
    return 0;
}

static const cli_option options_of[] = {
    CLI_OPTION("--gzip", NULL, "LEVEL", CLI_TEXT, gzip, "compress with shuffle and gzip, 0 to 9"),
    CLI_OPTION(
        "--chunk-rows", NULL, "N", CLI_TEXT, chunk_rows,
        "rows of a chunk (default: contiguous; with --gzip about 1 MiB, less in small files)"),
    CLI_OPTION("--shuffle-seed", NULL, "S", CLI_TEXT, shuffle_seed,
               "put the rows into a random order, the same for the same S"),
    CLI_OPTION("--x", NULL, "NAME", CLI_TEXT, x, "data set whose rows count (default /x)"),
    CLI_OPTION("--follow-links", NULL, NULL, CLI_FLAG, follow_links,
               "write the rows of views and raw storage in other files too"),
    CLI_OPTION("--memory", NULL, "BYTES", CLI_TEXT, memory,
               "for rows in memory (default 256 MiB); above it a shuffle takes a temporary file"),
    CLI_OPTION("--quiet", "-q", NULL, CLI_FLAG, quiet, "warnings and errors only"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_repack = {
    .name = "repack",
    .positionals = "IN.h5 OUT.h5",
    .help = "rewrite an HDF5 file to a layout that streams well, shuffled once if asked",
    .least = 2,
    .most = 2,
    .options = options_of,
    .run = run,
    .notes =
        "Rewritten are all data sets with as many rows as /x, with their types and attributes; "
        "all else is copied.\nA shuffle of more rows than --memory holds takes two passes and a "
        "temporary file beside OUT.h5, as large\nas the largest data set.",
};
