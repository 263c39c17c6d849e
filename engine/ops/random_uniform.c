/* RandomUniform: uniform numbers in a tensor of the shape that an attribute gives. */
#include "engine/ops/noise.h"

typedef struct random_uniform_attrs {
  ig_ints shape;
  int64_t dtype;
  float low, high, seed;
} random_uniform_attrs;

static const ig_attr_field fields[] = {
    {.name = "shape",
     .type = IG_ATTR_INTS,
     .offset = offsetof(random_uniform_attrs, shape),
     .required = true},
    IG_FIELD_INT(random_uniform_attrs, dtype, 1),
    IG_FIELD_FLOAT(random_uniform_attrs, low, 0),
    IG_FIELD_FLOAT(random_uniform_attrs, high, 1),
    IG_NOISE_SEED(random_uniform_attrs),
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  const random_uniform_attrs *a = IG_ATTRS_OF(random_uniform_attrs, node);
  ig_shape shape = {.rank = a->shape.n};
  ig_dtype dtype;
  IG_CHECK(a->shape.n <= IG_MAX_RANK, IG_ERR_SHAPE, "attribute shape has %d entries, at most %d",
           a->shape.n, IG_MAX_RANK);
  for (int d = 0; d < shape.rank; d++) shape.dims[d] = a->shape.v[d];
  IG_TRY(ig_noise_dtype(a->dtype, IG_NONE, &dtype));
  return ig_infer_set(node, 0, dtype, &shape);
}

static ig_status run(const ig_call *call) {
  const random_uniform_attrs *a = IG_ATTRS_OF(random_uniform_attrs, call->node);
  const ig_noise noise = ig_noise_of(call, a->seed, true);
  ig_cpu_random_uniform(&noise, call->node->outputs[0]->dtype, a->low, a->high, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_random_uniform = {
    .name = "RandomUniform",
    .since = 1,
    .n_in = {0, 0},
    .n_out = {1, 1},
    .flags = IG_OP_RANDOM,
    .attrs = fields,
    .attrs_size = sizeof(random_uniform_attrs),
    .infer = infer,
    .grad = ig_noise_grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
