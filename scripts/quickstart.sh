#!/usr/bin/env bash
# From a fresh Debian 12 to a trained model: installs the packages, builds, trains the digits model
# that comes with the project, evaluates it on the held-out third, and runs batch inference.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
need_packages $ingot_packages

started=$(date +%s)
echo "Building (one to two minutes on two cores) ..."
cmake --preset release -DIG_TESTS=OFF -B build/quickstart >quickstart.log 2>&1 &&
  cmake --build build/quickstart -j "$(nproc)" >>quickstart.log 2>&1 ||
  { tail -40 quickstart.log; exit 1; }
rm -f quickstart.log
ingot=build/quickstart/ingot
run=runs/quickstart
data=examples/digits/digits.h5

rm -rf "$run"
mkdir -p runs
"$ingot" train --model mlp:128,64 --data "$data:train" --val "$data:test" --out "$run" \
  --epochs 40 --batch 32 --optimizer adamw --lr 0.003 --schedule cosine
echo
"$ingot" eval --model "$run/best.h5" --data "$data:test"
"$ingot" infer --model "$run/best.h5" --data "$data:test" --out "$run/predictions.csv"
echo
echo "Predictions: $run/predictions.csv"
echo "Checkpoint:  $run/best.h5"
echo "Report:      $run/report.html"
echo "All of it took $(($(date +%s) - started)) s after the packages."
