/* GlobalAveragePool: the mean of each channel, as an AveragePool whose one window is the whole
 * plane. */
#include "engine/ops/pooling.h"

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank >= 3 && x->shape.rank <= 2 + IG_WINDOW_AXES, IG_ERR_SHAPE,
           "expected an input of shape [N, C, spatial...] with one to %d spatial dimensions, found %s",
           IG_WINDOW_AXES, IG_SHAPE_STR(&x->shape));
  ig_shape y = x->shape;
  for (int i = 2; i < y.rank; i++) y.dims[i] = 1;
  return ig_infer_set(node, 0, x->dtype, &y);
}

static void grad(const ig_grad *g) {
  const ig_shape *x = &g->node->inputs[0]->shape;
  if (!g->dy[0]) return;
  g->dx[0] = ig_op1(g->graph, "ingot.AveragePoolGrad", NULL, IG_INS(g->dy[0]),
                    IG_ATTRS(IG_INTS("kernel_shape", x->rank - 2, x->dims + 2),
                             IG_INTS("shape", x->rank - 2, x->dims + 2)));
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){(double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

void ig_pool_global_of(const ig_node *node, ig_pool *out) {
  const ig_value *x = node->inputs[0];
  *out = (ig_pool){.dtype = x->dtype, .layout = x->layout, .stride = {1, 1}, .dilation = {1, 1}};
  ig_window_dims(&x->shape, out->src);
  ig_window_dims(&node->outputs[0]->shape, out->dst);
  out->kernel[0] = out->src[2];
  out->kernel[1] = out->src[3];
  if (x->shape.rank > 4) {
    out->depth = (ig_depth){x->shape.dims[2], 1, x->shape.dims[2], 1, 1, 0, 0};
  }
}

static ig_status run_lanes(const ig_call *call) {
  ig_pool pool;
  ig_pool_global_of(call->node, &pool);
  ig_cpu_mean_pool_lanes(&pool, call->in[0], call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_pool pool;
  ig_pool_global_of(call->node, &pool);
  ig_cpu_mean_pool_reference(&pool, call->in[0], call->out[0]);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_pool pool;
  ig_pool_global_of(call->node, &pool);
  ig_cpu_mean_pool_volume(&pool, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "lanes", .reject = ig_pool_reject_lanes, .run = run_lanes},
    {.name = "volume", .reject = ig_pool_reject_volume, .run = run_volume},
    {.name = "reference", .reject = ig_pool_reject_layouts, .run = run_reference},
    {0},
};

const ig_op ig_op_global_average_pool = {
    .name = "GlobalAveragePool",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
