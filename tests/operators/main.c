/* The operator driver: every operator of the registry, every case of tests/cases/, every
 * implementation on a device. `test_operators [--device cuda] [NAME...]` checks only the named
 * operators. Prints a line for each operator that fails and a count at the end. */
#include <stdio.h>
#include <string.h>

#include "driver.h"

extern const ig_op_cases *const ig_op_cases_registry[];

static const ig_op_cases *cases_of(const ig_op *op) {
  for (const ig_op_cases *const *c = ig_op_cases_registry; *c; c++) {
    if (strcmp((*c)->op, op->name) == 0) return *c;
  }
  return NULL;
}

static void check_cost(const instance *it) {
  int64_t elements = 0;
  for (int i = 0; i < it->n_out; i++) elements += ig_value_count(it->node->outputs[i]);
  if (!it->op->cost) {
    fail(it, NULL, "the operator has no cost");
  } else if (elements && !(it->op->flags & IG_OP_VIEW)) {
    ig_cost cost = it->op->cost(it->node);
    if (!(cost.bytes > 0) || !(cost.flops >= 0)) {
      fail(it, NULL, "cost of %g flops and %g bytes", cost.flops, cost.bytes);
    }
  }
}

static bool is_rare(ig_dtype dtype) { return dtype == IG_F64 || dtype > IG_F8E5M2; }

/* The device's implementation says that it leaves this form of the operator to the CPU. */
static bool is_left_to_cpu(const instance *it) {
  const ig_impl *impl = ig_op_impl(it->op, driver_backend->vtable->device, 0);
  const char *reason = !impl ? "the CPU's" : impl->reject ? impl->reject(it->node) : NULL;
  return reason && strstr(reason, "the CPU's");
}

/* f64, the types of models made elsewhere, casts to and from 8-bit floats, which take no scale, blocks of
 * channels, what is left to the CPU and all operators that it lacks: another device may decline them. */
static bool may_decline(const instance *it) {
  bool apart = is_left_to_cpu(it);
  for (int i = 0; i < it->n_in; i++) apart = apart || (it->in[i] && is_rare(it->in[i]->dtype));
  for (int i = 0; i < it->n_out; i++) {
    const ig_value *v = it->node->outputs[i];
    apart = apart || is_rare(v->dtype) || v->layout == IG_LAYOUT_BLOCK16;
  }
  if (strcmp(it->op->name, "Cast") == 0) {
    apart = apart || ig_dtype_is_f8(it->in[0]->dtype) || ig_dtype_is_f8(it->node->outputs[0]->dtype);
  }
  return apart && driver_backend->vtable->device != IG_CPU;
}

static void check_implementations(instance *it) {
  static const ig_impl view = {.name = "view"};
  const ig_impl *impl;
  ig_device device = driver_backend->vtable->device;
  int accepted = 0;
  for (int i = 0; (impl = ig_op_impl(it->op, device, i)); i++) {
    bool rows = !impl->reject || !impl->reject(it->node);
    if (rows) accepted += check_runs(it, impl);
    if (!rows) check_layouts(it, impl);
  }
  if (it->op->flags & IG_OP_VIEW) {
    check_runs(it, &view);
  } else if (!accepted && !may_decline(it)) {
    const ig_impl *none;
    ig_op_choose(it->node, device, &none);
    fail(it, NULL, "%s", ig_last_error());
  }
}

/* The case as written, or with every f32 input in a 16-bit type where inference allows it. */
static void check_case(const ig_op *op, const ig_op_cases *cases, const ig_op_case *sample,
                       ig_dtype replaces_f32, report *r) {
  instance it = {
      .op = op, .cases = cases, .sample = sample, .replaces_f32 = replaces_f32, .report = r};
  const char *error;
  if (instance_open(&it, &error)) {
    check_cost(&it);
    check_implementations(&it);
    /* Gradients are graphs of operators that have cases of their own: one device will do. */
    if (replaces_f32 == IG_F32 && driver_backend->vtable->device == IG_CPU) check_gradient(&it);
  } else if (replaces_f32 == IG_F32) {
    fail(&it, NULL, "cannot be built: %s", error);
  } else {
    r->refused++;
  }
  instance_close(&it);
}

static bool has_f32(const ig_op_case *sample) {
  for (int i = 0; i < IG_CASE_MAX_INPUTS; i++) {
    if (sample->inputs[i].dtype == IG_F32) return true;
  }
  return false;
}

/* On tensor cores, from f32: with operands that tf32 holds, results are as exact as without it. */
static void check_tf32(const ig_op *op, const ig_op_cases *cases, const ig_op_case *sample,
                       report *r) {
  static const char *const products[] = {"MatMul", "Gemm", "ingot.FusedMatMul", "Conv",
                                         "ConvTranspose", "ingot.FusedConv",
                                         "ingot.ConvGradInput", "ingot.ConvGradWeight"};
  instance it = {.op = op, .cases = cases, .sample = sample, .replaces_f32 = IG_F32, .report = r,
                 .tf32 = true};
  bool product = false;
  const char *error;
  for (int i = 0; i < IG_COUNT(products); i++) product |= strcmp(op->name, products[i]) == 0;
  if (!product || driver_backend->vtable->device == IG_CPU) return;
  if (instance_open(&it, &error)) check_implementations(&it);
  instance_close(&it);
}

static void check_op(const ig_op *op, report *r) {
  const ig_op_cases *cases = cases_of(op);
  if (!op->impls && op->interpret) return;
  if (ig_op_find(op->name) != op) {
    snprintf(r->first, sizeof r->first, "lookup by name finds another operator or none");
    r->failures++;
  } else if (!cases || !cases->n_cases || (!cases->reference && !cases->check)) {
    snprintf(r->first, sizeof r->first, "no cases, or cases without reference and check");
    r->failures++;
  } else {
    for (int i = 0; i < cases->n_cases; i++) {
      const ig_op_case *sample = &cases->cases[i];
      r->cases++;
      check_case(op, cases, sample, IG_F32, r);
      if (!has_f32(sample)) continue;
      check_case(op, cases, sample, IG_BF16, r);
      check_case(op, cases, sample, IG_F16, r);
      check_tf32(op, cases, sample, r);
    }
  }
  if (r->failures) {
    printf("FAIL %s: %s", op->name, r->first);
    if (r->failures > 1) printf(" (and %d more)", r->failures - 1);
    printf("\n");
  }
}

static bool is_chosen(const ig_op *op, int n, char **names) {
  for (int i = 0; i < n; i++) {
    if (strcmp(op->name, names[i]) == 0) return true;
  }
  return n == 0;
}

int main(int argc, char **argv) {
  int operators = 0, failed = 0;
  const char *device = "cpu";
  if (argc > 2 && strcmp(argv[1], "--device") == 0) {
    device = argv[2];
    argc -= 2;
    argv += 2;
  }
  if (ig_backend_open(device, 1, &driver_backend) != IG_OK) {
    printf("%s\n", ig_last_error());
    return 3;
  }
  report total = {0};
  for (const ig_op *const *op = ig_op_registry; *op; op++) {
    if (!is_chosen(*op, argc - 1, argv + 1)) continue;
    report r = {0};
    check_op(*op, &r);
    operators++;
    failed += r.failures > 0;
    total.cases += r.cases;
    total.runs += r.runs;
    total.gradients += r.gradients;
    total.refused += r.refused;
  }
  for (const ig_op_cases *const *c = ig_op_cases_registry; *c; c++) {
    if (ig_op_find((*c)->op)) continue;
    printf("FAIL %s: cases for an operator that is not registered\n", (*c)->op);
    failed++;
  }
  for (int i = 1; i < argc; i++) {
    if (ig_op_find(argv[i])) continue;
    printf("FAIL %s: no operator of this name is registered\n", argv[i]);
    failed++;
  }
  printf("%d operators, %d cases, %d runs, %d gradients (%d 16-bit variants refused): %d failed\n",
         operators, total.cases, total.runs, total.gradients, total.refused, failed);
  ig_backend_destroy(driver_backend);
  return failed || !operators;
}
