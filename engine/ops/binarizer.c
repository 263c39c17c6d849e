/* ai.onnx.ml.Binarizer: 1 where a number is above the threshold, otherwise 0. */
#include "engine/ops/elementwise.h"

typedef struct binarizer_attrs {
  float threshold;
} binarizer_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_FLOAT(binarizer_attrs, threshold, 0),
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  return ig_infer_unary_number(node);
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  double threshold = (double)IG_ATTRS_OF(binarizer_attrs, call->node)->threshold;
  for (int64_t i = 0; i < ig_value_count(x); i++)
    ig_store_f64(x->dtype, call->out[0], i, ig_load_f64(x->dtype, call->in[0], i) > threshold);
  return IG_OK;
}

static void grad(const ig_grad *g) {
  IG_UNUSED(g); /* zero wherever it exists */
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_binarizer = {
    .name = "ai.onnx.ml.Binarizer",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = fields,
    .attrs_size = sizeof(binarizer_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
