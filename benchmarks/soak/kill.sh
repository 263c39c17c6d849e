#!/usr/bin/env bash
# kill -9 at 1,000 random instants of training runs, resuming after each: the final parameters, moments
# and position must be those of a run that nobody disturbed, bit for bit.
#   benchmarks/soak/kill.sh [KILLS]      after: cmake --preset release && cmake --build --preset release
set -euo pipefail
cd "$(dirname "$0")/../.."
INGOT_KILLS=${1:-1000} exec build/release/tests/test_train
