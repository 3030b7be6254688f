#!/usr/bin/env bash
# What the tests do not see: formatting, cppcheck, a build with clang, and the unit tests under the address and
# undefined-behaviour sanitizers. `checks.sh`; with the name of one of them (format, cppcheck, sanitize) that one alone.
set -euo pipefail
cd "$(dirname "$0")/.."
bash jobs/packages.sh check

check_format() {
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
}

# What is left out gives alarms today that were not all looked into.
check_cppcheck() {
    cppcheck --quiet --std=c11 -j "$(nproc)" --enable=warning,portability --inline-suppr -Iinclude -Isrc \
        --suppress=internalAstError --suppress=invalidPointerCast --suppress=invalidFunctionArg \
        --suppress=legacyUninitvar --suppress=zerodiv --suppress=memleak --suppress=shiftTooManyBits \
        --suppress=pointerSize --error-exitcode=1 src
}

# Warnings of clang's own are shown, and are no errors yet.
check_clang() {
    cmake --preset clang >/dev/null
    cmake --build --preset clang --parallel "$(nproc)"
}

check_sanitize() {
    cmake --preset sanitize >/dev/null
    cmake --build --preset sanitize --parallel "$(nproc)" --target unit_tests
    ctest --preset sanitize -R '^unit\.' --parallel "$(nproc)"
}

for check in ${*:-format cppcheck clang sanitize}; do
    echo "== $check"
    check_"$check"
done
