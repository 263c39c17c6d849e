/* What the descriptors say of each operator: version, gradient, and what runs it where. */
#include "cli/inspect_operators.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/ops/op.h"

static int by_name(const void *a, const void *b) {
  const ig_op *const *x = a, *const *y = b;
  bool x_other = strchr((*x)->name, '.'), y_other = strchr((*y)->name, '.');
  return x_other != y_other ? x_other - y_other : strcmp((*x)->name, (*y)->name);
}

/* Names of the implementations, the first to be asked first. */
static void print_impls(const ig_op *op, ig_device device, FILE *out) {
  const ig_impl *impl;
  const char *last = "";
  for (int i = 0; (impl = ig_op_impl(op, device, i)); i++) {
    if (strcmp(impl->name, last) != 0) fprintf(out, "%s%s", *last ? ", " : "", impl->name);
    last = impl->name;
  }
}

/* What operators make of 8-bit codes: "yes" by integer arithmetic, or movement; "table" where a function of
 * one tensor of codes is looked up (engine/passes/lower_int8*.c). */
static const char *on_bytes(const ig_op *op) {
  static const char *const names[] = {
      "ConvInteger", "MatMulInteger", "QLinearConv",  "QLinearMatMul", "Conv",         "MatMul",
      "Gemm",        "Add",           "AveragePool",  "MaxPool",       "Concat",       "Reshape",
      "Transpose",   "Flatten",       "Slice",        "Squeeze",       "Unsqueeze",    "Pad",
      "Identity",    "DepthToSpace",  "SpaceToDepth", "QuantizeLinear", "DequantizeLinear",
      "GlobalAveragePool"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(op->name, names[i]) == 0) return "yes";
  }
  bool function = op->flags & IG_OP_ELEMENTWISE && op->flags & IG_OP_PURE && op->grad;
  if (strcmp(op->name, "Cast") == 0 || strcmp(op->name, "Where") == 0) return "";
  return function && op->n_out[1] == 1 ? "table" : "";
}

static void print_row(const ig_op *op, FILE *out) {
  fprintf(out, "| %s | %d | ", op->name, op->since);
  if (op->impls) print_impls(op, IG_CPU, out);
  else fprintf(out, "interpreted");
  fprintf(out, " | ");
  print_impls(op, IG_CUDA, out);
  fprintf(out, " | %s | %s |\n", op->grad ? "yes" : "", on_bytes(op));
}

void ig_inspect_operators(FILE *out) {
  int n = 0;
  for (const ig_op *const *op = ig_op_registry; *op; op++) n++;
  const ig_op **sorted = ig_alloc_zero((size_t)n + 1, sizeof *sorted);
  if (!sorted) return;
  memcpy(sorted, ig_op_registry, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, by_name);
  fprintf(out, "| operator | since opset | cpu | cuda | gradient | int8 |\n"
               "| --- | --- | --- | --- | --- | --- |\n");
  for (int i = 0; i < n; i++) {
    if (strncmp(sorted[i]->name, "ingot.", 6) != 0) print_row(sorted[i], out);
  }
  ig_free(sorted);
}
