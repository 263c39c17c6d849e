/* See body.h. */
#include "engine/ops/body.h"

#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/graph/pieces.h"
#include "engine/plan/interpret.h"

/* Nodes that one run of such an operator may run in its bodies, in a plan. */
#define MOST_STEPS ((int64_t)1 << 25)

ig_status ig_body_branch(const ig_node *node, ig_value *const *in, const ig_graph **out) {
  *out = NULL;
  const ig_attr_field *field = ig_attrs_field(node->op, "then_branch");
  if (!field || !ig_value_is_const(in[0])) return IG_OK;
  double condition;
  IG_TRY(ig_value_const_scalar(in[0], "the condition", 0, &condition));
  const ig_graph *body =
      ig_attrs_of(node, condition != 0 ? "then_branch" : "else_branch").graph;
  IG_TRY(ig_body_check(node, body, node->n_inputs - 1, node->n_outputs));
  *out = body;
  return IG_OK;
}

ig_status ig_body_check(const ig_node *node, const ig_graph *body, int n_in, int n_out) {
  IG_CHECK(body, IG_ERR_INPUT, "node '%s' (%s): a body is missing", node->name, node->op->name);
  IG_CHECK(body->n_inputs == n_in && body->n_outputs == n_out, IG_ERR_INPUT,
           "node '%s' (%s): body '%s' has %d inputs and %d outputs, expected %d and %d", node->name,
           node->op->name, body->name, body->n_inputs, body->n_outputs, n_in, n_out);
  return IG_OK;
}

ig_status ig_body_check_captured(int64_t captured, int n_inputs) {
  IG_CHECK(captured >= 0 && captured <= n_inputs, IG_ERR_INPUT,
           "captured is %lld, where %d inputs can be captures", (long long)captured, n_inputs);
  return IG_OK;
}

ig_status ig_body_condition(const ig_datum *datum, bool *out) {
  IG_CHECK(datum && datum->kind == IG_DATUM_TENSOR && datum->dtype == IG_BOOL &&
               ig_shape_count(&datum->shape) == 1,
           IG_ERR_SHAPE, "the condition must be one bool");
  *out = *(const uint8_t *)datum->data != 0;
  return IG_OK;
}

ig_status ig_body_scalar(ig_dtype dtype, int64_t value, ig_datum **out) {
  IG_TRY(ig_datum_tensor(dtype, &IG_SCALAR, out));
  ig_convert(IG_I64, &value, dtype, (*out)->data, 1);
  return IG_OK;
}

ig_status ig_body_stack_none(const ig_graph *body, ig_value *const *like, int index, int64_t axis,
                                ig_datum **out) {
  ig_graph *graph = NULL;
  ig_status status = ig_graph_specialize_body(body, like, &graph);
  if (status != IG_OK) {
    return ig_fail_in(IG_ERR_UNSUPPORTED, "output %d of no turns has no known type", index);
  }
  const ig_value *element = graph->outputs[index];
  ig_shape shape;
  int at = 0;
  status = ig_shape_stacked(&element->shape, 0, axis, &shape, &at);
  if (status == IG_OK) status = ig_datum_tensor(element->dtype, &shape, out);
  ig_graph_destroy(graph);
  return status;
}

/* --- in plans -------------------------------------------------------------------------------- */

static ig_status body_prepare(ig_call *call) {
  static const ig_interpreter_options options = {.bodies = true, .step_limit = MOST_STEPS};
  return ig_interpreter_create(&options, (ig_interpreter **)&call->state);
}

static void body_release(ig_call *call) { ig_interpreter_destroy(call->state); }

static ig_status give(const ig_value *value, const ig_datum *datum, void *out) {
  IG_CHECK(datum->kind == IG_DATUM_TENSOR && datum->dtype == value->dtype &&
               ig_shape_equal(&datum->shape, &value->shape),
           IG_ERR_SHAPE, "'%s' became %s%s, expected %s%s", value->name,
           ig_dtype_name(datum->dtype), IG_SHAPE_STR(&datum->shape), ig_dtype_name(value->dtype),
           IG_SHAPE_STR(&value->shape));
  size_t bytes = ig_value_bytes(value);
  if (out && bytes) memcpy(out, datum->data, bytes);
  return IG_OK;
}

static ig_status body_run(const ig_call *call) {
  const ig_node *node = call->node;
  size_t n_in = (size_t)node->n_inputs, n_out = (size_t)node->n_outputs;
  ig_datum **data = ig_alloc_zero(n_in + n_out + 1, sizeof *data);
  IG_CHECK_ALLOC(data);
  ig_datum **made = data + n_in;
  ig_status status = IG_OK;
  for (size_t i = 0; i < n_in && status == IG_OK; i++) {
    const ig_value *value = node->inputs[i];
    if (value) status = ig_datum_borrow(value->dtype, &value->shape, call->in[i], &data[i]);
  }
  ig_interpreter_begin(call->state, call->rng);
  if (status == IG_OK) status = node->op->interpret(call->state, node, data, made);
  for (size_t i = 0; i < n_out && status == IG_OK; i++) {
    status = give(node->outputs[i], made[i], call->out[i]);
  }
  for (size_t i = 0; i < n_in + n_out; i++) ig_datum_release(data[i]);
  ig_free(data);
  return status;
}

const ig_impl ig_body_impls[] = {
    {.name = "interpreter",
     .device = IG_CPU,
     .prepare = body_prepare,
     .release = body_release,
     .run = body_run},
    {.name = NULL},
};

ig_cost ig_body_cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  for (int i = 0; i < node->n_outputs; i++) {
    cost.flops += (double)ig_value_count(node->outputs[i]);
  }
  return cost;
}
