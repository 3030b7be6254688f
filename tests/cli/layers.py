"""Arrows point down only: compares the #include lines of src with the layers of the design.

A folder may include headers of folders above it in LAYERS and of itself; a foreign library has one home."""
import os
import re
import sys

SOURCE = os.environ["SOURCE"]
LAYERS = ["base", "json", "comm", "compute", "store", "convert", "job", "data", "model", "collapse", "train",
          "study", "report", "cli"]
# Modules at one level that may not see each other although the list has an order.
PURE = {"json": {"base"}, "job": {"base", "json"}, "model": {"base", "job", "compute", "data"},
        "collapse": {"base", "json"}, "comm": {"base"}, "store": {"base", "json"},
        "compute": {"base", "job"}}
HOMES = {"mpi.h": "comm", "hdf5.h": "store", "cjson/cJSON.h": "json", "cJSON.h": "json",
         "cblas.h": "compute/cpu", "Random123/philox.h": "base"}


def header_homes():
    """Which folder of src implements a public header: the one with a file that includes it first."""
    homes = {}
    for folder, path in sources():
        name = os.path.splitext(os.path.basename(path))[0]
        homes.setdefault(name, folder)
    homes.update({"job": "job", "import": "convert", "dataset": "data", "lanes": "data", "version": "base",
                  "h5": "store", "tensorfile": "store", "json": "json", "compute": "compute",
                  "model": "model", "report": "report", "trial": "train", "loss": "model"})
    return homes


def sources():
    root = os.path.join(SOURCE, "src")
    for folder, _, files in os.walk(root):
        for name in sorted(files):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(folder, root).split(os.sep)[0], os.path.join(folder, name)


def main():
    homes, faults, seen = header_homes(), [], 0
    for folder, path in sources():
        if folder not in LAYERS:
            faults.append(f"{path}: folder '{folder}' is no layer of the design")
            continue
        for line in open(path, encoding="utf-8"):
            found = re.match(r'#include [<"]([^>"]+)[>"]', line)
            if not found:
                continue
            seen += 1
            header = found.group(1)
            home = HOMES.get(header)
            if home and not os.path.relpath(path, os.path.join(SOURCE, "src")).startswith(home + os.sep):
                faults.append(f"{path}: includes {header}, which belongs to src/{home} alone")
            if not header.startswith("pitprop/"):
                continue
            module = header[len("pitprop/"):-len(".h")]
            target = homes.get(module)
            if target is None:
                faults.append(f"{path}: includes {header}, which no folder of src implements")
                continue
            allowed = PURE.get(folder, set(LAYERS[:LAYERS.index(folder)]))
            if folder == "train":
                allowed = allowed | {"report"}  # the progress line
            if target != folder and target not in allowed:
                faults.append(f"{path}: src/{folder} may not include {header} of src/{target}")
    for header in os.listdir(os.path.join(SOURCE, "include", "pitprop")):
        text = open(os.path.join(SOURCE, "include", "pitprop", header), encoding="utf-8").read()
        for foreign in list(HOMES) + ["cuda.h", "cublas_v2.h"]:
            if f"<{foreign}>" in text:
                faults.append(f"include/pitprop/{header}: shows {foreign}")
    print("\n".join(faults) or f"{seen} includes keep to the layers")
    return 1 if faults or seen < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
