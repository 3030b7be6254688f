#!/usr/bin/env bash
# The main job on real data, from nothing: installs what is missing, builds, converts Fashion-MNIST
# to HDF5, trains jobs/fashion-mnist.json with mpirun on all cores and prints the result.
set -euo pipefail
cd "$(dirname "$0")/.."

bash jobs/packages.sh
cmake -S . -B build -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release >build-log.txt 2>&1 &&
    cmake --build build --parallel "$(nproc)" >>build-log.txt 2>&1 || {
    tail -n 30 build-log.txt >&2
    echo "quickstart: the build failed; all of it is in build-log.txt" >&2
    exit 3
}
rm -f build-log.txt
pitprop=build/pitprop

fashion=/usr/share/datasets/fashion-mnist
mkdir -p data
$pitprop schema >jobs/job.schema.json # the jobs name it, so that editors know their keys
if [ ! -e data/fashion-mnist-test.h5 ] || [ ! -e data/fashion-mnist-train.h5 ]; then
    if [ -e $fashion/train-images-idx3-ubyte.gz ]; then
        for part in train test; do
            [ $part = train ] && idx=train || idx=t10k
            $pitprop import idx $fashion/$idx-images-idx3-ubyte.gz \
                --labels $fashion/$idx-labels-idx1-ubyte.gz -o data/fashion-mnist-$part.h5
        done
    else
        echo "quickstart: Fashion-MNIST cannot be had here; training on made-up images instead" >&2
        $pitprop synth images --rows 12000 --seed 1 -o data/fashion-mnist-train.h5
        $pitprop synth images --rows 2000 --seed 2 -o data/fashion-mnist-test.h5
    fi
fi

# mpirun refuses root unless told that it is meant; ranks are not bound, so that all cores are used.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_hwloc_base_binding_policy=none
ranks=$(nproc)
[ "$ranks" -le 8 ] || ranks=8 # the job has 8 lanes
mpirun -n "$ranks" $pitprop train jobs/fashion-mnist.json --overwrite

cat <<END

Next:
  mpirun -n $ranks $pitprop train jobs/fashion-mnist.json --set optimizer.lr=10 -o runs/too-fast
                                               a learning rate that breaks it
  $pitprop predict runs/fashion-mnist data/fashion-mnist-test.h5 -o predictions.h5
  $pitprop schema                                every key of a job file
  bash tests/run.sh                            the tests
END
