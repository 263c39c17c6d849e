/* The gradient of sum(w * y), with fixed random weights w, as ig_autodiff builds it and the CPU
 * evaluates it, against central differences of the case's float64 reference. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "engine/autodiff.h"
#include "engine/base/rng.h"

#define CHECKED_MOST 48 /* elements of each input, spread over it */
#define CHECKED_LEAST 8 /* where the reference is slow */
#define FLOP_BUDGET 3e7 /* of the reference, for one input */
#define STEP 1e-5

/* Weights in [0.5, 1.5) with random signs: no term is small enough to hide. */
static double weight(int output, int64_t i) {
  ig_rng rng = ig_rng_stream(2, IG_RNG_TEST, 0, (uint64_t)output);
  double u = ig_rng_uniform(&rng, (uint64_t)i);
  return u < 0.5 ? -0.5 - 2 * u : 2 * u - 0.5;
}

static bool differentiated(const instance *it, int output) {
  unsigned mask = it->sample->grad_outputs ? it->sample->grad_outputs : 1;
  return (mask >> output & 1) && ig_dtype_is_float(it->node->outputs[output]->dtype);
}

static double reference_loss(instance *it, ig_case_array *out) {
  for (int o = 0; o < it->n_out; o++) {
    memset(out[o].data, 0, (size_t)ig_shape_count(&out[o].shape) * sizeof(double));
  }
  it->cases->reference(it->node, it->given, out);
  double loss = 0;
  for (int o = 0; o < it->n_out; o++) {
    if (!differentiated(it, o)) continue;
    int64_t count = ig_shape_count(&out[o].shape);
    for (int64_t i = 0; i < count; i++) loss += weight(o, i) * out[o].data[i];
  }
  return loss;
}

/* Appends sum(w * y) over the differentiated outputs. */
static ig_value *append_loss(instance *it) {
  ig_graph *g = it->graph;
  ig_value *loss = NULL;
  for (int o = 0; o < it->n_out; o++) {
    if (!differentiated(it, o)) continue;
    ig_value *y = it->node->outputs[o];
    int64_t count = ig_value_count(y);
    void *bytes = must_alloc(ig_value_bytes(y));
    for (int64_t i = 0; i < count; i++) ig_store_f64(y->dtype, bytes, i, weight(o, i));
    ig_value *w = ig_graph_const(g, NULL, y->dtype, y->shape, bytes);
    ig_free(bytes);
    ig_value *term =
        ig_op1(g, "ReduceSum", NULL, IG_INS(ig_op1(g, "Mul", NULL, IG_INS(y, w), IG_NO_ATTRS)),
               IG_ATTRS(IG_INT("keepdims", 0)));
    loss = loss ? ig_op1(g, "Add", NULL, IG_INS(loss, term), IG_NO_ATTRS) : term;
  }
  return loss;
}

/* Each checked element costs two runs of the reference. */
static int64_t checked_elements(const instance *it) {
  double flops = it->op->cost ? it->op->cost(it->node).flops : 0;
  double affordable = FLOP_BUDGET / (2 * fmax(1, flops));
  return (int64_t)fmin(CHECKED_MOST, fmax(CHECKED_LEAST, affordable));
}

static void compare(instance *it, int input, const ig_case_array *got) {
  double tolerance = it->sample->grad_tolerance > 0 ? it->sample->grad_tolerance : 1e-3;
  double *x = it->given[input].data;
  int64_t count = ig_shape_count(&it->given[input].shape);
  int64_t stride = IG_MAX(1, count / checked_elements(it));
  ig_case_array out[IG_CASE_MAX_OUTPUTS] = {{.data = NULL}}; /* the node may have more by now */
  for (int o = 0; o < it->n_out; o++) out[o] = array_like(&it->wanted[o].shape);
  for (int64_t i = 0; i < count; i += stride) {
    double at = x[i], h = STEP * fmax(1, fabs(at));
    x[i] = at + h;
    double above = reference_loss(it, out);
    x[i] = at - h;
    double below = reference_loss(it, out);
    x[i] = at;
    double want = (above - below) / (2 * h), found = got ? got->data[i] : 0;
    if (!(fabs(found - want) <= tolerance * fmax(1, fabs(want)))) {
      fail(it, NULL, "gradient of input %d: index %lld of %s: got %.9g, want %.9g%s", input,
           (long long)i, IG_SHAPE_STR(&it->given[input].shape), found, want,
           got ? "" : " (no gradient flows)");
      break;
    }
  }
  for (int o = 0; o < it->n_out; o++) ig_free(out[o].data);
}

static void evaluate_and_compare(instance *it, int n, const int *inputs, ig_value **grads) {
  const ig_graph *g = it->graph;
  void **memory = must_alloc((size_t)g->n_values * sizeof *memory);
  memset(memory, 0, (size_t)g->n_values * sizeof *memory);
  for (int i = 0; i < it->n_in; i++) {
    if (!it->in[i]) continue;
    memory[it->in[i]->id] = must_alloc(ig_value_storage(it->in[i]));
    pack_value(it->in[i], &it->given[i], memory[it->in[i]->id]);
  }
  if (evaluate_graph(g, memory) != IG_OK) {
    fail(it, NULL, "gradient graph failed: %s", ig_last_error());
    n = 0;
  }
  for (int k = 0; k < n; k++) {
    const ig_value *x = it->in[inputs[k]], *dx = grads[k];
    ig_case_array got = array_like(&x->shape);
    if (dx && !ig_shape_equal(&dx->shape, &x->shape)) {
      fail(it, NULL, "gradient of input %d has shape %s, not %s", inputs[k],
           IG_SHAPE_STR(&dx->shape), IG_SHAPE_STR(&x->shape));
    } else {
      if (dx) unpack_value(dx, dx->kind == IG_VALUE_CONST ? dx->data : memory[dx->id], &got);
      compare(it, inputs[k], dx ? &got : NULL);
    }
    ig_free(got.data);
    it->report->gradients++;
  }
  for (int i = 0; i < g->n_values; i++) ig_free(memory[i]);
  ig_free(memory);
}

void check_gradient(instance *it) {
  if (it->sample->no_grad_check) {
    if (!it->sample->why) fail(it, NULL, "no_grad_check without a reason in `why`");
    return;
  }
  int n = 0, inputs[IG_CASE_MAX_INPUTS];
  ig_value *wrt[IG_CASE_MAX_INPUTS], *grads[IG_CASE_MAX_INPUTS] = {NULL};
  for (int i = 0; i < it->n_in; i++) {
    const ig_case_tensor *spec = &it->sample->inputs[i];
    if (!it->in[i] || spec->constant || spec->no_grad || !ig_dtype_is_float(it->in[i]->dtype))
      continue;
    inputs[n] = i;
    wrt[n++] = it->in[i];
  }
  bool any = false;
  for (int o = 0; o < it->n_out; o++) any = any || differentiated(it, o);
  if (!n || !any || !it->cases->reference) return;
  if (!it->op->grad) {
    /* Gradients of gradients are not offered; an ONNX operator must have one or say why not. */
    if (strncmp(it->op->name, "ingot.", 6) != 0) fail(it, NULL, "the operator has no gradient");
    return;
  }
  ig_value *loss = append_loss(it);
  if (!loss || ig_autodiff(it->graph, loss, NULL, n, wrt, grads) != IG_OK) {
    ig_status status = ig_graph_status(it->graph);
    fail(it, NULL, "gradient graph cannot be built: %s", ig_last_error());
    IG_UNUSED(status);
    return;
  }
  evaluate_and_compare(it, n, inputs, grads);
}
