/* CausalConvWithState: each channel of [batch, channels, length] convolved with a filter of its own over
 * what came before, the last elements of an earlier call included. */
#include "engine/ops/causal_conv_with_state.h"

#include <math.h>
#include <string.h>

const ig_attr_field ig_causal_conv_fields[] = {
    IG_FIELD_STRING(ig_causal_conv_attrs, activation, "none"), {0}};

const ig_twin ig_causal_conv_twin = {
    .op = "ingot.CausalConvWithStateGrad", .n_in = 4, .n_out = 2, .wrt = 15};

static ig_status check(const ig_node *node, int i, const char *what, const ig_shape *want) {
  const ig_value *v = ig_input_or_null(node, i);
  ig_dtype dtype = node->inputs[0]->dtype;
  IG_CHECK(!v || (v->dtype == dtype && ig_shape_equal(&v->shape, want)), IG_ERR_SHAPE,
           "%s is %s%s, expected %s%s", what, v ? ig_dtype_name(v->dtype) : "",
           v ? IG_SHAPE_STR(&v->shape) : "", ig_dtype_name(dtype), IG_SHAPE_STR(want));
  return IG_OK;
}

ig_status ig_causal_conv_describe(const ig_node *node, ig_shape shapes[2], int64_t *kernel,
                                  bool *silu) {
  const ig_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
  const char *activation = IG_ATTRS_OF(ig_causal_conv_attrs, node)->activation;
  *silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
  IG_CHECK(*silu || strcmp(activation, "none") == 0, IG_ERR_USAGE,
           "attribute activation is '%s', expected none, silu or swish", activation);
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->rank == 3 && w->rank == 3 && w->dims[1] == 1 && w->dims[2] >= 1 &&
               w->dims[0] == x->dims[1],
           IG_ERR_SHAPE, "an input of %s does not fit the filter %s", IG_SHAPE_STR(x),
           IG_SHAPE_STR(w));
  *kernel = w->dims[2];
  ig_shape bias = IG_SHAPE(x->dims[1]);
  shapes[0] = *x;
  shapes[1] = IG_SHAPE(x->dims[0], x->dims[1], *kernel - 1);
  IG_TRY(check(node, 1, "the filter", w));
  IG_TRY(check(node, 2, "the bias", &bias));
  return check(node, 3, "the past state", &shapes[1]);
}

double *ig_causal_conv_at(double *past, double *x, int64_t row, int64_t length, int64_t kernel,
                          int64_t i) {
  if (i >= kernel - 1) return i - (kernel - 1) < length ? x + row * length + i - (kernel - 1) : NULL;
  return past ? past + row * (kernel - 1) + i : NULL;
}

static ig_status infer(ig_node *node) {
  ig_shape shapes[2];
  int64_t kernel;
  bool silu;
  IG_TRY(ig_causal_conv_describe(node, shapes, &kernel, &silu));
  IG_TRY(ig_infer_set(node, 0, node->inputs[0]->dtype, &shapes[0]));
  return ig_infer_set(node, 1, node->inputs[0]->dtype, &shapes[1]);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_causal_conv_twin, g);
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_shape *x = &node->inputs[0]->shape;
  ig_shape shapes[2];
  int64_t kernel, length = x->dims[2];
  bool silu;
  IG_TRY(ig_causal_conv_describe(node, shapes, &kernel, &silu));
  double *past = (double *)(uintptr_t)d->in[3], *input = (double *)(uintptr_t)d->in[0];
  for (int64_t row = 0; row < x->dims[0] * x->dims[1]; row++) {
    int64_t c = row % x->dims[1];
    for (int64_t t = 0; t < length; t++) {
      double y = d->in[2] ? d->in[2][c] : 0;
      for (int64_t k = 0; k < kernel; k++) {
        const double *v = ig_causal_conv_at(past, input, row, length, kernel, t + k);
        y += v ? *v * d->in[1][c * kernel + k] : 0;
      }
      d->out[0][row * length + t] = silu ? y / (1 + exp(-y)) : y;
    }
    for (int64_t i = 0; i < kernel - 1 && d->out[1]; i++) {
      const double *v = ig_causal_conv_at(past, input, row, length, kernel, length + i);
      d->out[1][row * (kernel - 1) + i] = v ? *v : 0;
    }
  }
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  double kernel = (double)node->inputs[1]->shape.dims[2];
  return (ig_cost){2 * kernel * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_causal_conv_with_state = {
    .name = "CausalConvWithState",
    .since = 27,
    .n_in = {2, 4},
    .n_out = {1, 2},
    .flags = IG_OP_PURE,
    .attrs = ig_causal_conv_fields,
    .attrs_size = sizeof(ig_causal_conv_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
