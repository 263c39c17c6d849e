/* Multinomial: for each row of logarithms of probabilities, known up to a constant, sample_size classes
 * drawn independently. */
#include "engine/ops/noise.h"

typedef struct multinomial_attrs {
  int64_t dtype, sample_size;
  float seed;
} multinomial_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INT(multinomial_attrs, dtype, 6),
    IG_FIELD_INT(multinomial_attrs, sample_size, 1),
    IG_NOISE_SEED(multinomial_attrs),
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  const multinomial_attrs *a = IG_ATTRS_OF(multinomial_attrs, node);
  const ig_value *x = node->inputs[0];
  ig_dtype dtype = ig_dtype_from_onnx(a->dtype);
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank == 2 && x->shape.dims[1] > 0, IG_ERR_SHAPE,
           "input 0 must be [batch, classes], found %s", IG_SHAPE_STR(&x->shape));
  IG_CHECK(dtype == IG_I32 || dtype == IG_I64, IG_ERR_SHAPE,
           "attribute dtype is ONNX type %lld, expected 6 (i32) or 7 (i64)", (long long)a->dtype);
  ig_shape out = IG_SHAPE(x->shape.dims[0], a->sample_size);
  return ig_infer_set(node, 0, dtype, &out);
}

static size_t workspace(const ig_node *node) {
  return (size_t)node->inputs[0]->shape.dims[1] * sizeof(double);
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *x = node->inputs[0], *y = node->outputs[0];
  const ig_noise noise = ig_noise_of(call, IG_ATTRS_OF(multinomial_attrs, node)->seed, false);
  bool drawn = ig_cpu_multinomial(&noise, x->dtype, call->in[0], x->shape.dims[1], y->dtype,
                                  call->out[0], call->workspace);
  IG_CHECK(drawn, IG_ERR_NUMERIC, "%s: a row of the input has no finite maximum", node->name);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_multinomial = {
    .name = "Multinomial",
    .since = 7,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_RANDOM,
    .attrs = fields,
    .attrs_size = sizeof(multinomial_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
