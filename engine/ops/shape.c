/* Shape: dimensions `start` to before `end` of the input, as i64. */
#include <string.h>

#include "engine/ops/op.h"

typedef struct shape_attrs {
  int64_t start, end;
} shape_attrs;

static const ig_attr_field shape_fields[] = {
    IG_FIELD_INT(shape_attrs, start, 0),
    IG_FIELD_INT(shape_attrs, end, INT64_MAX), /* past any rank: clamped */
    {.name = NULL},
};

static int clamp_dim(int64_t d, int rank) {
  if (d < 0) d = d < -rank ? 0 : d + rank;
  return (int)IG_MIN(d, rank);
}

static void shape_range(const ig_node *node, int *start, int *end) {
  const shape_attrs *attrs = IG_ATTRS_OF(shape_attrs, node);
  int rank = node->inputs[0]->shape.rank;
  *start = clamp_dim(attrs->start, rank);
  *end = IG_MAX(clamp_dim(attrs->end, rank), *start);
}

static ig_status shape_infer(ig_node *node) {
  int start, end;
  shape_range(node, &start, &end);
  ig_shape out = IG_SHAPE(end - start);
  return ig_infer_set(node, 0, IG_I64, &out);
}

static ig_status shape_run(const ig_call *call) {
  int start, end;
  shape_range(call->node, &start, &end);
  memcpy(call->out[0], call->node->inputs[0]->shape.dims + start,
         (size_t)(end - start) * sizeof(int64_t));
  return IG_OK;
}

static ig_cost shape_cost(const ig_node *node) {
  return (ig_cost){0, (double)ig_value_bytes(node->outputs[0])};
}

static const ig_impl shape_impls[] = {
    {.name = "cpu",     .device = IG_CPU, .run = shape_run},
    {.name = NULL},
};

const ig_op ig_op_shape = {
    .name = "Shape",
    .since = 15,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_SHAPE,
    .attrs = shape_fields,
    .attrs_size = sizeof(shape_attrs),
    .infer = shape_infer,
    .cost = shape_cost,
    .impls = shape_impls,
};
