/* Attention and its gradient on a GPU: split over keys for few queries, on tensor cores for 16-bit
 * types, in tiles for f32, and the readable way for everything else. */
#include "engine/base/checked.h"
#include "engine/ops/heads.h"
#include "kernels/lib/cuda/cudnn.h"

/* Up to here splitting keys over blocks beats tiles of queries, which would be nearly empty. */
#define FEW_QUERIES 4

typedef struct operands {
  ig_attention a;
  ig_attention_inputs in;
  char *workspace; /* what is left of it */
} operands;

static size_t aligned(size_t bytes) {
  return (bytes + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
}

static const void *input(const ig_call *call, int i) {
  return call->node->n_inputs > i && call->node->inputs[i] ? call->in[i] : NULL;
}

static void *output(const ig_call *call, int i) {
  return call->node->n_outputs > i ? call->out[i] : NULL;
}

static bool describe(const ig_node *node, const ig_heads *heads, ig_attention *a) {
  ig_shape y;
  return ig_heads_describe(node, heads, a, &y) == IG_OK;
}

/* --- which kernels take a node ---------------------------------------------------------------- */

static const char *reject_type(const ig_attention *a) {
  bool taken = a->dtype == IG_F32 || a->dtype == IG_BF16 || a->dtype == IG_F16;
  return taken ? NULL : "not f32, bf16 or f16";
}

static const char *reject_tiles(const ig_node *node, const ig_heads *heads) {
  ig_attention a;
  return describe(node, heads, &a) ? reject_type(&a) : "the operands do not fit";
}

static const char *reject_decode(const ig_node *node, const ig_heads *heads) {
  const char *reason = ig_heads_reject_tiles(node, heads);
  ig_attention a;
  if (reason || !describe(node, heads, &a)) return reason;
  return a.queries > FEW_QUERIES ? "many queries" : reject_type(&a);
}

static const char *reject_mma(const ig_node *node, const ig_heads *heads) {
  ig_attention a;
  return describe(node, heads, &a) ? ig_cuda_attention_reject(&a) : "the operands do not fit";
}

static const char *reject_f32(const ig_node *node, const ig_heads *heads, bool backward) {
  ig_attention a;
  if (!describe(node, heads, &a)) return "the operands do not fit";
  return ig_cuda_attention_f32_reject(&a, backward);
}

static const char *reject_cudnn(const ig_node *node, const ig_heads *heads) {
  ig_attention a;
  if (!describe(node, heads, &a)) return "the operands do not fit";
  if (heads->mask || heads->lengths || a.past > 0) return "a mask, lengths or a past";
  return a.dtype == IG_BF16 || a.dtype == IG_F16 ? NULL : "not bf16 or f16";
}

static ig_status prepare_cudnn(ig_call *call, const ig_heads *heads,
                               ig_status (*create)(const ig_attention *a,
                                                   ig_cudnn_attention **out)) {
  ig_cudnn_attention *attention;
  ig_attention a;
  ig_shape y;
  IG_TRY(ig_heads_describe(call->node, heads, &a, &y));
  IG_TRY(create(&a, &attention));
  call->state = attention;
  IG_CHECK(ig_add_size(call->workspace_size, ig_cudnn_attention_workspace(attention),
                       &call->workspace_size),
           IG_ERR_MEMORY, "the workspace exceeds the address space");
  return IG_OK;
}

static void release_cudnn(ig_call *call) {
  ig_cudnn_attention_destroy(call->state);
  call->state = NULL;
}

/* --- Attention -------------------------------------------------------------------------------- */

static bool is_joined(const ig_node *node, const ig_attention *a, int out) {
  return a->past > 0 || node->n_outputs > out;
}

/* Joined keys (values) that no output takes lie in the workspace. */
static size_t joined_bytes(const ig_node *node, const ig_attention *a, int64_t size, int out) {
  if (a->past == 0 || node->n_outputs > out) return 0;
  size_t count = (size_t)a->batch * (size_t)a->kv_heads * (size_t)a->keys * (size_t)size;
  return aligned(count * ig_dtype_size(a->dtype));
}

static size_t lse_bytes(const ig_attention *a) {
  return aligned((size_t)a->batch * (size_t)a->heads * (size_t)a->queries * sizeof(float));
}

/* Keys (or values) of the past and the new ones behind each other, where an output or the operator
 * needs them so. */
static ig_status join(const ig_call *call, operands *o, int out, int past, int64_t size,
                      ig_rows *rows, const void **data) {
  const ig_attention *a = &o->a;
  if (!is_joined(call->node, a, out)) return IG_OK;
  void *joined = output(call, out);
  size_t bytes = joined_bytes(call->node, a, size, out);
  if (!joined) joined = o->workspace;
  if (bytes) o->workspace += bytes;
  ig_rows dense = ig_heads_dense(a->kv_heads, a->keys, size);
  ig_rows past_rows = ig_heads_dense(a->kv_heads, a->past, size);
  if (input(call, past)) {
    IG_TRY(ig_cuda_attention_rows(a->dtype, a->batch, a->kv_heads, a->past, size, input(call, past),
                                  &past_rows, joined, &dense, 0, call->stream));
  }
  IG_TRY(ig_cuda_attention_rows(a->dtype, a->batch, a->kv_heads, a->keys - a->past, size, *data,
                                rows, joined, &dense, a->past, call->stream));
  *data = joined;
  *rows = dense;
  return IG_OK;
}

static ig_status gather(const ig_call *call, operands *o) {
  ig_heads heads = ig_heads_of_attention(call->node);
  ig_shape y;
  IG_TRY(ig_heads_describe(call->node, &heads, &o->a, &y));
  o->in =
      (ig_attention_inputs){call->in[0], call->in[1], call->in[2], input(call, 3), input(call, 6)};
  o->workspace = call->workspace;
  IG_TRY(join(call, o, 1, 4, o->a.size, &o->a.k, &o->in.k));
  return join(call, o, 2, 5, o->a.v_size, &o->a.v, &o->in.v);
}

static size_t workspace_joined(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  ig_attention a;
  if (!describe(node, &heads, &a)) return 0;
  return joined_bytes(node, &a, a.size, 1) + joined_bytes(node, &a, a.v_size, 2) +
         (node->n_outputs > 3 ? lse_bytes(&a) : 0);
}

static size_t attention_workspace_decode(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  ig_attention a;
  if (!describe(node, &heads, &a)) return 0;
  return workspace_joined(node) + ig_cuda_attention_decode_workspace(&a);
}

static const char *attention_reject_decode(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  return node->n_outputs > 3 ? "the scores are an output" : reject_decode(node, &heads);
}

/* Joining makes keys and values dense, which changes no size that matters here. */
static const char *attention_reject_mma(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  return node->n_outputs > 3 ? "the scores are an output" : reject_mma(node, &heads);
}

static const char *attention_reject_f32(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  return node->n_outputs > 3 ? "the scores are an output" : reject_f32(node, &heads, false);
}

static const char *attention_reject_tiles(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  return reject_tiles(node, &heads);
}

static ig_status attention_run_decode(const ig_call *call) {
  operands o;
  IG_TRY(gather(call, &o));
  return ig_cuda_attention_decode(&o.a, &o.in, call->out[0], NULL, o.workspace, call->stream);
}

static ig_status attention_run_mma(const ig_call *call) {
  operands o;
  IG_TRY(gather(call, &o));
  return ig_cuda_attention(&o.a, &o.in, call->out[0], NULL, call->stream);
}

static ig_status attention_run_f32(const ig_call *call) {
  operands o;
  IG_TRY(gather(call, &o));
  return ig_cuda_attention_f32(&o.a, &o.in, call->out[0], NULL, call->stream);
}

static ig_status attention_run_tiles(const ig_call *call) {
  operands o;
  IG_TRY(gather(call, &o));
  float *lse = output(call, 3) ? (float *)(void *)o.workspace : NULL;
  IG_TRY(ig_cuda_attention_tiles(&o.a, &o.in, call->out[0], lse, call->stream));
  if (!lse) return IG_OK;
  int64_t mode = IG_ATTRS_OF(ig_heads_attrs, call->node)->qk_matmul_output_mode;
  return ig_cuda_attention_scores(&o.a, &o.in, (ig_attention_stage)mode, lse, output(call, 3),
                                  call->stream);
}

static const char *attention_reject_cudnn(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention(node);
  return node->n_outputs > 1 ? "more outputs than the result" : reject_cudnn(node, &heads);
}

static ig_status attention_prepare_cudnn(ig_call *call) {
  ig_heads heads = ig_heads_of_attention(call->node);
  return prepare_cudnn(call, &heads, ig_cudnn_attention_create);
}

static ig_status attention_run_cudnn(const ig_call *call) {
  operands o;
  IG_TRY(gather(call, &o));
  return ig_cudnn_attention_run(call->state, &o.in, call->out[0], NULL, call->workspace,
                                call->stream);
}

static const ig_impl attention_impls[] = {
    {.name = "decode",
     .device = IG_CUDA,
     .reject = attention_reject_decode,
     .workspace = attention_workspace_decode,
     .run = attention_run_decode},
    {.name = "tensor_cores",
     .device = IG_CUDA,
     .reject = attention_reject_mma,
     .contender = true,
     .workspace = workspace_joined,
     .run = attention_run_mma},
    {.name = "cudnn",
     .device = IG_CUDA,
     .contender = true,
     .reject = attention_reject_cudnn,
     .prepare = attention_prepare_cudnn,
     .release = release_cudnn,
     .run = attention_run_cudnn},
    {.name = "f32",
     .device = IG_CUDA,
     .reject = attention_reject_f32,
     .workspace = workspace_joined,
     .run = attention_run_f32},
    {.name = "tiles",
     .device = IG_CUDA,
     .reject = attention_reject_tiles,
     .workspace = workspace_joined,
     .run = attention_run_tiles},
    {0},
};

/* --- ingot.Attention -------------------------------------------------------------------------- */

static ig_status lse_gather(const ig_call *call, operands *o) {
  ig_heads heads = ig_heads_of_attention_lse(call->node);
  ig_shape y;
  IG_TRY(ig_heads_describe(call->node, &heads, &o->a, &y));
  ig_attention_parts(&o->a, call->in[0], input(call, 1), input(call, 2), &o->in);
  o->in.mask = input(call, 3);
  o->in.lengths = input(call, 4);
  return IG_OK;
}

static size_t lse_workspace_decode(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  ig_attention a;
  return describe(node, &heads, &a) ? ig_cuda_attention_decode_workspace(&a) : 0;
}

static const char *lse_reject_decode(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return reject_decode(node, &heads);
}

static const char *lse_reject_mma(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return reject_mma(node, &heads);
}

static const char *lse_reject_f32(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return reject_f32(node, &heads, false);
}

static const char *lse_reject_tiles(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return reject_tiles(node, &heads);
}

static ig_status lse_run_decode(const ig_call *call) {
  operands o;
  IG_TRY(lse_gather(call, &o));
  return ig_cuda_attention_decode(&o.a, &o.in, call->out[0], call->out[1], call->workspace,
                                  call->stream);
}

static ig_status lse_run_mma(const ig_call *call) {
  operands o;
  IG_TRY(lse_gather(call, &o));
  return ig_cuda_attention(&o.a, &o.in, call->out[0], call->out[1], call->stream);
}

static ig_status lse_run_f32(const ig_call *call) {
  operands o;
  IG_TRY(lse_gather(call, &o));
  return ig_cuda_attention_f32(&o.a, &o.in, call->out[0], call->out[1], call->stream);
}

static ig_status lse_run_tiles(const ig_call *call) {
  operands o;
  IG_TRY(lse_gather(call, &o));
  return ig_cuda_attention_tiles(&o.a, &o.in, call->out[0], call->out[1], call->stream);
}

static const char *lse_reject_cudnn(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_lse(node);
  return reject_cudnn(node, &heads);
}

static ig_status lse_prepare_cudnn(ig_call *call) {
  ig_heads heads = ig_heads_of_attention_lse(call->node);
  return prepare_cudnn(call, &heads, ig_cudnn_attention_create);
}

static ig_status lse_run_cudnn(const ig_call *call) {
  operands o;
  IG_TRY(lse_gather(call, &o));
  return ig_cudnn_attention_run(call->state, &o.in, call->out[0], call->out[1], call->workspace,
                                call->stream);
}

static const ig_impl lse_impls[] = {
    {.name = "decode",
     .device = IG_CUDA,
     .reject = lse_reject_decode,
     .workspace = lse_workspace_decode,
     .run = lse_run_decode},
    {.name = "tensor_cores",
     .device = IG_CUDA,
     .contender = true,
     .reject = lse_reject_mma,
     .run = lse_run_mma},
    {.name = "cudnn",
     .device = IG_CUDA,
     .contender = true,
     .reject = lse_reject_cudnn,
     .prepare = lse_prepare_cudnn,
     .release = release_cudnn,
     .run = lse_run_cudnn},
    {.name = "f32", .device = IG_CUDA, .reject = lse_reject_f32, .run = lse_run_f32},
    {.name = "tiles", .device = IG_CUDA, .reject = lse_reject_tiles, .run = lse_run_tiles},
    {0},
};

/* --- ingot.AttentionGrad ---------------------------------------------------------------------- */

/* `out` gets where the gradients of q, k and v lie. */
static ig_status grad_gather(const ig_call *call, operands *o, ig_attention_inputs *out) {
  ig_heads heads = ig_heads_of_attention_grad(call->node);
  ig_shape y;
  IG_TRY(ig_heads_describe(call->node, &heads, &o->a, &y));
  ig_attention_parts(&o->a, call->in[3], input(call, 4), input(call, 5), &o->in);
  o->in.mask = input(call, 6);
  o->in.lengths = input(call, 7);
  ig_attention_parts(&o->a, call->out[0], output(call, 1), output(call, 2), out);
  return IG_OK;
}

static size_t grad_workspace_mma(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  ig_attention a;
  return describe(node, &heads, &a) ? ig_cuda_attention_grad_workspace(&a) : 0;
}

static const char *grad_reject_mma(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  return reject_mma(node, &heads);
}

static const char *grad_reject_f32(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  return reject_f32(node, &heads, true);
}

static const char *grad_reject_tiles(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  return reject_tiles(node, &heads);
}

static ig_status grad_run_mma(const ig_call *call) {
  operands o;
  ig_attention_inputs out;
  IG_TRY(grad_gather(call, &o, &out));
  return ig_cuda_attention_grad(&o.a, &o.in, call->in[1], call->in[2], call->in[0], (void *)out.q,
                                (void *)out.k, (void *)out.v, call->workspace, call->stream);
}

static ig_status grad_run_f32(const ig_call *call) {
  operands o;
  ig_attention_inputs out;
  IG_TRY(grad_gather(call, &o, &out));
  return ig_cuda_attention_f32_grad(&o.a, &o.in, call->in[1], call->in[2], call->in[0],
                                    (void *)out.q, (void *)out.k, (void *)out.v, call->workspace,
                                    call->stream);
}

static ig_status grad_run_tiles(const ig_call *call) {
  operands o;
  ig_attention_inputs out;
  IG_TRY(grad_gather(call, &o, &out));
  return ig_cuda_attention_grad_tiles(&o.a, &o.in, call->in[1], call->in[2], call->in[0],
                                      (void *)out.q, (void *)out.k, (void *)out.v, call->stream);
}

static const char *grad_reject_cudnn(const ig_node *node) {
  ig_heads heads = ig_heads_of_attention_grad(node);
  return reject_cudnn(node, &heads);
}

static ig_status grad_prepare_cudnn(ig_call *call) {
  ig_heads heads = ig_heads_of_attention_grad(call->node);
  return prepare_cudnn(call, &heads, ig_cudnn_attention_grad_create);
}

static ig_status grad_run_cudnn(const ig_call *call) {
  operands o;
  ig_attention_inputs out;
  IG_TRY(grad_gather(call, &o, &out));
  return ig_cudnn_attention_grad_run(call->state, &o.in, call->in[1], call->in[2], call->in[0],
                                     &out, call->workspace, call->stream);
}

static const ig_impl grad_impls[] = {
    {.name = "tensor_cores",
     .device = IG_CUDA,
     .contender = true,
     .reject = grad_reject_mma,
     .workspace = grad_workspace_mma,
     .run = grad_run_mma},
    {.name = "cudnn",
     .device = IG_CUDA,
     .contender = true,
     .reject = grad_reject_cudnn,
     .prepare = grad_prepare_cudnn,
     .release = release_cudnn,
     .run = grad_run_cudnn},
    {.name = "f32",
     .device = IG_CUDA,
     .reject = grad_reject_f32,
     .workspace = grad_workspace_mma,
     .run = grad_run_f32},
    {.name = "tiles", .device = IG_CUDA, .reject = grad_reject_tiles, .run = grad_run_tiles},
    {0},
};

static const struct ig_op_impls ops[] = {{"Attention", attention_impls},
                                         {"ingot.Attention", lse_impls},
                                         {"ingot.AttentionGrad", grad_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_attention = {.ops = ops};
