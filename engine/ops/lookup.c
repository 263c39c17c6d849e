/* ingot.Lookup: y[i] = table[x[i]] of 8-bit codes: a function of one number between two quantized tensors,
 * as a table [256] in the order of the code's bits, so that an i8 code of -1 finds element 255. */
#include "engine/ops/elementwise.h"
#include "kernels/quantized.h"

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *table = node->inputs[1];
  IG_CHECK(x->dtype == IG_I8 || x->dtype == IG_U8, IG_ERR_SHAPE,
           "input 0 must be i8 or u8, found %s", ig_dtype_name(x->dtype));
  IG_CHECK((table->dtype == IG_I8 || table->dtype == IG_U8) && table->shape.rank == 1 &&
               table->shape.dims[0] == 256,
           IG_ERR_SHAPE, "the table is %s%s, expected i8 or u8 [256]", ig_dtype_name(table->dtype),
           IG_SHAPE_STR(&table->shape));
  return ig_infer_set(node, 0, table->dtype, &x->shape);
}

static ig_status run_vector(const ig_call *call) {
  ig_cpu_lookup(call->in[1], ig_storage_count(call->node->outputs[0]), call->in[0], call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_cpu_lookup_reference(call->in[1], ig_storage_count(call->node->outputs[0]), call->in[0],
                          call->out[0]);
  return IG_OK;
}

static const char *reject(const ig_node *node) {
  if (node->inputs[0]->layout == IG_LAYOUT_BLOCK16) return "blocks of channels";
  return node->inputs[0]->layout == node->outputs[0]->layout ? NULL
                                                             : "operands differ in memory layout";
}

static const ig_impl impls[] = {
    {.name = "vector", .reject = reject, .run = run_vector},
    {.name = "reference", .reject = reject, .run = run_reference},
    {0},
};

const ig_op ig_op_lookup = {
    .name = "ingot.Lookup",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT | IG_OP_INPLACE,
    .infer = infer,
    .cost = ig_cost_copy,
    .impls = impls,
};
