/* ingot.BucketPart: the part that belongs to one rank of the bucket that ingot.Bucket would make of
 * the inputs, for an optimizer that each rank runs on its own part of the parameters. */
#include "engine/ops/buckets.h"

static const ig_attr_field bucket_part_fields[] = {
    IG_FIELD_INT(ig_bucket_attrs, index, 0),
    IG_FIELD_INT(ig_bucket_attrs, ranks, 1),
    IG_FIELD_INT(ig_bucket_attrs, rank, 0),
    IG_FIELD_INT(ig_bucket_attrs, to, 1),
    {.name = NULL},
};

static ig_status bucket_part_infer(ig_node *node) {
  ig_dtype to = ig_dtype_from_onnx(IG_BUCKET_ATTRS(node)->to);
  int64_t count;
  IG_TRY(ig_bucket_count(node, to, IG_BUCKET_ATTRS(node)->ranks, &count));
  count /= IG_BUCKET_ATTRS(node)->ranks;
  return ig_infer_set(node, 0, to, &(ig_shape){.rank = 1, .dims = {count}});
}

static ig_status bucket_part_run(const ig_call *call) {
  return ig_bucket_part_run(call, ig_cpu_copy_segments);
}

static const ig_impl bucket_part_impls[] = {
    {.name = "cpu",           .device = IG_CPU, .run = bucket_part_run},
    {.name = NULL},
};

const ig_op ig_op_bucket_part = {
    .name = "ingot.BucketPart",
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .attrs = bucket_part_fields,
    .attrs_size = sizeof(ig_bucket_attrs),
    .infer = bucket_part_infer,
    .cost = ig_bucket_cost,
    .impls = bucket_part_impls,
};
