#!/usr/bin/env bash
# Training on two machines: pretended ones, joined by a link of 200 Mbit/s. First to the end, against one
# process; then with the link cut while steps run: both ranks end within the timeout and two seconds, with
# exit 3, naming the other, and the last checkpoint is whole.
#   hosts.sh INGOT DATA     DATA: examples/digits/digits.h5
set -u
# shellcheck source=tests/support/hosts.sh
. "$(dirname "$0")/../support/hosts.sh"
ingot=$1 data=$2
work=$(mktemp -d)
failed=0
hosts_begin 2 200mbit
trap 'kill ${hosts_pids[*]} 2>/dev/null; rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

fail() {
  echo "FAIL $*"
  tail -n 5 "$work"/log-* 2>/dev/null
  failed=1
}

# train HOST ARGUMENTS...: that host's rank, in the background.
train() {
  local host=$1
  shift
  on "$host" "$ingot" train --data "$data:train" --val "$data:test" --batch 64 --seed 3 \
    --rendezvous 10.77.0.1:29600 --ranks 2 --rank $((host - 1)) --node "host$host" --comm-timeout 8 \
    "$@" >"$work/log-$host" 2>&1 &
}

# --- to the end ---
model="mlp:256,256"
"$ingot" train --data "$data:train" --val "$data:test" --batch 64 --seed 3 --model $model --epochs 3 \
  --elastic 2 --out "$work/one" --quiet || fail "one process"
train 1 --model $model --epochs 3 --elastic 2 --out "$work/two"
first=$!
train 2 --model $model --epochs 3 --elastic 2 --out "$work/two"
second=$!
wait $first || fail "host 1 ended with $?"
wait $second || fail "host 2 ended with $?"
h5diff "$work/one/latest.h5" "$work/two/latest.h5" /parameters || fail "parameters differ from one process'"
grep -q "2 machines: TCP" "$work/log-1" || fail "the transport is not told: $(head -1 "$work/log-1")"

# --- the link is cut ---
train 1 --model $model --epochs 100000 --checkpoint-every 5 --out "$work/cut"
first=$!
train 2 --model $model --epochs 100000 --checkpoint-every 5 --out "$work/cut"
second=$!
for _ in $(seq 300); do
  [ -e "$work/cut/latest.h5" ] && break
  sleep 0.1
done
[ -e "$work/cut/latest.h5" ] || fail "no checkpoint within 30 s"
hosts_cut 2
began=$(date +%s%N)
wait $first
codes=$?
wait $second
codes="$codes $?"
took=$((($(date +%s%N) - began) / 1000000))
[ "$codes" = "3 3" ] || fail "exits $codes, expected 3 3"
[ $took -le 10000 ] || fail "the ranks took $took ms to end, expected 10000 at most"
grep -q "rank 1 on host2" "$work/log-1" || fail "host 1 does not name the other"
"$ingot" eval --model "$work/cut/latest.h5" --data "$data:test" --quiet || fail "the checkpoint is not whole"
echo "cut to end of both ranks: $took ms (timeout 8 s)"
exit $failed
