/* ingot.QuantizedMatMul: matrices of 8-bit codes [..., m, k] times one matrix of i8 weights [k, n], and all
 * that follows, as in ingot.QuantizedConv; scales and bias go by column. */
#include "engine/ops/matmul_integer.h"
#include "engine/ops/quantized.h"
#include "kernels/lib/onednn.h"

static const ig_attr_field attrs[] = {
    IG_QUANTIZED_FIELDS,
    IG_QUANTIZED_SECOND_FIELDS,
    IG_QUANTIZED_ACTIVATION_FIELDS,
    {0},
};

static ig_status infer(ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
  IG_CHECK(x->rank >= 2 && w->rank == 2 && x->dims[x->rank - 1] == w->dims[0], IG_ERR_SHAPE,
           "expected [..., m, k] and [k, n], found %s and %s", IG_SHAPE_STR(x), IG_SHAPE_STR(w));
  ig_shape y = *x;
  y.dims[y.rank - 1] = w->dims[1];
  return ig_quantized_product_infer(node, w->dims[1], &y);
}

static int64_t rows_of(const ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  return ig_shape_span(x, 0, x->rank - 1);
}

static ig_status run_reference(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_shape *w = &node->inputs[1]->shape;
  const ig_quantized_end end = ig_quantized_end_of(node);
  uint8_t zero = (uint8_t)end.x.zero; /* of either type */
  const ig_matmul_integer spec = {
      .a = end.x.dtype, .b = IG_I8, .m = rows_of(node), .n = w->dims[1], .k = w->dims[0]};
  ig_cpu_matmul_integer_reference(&spec, call->in[0], call->in[1], &zero, NULL, call->workspace);
  ig_cpu_quantized_end(&end, spec.m, spec.n, 1, call->workspace, call->in[2],
                       ig_quantized_in(call, 3), ig_quantized_in(call, 4), call->out[0]);
  return IG_OK;
}

static ig_status prepare_onednn(ig_call *call) {
  const ig_quantized_end end = ig_quantized_end_of(call->node);
  const ig_shape *w = &call->node->inputs[1]->shape;
  ig_dnn *dnn = NULL;
  IG_TRY(ig_quantized_known(call));
  ig_status status =
      ig_dnn_quantized_matmul_create(rows_of(call->node), w->dims[1], w->dims[0], &end,
                                     call->in[1], call->in[2], ig_quantized_in(call, 3), &dnn);
  return ig_quantized_prepared(call, status, dnn);
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .reject = ig_quantized_reject_onednn,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = ig_quantized_run_onednn},
    {.name = "reference", .workspace = ig_quantized_sums, .run = run_reference},
    {0},
};

const ig_op ig_op_quantized_mat_mul = {
    .name = "ingot.QuantizedMatMul",
    .n_in = {3, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_quantized_attrs),
    .infer = infer,
    .cost = ig_matmul_integer_cost,
    .inplace = ig_quantized_inplace,
    .impls = impls,
};
