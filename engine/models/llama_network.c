/* Activations are [rows, width] with rows = N * T, so that every linear layer is one Gemm; rotation and
 * attention see [N, T, heads * size], and the reshapes between are views. Cosines and sines are tables
 * by position, made here in float64: they are constants, and no operator has to compute them. */
#include "engine/models/llama_network.h"

#include <inttypes.h>
#include <math.h>

#include "engine/models/decoding.h"
#include "engine/models/layers.h"

typedef struct network {
  ig_graph *graph;
  const ig_llama_config *config;
  ig_decoding decoding;
  ig_value *cosines, *sines; /* [positions, size / 2] */
  ig_value *ids;             /* positions of all tokens, [N, T] */
} network;

static const char *join(const network *n, const char *prefix, const char *name) {
  return ig_layer_name(n->graph, prefix, name);
}

static ig_value *linear(const network *n, const char *prefix, const char *name, ig_value *x,
                        int64_t out, bool bias, float deviation) {
  return ig_layer_linear(n->graph, join(n, prefix, name), x, out, bias, ig_init_normal(deviation));
}

static ig_value *rms_norm(const network *n, const char *prefix, const char *name, ig_value *x) {
  if (!x) return NULL;
  const char *full = join(n, prefix, name);
  ig_value *scale =
      ig_graph_param(n->graph, join(n, full, "weight"), IG_F32, IG_SHAPE(n->config->width),
                     (ig_init){.kind = IG_INIT_ONE}, false);
  return ig_op1(n->graph, "RMSNormalization", full, IG_INS(x, scale),
                IG_ATTRS(IG_INT("axis", -1), IG_FLOAT("epsilon", (float)n->config->epsilon)));
}

/* --- positions --------------------------------------------------------------------------------- */

/* Radians a position of pair i (RoFormer, section 3.2.2), stretched as Llama 3.1 is: waves longer than
 * original / low are `factor` times as long, shorter than original / high as they were. */
static double frequency(const ig_llama_config *c, int64_t i) {
  double plain = pow(c->theta, -2.0 * (double)i / (double)c->head_size);
  if (c->rope == IG_LLAMA_ROPE_PLAIN) return plain;
  if (c->rope == IG_LLAMA_ROPE_LINEAR) return plain / c->factor;
  double waves = (double)c->original * plain / (2 * 3.14159265358979323846);
  double ramp = (waves - c->low) / (c->high - c->low);
  ramp = IG_MIN(IG_MAX(ramp, 0), 1);
  return plain * (ramp + (1 - ramp) / c->factor);
}

static void make_tables(network *n, int64_t positions) {
  ig_graph *g = n->graph;
  const ig_llama_config *c = n->config;
  int64_t half = c->head_size / 2;
  size_t bytes = (size_t)(positions * half) * sizeof(float);
  float *cosines = ig_alloc(bytes), *sines = ig_alloc(bytes);
  if (cosines && sines) {
    for (int64_t i = 0; i < half; i++) {
      double step = frequency(c, i);
      for (int64_t p = 0; p < positions; p++) {
        cosines[p * half + i] = (float)cos((double)p * step);
        sines[p * half + i] = (float)sin((double)p * step);
      }
    }
    n->cosines = ig_graph_const(g, "rotary.cos", IG_F32, IG_SHAPE(positions, half), cosines);
    n->sines = ig_graph_const(g, "rotary.sin", IG_F32, IG_SHAPE(positions, half), sines);
  } else {
    ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "llama: out of memory"));
  }
  ig_free(cosines);
  ig_free(sines);
}

/* Positions [N, T]: the batch is free in a template, so what gives them its shape is the tokens. */
static void make_positions(network *n, ig_value *x) {
  ig_graph *g = n->graph;
  const ig_decoding *d = &n->decoding;
  ig_value *row = d->cached ? IG_RESHAPE(g, d->places, 1, d->tokens)
                            : ig_decoding_range(g, d->tokens, IG_SHAPE(1, d->tokens));
  ig_value *zeros = ig_op1(g, "Sub", NULL, IG_INS(x, x), IG_NO_ATTRS);
  n->ids = ig_op1(g, "Add", "positions", IG_INS(zeros, row), IG_NO_ATTRS);
}

static ig_value *rotated(const network *n, ig_value *x, int64_t heads) {
  return ig_op1(n->graph, "RotaryEmbedding", NULL, IG_INS(x, n->cosines, n->sines, n->ids),
                IG_ATTRS(IG_INT("num_heads", heads)));
}

/* --- blocks ------------------------------------------------------------------------------------ */

static ig_value *attention(const network *n, const char *prefix, ig_value *x, float small) {
  ig_graph *g = n->graph;
  const ig_llama_config *c = n->config;
  const char *at = join(n, prefix, "self_attn");
  int64_t tokens = n->decoding.tokens, q_width = c->heads * c->head_size;
  int64_t kv_width = c->kv_heads * c->head_size;
  bool bias = c->bias != IG_LLAMA_BIAS_NONE;
  ig_value *q = linear(n, at, "q_proj", x, q_width, bias, 0.02f);
  ig_value *k = linear(n, at, "k_proj", x, kv_width, bias, 0.02f);
  ig_value *v = linear(n, at, "v_proj", x, kv_width, bias, 0.02f);
  q = rotated(n, IG_RESHAPE(g, q, -1, tokens, q_width), c->heads);
  k = rotated(n, IG_RESHAPE(g, k, -1, tokens, kv_width), c->kv_heads);
  v = IG_RESHAPE(g, v, -1, tokens, kv_width);
  ig_value *y = ig_decoding_attention(&n->decoding, prefix, at, q, k, v, c->heads, c->kv_heads);
  return linear(n, at, "o_proj", IG_RESHAPE(g, y, -1, q_width), c->width,
                c->bias == IG_LLAMA_BIAS_ALL, small);
}

/* silu(gate) * up, silu(x) = x * sigmoid(x). */
static ig_value *feed_forward(const network *n, const char *prefix, ig_value *x, float small) {
  ig_graph *g = n->graph;
  const ig_llama_config *c = n->config;
  const char *at = join(n, prefix, "mlp");
  ig_value *gate = linear(n, at, "gate_proj", x, c->inner, false, 0.02f);
  ig_value *up = linear(n, at, "up_proj", x, c->inner, false, 0.02f);
  ig_value *open = ig_op1(g, "Sigmoid", NULL, IG_INS(gate), IG_NO_ATTRS);
  gate = ig_op1(g, "Mul", NULL, IG_INS(gate, open), IG_NO_ATTRS);
  return linear(n, at, "down_proj", ig_op1(g, "Mul", NULL, IG_INS(gate, up), IG_NO_ATTRS), c->width,
                false, small);
}

static ig_value *block(const network *n, int64_t index, ig_value *x) {
  ig_graph *g = n->graph;
  const char *prefix = ig_arena_format(g->arena, "model.layers.%" PRId64, index);
  if (!prefix) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "llama: out of memory"));
  float small = (float)(0.02 / sqrt(2.0 * (double)n->config->layers));
  ig_value *y = attention(n, prefix, rms_norm(n, prefix, "input_layernorm", x), small);
  x = ig_op1(g, "Add", NULL, IG_INS(x, y), IG_NO_ATTRS);
  y = feed_forward(n, prefix, rms_norm(n, prefix, "post_attention_layernorm", x), small);
  return ig_op1(g, "Add", NULL, IG_INS(x, y), IG_NO_ATTRS);
}

static ig_status build(network *n, ig_value *x) {
  ig_graph *g = n->graph;
  const ig_llama_config *c = n->config;
  int64_t tokens = n->decoding.tokens;
  make_tables(n, n->decoding.cached ? c->context : tokens);
  make_positions(n, x);
  ig_value *words = ig_graph_param(g, "model.embed_tokens.weight", IG_F32,
                                   IG_SHAPE(c->vocabulary, c->width), ig_init_normal(0.02f), true);
  ig_value *h = ig_op1(g, "Gather", "model.embed_tokens", IG_INS(words, x), IG_NO_ATTRS);
  h = IG_RESHAPE(g, h, -1, c->width);
  for (int64_t i = 0; i < c->layers && h; i++) h = block(n, i, h);
  h = rms_norm(n, "model", "norm", h);
  ig_value *head = words;
  if (!c->tied) {
    head = ig_graph_param(g, "lm_head.weight", IG_F32, IG_SHAPE(c->vocabulary, c->width),
                          ig_init_normal(0.02f), true);
  }
  ig_value *y = ig_op1(g, "Gemm", "lm_head", IG_INS(h, head), IG_ATTRS(IG_INT("transB", 1)));
  ig_graph_output(g, "y", IG_RESHAPE(g, y, -1, tokens, c->vocabulary));
  return ig_graph_status(g);
}

static ig_status check(const ig_llama_config *c) {
  IG_CHECK(c->heads % c->kv_heads == 0, IG_ERR_USAGE,
           "%" PRId64 " heads cannot share %" PRId64 " key and value heads evenly", c->heads,
           c->kv_heads);
  IG_CHECK(c->head_size % 2 == 0, IG_ERR_USAGE,
           "heads of %" PRId64 " elements cannot be turned in pairs", c->head_size);
  IG_CHECK(c->positions >= c->context, IG_ERR_USAGE,
           "a context of %" PRId64 " exceeds the %" PRId64 " positions", c->context, c->positions);
  IG_CHECK(c->rope != IG_LLAMA_ROPE_LLAMA3 || c->high > c->low, IG_ERR_USAGE,
           "rope=llama3: high is %g, expected more than low, %g", c->high, c->low);
  IG_CHECK(c->vocabulary > 0, IG_ERR_USAGE, "no vocabulary: the data has no token classes");
  return IG_OK;
}

ig_status ig_llama_build(ig_graph *graph, const ig_llama_config *config,
                         const ig_model_spec *spec) {
  network n = {.graph = graph, .config = config};
  ig_value *x;
  IG_TRY(check(config));
  IG_TRY(ig_decoding_whole(graph, spec, config->context, &n.decoding, &x));
  return build(&n, x);
}

ig_status ig_llama_build_decode(ig_graph *graph, const ig_llama_config *config,
                                const ig_model_spec *spec) {
  network n = {.graph = graph, .config = config};
  ig_value *x;
  IG_TRY(check(config));
  IG_TRY(ig_decoding_cached(graph, spec, config->context, &n.decoding, &x));
  return build(&n, x);
}
