#!/usr/bin/env bash
# From training to an int8 model that other programs run: train, quantize within half a point, evaluate,
# export as ONNX, infer. CIFAR-10's pictures are cut into 45,000 to train on and 5,000 that prove what is lost.
#   examples/quantize/quantize.sh DATA FOLDER [options of train]
# DATA is cifar10-train-jpeg.tar or any folder or tar of pictures by class. INGOT names the program, MODEL
# another network, MAX_DROP what may be lost, SECONDS_TIMED how long to time (0: not at all).
set -euo pipefail
ingot=${INGOT:-ingot}
data=${1:?DATA is missing}
out=${2:?FOLDER is missing}
shift 2
mkdir -p "$out"

"$ingot" data split "$data" --train "$out/train.h5" --test "$out/test.h5" --fraction 0.1 --quiet
"$ingot" train --model "${MODEL:-resnet18:cifar}" --data "$out/train.h5" --val "$out/test.h5" --out "$out/f32" \
  --flip --crop 4 --quiet "$@"

"$ingot" quantize --model "$out/f32" --format int8 --calib "$out/train.h5" --eval "$out/test.h5" \
  --max-drop "${MAX_DROP:-0.005}" --latency-seconds "${SECONDS_TIMED:-2}" \
  --report "$out/quantized.html" --out "$out/int8.h5"

"$ingot" eval --model "$out/int8.h5" --data "$out/test.h5" --latency-seconds "${SECONDS_TIMED:-2}"
"$ingot" export --model "$out/int8.h5" --out "$out/int8.onnx" # QDQ: ONNX Runtime and TensorRT run it
"$ingot" infer --model "$out/int8.h5" --data "$out/test.h5" --out "$out/predictions.npz"
ls -l "$out/int8.h5" "$out/int8.onnx"
