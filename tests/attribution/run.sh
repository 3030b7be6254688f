#!/usr/bin/env bash
# Does `pitprop why` name the right cause? Sound jobs, each with a planted fault whose name is known.
# Beside them, questions.py: few rows, nothing held out, several faults, faults of the data, and what is no fault.
# usage: run.sh [--quick] [--torch] [--jobs N] [--seeds N] [--first SEED] [--only WORD] [--results FILE] [--keep]
# --torch trains each job and its remedy in PyTorch too (torch_twin.py) and prints how many are repaired there.
# Prints a table per cause, the instances that went wrong, and random search over the same patches.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PITPROP=${PITPROP:-$here/../../build/pitprop}
exec /usr/bin/python3 "$here/attribute.py" "$@"
