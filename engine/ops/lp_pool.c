/* LpPool: (sum |x|^p)^(1/p) over each window, in one to three dimensions; pads add nothing. */
#include <inttypes.h>

#include "engine/base/memory.h"
#include "engine/ops/pooling.h"

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_pool_attrs),
    IG_FIELD_INT(ig_pool_attrs, ceil_mode, 0),
    IG_FIELD_INT(ig_pool_attrs, p, 2),
    {0},
};

static ig_status infer(ig_node *node) {
  ig_window window;
  ig_shape y;
  int64_t p = IG_ATTRS_OF(ig_pool_attrs, node)->p;
  IG_CHECK(p >= 1, IG_ERR_USAGE, "attribute p is %" PRId64 ", expected at least 1", p);
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_pool_shape(node, &window, &y));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

/* How many elements of the input each window holds, as a constant [1, 1, spatial...]. */
static ig_value *window_counts(ig_graph *graph, const ig_window *w, const ig_value *x,
                               const ig_value *y) {
  ig_shape shape = y->shape;
  shape.dims[0] = shape.dims[1] = 1;
  int64_t n = ig_shape_count(&shape);
  void *data = ig_alloc(ig_shape_bytes(&shape, y->dtype));
  if (!data) return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__));
  for (int64_t i = 0; i < n; i++) {
    int64_t rest = i, count = 1;
    for (int d = w->spatial - 1; d >= 0; d--) {
      int axis = IG_WINDOW_AXES - w->spatial + d;
      int64_t at = rest % shape.dims[2 + d], inside = 0;
      rest /= shape.dims[2 + d];
      for (int64_t k = 0; k < w->kernel[axis]; k++) {
        int64_t s = at * w->stride[axis] + k * w->dilation[axis] - w->begin[axis];
        inside += s >= 0 && s < x->shape.dims[2 + d];
      }
      count *= inside;
    }
    ig_store_f64(y->dtype, data, i, (double)count);
  }
  ig_value *counts = ig_graph_const(graph, NULL, y->dtype, shape, data);
  ig_free(data);
  return counts;
}

/* A sum over windows goes back as a mean does, times the number of its elements. */
static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_value *x = g->node->inputs[0], *y = g->node->outputs[0];
  double p = (double)IG_ATTRS_OF(ig_pool_attrs, g->node)->p;
  ig_window window;
  ig_shape shape;
  int64_t pads[2 * IG_WINDOW_AXES];
  ig_attr list[IG_POOL_GRAD_ATTRS];
  if (!g->dy[0] || ig_pool_shape(g->node, &window, &shape) != IG_OK) return;
  ig_value *through = ig_lp_grad_outer(graph, y, g->dy[0], p);
  through = ig_op1(graph, "Mul", NULL, IG_INS(through, window_counts(graph, &window, x, y)),
                   IG_NO_ATTRS);
  ig_pool_grad_attrs(g->node, &window, pads, list);
  through = ig_op1(graph, "ingot.AveragePoolGrad", NULL, IG_INS(through), IG_COUNT(list), list);
  g->dx[0] = ig_op1(graph, "Mul", NULL, IG_INS(through, ig_lp_grad_inner(graph, x, p)), IG_NO_ATTRS);
}

static ig_status run(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  ig_cpu_lp_pool(&pool, (double)IG_ATTRS_OF(ig_pool_attrs, call->node)->p, call->in[0],
                 call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_lp_pool = {
    .name = "LpPool",
    .since = 18,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_pool_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_pool_cost,
    .impls = impls,
};
