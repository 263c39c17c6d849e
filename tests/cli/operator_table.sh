#!/usr/bin/env bash
# The table of operators in the documentation is the one that the program prints (of a build with the CUDA
# backend, here the emulated one). With a third argument, --write, the documentation is changed instead.
set -euo pipefail
program=$1 doc=$2
table=$("$program" inspect --operators)
if [ "${3:-}" = --write ]; then
  awk -v table="$table" '/<!-- operators: begin/ { print; print table; skip = 1 }
    /<!-- operators: end/ { skip = 0 } !skip { print }' "$doc" |
    awk '!(/<!-- operators: begin/ && seen++)' >"$doc.new"
  mv "$doc.new" "$doc"
fi
diff <(sed -n '/<!-- operators: begin/,/<!-- operators: end/p' "$doc" | grep '^|') <(echo "$table") || {
  echo "$doc is out of date: bash tests/cli/operator_table.sh PROGRAM docs/onnx.md --write" >&2
  exit 1
}
