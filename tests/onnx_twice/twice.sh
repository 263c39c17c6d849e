#!/usr/bin/env bash
# Debian's models of the ONNX project through both readers: PROGRAM, or nothing where it could not be built.
folder=/usr/share/libonnx-testdata/data
if [ -z "$1" ]; then
  echo "skipped: protoc-c, libprotobuf-c or onnx.proto is not here (Debian's packages protobuf-c-compiler," \
    "libprotobuf-c-dev and libonnx-dev)"
  exit 77
fi
if [ ! -d "$folder" ]; then
  echo "skipped: there is no $folder (Debian's package libonnx-testdata)"
  exit 77
fi
exec "$1" "$folder"
