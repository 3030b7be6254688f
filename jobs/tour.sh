#!/usr/bin/env bash
# From a raw table to a model in use: tour.sh [DIRECTORY]. Every step is a command as a user types it. PITPROP is the
# program (default: build/pitprop).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pitprop=$(realpath "${PITPROP:-$here/../build/pitprop}")
home=${1:-$(mktemp -d)}
mkdir -p "$home"
python3 "$here/tour_table.py" "$home"
cd "$home"
say() { printf '\n$ %s\n' "$*"; "$@"; }

cat >parcels.json <<'JSON'
{
  "name": "parcels",
  "data": {"files": "parcels.h5", "validation": {"fraction": 0.25}, "standardise": true},
  "model": {"layers": [{"type": "dense", "units": 16, "activation": "relu"}, {"type": "dense", "units": "auto"}]},
  "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
  "training": {"epochs": 10, "batch": 32}
}
JSON

# `refund` says the answer: inspect finds it, and it goes.
say "$pitprop" import csv parcels.csv --target late --drop parcel --missing flag -o all.h5
say "$pitprop" inspect all.h5 || true
say "$pitprop" import csv parcels.csv --target late --drop parcel,refund --missing flag -o parcels.h5
say "$pitprop" check parcels.json

# A rate that breaks it: the verdict, the cause, and the repair.
say "$pitprop" train parcels.json --set optimizer.lr=50 -o broken --overwrite
say "$pitprop" why broken --overwrite
say "$pitprop" train broken/fixed.json -o good --overwrite

# In use: the table as it is, and ONNX.
say "$pitprop" predict good new.csv --like parcels.h5 --id parcel -o answers.csv
say "$pitprop" export good -o parcels.onnx
