/* ingot.ReduceScatter: begins to sum a bucket over all ranks, of which this rank gets its part.
 * ingot.Await, given this result and then the bucket, says when it is there; until then the bucket is
 * the communicator's. */
#include "engine/ops/buckets.h"

static const ig_attr_field reduce_scatter_fields[] = {
    IG_FIELD_INT(ig_bucket_attrs, index, 0),
    IG_FIELD_INT(ig_bucket_attrs, after, 0),
    IG_FIELD_INT(ig_bucket_attrs, ranks, 1),
    IG_FIELD_INT(ig_bucket_attrs, operand, 0),
    {.name = NULL},
};

static ig_status reduce_scatter_infer(ig_node *node) {
  ig_dtype dtype;
  int64_t count, ranks = IG_BUCKET_ATTRS(node)->ranks;
  IG_TRY(ig_bucket_check_flat(node, &dtype, &count));
  IG_CHECK(ranks >= 1 && count % ranks == 0, IG_ERR_SHAPE,
           "%lld elements are not whole parts of %lld ranks", (long long)count, (long long)ranks);
  return ig_infer_set(node, 0, dtype, &(ig_shape){.rank = 1, .dims = {count / ranks}});
}

static ig_status reduce_scatter_run(const ig_call *call) {
  return ig_bucket_begin(call, IG_REDUCE_SCATTER);
}

static const ig_impl reduce_scatter_impls[] = {
    {.name = "communicator", .device = IG_ANY_DEVICE, .run = reduce_scatter_run},
    {.name = NULL},
};

const ig_op ig_op_reduce_scatter = {
    .name = "ingot.ReduceScatter",
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .flags = IG_OP_EAGER | IG_OP_BUCKET,
    .attrs = reduce_scatter_fields,
    .attrs_size = sizeof(ig_bucket_attrs),
    .infer = reduce_scatter_infer,
    .cost = ig_bucket_cost,
    .reads = ig_bucket_reads,
    .impls = reduce_scatter_impls,
};
