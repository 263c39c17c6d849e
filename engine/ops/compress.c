/* Compress: the slices along `axis`, or the elements of the flattened tensor without one, at which the
 * condition is true. How many there are depends on the condition, which is to be known. */
#include <string.h>

#include "engine/ops/view.h"

#define NO_AXIS INT64_MIN

typedef struct compress_attrs {
  int64_t axis;
} compress_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(compress_attrs, axis, NO_AXIS),
    {0},
};

/* The input as [outer, n, inner], n being what the condition is about. */
typedef struct cut {
  int64_t outer, n, inner;
} cut;

static cut cut_of(const ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  int64_t given = IG_ATTRS_OF(compress_attrs, node)->axis;
  if (given == NO_AXIS) return (cut){1, ig_shape_count(x), 1};
  int axis = ig_shape_axis(x, given);
  return (cut){ig_shape_span(x, 0, axis), x->dims[axis], ig_shape_span(x, axis + 1, x->rank)};
}

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *condition = node->inputs[1];
  int64_t given = IG_ATTRS_OF(compress_attrs, node)->axis;
  int axis = given == NO_AXIS ? 0 : ig_shape_axis(&x->shape, given);
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld does not fit %s", (long long)given,
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(condition->dtype == IG_BOOL && condition->shape.rank == 1, IG_ERR_SHAPE,
           "the condition must be bool of rank 1, found %s%s", ig_dtype_name(condition->dtype),
           IG_SHAPE_STR(&condition->shape));
  IG_CHECK(ig_value_is_const(condition), IG_ERR_UNSUPPORTED,
           "the condition must be known before running");
  int64_t n = cut_of(node).n, taken = 0;
  for (int64_t i = 0; i < condition->shape.dims[0]; i++) {
    if (!((const uint8_t *)condition->data)[i]) continue;
    IG_CHECK(i < n, IG_ERR_INPUT, "the condition is true at %lld of %lld", (long long)i,
             (long long)n);
    taken++;
  }
  ig_shape shape = given == NO_AXIS ? IG_SHAPE(taken) : x->shape;
  shape.dims[axis] = taken;
  return ig_infer_set(node, 0, x->dtype, &shape);
}

/* Through the gradient of the Gather that it is. */
static void grad(const ig_grad *g) {
  const ig_node *node = g->node;
  const ig_value *x = node->inputs[0], *condition = node->inputs[1];
  int64_t given = IG_ATTRS_OF(compress_attrs, node)->axis, taken = 0;
  int axis = given == NO_AXIS ? 0 : ig_shape_axis(&x->shape, given);
  int64_t count = node->outputs[0]->shape.dims[axis];
  int64_t *places = ig_arena_alloc(g->graph->arena, (size_t)count * sizeof *places);
  if (!places) {
    ig_graph_fail(g->graph, ig_fail(IG_ERR_MEMORY, "Compress: out of memory"));
    return;
  }
  for (int64_t i = 0; taken < count; i++) {
    if (((const uint8_t *)condition->data)[i]) places[taken++] = i;
  }
  ig_value *indices = ig_graph_const(g->graph, NULL, IG_I64, IG_SHAPE(count), places);
  ig_value *dx = ig_op1(g->graph, "ingot.GatherGrad", NULL, IG_INS(g->dy[0], indices),
                        IG_ATTRS(IG_INT("axis", axis), IG_INT("rows", cut_of(node).n)));
  g->dx[0] = ig_reshape_like(g->graph, dx, x);
}

static ig_status run(const ig_call *call) {
  const ig_value *condition = call->node->inputs[1];
  const uint8_t *flags = call->in[1];
  cut c = cut_of(call->node);
  size_t bytes = (size_t)c.inner * ig_dtype_size(call->node->inputs[0]->dtype);
  int64_t n = IG_MIN(c.n, condition->shape.dims[0]);
  char *to = call->out[0];
  for (int64_t o = 0; o < c.outer; o++) {
    for (int64_t i = 0; i < n; i++) {
      if (!flags[i]) continue;
      memcpy(to, (const char *)call->in[0] + (size_t)(o * c.n + i) * bytes, bytes);
      to += bytes;
    }
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_compress = {
    .name = "Compress",
    .since = 9,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(compress_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
