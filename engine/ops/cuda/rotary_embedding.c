/* RotaryEmbedding on a GPU. */
#include "engine/ops/rotary_embedding.h"

static const char *reject(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  return dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16 ? NULL : "not f32, bf16 or f16";
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_rotary shape = {0};
  IG_TRY(ig_rotary_embedding_describe(node, &shape));
  bool given = node->n_inputs > 3 && node->inputs[3];
  int64_t table = given ? node->inputs[1]->shape.dims[0] : shape.batch * shape.tokens;
  return ig_cuda_rotary(node->inputs[0]->dtype, &shape, call->in[0], call->in[1], call->in[2],
                        given ? call->in[3] : NULL, table, call->out[0], call->stream);
}

static const ig_impl impls[] = {{.name = "pairs", .device = IG_CUDA, .reject = reject, .run = run},
                                {0}};

static const struct ig_op_impls ops[] = {{"RotaryEmbedding", impls}, {0}};

const ig_device_ops ig_cuda_ops_rotary_embedding = {.ops = ops};
