/* Bernoulli: 1 with the probability that the input says, otherwise 0. */
#include "engine/ops/noise.h"

typedef struct bernoulli_attrs {
  int64_t dtype;
  float seed;
} bernoulli_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INT(bernoulli_attrs, dtype, 0),
    IG_NOISE_SEED(bernoulli_attrs),
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  const ig_value *p = node->inputs[0];
  int64_t named = IG_ATTRS_OF(bernoulli_attrs, node)->dtype;
  ig_dtype dtype = named ? ig_dtype_from_onnx(named) : p->dtype;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype) || dtype == IG_BOOL, IG_ERR_SHAPE,
           "attribute dtype is ONNX type %lld, expected numbers or bool", (long long)named);
  return ig_infer_set(node, 0, dtype, &p->shape);
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_noise noise = ig_noise_of(call, IG_ATTRS_OF(bernoulli_attrs, node)->seed, false);
  ig_cpu_bernoulli(&noise, node->inputs[0]->dtype, call->in[0], node->outputs[0]->dtype,
                   call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_bernoulli = {
    .name = "Bernoulli",
    .since = 15,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_RANDOM,
    .attrs = fields,
    .attrs_size = sizeof(bernoulli_attrs),
    .infer = infer,
    .grad = ig_noise_grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
