#!/usr/bin/env bash
# What the tests do not see: formatting, cppcheck, a build with clang, and the unit tests under the address and
# undefined-behaviour sanitizers. `checks.sh`; with the name of one of them (format, cppcheck, sanitize) that one alone.
set -euo pipefail
cd "$(dirname "$0")/.."
bash jobs/packages.sh check

check_format() {
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
}

# What is left out holds a false alarm today: compound literals behind `?`, casts between the types of one buffer, and
# values that a loop always sets.
check_cppcheck() {
    cppcheck --quiet --std=c11 -j "$(nproc)" --enable=warning,portability --inline-suppr -Iinclude -Isrc \
        --suppress=internalAstError --suppress=invalidPointerCast --suppress=invalidFunctionArg \
        --suppress=legacyUninitvar --error-exitcode=1 src
}

# One build for both: clang warns of what gcc does not, and its sanitizers run the unit tests.
check_sanitize() {
    cmake --preset clang >/dev/null
    cmake --build --preset clang --parallel "$(nproc)"
    ctest --preset clang -R '^unit\.' --parallel "$(nproc)"
}

for check in ${*:-format cppcheck sanitize}; do
    echo "== $check"
    check_"$check"
done
