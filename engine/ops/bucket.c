/* ingot.Bucket: tensors of one dtype in one flat tensor (see buckets.h), in memory that the communicator
 * moves fastest, as soon as the last of them is there. What was made in its place is not copied. */
#include "engine/ops/buckets.h"

static const ig_attr_field bucket_fields[] = {
    IG_FIELD_INT(ig_bucket_attrs, ranks, 1),
    IG_FIELD_INT(ig_bucket_attrs, operand, 0),
    IG_FIELD_INT(ig_bucket_attrs, to, 1),
    IG_FIELD_INT(ig_bucket_attrs, after, 0),
    {.name = NULL},
};

static ig_status bucket_infer(ig_node *node) {
  ig_dtype to = ig_dtype_from_onnx(IG_BUCKET_ATTRS(node)->to);
  int64_t count;
  IG_TRY(ig_bucket_count(node, to, IG_BUCKET_ATTRS(node)->ranks, &count));
  return ig_infer_set(node, 0, to, &(ig_shape){.rank = 1, .dims = {count}});
}

static ig_status bucket_run(const ig_call *call) {
  return ig_bucket_run(call, ig_cpu_copy_segments);
}

static int64_t bucket_gathers(const ig_node *node, int input) {
  const ig_value *own = node->inputs[input];
  ig_dtype to = node->outputs[0]->dtype;
  int64_t at = 0, stride;
  if (own->dtype != to) return -1;
  for (int i = 0; i < ig_bucket_reads(node); i++) {
    if (i != input && node->inputs[i] == own) return -1; /* it can be in one place only */
    if (i < input && !ig_bucket_stride(to, ig_value_count(node->inputs[i]), &stride)) return -1;
    if (i < input) at += stride * (int64_t)ig_dtype_size(to);
  }
  return at;
}

static const ig_impl bucket_impls[] = {
    {.name = "cpu",      .device = IG_CPU, .run = bucket_run},
    {.name = NULL},
};

const ig_op ig_op_bucket = {
    .name = "ingot.Bucket",
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .flags = IG_OP_EAGER | IG_OP_BUCKET,
    .attrs = bucket_fields,
    .attrs_size = sizeof(ig_bucket_attrs),
    .infer = bucket_infer,
    .cost = ig_cost_copy,
    .gathers = bucket_gathers,
    .reads = ig_bucket_reads,
    .impls = bucket_impls,
};
