/* ingot.Await: the result of an operation between ranks, once it is there. Input 0 is what began it;
 * input 1 may be what that reads, which so stays as it is until then. `after` further ones only come
 * first. Not eager: what needs no result runs before it. */
#include "engine/ops/buckets.h"

static const ig_attr_field await_fields[] = {
    IG_FIELD_INT(ig_bucket_attrs, after, 0),
    {.name = NULL},
};

static ig_status await_infer(ig_node *node) {
  ig_dtype dtype;
  int64_t count;
  IG_TRY(ig_bucket_check_flat(node, &dtype, &count));
  return ig_infer_same(node);
}

static int64_t await_within(const ig_node *node, int output) {
  IG_UNUSED(node);
  return output == 0 ? 0 : -1;
}

static ig_status await_run(const ig_call *call) {
  IG_CHECK(call->comm, IG_ERR_USAGE, "the plan was given no communicator");
  return ig_comm_wait(call->comm, call->out[0], call->stream);
}

static const ig_impl await_impls[] = {
    {.name = "communicator", .device = IG_ANY_DEVICE, .run = await_run},
    {.name = NULL},
};

const ig_op ig_op_await = {
    .name = "ingot.Await",
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .attrs = await_fields,
    .attrs_size = sizeof(ig_bucket_attrs),
    .infer = await_infer,
    .cost = ig_bucket_cost,
    .within = await_within,
    .reads = ig_bucket_reads,
    .impls = await_impls,
};
