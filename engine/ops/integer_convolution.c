/* Convolutions of integers described for the kernels. */
#include "engine/ops/integer_convolution.h"

#include <inttypes.h>

#include "engine/base/checked.h"
#include "kernels/lib/onednn.h"

const ig_attr_field ig_integer_conv_attrs[] = {
    IG_WINDOW_FIELDS(ig_conv_attrs),
    IG_FIELD_INT(ig_conv_attrs, group, 1),
    {0},
};

/* The window with pads resolved, and the spatial dims of the result. */
static ig_status window_of(const ig_node *node, const ig_value *x, const ig_value *w,
                           ig_window *window, int64_t out[IG_WINDOW_AXES]) {
  const ig_conv_attrs *attrs = IG_ATTRS_OF(ig_conv_attrs, node);
  IG_TRY(ig_window_read(&attrs->window, x->shape.rank - 2, w->shape.dims + 2, window));
  return ig_window_slide(&attrs->window, window, x->shape.dims + 2, false, out);
}

ig_status ig_integer_conv_shape(const ig_node *node, const ig_integer_operands *which,
                                ig_shape *y) {
  const ig_value *x = node->inputs[which->a], *w = node->inputs[which->b];
  int64_t group = IG_ATTRS_OF(ig_conv_attrs, node)->group, out[IG_WINDOW_AXES];
  ig_window window;
  int rank = x->shape.rank;
  IG_CHECK(rank >= 3 && rank <= 2 + IG_WINDOW_AXES, IG_ERR_SHAPE,
           "expected an input of shape [N, C, spatial...] with one to %d spatial dimensions, found %s",
           IG_WINDOW_AXES, IG_SHAPE_STR(&x->shape));
  IG_CHECK(w->shape.rank == rank, IG_ERR_SHAPE, "the filter is %s where the input is %s",
           IG_SHAPE_STR(&w->shape), IG_SHAPE_STR(&x->shape));
  IG_CHECK(group >= 1 && group <= INT32_MAX && w->shape.dims[0] % group == 0 &&
               x->shape.dims[1] % group == 0 && x->shape.dims[1] / group == w->shape.dims[1],
           IG_ERR_SHAPE,
           "an input of %" PRId64 " channels in %" PRId64 " groups does not fit the filter %s",
           x->shape.dims[1], group, IG_SHAPE_STR(&w->shape));
  IG_TRY(ig_integer_check(node, which->a, which->a_zero, 1));
  IG_TRY(ig_integer_check(node, which->b, which->b_zero, w->shape.dims[0]));
  IG_TRY(window_of(node, x, w, &window, out));
  *y = x->shape;
  y->dims[1] = w->shape.dims[0];
  for (int i = 0; i < window.spatial; i++) y->dims[2 + i] = out[i];
  return IG_OK;
}

/* Whether all zero points are constants of 0, or absent. */
static bool are_zero(const ig_value *zero) {
  if (!zero) return true;
  if (!ig_value_is_const(zero)) return false;
  const uint8_t *bytes = zero->data;
  for (int64_t i = 0; i < ig_value_count(zero); i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

static const ig_value *input(const ig_node *node, int i) {
  return i < node->n_inputs ? node->inputs[i] : NULL;
}

ig_status ig_integer_conv_describe(const ig_node *node, const ig_integer_operands *which,
                                   ig_conv_integer *out) {
  const ig_value *x = node->inputs[which->a], *w = node->inputs[which->b];
  const ig_value *zero = input(node, which->b_zero);
  ig_window window;
  int64_t dims[IG_WINDOW_AXES];
  IG_TRY(window_of(node, x, w, &window, dims));
  *out = (ig_conv_integer){.weights = w->dtype,
                           .by_channel = zero && ig_value_count(zero) > 1,
                           .centered = are_zero(zero)};
  ig_conv_describe(x, node->outputs[0], &window, IG_ATTRS_OF(ig_conv_attrs, node)->group,
                   &out->conv);
  return IG_OK;
}

ig_status ig_integer_conv_gather(const ig_call *call, const ig_integer_operands *which,
                                 ig_conv_integer *spec, ig_conv_integer_in *in) {
  *in = (ig_conv_integer_in){.src = call->in[which->a],
                             .weights = call->in[which->b],
                             .src_zero = ig_integer_in(call, which->a_zero),
                             .weight_zero = ig_integer_in(call, which->b_zero),
                             .bias = ig_integer_in(call, 8)};
  return ig_integer_conv_describe(call->node, which, spec);
}

ig_conv_requantize ig_integer_conv_requantize(const ig_call *call) {
  return (ig_conv_requantize){.scale = call->node->inputs[1]->dtype,
                              .whole = call->node->outputs[0]->dtype,
                              .src_scale = call->in[1],
                              .weight_scale = call->in[4],
                              .y_scale = call->in[6],
                              .y_zero = call->in[7]};
}

const char *ig_integer_conv_reject(const ig_node *node) {
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (v && v->layout == IG_LAYOUT_BLOCK16) return "blocks of channels";
    for (int d = 0; v && d < v->shape.rank; d++) {
      if (v->shape.dims[d] > INT32_MAX) return "an extent of 2^31 or more";
    }
  }
  return ig_conv_reject_reference(node);
}

/* --- oneDNN ----------------------------------------------------------------------------------- */

const char *ig_integer_conv_reject_onednn(const ig_node *node, const ig_integer_operands *which) {
  ig_conv_integer spec;
  const char *reason = ig_integer_conv_reject(node);
  if (reason) return reason;
  if (!ig_dnn_supports(IG_I8)) return "no instructions for products of bytes here";
  if (ig_value_count(node->inputs[which->a]) == 0 || ig_value_count(node->outputs[0]) == 0) {
    return "an operand is empty";
  }
  if (ig_integer_conv_describe(node, which, &spec) != IG_OK) return "not described";
  if (spec.weights != IG_I8) return "a filter that is not i8";
  return spec.centered ? NULL : "a filter with zero points that are not known to be 0";
}

ig_status ig_integer_conv_prepare_onednn(ig_call *call, const ig_integer_operands *which) {
  ig_conv_integer spec;
  ig_dnn *dnn;
  IG_TRY(ig_integer_conv_describe(call->node, which, &spec));
  IG_TRY(ig_dnn_conv_integer_create(&spec, input(call->node, 8) != NULL, call->in[which->b], &dnn));
  call->state = dnn;
  if (ig_dnn_keeps(dnn, 1)) call->packed = 1u << which->b;
  IG_CHECK(ig_align_size(call->workspace_size, IG_ALIGNMENT, &call->workspace_size) &&
               ig_add_size(call->workspace_size, ig_dnn_workspace(dnn), &call->workspace_size),
           IG_ERR_MEMORY, "the workspace exceeds the address space");
  return IG_OK;
}

ig_status ig_integer_conv_run_onednn(const ig_call *call, const ig_integer_operands *which,
                                     int32_t *sums, void *workspace) {
  const void *zero = ig_integer_in(call, which->a_zero);
  ig_dtype dtype = call->node->inputs[which->a]->dtype;
  int32_t number = zero ? (int32_t)ig_load_f64(dtype, zero, 0) : 0;
  const void *operands[] = {call->in[which->a], call->in[which->b], ig_integer_in(call, 8), sums,
                            &number};
  return ig_dnn_run(call->state, operands, workspace);
}

ig_cost ig_integer_conv_cost(const ig_node *node) {
  int filter = node->n_inputs > 4 ? ig_q_linear_mat_mul_operands.b : ig_conv_integer_operands.b;
  return ig_conv_cost(node, node->outputs[0], &node->inputs[filter]->shape);
}
