#!/usr/bin/env bash
# What the compiler says of every CUDA kernel for sm_90a: registers, spills, shared memory, and whether
# tensor-core instructions are in its PTX. Needs nvcc, no GPU. Fails when a kernel spills.
#   scripts/kernel_resources.sh [-t] [FILE.cu...]     default: all of kernels/cuda
#     -t   a table of the files instead, with the most of any of their kernels
# Shared memory is what a kernel declares; what a launch adds (IG_DYNAMIC_SHARED) is not in it.
set -euo pipefail
cd "$(dirname "$0")/.."
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[ -x "$nvcc" ] || { echo "kernel_resources: nvcc was not found" >&2; exit 3; }
by_file=0
[ "${1:-}" != -t ] || { by_file=1 && shift; }
[ $# -gt 0 ] || set -- kernels/cuda/*.cu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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
    }' "$work/log" | c++filt | sed -E 's/\(.*\) ([0-9])/ \1/; s/^void //' |
    sed "s,^,$(basename "$file" .cu) ," >>"$work/rows"
done
# A template argument may hold blanks: the first field is the file, the last four are the figures.
awk -v by_file="$by_file" '
  BEGIN {
    if (by_file) {
      print "| file | kernels | most registers | most shared bytes | spilled bytes | tensor cores |"
      print "| --- | ---: | ---: | ---: | ---: | --- |"
    } else printf "%-72s %5s %7s %7s %s\n", "kernel", "regs", "spills", "shared", "tensor cores"
  }
  function flush_file() {
    if (by_file && file != "") {
      printf "| %s | %d | %d | %d | %d | %s |\n", file, kernels, regs, shared, spills, tensor
    }
    kernels = regs = shared = spills = 0
    tensor = "-"
  }
  $1 != file { flush_file(); file = $1 }
  {
    n = NF; name = $2
    for (i = 3; i <= n - 4; i++) name = name " " $i
    if (!by_file) printf "%-72s %5s %7s %7s %s\n", name, $(n-3), $(n-2), $(n-1), $n
    kernels++
    if ($(n-3) > regs) regs = $(n-3)
    if ($(n-1) > shared) shared = $(n-1)
    spills += $(n-2)
    if ($n == "yes") tensor = "yes"
    if ($(n-2) > 0) spilled++
  }
  END {
    flush_file()
    printf "%d kernels, %d that spill\n", NR, spilled
    exit spilled > 0
  }' "$work/rows"
