/* ScatterND: a copy of data in which the slices that tuples of indices name are replaced by updates, or
 * joined with them by `reduction`, in the order of the tuples. */
#include <string.h>

#include "engine/ops/scatter.h"

typedef struct scatter_nd_attrs {
  const char *reduction;
} scatter_nd_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_STRING(scatter_nd_attrs, reduction, "none"),
    {0},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *updates = node->inputs[2];
  ig_scatter how = IG_SCATTER_SET;
  ig_shape want;
  IG_TRY(ig_scatter_parse(IG_ATTRS_OF(scatter_nd_attrs, node)->reduction, &how));
  IG_TRY(ig_scatter_check(how, x->dtype));
  IG_TRY(ig_slices_check(node, 0));
  IG_TRY(ig_slices_shape(node, 0, &want));
  IG_CHECK(updates->dtype == x->dtype && ig_shape_equal(&updates->shape, &want), IG_ERR_SHAPE,
           "updates must be %s%s, found %s%s", ig_dtype_name(x->dtype), IG_SHAPE_STR(&want),
           ig_dtype_name(updates->dtype), IG_SHAPE_STR(&updates->shape));
  return ig_infer_same(node);
}

static void grad(const ig_grad *g) {
  ig_scatter_grad(g, IG_ATTRS_OF(scatter_nd_attrs, g->node)->reduction, "GatherND", IG_NO_ATTRS);
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_scatter how = IG_SCATTER_SET;
  IG_TRY(ig_scatter_parse(IG_ATTRS_OF(scatter_nd_attrs, call->node)->reduction, &how));
  ig_slices s = ig_slices_of(call->node, 0);
  IG_TRY(ig_slices_inside(call, &s));
  if (call->out[0] != call->in[0]) memcpy(call->out[0], call->in[0], ig_value_bytes(x));
  ig_cpu_scatter_slices(how, x->dtype, &s, call->in[1], call->in[2], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_scatter_nd = {
    .name = "ScatterND",
    .since = 18,
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = attrs,
    .attrs_size = sizeof(scatter_nd_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
