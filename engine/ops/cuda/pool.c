/* Poolings on a GPU. */
#include "engine/ops/pooling.h"

/* The kernels count windows and places in 32 bits. */
static bool is_small(const ig_pool *p) {
  const int64_t most = 1 << 30;
  bool small = true;
  for (int i = 0; i < 4; i++) small = small && p->src[i] < most && p->dst[i] < most;
  for (int i = 0; i < 2; i++) {
    small = small && p->stride[i] < most && p->begin[i] < most && p->end[i] < most &&
            p->kernel[i] < most && p->dilation[i] < most &&
            (p->kernel[i] - 1) * p->dilation[i] < most;
  }
  return small;
}

static const char *reject(const ig_node *node, const ig_pool *pool) {
  bool bytes = pool->dtype == IG_U8 && node->op == ig_op_find("MaxPool");
  const char *reason = bytes ? ig_pool_reject_layouts(node) : ig_pool_reject_lanes(node);
  if (reason) return reason;
  if (node->inputs[0]->layout == IG_LAYOUT_BLOCK16) return "blocks of channels are for the CPU";
  return is_small(pool) ? NULL : "an extent of 2^30 or more";
}

static const char *reject_forward(const ig_node *node) {
  ig_pool pool;
  return ig_pool_of(node, &pool) == IG_OK ? reject(node, &pool) : "the shapes do not fit";
}

static const char *reject_max(const ig_node *node) {
  bool rows = node->inputs[0]->layout == IG_LAYOUT_ROWS;
  return node->n_outputs > 1 && !rows ? "indices are for row-major memory" : reject_forward(node);
}

static const char *reject_grad(const ig_node *node) {
  ig_pool pool;
  return ig_pool_grad_of(node, &pool) == IG_OK ? reject(node, &pool) : "the shapes do not fit";
}

static const char *reject_global(const ig_node *node) {
  ig_pool pool;
  ig_pool_global_of(node, &pool);
  return reject(node, &pool);
}

static ig_status run_max(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  bool column_major = IG_ATTRS_OF(ig_pool_attrs, call->node)->storage_order == 1;
  int64_t *indices = call->node->n_outputs > 1 ? call->out[1] : NULL;
  return ig_cuda_max_pool(&pool, call->in[0], call->out[0], NULL, indices, column_major,
                          call->stream);
}

static ig_status run_max_taps(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  return ig_cuda_max_pool(&pool, call->in[0], call->out[0], call->out[1], NULL, false,
                          call->stream);
}

static ig_status run_max_grad(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_grad_of(call->node, &pool));
  return ig_cuda_pool_grad(&pool, call->in[0], call->in[1], call->out[0], call->stream);
}

static ig_status run_mean(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_of(call->node, &pool));
  return ig_cuda_mean_pool(&pool, call->in[0], call->out[0], call->stream);
}

static ig_status run_mean_grad(const ig_call *call) {
  ig_pool pool;
  IG_TRY(ig_pool_grad_of(call->node, &pool));
  return ig_cuda_pool_grad(&pool, call->in[0], NULL, call->out[0], call->stream);
}

static ig_status run_global(const ig_call *call) {
  ig_pool pool;
  ig_pool_global_of(call->node, &pool);
  return ig_cuda_mean_pool(&pool, call->in[0], call->out[0], call->stream);
}

#define POOL(stem, rejects)                                                                        \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = "gather", .device = IG_CUDA, .reject = rejects, .run = run_##stem}, {0}};

POOL(max, reject_max)
POOL(max_taps, reject_forward)
POOL(max_grad, reject_grad)
POOL(mean, reject_forward)
POOL(mean_grad, reject_grad)
POOL(global, reject_global)

static const struct ig_op_impls ops[] = {
    {"MaxPool", max_impls},           {"ingot.MaxPool", max_taps_impls},
    {"ingot.MaxPoolGrad", max_grad_impls}, {"AveragePool", mean_impls},
    {"ingot.AveragePoolGrad", mean_grad_impls}, {"GlobalAveragePool", global_impls},
    {0}};

const ig_device_ops ig_cuda_ops_pool = {.ops = ops};
