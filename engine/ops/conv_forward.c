/* The forward convolution: y = activation(conv(x, w) + bias + z), where Conv has neither activation
 * nor z. oneDNN adds z where it lies, in y's memory: z is copied there unless the plan has put it
 * there already. */
#include "engine/ops/conv_forward.h"

#include <inttypes.h>
#include <string.h>

#include "engine/ops/activation.h"
#include "kernels/lib/onednn.h"

static const ig_value *input_of(const ig_node *node, int i) {
  return node->n_inputs > i ? node->inputs[i] : NULL;
}

static const char *activation_of(const ig_conv_attrs *attrs) {
  return attrs->activation ? attrs->activation : "";
}

/* The window with pads resolved, and the spatial dims of the output. */
static ig_status window_of(const ig_node *node, ig_window *window, int64_t out[IG_WINDOW_AXES]) {
  const ig_conv_attrs *attrs = IG_ATTRS_OF(ig_conv_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
  IG_TRY(ig_window_read(&attrs->window, x->rank - 2, w->dims + 2, window));
  return ig_window_slide(&attrs->window, window, x->dims + 2, false, out);
}

static ig_status check_sum(const ig_node *node, const ig_shape *y) {
  const ig_value *z = input_of(node, 3);
  IG_CHECK(!z || (z->dtype == node->inputs[0]->dtype && ig_shape_equal(&z->shape, y)), IG_ERR_SHAPE,
           "input 3 is %s%s, expected the result's %s%s", z ? ig_dtype_name(z->dtype) : "",
           z ? IG_SHAPE_STR(&z->shape) : "", ig_dtype_name(node->inputs[0]->dtype),
           IG_SHAPE_STR(y));
  return IG_OK;
}

ig_status ig_conv_infer(ig_node *node) {
  const ig_conv_attrs *attrs = IG_ATTRS_OF(ig_conv_attrs, node);
  const ig_value *x = node->inputs[0], *w = node->inputs[1];
  ig_window window;
  int64_t out[IG_WINDOW_AXES];
  ig_activation activation;
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_conv_check_filter(x, w, attrs->group, "input"));
  int64_t per_group = x->shape.dims[1] / attrs->group;
  IG_CHECK(x->shape.dims[1] % attrs->group == 0 && per_group == w->shape.dims[1], IG_ERR_SHAPE,
           "an input of %" PRId64 " channels in %" PRId64 " groups does not fit the filter %s",
           x->shape.dims[1], attrs->group, IG_SHAPE_STR(&w->shape));
  IG_TRY(ig_conv_check_bias(node, 2, w->shape.dims[0]));
  IG_TRY(ig_activation_parse(activation_of(attrs), attrs->activation_alpha, attrs->activation_beta,
                             &activation));
  IG_TRY(window_of(node, &window, out));
  ig_shape y = x->shape;
  y.dims[1] = w->shape.dims[0];
  for (int i = 0; i < window.spatial; i++) y.dims[2 + i] = out[i];
  IG_TRY(check_sum(node, &y));
  return ig_infer_set(node, 0, x->dtype, &y);
}

void ig_conv_grad(const ig_grad *g) {
  const ig_conv_attrs *attrs = IG_ATTRS_OF(ig_conv_attrs, g->node);
  ig_value *x = g->node->inputs[0], *w = g->node->inputs[1];
  ig_value *dy = ig_activation_grad(g->graph, activation_of(attrs), g->dy[0], g->node->outputs[0]);
  ig_window window;
  int64_t out[IG_WINDOW_AXES];
  if (!dy || window_of(g->node, &window, out) != IG_OK) return;
  bool bias = input_of(g->node, 2) && g->need[2];
  if (g->need[0]) g->dx[0] = ig_conv_grad_input(g->graph, dy, w, x, &window, attrs->group);
  if (g->need[1] || bias) {
    ig_conv_grad_weight(g->graph, x, dy, &window, attrs->group, &g->dx[1], bias ? &g->dx[2] : NULL);
  }
  if (input_of(g->node, 3) && g->need[3]) g->dx[3] = dy;
}

ig_cost ig_conv_forward_cost(const ig_node *node) {
  return ig_conv_cost(node, node->outputs[0], &node->inputs[1]->shape);
}

/* --- execution -------------------------------------------------------------------------------- */

ig_status ig_conv_forward_describe(const ig_node *node, ig_conv *out) {
  const ig_conv_attrs *attrs = IG_ATTRS_OF(ig_conv_attrs, node);
  ig_window window;
  int64_t dims[IG_WINDOW_AXES];
  IG_TRY(window_of(node, &window, dims));
  ig_conv_describe(node->inputs[0], node->outputs[0], &window, attrs->group, out);
  out->bias = input_of(node, 2) != NULL;
  out->sum = input_of(node, 3) != NULL;
  return ig_activation_parse(activation_of(attrs), attrs->activation_alpha, attrs->activation_beta,
                             &out->activation);
}

static const char *reject_sum(const ig_node *node) {
  const ig_value *z = input_of(node, 3);
  return z && z->layout != node->outputs[0]->layout ? "input 3 is in another layout than the result"
                                                    : NULL;
}

static const char *reject_reference(const ig_node *node) {
  const char *reason = ig_conv_reject_reference(node);
  return reason ? reason : reject_sum(node);
}

static const char *reject_onednn(const ig_node *node) {
  const char *reason = ig_conv_reject_onednn(node);
  return reason ? reason : reject_sum(node);
}

static ig_status prepare_onednn(ig_call *call) {
  ig_conv spec;
  ig_dnn *dnn;
  IG_TRY(ig_conv_forward_describe(call->node, &spec));
  IG_TRY(ig_dnn_conv_create(&spec, call->in[1], &dnn));
  call->state = dnn;
  if (ig_dnn_keeps(dnn, 1)) call->packed = 1u << 1;
  call->workspace_size = ig_dnn_workspace(dnn);
  return IG_OK;
}

static const void *bias_and_sum(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *z = input_of(node, 3);
  if (z && call->in[3] != call->out[0]) memcpy(call->out[0], call->in[3], ig_value_storage(z));
  return input_of(node, 2) ? call->in[2] : NULL;
}

static ig_status run_onednn(const ig_call *call) {
  const void *operands[] = {call->in[0], call->in[1], bias_and_sum(call), call->out[0]};
  return ig_dnn_run(call->state, operands, call->workspace);
}

static const char *reject_few_pixels(const ig_node *node) {
  const char *reason = reject_reference(node);
  ig_conv spec;
  if (reason) return reason;
  bool known = ig_conv_forward_describe(node, &spec) == IG_OK;
  return known ? ig_cpu_conv_few_pixels_reject(&spec) : "a bad window";
}

static ig_status prepare_few_pixels(ig_call *call) {
  ig_conv spec;
  IG_CHECK(call->in[1], IG_ERR_UNSUPPORTED, "the weights are not fixed");
  IG_TRY(ig_conv_forward_describe(call->node, &spec));
  call->state = ig_alloc(ig_value_bytes(call->node->inputs[1]));
  IG_CHECK_ALLOC(call->state);
  ig_cpu_conv_few_pixels_pack(&spec, call->in[1], call->state);
  call->packed = 1u << 1;
  call->workspace_size = ig_cpu_conv_few_pixels_workspace(&spec);
  return IG_OK;
}

static void release_few_pixels(ig_call *call) {
  ig_free(call->state);
  call->state = NULL;
}

static ig_status run_few_pixels(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_forward_describe(call->node, &spec));
  ig_cpu_conv_few_pixels(&spec, call->in[0], call->state, bias_and_sum(call), call->out[0],
                         call->workspace);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_forward_describe(call->node, &spec));
  ig_cpu_conv_reference(&spec, call->in[0], call->in[1], bias_and_sum(call), call->out[0]);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_forward_describe(call->node, &spec));
  ig_cpu_conv_volume(&spec, call->in[0], call->in[1], bias_and_sum(call), call->out[0]);
  return IG_OK;
}

const ig_impl ig_conv_impls[] = {
    {.name = "few_pixels",
     .reject = reject_few_pixels,
     .prepare = prepare_few_pixels,
     .release = release_few_pixels,
     .run = run_few_pixels},
    {.name = "onednn",
     .library_sums = true,
     .reject = reject_onednn,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = run_onednn},
    {.name = "volume", .reject = ig_conv_reject_volume, .run = run_volume},
    {.name = "reference", .reject = reject_reference, .run = run_reference},
    {0},
};
