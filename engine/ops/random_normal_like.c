/* RandomNormalLike: normal numbers in a tensor of the shape of the input, whose numbers are not read. */
#include "engine/ops/noise.h"

typedef struct random_normal_like_attrs {
  int64_t dtype;
  float mean, scale, seed;
} random_normal_like_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INT(random_normal_like_attrs, dtype, 0),
    IG_FIELD_FLOAT(random_normal_like_attrs, mean, 0),
    IG_FIELD_FLOAT(random_normal_like_attrs, scale, 1),
    IG_NOISE_SEED(random_normal_like_attrs),
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_dtype dtype;
  IG_TRY(ig_noise_dtype(IG_ATTRS_OF(random_normal_like_attrs, node)->dtype, x->dtype, &dtype));
  return ig_infer_set(node, 0, dtype, &x->shape);
}

static int reads(const ig_node *node) {
  IG_UNUSED(node);
  return 0;
}

static ig_cost cost(const ig_node *node) {
  const ig_value *y = node->outputs[0];
  return (ig_cost){(double)ig_value_count(y), (double)ig_value_bytes(y)};
}

static ig_status run(const ig_call *call) {
  const random_normal_like_attrs *a = IG_ATTRS_OF(random_normal_like_attrs, call->node);
  const ig_noise noise = ig_noise_of(call, a->seed, false);
  ig_cpu_random_normal(&noise, call->node->outputs[0]->dtype, a->mean, a->scale, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_random_normal_like = {
    .name = "RandomNormalLike",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_RANDOM,
    .attrs = fields,
    .attrs_size = sizeof(random_normal_like_attrs),
    .infer = infer,
    .grad = ig_noise_grad,
    .cost = cost,
    .reads = reads,
    .impls = impls,
};
