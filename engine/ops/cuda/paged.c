/* Paged caches on a GPU: attention split over keys, the readable way, and the writing of rows. */
#include "engine/ops/paged.h"
#include "kernels/movement.h"

static ig_status gather(const ig_call *call, ig_attention *a, ig_attention_inputs *in) {
  *in = (ig_attention_inputs){.q = call->in[0],
                              .k = call->in[1],
                              .v = call->in[2],
                              .table = call->in[3],
                              .lengths = call->in[4]};
  return ig_paged_attention_describe(call->node, a);
}

static const char *reject_tiles(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "f64" : NULL;
}

static const char *reject_decode(const ig_node *node) {
  ig_attention a;
  if (ig_paged_attention_describe(node, &a) != IG_OK) return "the operands do not fit";
  if (a.size > IG_ATTENTION_MOST_SIZE || a.v_size > IG_ATTENTION_MOST_SIZE) return "large heads";
  return reject_tiles(node);
}

static size_t workspace_decode(const ig_node *node) {
  ig_attention a;
  if (ig_paged_attention_describe(node, &a) != IG_OK) return 0;
  return ig_cuda_attention_decode_workspace(&a);
}

static ig_status run_decode(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  IG_TRY(gather(call, &a, &in));
  return ig_cuda_attention_decode(&a, &in, call->out[0], NULL, call->workspace, call->stream);
}

static ig_status run_tiles(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  IG_TRY(gather(call, &a, &in));
  return ig_cuda_attention_tiles(&a, &in, call->out[0], NULL, call->stream);
}

static ig_status run_scatter(const ig_call *call) {
  const ig_value *cache = call->node->inputs[0];
  ig_page_rows rows;
  IG_TRY(ig_paged_scatter_describe(call->node, &rows));
  if (call->out[0] != call->in[0]) {
    const int64_t count[] = {(int64_t)ig_value_bytes(cache)}, one[] = {1};
    IG_TRY(ig_cuda_strided_copy(1, 1, count, call->in[0], one, call->out[0], one, call->stream));
  }
  return ig_cuda_page_rows(&rows, call->in[1], call->in[2], call->in[3], call->out[0],
                           call->stream);
}

static const ig_impl attention_impls[] = {
    {.name = "decode",
     .device = IG_CUDA,
     .reject = reject_decode,
     .workspace = workspace_decode,
     .run = run_decode},
    {.name = "tiles", .device = IG_CUDA, .reject = reject_tiles, .run = run_tiles},
    {0},
};

static const ig_impl scatter_impls[] = {{.name = "vector", .device = IG_CUDA, .run = run_scatter},
                                        {0}};

static const struct ig_op_impls ops[] = {
    {"ingot.PagedAttention", attention_impls}, {"ingot.PagedScatter", scatter_impls}, {0}};

const ig_device_ops ig_cuda_ops_paged = {.ops = ops};
