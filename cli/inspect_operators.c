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

static bool multiplies_bytes(const ig_op *op) {
  static const char *const names[] = {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(op->name, names[i]) == 0) return true;
  }
  return false;
}

static void print_row(const ig_op *op, FILE *out) {
  fprintf(out, "| %s | %d | ", op->name, op->since);
  if (op->impls) print_impls(op, IG_CPU, out);
  else fprintf(out, "interpreted");
  fprintf(out, " | ");
  print_impls(op, IG_CUDA, out);
  fprintf(out, " | %s | %s |\n", op->grad ? "yes" : "", multiplies_bytes(op) ? "yes" : "");
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
