#!/usr/bin/env bash
# The whole test suite: packages, builds (release, asan with UBSan, tsan, fuzz), every ctest of each,
# ending in ctest's summary. Needs no GPU and no network beyond the package mirror.
#   scripts/test.sh            everything
#   scripts/test.sh release    one build only (release, asan, tsan or fuzz)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
need_packages $ingot_packages $ingot_test_packages

jobs=$(nproc)
build() { # preset
  cmake --preset "$1" >build-$1.log 2>&1 || { cat "build-$1.log"; exit 1; }
  cmake --build --preset "$1" -j "$jobs" >>"build-$1.log" 2>&1 || { tail -50 "build-$1.log"; exit 1; }
  if grep -q 'warning:' "build-$1.log"; then
    echo "warnings in the $1 build:"
    grep 'warning:' "build-$1.log" | sort -u | head -20
    exit 1
  fi
  rm -f "build-$1.log"
}
run() { # preset, ctest arguments...
  preset=$1
  shift
  echo "== $preset"
  ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" "$@"
}

only=${1:-all}
case "$only" in
all | release | asan | tsan | fuzz) ;;
*)
  echo "usage: scripts/test.sh [release|asan|tsan|fuzz]" >&2
  exit 2
  ;;
esac
want() { [ "$only" = all ] || [ "$only" = "$1" ]; }

# Two tests at a time on two cores: waiting threads give way instead of spinning.
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
export ASAN_OPTIONS=detect_stack_use_after_return=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1

if want fuzz; then
  build fuzz
  run fuzz -L fuzz
fi
if want tsan; then
  build tsan
  # oneDNN's own threads are not instrumented, and would all look like races.
  OMP_NUM_THREADS=1 run tsan -L 'unit|formats' -LE slow
fi
if want asan; then
  build asan
  run asan -LE 'slow|fuzz'
fi
if want release; then
  build release
  run release -LE fuzz
fi
