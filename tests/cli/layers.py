"""Arrows point down only: compares the #include lines of src with the layers of the design.

A folder of src may include the public headers of folders above it in LAYERS, its own, and nothing of folders
below it. A foreign library has one home, and no public header shows it."""
import os
import re
import sys

SOURCE = os.environ["SOURCE"]

# Lowest first: folder of src and the public headers that it implements.
LAYERS = {
    "base": "error check arena rng sum log fs environment limits names stop version",
    "json": "json",
    "comm": "comm",
    "job": "job",
    "compute": "compute",
    "store": "h5 npy repack tensorfile",
    "convert": "import table",
    "data": "lanes dataset",
    "inspect": "inspect",
    "model": "model loss schedule signs",
    "collapse": "groups sketch verdict candidates",
    "audit": "audit",
    "train": "exchange checkpoint trial predict",
    "study": "cause farm sweep why",
    "report": "report",
    "cli": "",
}
# Pure folders see less than their place allows: no communication, no files.
NOT_FOR = {"job": {"comm"}, "compute": {"comm"}, "store": {"comm", "job", "compute"}, "convert": {"comm"},
           "model": {"comm", "store", "convert"}, "collapse": {"comm", "store", "data", "model", "compute"},
           "report": {"comm", "store", "data", "model", "compute"}}
HOMES = {"mpi.h": "comm", "hdf5.h": "store", "cjson/cJSON.h": "json", "cJSON.h": "json",
         "cblas.h": "compute/cpu", "Random123/philox.h": "base", "cuda_runtime.h": "compute/cuda"}


def includes(path):
    for line in open(path, encoding="utf-8"):
        found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if found:
            yield found.group(1)


def check_source(folder, path, home_of, faults):
    """One file of src; returns how many includes it has."""
    order, count = list(LAYERS), 0
    relative = os.path.relpath(path, os.path.join(SOURCE, "src"))
    for header in includes(path):
        count += 1
        if header in HOMES and not relative.startswith(HOMES[header] + os.sep):
            faults.append(f"src/{relative}: {header} belongs to src/{HOMES[header]} alone")
        if not header.startswith("pitprop/"):
            continue
        target = home_of.get(header[len("pitprop/"):-len(".h")])
        if target is None:
            faults.append(f"src/{relative}: {header} belongs to no layer")
        elif order.index(target) > order.index(folder) or target in NOT_FOR.get(folder, ()):
            faults.append(f"src/{relative}: src/{folder} may not include {header} of src/{target}")
    return count


def main():
    faults, count = [], 0
    home_of = {name: folder for folder, names in LAYERS.items() for name in names.split()}
    for where, _, files in os.walk(os.path.join(SOURCE, "src")):
        for name in sorted(files):
            folder = os.path.relpath(where, os.path.join(SOURCE, "src")).split(os.sep)[0]
            if not name.endswith((".c", ".h")):
                continue
            if folder not in LAYERS:
                faults.append(f"src/{folder}: is no layer of the design")
                continue
            count += check_source(folder, os.path.join(where, name), home_of, faults)
    public = os.path.join(SOURCE, "include", "pitprop")
    for header in sorted(os.listdir(public)):
        if header[:-len(".h")] not in home_of:
            faults.append(f"include/pitprop/{header}: belongs to no layer")
        faults += [f"include/pitprop/{header}: shows {foreign}"
                   for foreign in includes(os.path.join(public, header)) if foreign in HOMES]
    print("\n".join(faults) or f"{count} includes keep to the layers")
    return 1 if faults or count < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
