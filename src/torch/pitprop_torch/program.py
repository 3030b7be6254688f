"""The installed pitprop, called as a program."""

import json
import os
import shutil
import subprocess

MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


class Missing(Exception):
    pass


class Failed(Exception):
    pass


def find():
    """Path of the program: $PITPROP, beside this package, or on the PATH."""
    here = os.path.dirname(os.path.abspath(__file__))
    for path in (
        os.environ.get("PITPROP"),
        os.path.join(here, "..", "..", "..", "build", "pitprop"),
        os.path.join(here, "..", "..", "..", "..", "bin", "pitprop"),
        shutil.which("pitprop"),
    ):
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise Missing(
        "the program pitprop is not found; build it (cmake --preset release && cmake --build --preset "
        "release), and put it on the PATH or name it in PITPROP"
    )


def run(words, ranks=1, limit=None):
    """Output of pitprop; Failed has what it said."""
    command = [find()] + words
    if ranks > 1 and shutil.which("mpirun"):
        command = ["mpirun", "-n", str(ranks)] + command
    everything = dict(os.environ, **MPI) if ranks > 1 else dict(os.environ)
    everything["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(
        command, env=everything, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL
    )
    if done.returncode not in (0, 4):
        lines = [line for line in done.stderr.splitlines() if "error:" in line] or [done.stderr[-300:]]
        raise Failed(lines[0].replace("pitprop: error: ", ""))
    return done.stdout


def write(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
