#!/usr/bin/env bash
# Does `pitprop why` name the right cause? Sound jobs, each with a planted fault whose name is known.
# usage: run.sh [--quick] [--jobs N] [--seeds N] [--only WORD] [--results FILE] [--keep]
# Prints a table per cause, the instances that went wrong, and random search over the same patches.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PITPROP=${PITPROP:-$here/../../build/pitprop}
exec /usr/bin/python3 "$here/attribute.py" "$@"
