/* GatherElements: out[..., i, ...] = data[..., indices[..., i, ...], ...] along `axis`. */
#include "engine/ops/scatter.h"
#include "engine/ops/view.h"

typedef struct gather_elements_attrs {
  int64_t axis;
} gather_elements_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(gather_elements_attrs, axis, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  IG_TRY(ig_elements_check(node, IG_ATTRS_OF(gather_elements_attrs, node)->axis));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &node->inputs[1]->shape);
}

static void grad(const ig_grad *g) {
  if (!g->need[0]) return;
  int64_t axis = IG_ATTRS_OF(gather_elements_attrs, g->node)->axis;
  ig_value *zeros = ig_zeros_like(g->graph, g->node->inputs[0]);
  g->dx[0] = ig_op1(g->graph, "ScatterElements", NULL, IG_INS(zeros, g->node->inputs[1], g->dy[0]),
                    IG_ATTRS(IG_INT("axis", axis), IG_STRING("reduction", "add")));
}

static ig_status run(const ig_call *call) {
  ig_elements e = ig_elements_of(call->node, IG_ATTRS_OF(gather_elements_attrs, call->node)->axis);
  IG_TRY(ig_elements_inside(call, &e));
  ig_cpu_gather_elements(ig_dtype_size(call->node->inputs[0]->dtype), &e, call->in[0], call->in[1],
                         call->node->inputs[1]->dtype == IG_I64, call->out[0]);
  return IG_OK;
}

/* Of the data, only what is taken is read. */
static ig_cost cost(const ig_node *node) {
  return (ig_cost){0, 2.0 * (double)ig_value_bytes(node->outputs[0]) +
                          (double)ig_value_bytes(node->inputs[1])};
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_gather_elements = {
    .name = "GatherElements",
    .since = 11,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(gather_elements_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
