/* ScatterElements: a copy of data in which data[..., indices[..., i, ...], ...] along `axis` is replaced
 * by updates[..., i, ...], or joined with it by `reduction`, in the order of the indices. */
#include <string.h>

#include "engine/ops/scatter.h"

typedef struct scatter_elements_attrs {
  int64_t axis;
  const char *reduction;
} scatter_elements_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(scatter_elements_attrs, axis, 0),
    IG_FIELD_STRING(scatter_elements_attrs, reduction, "none"),
    {0},
};

static ig_status infer(ig_node *node) {
  const scatter_elements_attrs *a = IG_ATTRS_OF(scatter_elements_attrs, node);
  const ig_value *x = node->inputs[0], *indices = node->inputs[1], *updates = node->inputs[2];
  ig_scatter how = IG_SCATTER_SET;
  IG_TRY(ig_scatter_parse(a->reduction, &how));
  IG_TRY(ig_scatter_check(how, x->dtype));
  IG_TRY(ig_elements_check(node, a->axis));
  IG_CHECK(updates->dtype == x->dtype && ig_shape_equal(&updates->shape, &indices->shape),
           IG_ERR_SHAPE, "updates must be %s%s, found %s%s", ig_dtype_name(x->dtype),
           IG_SHAPE_STR(&indices->shape), ig_dtype_name(updates->dtype),
           IG_SHAPE_STR(&updates->shape));
  return ig_infer_same(node);
}

static void grad(const ig_grad *g) {
  const scatter_elements_attrs *a = IG_ATTRS_OF(scatter_elements_attrs, g->node);
  ig_scatter_grad(g, a->reduction, "GatherElements", IG_ATTRS(IG_INT("axis", a->axis)));
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *x = node->inputs[0];
  const scatter_elements_attrs *a = IG_ATTRS_OF(scatter_elements_attrs, node);
  ig_scatter how = IG_SCATTER_SET;
  IG_TRY(ig_scatter_parse(a->reduction, &how));
  ig_elements e = ig_elements_of(node, a->axis);
  IG_TRY(ig_elements_inside(call, &e));
  if (call->out[0] != call->in[0]) memcpy(call->out[0], call->in[0], ig_value_bytes(x));
  ig_cpu_scatter_elements(how, x->dtype, &e, call->in[1], node->inputs[1]->dtype == IG_I64,
                          call->in[2], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_scatter_elements = {
    .name = "ScatterElements",
    .since = 18,
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = attrs,
    .attrs_size = sizeof(scatter_elements_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
