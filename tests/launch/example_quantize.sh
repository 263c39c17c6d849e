#!/usr/bin/env bash
# Runs examples/quantize/quantize.sh on 20 pictures of each of CIFAR-10's classes with a small network.
#   example_quantize.sh INGOT SOURCE_DIR
set -euo pipefail
tar=${INGOT_DATA:-$2/../shared/data}/cifar10-train-jpeg.tar
if [ ! -f "$tar" ]; then
  echo "skipped: $tar is not there"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xf "$tar" -C "$folder" --wildcards 'train/*/000[0-9].jpg' 'train/*/001[0-9].jpg'
INGOT=$1 MODEL=lenet:channels=8,width=32 MAX_DROP=0.06 SECONDS_TIMED=0 \
  bash "$2/examples/quantize/quantize.sh" "$folder/train" "$folder/out" --steps 30 --batch 32 --threads 1
for file in int8.h5 int8.onnx quantized.html predictions.npz; do
  [ -s "$folder/out/$file" ] || { echo "$file is missing"; exit 1; }
done
full=$(stat -c %s "$folder/out/f32/best.h5") narrow=$(stat -c %s "$folder/out/int8.h5")
echo "$full bytes, $narrow quantized"
