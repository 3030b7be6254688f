#!/usr/bin/env bash
# Installs what is missing, builds and runs all tests: `run.sh`; with --sanitize under the address and
# undefined-behaviour sanitizers; with --kernels once for each BLAS kernel that this CPU can run, one
# after the other (hours: for the night). Further arguments go to ctest (-R NAME for one test).
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
kernels=0
case "${1:-}" in
    --sanitize) preset=sanitize; shift ;;
    --kernels) kernels=1; shift ;;
esac
bash jobs/packages.sh test
cmake --preset $preset >/dev/null
cmake --build --preset $preset --parallel "$(nproc)"
if [ $kernels -eq 0 ]; then
    ctest --preset $preset "$@"
    exit
fi

failed=()
while read -r kernel _ features; do
    for feature in $features; do
        grep -qw "$feature" /proc/cpuinfo || continue 2
    done
    echo "== $kernel"
    OPENBLAS_CORETYPE=$kernel ctest --preset $preset "$@" || failed+=("$kernel")
done <src/compute/cpu/kernels.txt
[ ${#failed[@]} -eq 0 ] || { echo "failed under: ${failed[*]}" >&2; exit 1; }
