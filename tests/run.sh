#!/usr/bin/env bash
# Installs what is missing, builds and runs all tests: `run.sh`; with --sanitize under the address and
# undefined-behaviour sanitizers. Further arguments go to ctest (-R NAME for one test).
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
if [ "${1:-}" = --sanitize ]; then
    preset=sanitize
    shift
fi
bash jobs/packages.sh test
cmake --preset $preset >/dev/null
cmake --build --preset $preset --parallel "$(nproc)"
ctest --preset $preset "$@"
