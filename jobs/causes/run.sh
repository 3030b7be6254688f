#!/usr/bin/env bash
# Makes the data of the jobs beside this file and asks why each of them fails.
# usage: run.sh [DIRECTORY [JOB...]]      RANKS=4 bash jobs/causes/run.sh gallery dead-relus
set -euo pipefail
jobs=$(cd "$(dirname "$0")" && pwd)
pitprop=$(command -v "${PITPROP:-pitprop}") || {
    echo "no pitprop on the path; PITPROP=build/pitprop bash jobs/causes/run.sh" >&2
    exit 3
}
pitprop=$(realpath "$pitprop")
mkdir -p "${1:-.}/data"
cd "${1:-.}"
shift || true
[ $# -gt 0 ] || set -- $(cd "$jobs" && ls ./*.json | sed 's,^\./,,; s,\.json$,,')

for name in moons blobs linear imbalanced rare half noise unscaled dominant coded gaps elsewhere flat sorted same prices codes leak copies wild; do
    "$pitprop" synth $name -o data/$name.h5
done
"$pitprop" synth friedman --rows 3000 -o data/friedman.h5
"$pitprop" synth higgs-like --rows 1000 -o data/higgs.h5
"$pitprop" synth higgs-like --rows 4000 --seed 2 -o data/higgs-fresh.h5
"$pitprop" synth xor --rows 1000 -o data/xor.h5
"$pitprop" synth blobs --rows 40 -o data/few.h5

why=("$pitprop" why)
if [ "${RANKS:-1}" -gt 1 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    why=(mpirun -n "$RANKS" "$pitprop" why)
fi
for name in "$@"; do
    "${why[@]}" "$jobs/$name.json" --overwrite --quiet --json > "why-$name.json"
    /usr/bin/env python3 "$jobs/table.py" row "why-$name.json"
done
