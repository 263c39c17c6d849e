/* CastLike: input 0 cast to the element type of input 1, whose numbers are not read. */
#include "engine/ops/casting.h"
#include "engine/ops/cast_text.h"

static const ig_attr_field fields[] = {IG_CAST_FIELDS, {.name = NULL}};

static ig_status infer(ig_node *node) {
  return ig_cast_infer(node, node->inputs[1]->dtype);
}

static int reads(const ig_node *node) {
  IG_UNUSED(node);
  return 1;
}

static ig_cost cost(const ig_node *node) {
  const ig_value *x = node->inputs[0], *y = node->outputs[0];
  return (ig_cost){(double)ig_value_count(y), (double)(ig_value_bytes(x) + ig_value_bytes(y))};
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  return ig_cast_interpret(interpreter, node, in[1]->dtype, in, out);
}

static const ig_impl impls[] = {{.name = "cpu", .device = IG_CPU, .run = ig_cast_run}, {0}};

const ig_op ig_op_cast_like = {
    .name = "CastLike",
    .since = 15,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = fields,
    .attrs_size = sizeof(ig_cast_attrs),
    .infer = infer,
    .grad = ig_cast_grad,
    .cost = cost,
    .inplace = ig_cast_inplace,
    .reads = reads,
    .interpret = interpret,
    .impls = impls,
};
