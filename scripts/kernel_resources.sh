#!/usr/bin/env bash
# What the compiler says of every CUDA kernel for sm_90a: registers, spills, shared memory, and whether
# tensor-core instructions are in its PTX. Needs nvcc, no GPU. Fails when a kernel spills.
#   scripts/kernel_resources.sh [FILE.cu...]     default: all of kernels/cuda
set -euo pipefail
cd "$(dirname "$0")/.."
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[ -x "$nvcc" ] || { echo "kernel_resources: nvcc was not found" >&2; exit 3; }
[ $# -gt 0 ] || set -- kernels/cuda/*.cu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf '%-72s %5s %7s %7s %s\n' kernel regs spills shared "tensor cores"
for file in "$@"; do
  "$nvcc" -std=c++17 -I. --expt-relaxed-constexpr -gencode arch=compute_90a,code=sm_90a -Xptxas -v \
    -keep -keep-dir "$work" -cubin -o "$work/out.cubin" "$file" 2>"$work/log" || {
    cat "$work/log" >&2
    exit 1
  }
  # One entry after another in the PTX: which of them multiply on tensor cores.
  awk '/\.entry/ {split($0, a, "[ (]+"); for (i in a) if (a[i] ~ /^_Z/) name = a[i]}
       /mma\.sync|wgmma/ {print name}' "$work"/*.ptx | sort -u >"$work/tensor"
  rm -f "$work"/*.ptx
  awk -v tensor="$work/tensor" '
    BEGIN {while ((getline line <tensor) > 0) uses[line] = 1}
    /Compiling entry function/ {split($0, a, "\047"); name = a[2]}
    /bytes spill stores/ {match($0, /[0-9]+ bytes spill stores/); spills = substr($0, RSTART) + 0}
    /Used [0-9]+ registers/ {
      match($0, /Used [0-9]+/); regs = substr($0, RSTART + 5) + 0
      shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
      print name, regs, spills, shared, (name in uses) ? "yes" : "-"
    }' "$work/log" | c++filt | sed -E 's/\(.*\) ([0-9])/ \1/; s/^void //' >>"$work/rows"
done
# A template argument may hold blanks: the last four fields are the figures.
awk '{n = NF; name = $1; for (i = 2; i <= n - 4; i++) name = name " " $i
      printf "%-72s %5s %7s %7s %s\n", name, $(n-3), $(n-2), $(n-1), $n
      if ($(n-2) > 0) spilled++}
     END {printf "%d kernels, %d that spill\n", NR, spilled; exit spilled > 0}' "$work/rows"
