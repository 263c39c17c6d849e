#!/usr/bin/env bash
# Fuzzes for hours what ctest fuzzes for seconds: readers of files from strangers, under ASan and UBSan.
#   scripts/fuzz_long.sh [--seconds S] [--seeds FOLDER] [TARGET...]
# S is per target (1800); FOLDER is searched for *.onnx to start `onnx` targets from (Debian's test models
# without it); TARGETs are the names behind tests/fuzz/fuzz_ (those of models and weights without any). What
# is found is kept in build/fuzz/long/TARGET, so that a later run goes on from there. Prints a line per
# target; ends with 1 when an input failed, which then lies in build/fuzz/long/TARGET-crash-*.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=1800
models=/usr/share/libonnx-testdata/data
while [ $# -gt 0 ]; do
  case "$1" in
  --seconds) seconds=$2; shift 2 ;;
  --seeds) models=$2; shift 2 ;;
  -*) echo "usage: scripts/fuzz_long.sh [--seconds S] [--seeds FOLDER] [TARGET...]" >&2; exit 2 ;;
  *) break ;;
  esac
done
[ $# -gt 0 ] || set -- onnx onnx_twice safetensors tokenizer keras keras_layers

. scripts/packages.sh
need_packages $ingot_packages $ingot_test_packages
{ cmake --preset fuzz && cmake --build --preset fuzz -j "$(nproc)"; } >build-fuzz.log 2>&1 ||
  { tail -30 build-fuzz.log; exit 1; }
rm -f build-fuzz.log

export ASAN_OPTIONS=detect_stack_use_after_return=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
most=65536 # bytes of an input
fuzz() { # TARGET
  local program=build/fuzz/tests/fuzz/fuzz_$1 long=build/fuzz/long corpus=build/fuzz/long/$1
  mkdir -p "$corpus"
  FUZZ_SEEDS=$corpus "$program" || return 1
  case "$1" in
  onnx*)
    find "$models" -name '*.onnx' -size -$((most / 1024))k 2>/dev/null | while read -r file; do
      cp "$file" "$corpus/$(md5sum <"$file" | cut -c1-32)"
    done
    ;;
  esac
  # Without -rss_limit_mb: tests/fuzz/run.cmake says why.
  "$program" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=0 -malloc_limit_mb=2048 -max_len=$most \
    -artifact_prefix="$long/$1-" -print_final_stats=1 "$corpus" >"$long/$1.log" 2>&1 || return 1
}
failed=0
for target in "$@"; do
  TIMEFORMAT='%R s, of processor time %U s and %S s of the system'
  if spent=$({ time fuzz "$target" 1>&3 2>&4; } 3>&1 4>&2 2>&1); then verdict=clean; else verdict=FAILED; failed=1; fi
  log=build/fuzz/long/$target.log
  echo "$target: $verdict: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1) inputs," \
    "$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -1) edges; $spent"
  [ $verdict = clean ] || tail -40 "$log"
done
exit $failed
