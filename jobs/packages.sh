#!/usr/bin/env bash
# Installs the Debian packages that are missing: `packages.sh` for running, `packages.sh test` for the
# tests as well, `packages.sh check` for those of tests/checks.sh. Nothing missing: nothing is done and no network is touched.
set -euo pipefail

packages=(gcc libc6-dev make cmake pkg-config openmpi-bin libopenmpi-dev libopenblas-dev
          libhdf5-openmpi-dev libcjson-dev librandom123-dev zlib1g-dev dataset-fashion-mnist)
if [ "${1:-}" = test ]; then
    packages+=(g++ libcunit1-dev python3 python3-venv python3-pip python3-numpy python3-h5py python3-torch
               python3-jsonschema slurmctld slurmd slurm-client munge iproute2)
fi

if [ "${1:-}" = check ]; then
    packages+=(libcunit1-dev clang clang-format cppcheck)
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}" >&2
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
"${sudo[@]}" apt-get update -qq
# The data set is in Debian's archive, but the program does not need it: quickstart makes one up without it.
for package in "${missing[@]}"; do
    if [ "$package" = dataset-fashion-mnist ]; then
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$package" >&2 ||
            echo "dataset-fashion-mnist cannot be had here" >&2
        missing=("${missing[@]/$package/}")
    fi
done
rest=()
for package in "${missing[@]}"; do [ -n "$package" ] && rest+=("$package"); done
[ ${#rest[@]} -eq 0 ] || "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${rest[@]}" >&2
