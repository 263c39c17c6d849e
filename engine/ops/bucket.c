/* ingot.Bucket: tensors of one dtype copied into one flat tensor (see buckets.h), in memory that the
 * communicator moves fastest, as soon as the last of them is there. */
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
    .reads = ig_bucket_reads,
    .impls = bucket_impls,
};
