#!/usr/bin/env bash
# Measures speed and memory, side by side with PyTorch's DistributedDataParallel over gloo, and rows that are
# streamed beside rows in memory, and what sweeps cost and find, and prints tables: `run.sh`; `run.sh --help` for what can be changed. Installs
# what is missing, builds, and keeps the newest PyTorch that can be had (some 4 GB, once) in build/bench-venv,
# unless only `--part streaming` or `--part sweeps` is wanted. Leave the machine alone meanwhile.
# PITPROP=PROGRAM measures that program and builds none; TORCH=PYTHON takes that Python's PyTorch and installs none.
set -euo pipefail
case " $* " in
*" --help "* | *" -h "*) exec /usr/bin/python3 "$(dirname "$0")/bench.py" --help ;;
esac
load=$(cut -d' ' -f1 /proc/loadavg)
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
here=tests/bench work=build/bench venv=build/bench-venv python=/usr/bin/python3

bash jobs/packages.sh test
if [ -z "${PITPROP:-}" ]; then
    cmake --preset release >/dev/null
    cmake --build --preset release --parallel "$(nproc)" --target pitprop_cli >&2
fi
mkdir -p $work
for tool in gemm bare; do
    # shellcheck disable=SC2046
    mpicc -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -Wall -Wextra $here/$tool.c -o $work/$tool \
        $(pkg-config --cflags --libs openblas hdf5-openmpi)
done

# PyTorch's package for Linux cannot be imported without the CUDA libraries that it names, even to run on a
# CPU. Its compiler, Triton (1 GB), it can do without.
install_torch() {
    rm -rf $venv
    $python -m venv $venv && $venv/bin/pip install --quiet --no-cache-dir --no-deps torch || return 1
    $venv/bin/python - >$venv/needs.txt <<'PYTHON' || return 1
from importlib.metadata import requires
print("\n".join(r for r in requires("torch") if not r.startswith("triton") and "extra ==" not in r))
PYTHON
    $venv/bin/pip install --quiet --no-cache-dir -r $venv/needs.txt numpy h5py || return 1
    $venv/bin/python -c "import h5py, numpy, torch.distributed as d; assert d.is_gloo_available()" || return 1
    touch $venv/complete
}

torch=${TORCH:-$PWD/$venv/bin/python}
# Streaming alone is measured without it.
case " $* " in
*" --part training "*) ;;
*" --part streaming "* | *" --part sweeps "*) torch=$python ;;
esac
if [ "$torch" != $python ] && [ -z "${TORCH:-}" ] && [ ! -e $venv/complete ]; then
    echo "installing PyTorch into $venv" >&2
    if ! install_torch 2>$work/install.log; then
        tail -n 3 $work/install.log >&2
        echo "The newest PyTorch cannot be had here: measuring against Debian's python3-torch" >&2
        rm -rf $venv
        torch=$python
    fi
fi
exec $python $here/bench.py --pitprop "${PITPROP:-$PWD/build/pitprop}" --torch "$torch" \
    --work "$PWD/$work" --load "$load" "$@"
