#!/usr/bin/env bash
# The whole test suite: packages, builds (release, asan with UBSan, tsan, fuzz, and CUDA where nvcc is),
# every ctest of each, ending in ctest's summary. Needs no GPU and no network beyond the package mirror:
# the CUDA backend is tested on an emulated one.
#   scripts/test.sh            everything
#   scripts/test.sh release    one build only (release, asan, tsan, fuzz or cuda)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
need_packages $ingot_packages $ingot_test_packages

jobs=$(nproc)
build() { # preset, options of cmake...
  cmake --preset "$@" >build-$1.log 2>&1 || { cat "build-$1.log"; exit 1; }
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
all | release | asan | tsan | fuzz | cuda) ;;
*)
  echo "usage: scripts/test.sh [release|asan|tsan|fuzz|cuda]" >&2
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
if want cuda; then
  # Compiled and linked, for one architecture to save minutes; nothing of it runs without a GPU.
  if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
    echo "== cuda: compiled and linked"
    build cuda -DIG_CUDA=ON -DIG_TESTS=OFF -DIG_CUDA_ARCHITECTURES=90a-real
  else
    echo "== cuda: skipped, there is no nvcc"
  fi
fi
if want asan; then
  build asan
  # One order of the emulated GPU's threads here, the release build has three; and not what compares
  # numbers alone with code that other tests run too.
  run asan -LE 'slow|fuzz' -E 'operators_cuda_seed_[12]|test_cuda_precision|test_train_numbers'
fi
if want release; then
  build release -DIG_CUDA=OFF
  run release -LE fuzz
fi
