#!/usr/bin/env bash
# All that only a GPU can tell, in one call of less than nine minutes: the tests of the CUDA backend on
# the real device, compute-sanitizer on the kernel tests, and benchmarks with PyTorch beside them.
#   scripts/gpu_check.sh pack    where the project builds (needs nvcc, no GPU): programs and the libraries
#                                they need, for any x86-64 and sm_90a (or what IG_PACK_ARCHITECTURES
#                                says), in build/gpu_pack.tar.xz
#   scripts/gpu_check.sh [OUT]   on the GPU machine, without network, from the pack, or where there is
#                                none from a build made here. Results: OUT, or
#                                benchmarks/results/<gpu>/<commit>.json, and a table on stdout.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
pack=build/gpu_pack

build() { # folder, further options
  cmake -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=Release -DIG_CUDA=ON "${@:2}" >/dev/null &&
    cmake --build "$1" -j "$(nproc)" --target ingot test_operators gpu_tests
}

programs() { (cd build/gpu && ls ingot tests/test_operators tests/*_gpu); }

# What is not part of every Linux.
foreign_libraries() { # program
  ldd "$1" | awk '$3 ~ /^\// {print $3}' |
    grep -Ev '/(libc|libm|libpthread|libdl|librt|libresolv|libgcc_s|ld-linux[^/]*)\.so'
}

if [ "${1:-}" = pack ]; then
  set -e
  build build/gpu -DIG_NATIVE=OFF -DIG_CUDA_ARCHITECTURES="${IG_PACK_ARCHITECTURES:-90a-real}"
  rm -rf $pack
  mkdir -p $pack/lib
  for program in $(programs); do
    strip -o "$pack/$(basename "$program")" "build/gpu/$program"
    foreign_libraries "build/gpu/$program" | xargs -I{} cp -uL {} $pack/lib/
  done
  # 77 MB of headers and small pictures, 14 MB in the pack.
  cifar=${INGOT_DATA:-../shared/data}/cifar10-train-jpeg.tar
  if [ -f "$cifar" ]; then cp "$cifar" $pack/; else echo "$cifar: absent, not packed" >&2; fi
  git rev-parse --short=12 HEAD >$pack/commit
  # A dictionary of 64 MiB: the programs hold the same kernels, which are then packed once.
  XZ_OPT=-9 tar -C build -cJf build/gpu_pack.tar.xz gpu_pack
  size=$(stat -c %s build/gpu_pack.tar.xz)
  echo "build/gpu_pack.tar.xz: $((size / 1048576)) MB; carry it to the GPU machine, into this folder's build/"
  [ "$size" -le $((60 * 1048576)) ] || { echo "that is more than 60 MB" >&2; exit 1; }
  exit 0
fi

command -v nvidia-smi >/dev/null && gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1)
[ -n "${gpu:-}" ] || { echo "gpu_check: no NVIDIA GPU is visible (nvidia-smi)" >&2; exit 3; }
if [ -f build/gpu_pack.tar.xz ]; then
  tar -C build -xJf build/gpu_pack.tar.xz 2>/dev/null ||
    python3 -c 'import tarfile; tarfile.open("build/gpu_pack.tar.xz").extractall("build")' || exit 3
  commit=$(cat $pack/commit)
  export LD_LIBRARY_PATH=$root/$pack/lib:${LD_LIBRARY_PATH:-}
else
  build build/gpu || exit 3
  commit=$(git rev-parse --short=12 HEAD)
  mkdir -p $pack
  for program in $(programs); do
    ln -sf "$root/build/gpu/$program" "$pack/$(basename "$program")"
  done
fi
out=${1:-benchmarks/results/$(echo "$gpu" | tr ' ' '-')/$commit.json}
mkdir -p "$(dirname "$out")"
rows=$(mktemp)
log=$(dirname "$out")/$commit.log
: >"$log"
began=$(date +%s)

# Seconds left of the nine minutes, for the steps that can be cut short.
left() { echo $((540 - $(date +%s) + began)); }

# check NAME SECONDS COMMAND...: runs it within that time; a line of JSON about how it went.
check() {
  local name=$1 limit=$2 started rc
  shift 2
  [ "$(left)" -gt 10 ] || { echo "{\"check\": \"$name\", \"result\": \"no time left\"}" >>"$rows"; return; }
  [ "$limit" -le "$(left)" ] || limit=$(left)
  started=$(date +%s)
  echo "== $name: $*" >>"$log"
  timeout "$limit" "$@" >>"$log" 2>&1
  rc=$?
  printf '%-44s %s (%d s)\n' "$name" "$([ $rc = 0 ] && echo passed || echo "FAILED, exit $rc")" \
    $(($(date +%s) - started))
  echo "{\"check\": \"$name\", \"exit\": $rc, \"seconds\": $(($(date +%s) - started))}" >>"$rows"
}
# The same for a benchmark that prints JSON.
bench() {
  local name=$1 limit=$2 text
  shift 2
  [ "$(left)" -gt 10 ] || { echo "{\"bench\": \"$name\", \"result\": \"no time left\"}" >>"$rows"; return; }
  [ "$limit" -le "$(left)" ] || limit=$(left)
  echo "== $name: $*" >>"$log"
  if text=$(timeout "$limit" "$@" 2>>"$log"); then
    text=$(echo "$text" | tr -d '\n')
    echo "{\"bench\": \"$name\", \"figures\": $text}" >>"$rows"
    printf '%-44s %s\n' "$name" "$(echo "$text" |
      grep -oE '"(seconds|accuracy|step_ms_median|latency_ms_median|forward_ms_median|forward_backward_ms_median|tokens_per_second|samples_per_second|per_second|gb_per_second|device_used_mb|device_reserved_mb)": *[0-9.e+-]+' |
      tr -d '"' | tr '\n' ' ')"
  else
    echo "{\"bench\": \"$name\", \"result\": \"failed, see the log\"}" >>"$rows"
    printf '%-44s failed (%s)\n' "$name" "$log"
  fi
}

ingot=$pack/ingot
torch=""
python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null && torch=1
peer() { # name, seconds, arguments of torch_gpu.py
  [ -n "$torch" ] && bench "$1" "$2" python3 benchmarks/peers/torch_gpu.py "${@:3}"
}

echo "$gpu, commit $commit"
check "operators" 120 $pack/test_operators --device cuda
for test in "$pack"/*_gpu; do check "$(basename "$test" _gpu)" 120 "$test"; done
if command -v compute-sanitizer >/dev/null; then
  some="Relu Softmax LayerNormalization ingot.FusedMatMul ingot.Attention ingot.AttentionGrad ingot.FusedConv
        ingot.QuantizeFp8 ingot.ScaledMatMul"
  for tool in memcheck racecheck; do
    # shellcheck disable=SC2086
    check "compute-sanitizer $tool" 60 compute-sanitizer --tool $tool --error-exitcode 9 \
      $pack/test_operators --device cuda $some
  done
fi

bench "ops" 60 $ingot bench ops --device cuda --steps 10 --warmup 2 --json
peer "torch copy" 30 copy
for shape in "16 12 1024 64" "4 16 4096 128"; do
  read -r b h t d <<<"$shape"
  for backend in cudnn flash; do
    peer "torch attention $backend $shape" 30 attention --batch "$b" --heads "$h" --tokens "$t" \
      --size "$d" --backend $backend
  done
done
for model in mlp:256,128 lenet; do
  bench "train $model" 30 $ingot bench train --device cuda --model $model --steps 500 --warmup 50 --json
  peer "torch train ${model%%:*} compile" 60 train --model "${model%%:*}" --compile
done
for batch in 16 32 64; do
  bench "train gpt2:124m bf16 b$batch" 60 $ingot bench train --device cuda --model gpt2:124m \
    --shape 1024 --batch $batch --precision bf16 --steps 20 --warmup 5 --json
  peer "torch train gpt2-124m bf16 b$batch compile" 90 train --model gpt2-124m --batch $batch \
    --precision bf16 --compile --steps 2 --warmup 1
done
bench "train gpt2:124m fp8 b32" 60 $ingot bench train --device cuda --model gpt2:124m --shape 1024 \
  --batch 32 --precision fp8 --steps 20 --warmup 5 --json
data=${INGOT_DATA:-../shared/data}
[ -f $pack/cifar10-train-jpeg.tar ] && data=$pack
if [ -f "$data/cifar10-train-jpeg.tar" ]; then
  bench "cifar10 to 94 %" 60 env INGOT_DATA="$data" $ingot train --device cuda --out "$(mktemp -d)/run" \
    --config examples/cifar10/cifar10.yaml --quiet --json
else
  echo '{"bench": "cifar10 to 94 %", "result": "no data"}' >>"$rows"
fi
bench "train resnet50 bf16 b256" 60 $ingot bench train --device cuda --model resnet50 --shape 3,224,224 \
  --outputs 1000 --batch 256 --precision bf16 --steps 20 --warmup 5 --json
peer "torch train resnet50 bf16 b256 compile" 90 train --model resnet50 --batch 256 --precision bf16 \
  --compile --steps 2 --warmup 1
for batch in 1 256; do
  bench "infer resnet50 f16 b$batch" 30 $ingot bench infer --device cuda --model resnet50 \
    --shape 3,224,224 --outputs 1000 --batch $batch --precision f16 --steps 50 --json
  peer "torch infer resnet50 f16 b$batch compile" 60 infer --model resnet50 --batch $batch \
    --precision f16 --compile --steps 5 --warmup 2
done

{
  echo "{\"gpu\": \"$gpu\", \"commit\": \"$commit\", \"date\": \"$(date -u +%F)\","
  echo " \"driver\": \"$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)\","
  echo " \"seconds\": $(($(date +%s) - began)), \"rows\": ["
  sed '$!s/$/,/' "$rows"
  echo "]}"
} >"$out"
rm -f "$rows"
echo "Results: $out (log: $log), $(($(date +%s) - began)) s"
! grep -qE '"exit": [1-9]' "$out"
