/* If: the outputs of one of two bodies, chosen by a bool. Inputs are the condition and the captures, which
 * are all that bodies read. Where the condition is known when a graph is specialised, the body takes the
 * node's place; a plan holds it when both bodies give the same shapes. */
#include "engine/ops/body.h"
#include "engine/plan/interpret.h"

typedef struct if_attrs {
  ig_graph *else_branch, *then_branch;
  int64_t captured;
} if_attrs;

static const ig_attr_field if_fields[] = {
    {.name = "else_branch",
     .type = IG_ATTR_GRAPH,
     .offset = offsetof(if_attrs, else_branch),
     .required = true},
    {.name = "then_branch",
     .type = IG_ATTR_GRAPH,
     .offset = offsetof(if_attrs, then_branch),
     .required = true},
    IG_FIELD_INT(if_attrs, captured, 0),
    {.name = NULL},
};

static ig_status check(const ig_node *node) {
  const if_attrs *a = IG_ATTRS_OF(if_attrs, node);
  IG_CHECK(a->captured == node->n_inputs - 1, IG_ERR_INPUT,
           "it has %d inputs behind the condition, captured is %lld", node->n_inputs - 1,
           (long long)a->captured);
  IG_TRY(ig_body_check(node, a->then_branch, node->n_inputs - 1, node->n_outputs));
  return ig_body_check(node, a->else_branch, node->n_inputs - 1, node->n_outputs);
}

/* Sets the outputs, or compares with what the other body set. */
static ig_status take_shapes(ig_node *node, const ig_graph *body, bool first) {
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *made = body->outputs[i], *out = node->outputs[i];
    if (first) IG_TRY(ig_infer_set(node, i, made->dtype, &made->shape));
    IG_CHECK(made->dtype == out->dtype && ig_shape_equal(&made->shape, &out->shape),
             IG_ERR_UNSUPPORTED, "output %d is %s%s or %s%s, by the condition", i,
             ig_dtype_name(out->dtype), IG_SHAPE_STR(&out->shape), ig_dtype_name(made->dtype),
             IG_SHAPE_STR(&made->shape));
  }
  return IG_OK;
}

static ig_status if_infer(ig_node *node) {
  const if_attrs *a = IG_ATTRS_OF(if_attrs, node);
  IG_TRY(check(node));
  IG_CHECK(node->inputs[0]->dtype == IG_BOOL && ig_value_count(node->inputs[0]) == 1, IG_ERR_SHAPE,
           "the condition must be one bool, found %s%s", ig_dtype_name(node->inputs[0]->dtype),
           IG_SHAPE_STR(&node->inputs[0]->shape));
  ig_graph *const bodies[2] = {a->then_branch, a->else_branch};
  for (int i = 0; i < 2; i++) {
    ig_graph *body = NULL;
    IG_TRY(ig_graph_specialize_body(bodies[i], node->inputs + 1, &body));
    ig_status status = take_shapes(node, body, i == 0);
    ig_graph_destroy(body);
    IG_TRY(status);
  }
  return IG_OK;
}

static ig_status if_interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                              ig_datum **out) {
  const if_attrs *a = IG_ATTRS_OF(if_attrs, node);
  bool condition = false;
  IG_TRY(check(node));
  IG_TRY(ig_body_condition(in[0], &condition));
  return ig_interpret(interpreter, condition ? a->then_branch : a->else_branch, NULL, in + 1, out);
}

const ig_op ig_op_if = {
    .name = "If",
    .since = 13,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, IG_VARIADIC},
    .attrs = if_fields,
    .attrs_size = sizeof(if_attrs),
    .infer = if_infer,
    .cost = ig_body_cost,
    .interpret = if_interpret,
    .impls = ig_body_impls,
};
