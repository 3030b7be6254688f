#include "train/predict.h"

#include <limits.h>
#include <stdio.h>

#include "cli.h"
#include "base/names.h"

enum { MOST_CLASSES = 20 };

static void print_answers(const pp_prediction *p)
{
    int64_t shown = p->classes < MOST_CLASSES ? p->classes : MOST_CLASSES;
    for (int64_t k = 0; k < shown; k++) {
        char class[PP_NAME_TEXT];
        pp_names_text((const char *const *)p->class_names, k, class);
        printf("class %s: %lld rows\n", class, (long long)p->answers[k]);
    }
    if (shown < p->classes)
        printf("%lld more classes: see /class\n", (long long)(p->classes - shown));
}

static pp_status check_output(const cli *c, pp_error *err)
{
    char model[PATH_MAX];
    if (c->args.output == NULL)
        return pp_fail(err, PP_E_ARG, "predict: wants -o FILE.h5 to write the predictions to");
    snprintf(model, sizeof model, "%s/model.safetensors", c->args.positional[0]);
    const char *const inputs[] = {c->args.positional[1], model, NULL};
    return cli_keep_inputs(c->args.output, inputs, err);
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_prediction prediction = {0};
    pp_status status = pp_comm_agree(c->world, check_output(c, &err), &err);
    if (status == PP_OK)
        status = pp_predict(c->world, c->args.positional[0], c->args.positional[1], c->args.x,
                            c->args.output, &prediction, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    if (prediction.moved)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "%s: its columns have another order than the model's, and were taken by name",
                     c->args.positional[1]);
    if (prediction.unnamed)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "%s: its columns have no names, those of the model have: taken by number",
                     c->args.positional[1]);
    pp_log_write(&c->log, PP_LOG_INFO, "predictions of %lld rows: %s", (long long)prediction.rows,
                 c->args.output);
    if (c->log.speaks && !c->args.quiet) print_answers(&prediction);
    pp_prediction_free(&prediction);
    return 0;
}

static const cli_option options[] = {
    CLI_OPTION("--output", "-o", "FILE", CLI_TEXT, output,
               "HDF5 file to write: /raw, /p and /class"),
    CLI_OPTION("--x", NULL, "NAME", CLI_TEXT, x,
               "data set with the features (default: as in the job)"),
    CLI_OPTION("--quiet", "-q", NULL, CLI_FLAG, quiet, "warnings and errors only"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_predict = {
    .name = "predict",
    .positionals = "RUN DATA",
    .help = "write the predictions of a finished run for an HDF5 file",
    .least = 2,
    .most = 2,
    .parallel = 1,
    .multiplies = 1,
    .options = options,
    .run = run,
};
