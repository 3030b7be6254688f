"""Arrows point down only: compares the #include lines of src with the layers of the design.

Then what structure.py asks: no circle of files, names that belong to one module, functions that say when they are
collective. The folder of an #include is its layer: a file may include headers of its own folder and of those below it in
LAYERS, and nothing above. include/pitprop is what is installed, and nothing else. A foreign library has one home,
and no installed header shows it."""
import os
import re
import sys

import structure

SOURCE = os.environ["SOURCE"]

# Lowest first. A folder that is not named belongs to the one that it lies in.
LAYERS = ["base", "json", "comm", "job", "compute", "store", "convert",
          "data/rows", "data/share", "data/residency", "data", "inspect", "model", "collapse", "audit", "run", "train",
          "study/farm", "study/causes", "study/sweep", "study/why", "report", "export", "cli"]
# What is installed, by the layer that implements it.
INSTALLED = {"check": "base", "error": "base", "sum": "base", "json": "json",
             "groups": "collapse", "sketch": "collapse", "verdict": "collapse"}
# Arrows that point up, (folder, header), each with its reason.
UPWARD = {}
# Files that may need each other in a loop, each with its reason.
CIRCLES = {
    "src/study/causes/cause_overfitting.c src/study/causes/cause_training.c": "a sign of one asks for that of the other",
    "src/job/layer_kinds.c src/job/layers.c": "a residual layer holds layers: its shape is theirs",
    "src/model/pass.c src/model/planner.c src/model/fold.c src/model/layers/kinds.c src/model/layers/dense.c "
    "src/model/layers/norm.c src/model/layers/dropout.c src/model/layers/activation.c src/model/layers/conv.c "
    "src/model/layers/pool.c src/model/layers/residual.c":
        "a residual layer holds layers: planning it comes back to the table of kinds",
}
# Functions that communicate for those who call them.
DOORS = {"pp_comm_agree", "pp_comm_broadcast", "pp_comm_sum_i64", "pp_comm_max_i64", "pp_comm_min_i64",
         "pp_comm_gather", "pp_comm_all_gather", "pp_comm_gather_ranges", "pp_comm_merge", "pp_comm_split"}
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


def layer_of(folder):
    """The layer of a folder below src, None where the design has none."""
    while folder and folder not in LAYERS:
        folder = os.path.dirname(folder)
    return folder or None


def target_of(folder, header):
    """The layer of an included header; None: it is none of ours."""
    if header.startswith("pitprop/"):
        return INSTALLED.get(header[len("pitprop/"):-len(".h")], "no layer")
    return layer_of(os.path.dirname(header)) if "/" in header else None


def check_source(relative, faults, used):
    """One file of src; returns how many includes it has."""
    folder, count = layer_of(os.path.dirname(relative)), 0
    for header in includes(os.path.join(SOURCE, "src", relative)):
        count += 1
        if header in HOMES and not relative.startswith(HOMES[header] + os.sep):
            faults.append(f"src/{relative}: {header} belongs to src/{HOMES[header]} alone")
        target = target_of(folder, header)
        if target is None:
            continue
        if target == "no layer":
            faults.append(f"src/{relative}: {header} is not installed; include it by its folder")
        elif (folder, header) in UPWARD:
            used.add((folder, header))
        elif LAYERS.index(target) > LAYERS.index(folder) or target.split("/")[0] in NOT_FOR.get(folder, ()):
            faults.append(f"src/{relative}: src/{folder} may not include {header} of src/{target}")
    return count


def upward_calls(needs):
    for caller, homes in sorted(needs.items()):
        for home, names in sorted(homes.items()):
            low, high = (LAYERS.index(layer_of(os.path.dirname(path)[len("src/"):])) for path in (caller, home))
            if high > low:
                yield f"{caller} calls {', '.join(sorted(names))} of {home}, which lies above it"


def check_installed(faults):
    public = os.path.join(SOURCE, "include", "pitprop")
    for header in sorted(os.listdir(public)):
        if header[:-len(".h")] not in INSTALLED:
            faults.append(f"include/pitprop/{header}: belongs beside its code, or into INSTALLED here")
        faults += [f"include/pitprop/{header}: shows {foreign}" for foreign in includes(os.path.join(public, header))
                   if foreign in HOMES or "/" in foreign and not foreign.startswith(("pitprop/", "sys/"))]
    with open(os.path.join(SOURCE, "CMakeLists.txt"), encoding="utf-8") as file:
        listed = set(re.findall(r"include/pitprop/(\w+)\.h", file.read()))
    if listed != set(INSTALLED):
        faults.append(f"CMakeLists.txt: does not install {sorted(listed ^ set(INSTALLED))}")


def main():
    faults, used, count = [], set(), 0
    for where, _, files in os.walk(os.path.join(SOURCE, "src")):
        folder = os.path.relpath(where, os.path.join(SOURCE, "src"))
        for name in sorted(files):
            if not name.endswith((".c", ".h")):
                continue
            if layer_of(folder) is None:
                faults.append(f"src/{folder}: is no layer of the design")
                continue
            count += check_source(os.path.normpath(os.path.join(folder, name)), faults, used)
    check_installed(faults)
    faults += [f"UPWARD: nothing in src/{folder} includes {header}" for folder, header in sorted(set(UPWARD) - used)]
    needs = structure.calls(os.path.dirname(os.path.abspath(os.environ["PITPROP"])), SOURCE)
    faults += structure.told_circles(needs, CIRCLES)
    faults += upward_calls(needs)
    faults += structure.namesakes(SOURCE)
    faults += structure.uncollective(SOURCE, DOORS)
    if len(needs) < 100:
        faults.append("hardly any objects beside the program: it has to be the one of a build folder")
    print("\n".join(faults) or f"{count} includes keep to the layers")
    return 1 if faults or count < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
