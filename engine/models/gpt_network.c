/* Activations are [rows, width] with rows = N * T, so that every linear layer is one Gemm with its
 * bias; only attention sees [N, T, width], and the reshapes between are views. Weights start as GPT-2's: normal
 * with deviation 0.02, projections into the residual stream scaled by 1 / sqrt(2 * layers). */
#include "engine/models/gpt_network.h"

#include <inttypes.h>
#include <math.h>

#include "engine/models/decoding.h"
#include "engine/models/layers.h"

typedef struct network {
  ig_graph *graph;
  const ig_gpt_config *config;
  ig_decoding decoding;
} network;

static const char *join(const network *n, const char *prefix, const char *name) {
  return ig_layer_name(n->graph, prefix, name);
}

/* x [rows, in] * weight [in, out] + bias. */
static ig_value *linear(const network *n, const char *prefix, const char *layer, ig_value *x,
                        int64_t out, float deviation) {
  if (!x) return NULL;
  ig_graph *g = n->graph;
  const char *name = join(n, prefix, layer);
  ig_value *in[3] = {x, ig_graph_param(g, join(n, name, "weight"), IG_F32,
                                       IG_SHAPE(x->shape.dims[1], out), ig_init_normal(deviation),
                                       true)};
  if (n->config->bias) {
    in[2] = ig_graph_param(g, join(n, name, "bias"), IG_F32, IG_SHAPE(out),
                           (ig_init){.kind = IG_INIT_ZERO}, false);
  }
  return ig_op1(g, "Gemm", name, n->config->bias ? 3 : 2, in, IG_NO_ATTRS);
}

static ig_value *layer_norm(const network *n, const char *prefix, const char *name, ig_value *x) {
  return ig_layer_layer_norm(n->graph, join(n, prefix, name), x, (float)n->config->epsilon,
                             n->config->bias);
}

static ig_value *attention(const network *n, const char *prefix, ig_value *x) {
  if (!x) return NULL;
  ig_graph *g = n->graph;
  const ig_gpt_config *c = n->config;
  int64_t kv_width = c->width / c->heads * c->kv_heads;
  x = linear(n, prefix, "attn.c_attn", x, c->width + 2 * kv_width, 0.02f);
  x = IG_RESHAPE(g, x, -1, n->decoding.tokens, c->width + 2 * kv_width);
  int64_t sizes[] = {c->width, kv_width, kv_width};
  ig_node *split = ig_graph_node(g, "Split", NULL, IG_INS(x, ig_graph_const_i64s(g, 3, sizes)),
                                 IG_ATTRS(IG_INT("axis", 2)), 3);
  if (!split) return NULL;
  ig_value *y = ig_decoding_attention(&n->decoding, prefix, join(n, prefix, "attn"),
                                      split->outputs[0], split->outputs[1], split->outputs[2],
                                      c->heads, c->kv_heads);
  return IG_RESHAPE(g, y, -1, c->width);
}

/* Dropout sees whole sequences: its masks are drawn by sample, which is the first dimension. */
static ig_value *dropout(const network *n, ig_value *x) {
  if (n->config->dropout <= 0) return x;
  x = IG_RESHAPE(n->graph, x, -1, n->decoding.tokens, n->config->width);
  return IG_RESHAPE(n->graph, ig_layer_dropout(n->graph, x, n->config->dropout), -1,
                    n->config->width);
}

static ig_value *residual(const network *n, ig_value *x, ig_value *branch) {
  return ig_op1(n->graph, "Add", NULL, IG_INS(x, dropout(n, branch)), IG_NO_ATTRS);
}

static ig_value *block(const network *n, int64_t index, ig_value *x) {
  ig_graph *g = n->graph;
  const ig_gpt_config *c = n->config;
  const char *prefix = ig_arena_format(g->arena, "h.%" PRId64, index);
  if (!prefix) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "gpt: out of memory"));
  float small = (float)(0.02 / sqrt(2.0 * (double)c->layers));

  ig_value *y = attention(n, prefix, layer_norm(n, prefix, "ln_1", x));
  x = residual(n, x, linear(n, prefix, "attn.c_proj", y, c->width, small));
  y = linear(n, prefix, "mlp.c_fc", layer_norm(n, prefix, "ln_2", x), c->inner, 0.02f);
  y = ig_op1(g, "Gelu", NULL, IG_INS(y),
             IG_ATTRS(IG_STRING("approximate", c->tanh_gelu ? "tanh" : "none")));
  return residual(n, x, linear(n, prefix, "mlp.c_proj", y, c->width, small));
}

/* Token plus position embedding, as [rows, width]. */
static ig_value *embed(const network *n, ig_value *x, ig_value *tokens) {
  ig_graph *g = n->graph;
  const ig_gpt_config *c = n->config;
  ig_value *places = ig_graph_param(g, "wpe.weight", IG_F32, IG_SHAPE(c->context, c->width),
                                    ig_init_normal(0.02f), true);
  if (n->decoding.cached) {
    places = ig_op1(g, "Gather", "wpe", IG_INS(places, n->decoding.places), IG_NO_ATTRS);
  } else if (n->decoding.tokens < c->context) {
    int64_t zero = 0, end = n->decoding.tokens;
    places = ig_op1(g, "Slice", "wpe",
                    IG_INS(places, ig_graph_const_i64s(g, 1, &zero),
                           ig_graph_const_i64s(g, 1, &end), ig_graph_const_i64s(g, 1, &zero)),
                    IG_NO_ATTRS);
  }
  ig_value *h = ig_op1(g, "Gather", "wte", IG_INS(tokens, x), IG_NO_ATTRS);
  h = ig_op1(g, "Add", NULL, IG_INS(h, places), IG_NO_ATTRS);
  return dropout(n, IG_RESHAPE(g, h, -1, c->width));
}

static ig_status build(network *n, ig_value *x) {
  ig_graph *g = n->graph;
  const ig_gpt_config *c = n->config;
  ig_value *tokens = ig_graph_param(g, "wte.weight", IG_F32, IG_SHAPE(c->vocabulary, c->width),
                                    ig_init_normal(0.02f), true);
  ig_value *h = embed(n, x, tokens);
  for (int64_t i = 0; i < c->layers && h; i++) h = block(n, i, h);
  h = layer_norm(n, "", "ln_f", h);
  ig_value *head = tokens;
  if (!c->tied) {
    head = ig_graph_param(g, "lm_head.weight", IG_F32, IG_SHAPE(c->vocabulary, c->width),
                          ig_init_normal(0.02f), true);
  }
  ig_value *y = ig_op1(g, "Gemm", "lm_head", IG_INS(h, head), IG_ATTRS(IG_INT("transB", 1)));
  ig_graph_output(g, "y", IG_RESHAPE(g, y, -1, n->decoding.tokens, c->vocabulary));
  return ig_graph_status(g);
}

static ig_status check(const ig_gpt_config *c) {
  IG_CHECK(c->width % c->heads == 0, IG_ERR_USAGE,
           "a width of %" PRId64 " is not divisible into %" PRId64 " heads", c->width, c->heads);
  IG_CHECK(c->heads % c->kv_heads == 0, IG_ERR_USAGE,
           "%" PRId64 " heads cannot share %" PRId64 " key and value heads evenly", c->heads,
           c->kv_heads);
  IG_CHECK(c->vocabulary > 0, IG_ERR_USAGE, "no vocabulary: the data has no token classes");
  return IG_OK;
}

ig_status ig_gpt_build(ig_graph *graph, const ig_gpt_config *config, const ig_model_spec *spec) {
  network n = {.graph = graph, .config = config};
  ig_value *x;
  IG_TRY(check(config));
  IG_TRY(ig_decoding_whole(graph, spec, config->context, &n.decoding, &x));
  return build(&n, x);
}

ig_status ig_gpt_build_decode(ig_graph *graph, const ig_gpt_config *config,
                              const ig_model_spec *spec) {
  network n = {.graph = graph, .config = config};
  ig_value *x;
  IG_TRY(check(config));
  IG_TRY(ig_decoding_cached(graph, spec, config->context, &n.decoding, &x));
  return build(&n, x);
}
