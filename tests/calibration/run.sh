#!/usr/bin/env bash
# How often are verdicts wrong? Over 670 short trainings, and 300 sets of predictions that go through
# `pitprop audit`, whose truth is known by construction; each source has counts of its own.
# usage: run.sh [--quick] [--jobs N] [--seed N] [--only WORD] [--results FILE] [--keep]
# Exit code 0: every verdict is right; 1: some are not (all are listed). PITPROP names the binary.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PITPROP=${PITPROP:-$here/../../build/pitprop}
exec /usr/bin/python3 "$here/calibrate.py" "$@"
