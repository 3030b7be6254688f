#!/usr/bin/env bash
# Makes the data of the jobs beside this file and trains them. usage: run.sh [DIRECTORY]
set -euo pipefail
jobs=$(cd "$(dirname "$0")" && pwd)
pitprop=$(command -v "${PITPROP:-pitprop}") || {
    echo "no pitprop on the path; PITPROP=build/pitprop bash jobs/seed/run.sh" >&2
    exit 3
}
pitprop=$(realpath "$pitprop")
mkdir -p "${1:-.}/data"
cd "${1:-.}"

for name in noise-rare noise-uniform noise-coin; do
    "$pitprop" synth $name --seed 1 -o data/$name.h5
    "$pitprop" synth $name --seed 2 --rows 10000 -o data/$name-fresh.h5
done
for job in "$jobs"/*.json; do
    "$pitprop" train "$job" --overwrite --quiet
done
