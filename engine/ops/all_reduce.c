/* ingot.AllReduce: begins to replace a bucket by its sum over all ranks; ingot.Await says when it
 * is there. `after` further inputs, as of the other operations, only come first: all ranks begin
 * operations in one order. */
#include "engine/ops/buckets.h"

static const ig_attr_field all_reduce_fields[] = {
    IG_FIELD_INT(ig_bucket_attrs, index, 0),
    IG_FIELD_INT(ig_bucket_attrs, after, 0),
    {.name = NULL},
};

static ig_status all_reduce_infer(ig_node *node) {
  ig_dtype dtype;
  int64_t count;
  IG_TRY(ig_bucket_check_flat(node, &dtype, &count));
  return ig_infer_same(node);
}

static int64_t all_reduce_within(const ig_node *node, int output) {
  IG_UNUSED(node);
  return output == 0 ? 0 : -1;
}

static ig_status all_reduce_run(const ig_call *call) {
  return ig_bucket_begin(call, IG_ALL_REDUCE);
}

static const ig_impl all_reduce_impls[] = {
    {.name = "communicator", .device = IG_ANY_DEVICE, .run = all_reduce_run},
    {.name = NULL},
};

const ig_op ig_op_all_reduce = {
    .name = "ingot.AllReduce",
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .flags = IG_OP_EAGER | IG_OP_BUCKET,
    .attrs = all_reduce_fields,
    .attrs_size = sizeof(ig_bucket_attrs),
    .infer = all_reduce_infer,
    .cost = ig_bucket_cost,
    .within = all_reduce_within,
    .reads = ig_bucket_reads,
    .impls = all_reduce_impls,
};
