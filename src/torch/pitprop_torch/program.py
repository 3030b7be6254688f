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


def noted():
    """Where the program was when the wheel was built."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.txt")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def find() -> str:
    """Path of the program: $PITPROP, beside this package, on the PATH, or where the wheel was built."""
    here = os.path.dirname(os.path.abspath(__file__))
    beside = [os.path.join(here, *up, "pitprop") for up in (("..", "..", "..", "build"), ("..", "..", "..", "..", "bin"))]
    for path in [os.environ.get("PITPROP"), *beside, shutil.which("pitprop"), *noted()]:
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise Missing(
        "the program pitprop is not found; build and install it from its sources (cmake --preset release && "
        "cmake --build --preset release && cmake --install build), then put it on the PATH or name it in PITPROP"
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
