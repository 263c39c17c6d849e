/* ingot.AllGather: begins to collect all ranks' parts into one bucket. ingot.Await, given this result
 * and then the part, says when it is there; until then the part is the communicator's. */
#include "engine/base/checked.h"
#include "engine/ops/buckets.h"

static const ig_attr_field all_gather_fields[] = {
    IG_FIELD_INT(ig_bucket_attrs, index, 0),
    IG_FIELD_INT(ig_bucket_attrs, after, 0),
    IG_FIELD_INT(ig_bucket_attrs, ranks, 1),
    IG_FIELD_INT(ig_bucket_attrs, operand, 0),
    {.name = NULL},
};

static ig_status all_gather_infer(ig_node *node) {
  ig_dtype dtype;
  int64_t count, ranks = IG_BUCKET_ATTRS(node)->ranks;
  IG_TRY(ig_bucket_check_flat(node, &dtype, &count));
  IG_CHECK(ranks >= 1 && ig_mul_dim(count, ranks, &count), IG_ERR_SHAPE,
           "%lld ranks have more parts than memory can be", (long long)ranks);
  return ig_infer_set(node, 0, dtype, &(ig_shape){.rank = 1, .dims = {count}});
}

static ig_status all_gather_run(const ig_call *call) {
  return ig_bucket_begin(call, IG_ALL_GATHER);
}

static const ig_impl all_gather_impls[] = {
    {.name = "communicator", .device = IG_ANY_DEVICE, .run = all_gather_run},
    {.name = NULL},
};

const ig_op ig_op_all_gather = {
    .name = "ingot.AllGather",
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .flags = IG_OP_EAGER | IG_OP_BUCKET,
    .attrs = all_gather_fields,
    .attrs_size = sizeof(ig_bucket_attrs),
    .infer = all_gather_infer,
    .cost = ig_bucket_cost,
    .reads = ig_bucket_reads,
    .impls = all_gather_impls,
};
