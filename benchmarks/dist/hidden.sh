#!/usr/bin/env bash
# How much of communication the backward pass hides: two pretended machines of one core each, joined by a
# link of 1 Gbit/s, against the same ranks over a link without a limit. What a step takes longer is what
# sticks out; what the link needs for the step's bytes is what there was to hide.
#   benchmarks/dist/hidden.sh INGOT [ROUNDS [MIB...]]      rounds by turns, medians; of buckets of so many MiB,
#                                                          0 (and nothing) for the default
set -u
# shellcheck source=tests/support/hosts.sh
. "$(dirname "$0")/../../tests/support/hosts.sh"
ingot=$1 rounds=${2:-3}
shift $(($# < 2 ? $# : 2))
sizes=("${@:-0}")
work=$(mktemp -d)
hosts_begin 2 1gbit
trap 'kill ${hosts_pids[*]} 2>/dev/null; rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1

limit() { # on|off
  local k
  for k in 1 2; do
    on $k tc qdisc del dev eth0 root 2>/dev/null
    tc qdisc del dev to$k root 2>/dev/null
    [ "$1" = on ] || continue
    on $k tc qdisc add dev eth0 root tbf rate 1gbit burst 128kb latency 100ms
    tc qdisc add dev to$k root tbf rate 1gbit burst 128kb latency 100ms
  done
}

step() { # model arguments...: what rank 0 measured
  local k pids=()
  for k in 1 2; do
    on $k "$ingot" bench train "$@" --threads 1 --json --rendezvous 10.77.0.1:29601 --ranks 2 \
      --rank $((k - 1)) --node host$k >"$work/$k" 2>"$work/err$k" &
    pids+=($!)
  done
  for k in "${pids[@]}"; do wait "$k" || { cat "$work"/err* >&2; exit 1; }; done
  cp "$work/1" "$work/result"
}

value() { tr ',{}' '\n' <"$1" | sed -n "s/^ *\"$2\": *//p"; }
median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

echo "| model | bucket MiB | MiB a step | free link ms | 1 Gbit/s ms | link needs ms | hidden |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
while read -r name arguments; do for size in "${sizes[@]}"; do
  bucket=()
  [ "$size" = 0 ] || bucket=(--bucket-mb "$size")
  : >"$work/free" && : >"$work/slow"
  for ((round = 0; round < rounds; round++)); do
    limit off
    # shellcheck disable=SC2086
    step $arguments "${bucket[@]}"
    value "$work/result" step_ms_median >>"$work/free"
    limit on
    # shellcheck disable=SC2086
    step $arguments "${bucket[@]}"
    value "$work/result" step_ms_median >>"$work/slow"
  done
  free=$(median <"$work/free") slow=$(median <"$work/slow")
  mb=$(value "$work/result" communicated_mb)
  # Of two ranks each sends and receives half of the bytes twice: once to be summed, once as sums.
  awk -v n="$name" -v size="$size" -v mb="$mb" -v f="$free" -v s="$slow" 'BEGIN {
    needs = mb * 1048576 * 8 / 1e9 * 1e3
    printf "| %s | %s | %.1f | %.1f | %.1f | %.1f | %.0f %% |\n", n, size == 0 ? "default" : size, mb, f, s, needs,
      100 * (1 - (s - f) / needs)}'
done; done <<'END'
resnet18:cifar,b64 --model resnet18:cifar --shape 3,32,32 --outputs 10 --batch 64 --steps 8 --warmup 2
resnet18:cifar,b128 --model resnet18:cifar --shape 3,32,32 --outputs 10 --batch 128 --steps 8 --warmup 2
resnet18:cifar,b256 --model resnet18:cifar --shape 3,32,32 --outputs 10 --batch 256 --steps 5 --warmup 2
gpt,b96 --model gpt:layers=4,heads=4,embd=128,ctx=64,bias=0 --shape 64 --outputs 65 --batch 96 --steps 30 --warmup 5
END
