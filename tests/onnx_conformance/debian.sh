#!/usr/bin/env bash
# The cases of Debian's libonnx-testdata: PROGRAM KIND, where KIND is node, simple, pytorch-converted or
# pytorch-operator. Known failures, each with its reason, are in expected/debian-KIND.txt.
program=$1 kind=$2
folder=/usr/share/libonnx-testdata/data/$kind
if [ ! -d "$folder" ]; then
  echo "skipped: there is no $folder (Debian's package libonnx-testdata)"
  exit 77
fi
exec "$program" "$folder" --expected "$(dirname "$0")/expected/debian-$kind.txt"
