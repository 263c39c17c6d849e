/* ingot.Unbucket: the f32 tensors of a bucket. Those of an f32 bucket lie in it, and nothing is copied;
 * those of a 16-bit one are converted. With `copy`, all have memory of their own, in which new values of
 * parameters take the place of the old. */
#include "engine/base/checked.h"
#include "engine/ops/buckets.h"

static const ig_attr_field unbucket_fields[] = {
    {.name = "shapes",
     .type = IG_ATTR_INTS,
     .offset = offsetof(ig_bucket_attrs, shapes),
     .required = true},
    IG_FIELD_INT(ig_bucket_attrs, copy, 0),
    {.name = NULL},
};

/* Reads one shape at *next, which moves on. */
static ig_status read_shape(const ig_ints *shapes, int *next, ig_shape *out) {
  IG_CHECK(*next < shapes->n && shapes->v[*next] >= 0 && shapes->v[*next] <= IG_MAX_RANK &&
               shapes->v[*next] < shapes->n - *next,
           IG_ERR_SHAPE, "attribute shapes does not have a shape for every output");
  *out = (ig_shape){.rank = (int)shapes->v[(*next)++]};
  for (int d = 0; d < out->rank; d++) out->dims[d] = shapes->v[(*next)++];
  return ig_shape_check(out, IG_F32);
}

static ig_status unbucket_infer(ig_node *node) {
  const ig_ints *shapes = &IG_BUCKET_ATTRS(node)->shapes;
  ig_dtype dtype;
  int64_t have, needed = 0, stride;
  int next = 0;
  IG_TRY(ig_bucket_check_flat(node, &dtype, &have));
  for (int i = 0; i < node->n_outputs; i++) {
    ig_shape shape;
    IG_TRY(read_shape(shapes, &next, &shape));
    IG_CHECK(ig_bucket_stride(dtype, ig_shape_count(&shape), &stride) &&
                 ig_add_dim(needed, stride, &needed) && needed <= have,
             IG_ERR_SHAPE, "output %d %s lies beyond the bucket's %lld elements", i,
             IG_SHAPE_STR(&shape), (long long)have);
    IG_TRY(ig_infer_set(node, i, IG_F32, &shape));
  }
  IG_CHECK(next == shapes->n, IG_ERR_SHAPE, "attribute shapes has more than the %d outputs",
           node->n_outputs);
  return IG_OK;
}

static int64_t unbucket_within(const ig_node *node, int output) {
  int64_t at = 0, stride;
  if (node->inputs[0]->dtype != IG_F32 || IG_BUCKET_ATTRS(node)->copy) return -1;
  for (int i = 0; i < output; i++) {
    if (!ig_bucket_stride(IG_F32, ig_value_count(node->outputs[i]), &stride)) return -1;
    at += stride * (int64_t)sizeof(float);
  }
  return at;
}

static ig_status unbucket_run(const ig_call *call) {
  return ig_unbucket_run(call, ig_cpu_copy_segments);
}

static const ig_impl unbucket_impls[] = {
    {.name = "cpu",        .device = IG_CPU, .run = unbucket_run},
    {.name = NULL},
};

const ig_op ig_op_unbucket = {
    .name = "ingot.Unbucket",
    .n_in = {1, 1          },
    .n_out = {1, IG_VARIADIC},
    .flags = IG_OP_EAGER,
    .attrs = unbucket_fields,
    .attrs_size = sizeof(ig_bucket_attrs),
    .infer = unbucket_infer,
    .cost = ig_cost_copy,
    .within = unbucket_within,
    .impls = unbucket_impls,
};
