#include "export/export.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct {
    const char *ending;
    pp_status (*write)(const char *run, const char *output, pp_error *err);
} formats[] = {{".onnx", pp_export_onnx}};

static pp_status find_format(const char *output, size_t *found, pp_error *err)
{
    size_t length = output != NULL ? strlen(output) : 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t ending = strlen(formats[i].ending);
        *found = i;
        if (length > ending && strcmp(output + length - ending, formats[i].ending) == 0)
            return PP_OK;
    }
    return pp_fail(err, PP_E_ARG, "export: wants -o FILE.onnx%s%s", output != NULL ? ", not " : "",
                   output != NULL ? output : "");
}

static int run(cli *c)
{
    pp_error err = {0};
    char model[PATH_MAX];
    size_t format = 0;
    snprintf(model, sizeof model, "%s/model.safetensors", c->args.positional[0]);
    const char *const inputs[] = {model, NULL};
    pp_status status = find_format(c->args.output, &format, &err);
    if (status == PP_OK) status = cli_keep_inputs(c->args.output, inputs, &err);
    if (status == PP_OK)
        status = formats[format].write(c->args.positional[0], c->args.output, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    pp_log_write(&c->log, PP_LOG_INFO, "%s: written", c->args.output);
    return 0;
}

static const cli_option options[] = {
    CLI_OPTION("--output", "-o", "FILE", CLI_TEXT, output, "file to write: .onnx"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_export = {
    .name = "export",
    .positionals = "RUN",
    .help = "write the model of a finished run for other programs: ONNX",
    .least = 1,
    .most = 1,
    .options = options,
    .run = run,
    .notes = "Inputs are rows as in the data file, and outputs what predict writes: the "
             "standardisation, the function at\nprediction and the units of the targets are "
             "inside. Names of columns and classes are metadata.",
};
