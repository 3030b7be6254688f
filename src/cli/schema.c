#include <stdio.h>

#include "cli.h"

#include "compute/compute.h"
#include "store/h5.h"
#include "base/version.h"

static int run_schema(cli *c)
{
    (void)c;
    pp_json_writer *writer = pp_json_writer_create(2);
    const char *text = NULL;
    if (writer != NULL) {
        pp_job_schema(writer);
        text = pp_json_text(writer, NULL);
    }
    if (text != NULL) puts(text);
    pp_json_writer_destroy(writer);
    return text != NULL ? 0 : 3;
}

static int run_version(cli *c)
{
    (void)c;
    printf("pitprop  %s (%s)\n", PP_VERSION, PP_GIT_HASH);
    printf("MPI      %s\n", pp_comm_library());
    const pp_backend *backend;
    for (int i = 0; (backend = pp_backend_at(i)) != NULL; i++) {
        pp_device *device;
        pp_error err = {0};
        pp_status status = backend->open(0, "auto", &device, &err);
        printf("%-8s %s\n", backend->name, status == PP_OK ? backend->describe(device) : err.text);
        if (status == PP_OK) backend->close(device);
    }
    printf("HDF5     %s\n", pp_h5_version());
    return 0;
}

static const cli_option options[] = {CLI_HELP_OPTION, CLI_END};

const cli_command cli_schema = {
    .name = "schema",
    .positionals = "",
    .help = "print the JSON Schema of the job file: every key, its meaning and default",
    .options = options,
    .run = run_schema,
};

const cli_command cli_version = {
    .name = "version",
    .positionals = "",
    .help = "print the versions of Pitprop, Open MPI, OpenBLAS and its kernel, and HDF5",
    .multiplies = 1,
    .options = options,
    .run = run_version,
};
