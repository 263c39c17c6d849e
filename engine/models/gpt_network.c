/* Activations are [rows, width] with rows = N * T, so that every linear layer is one Gemm with its
 * bias; only attention sees [N, T, width], and the reshapes between are views. Training and decoding
 * share every line but what feeds attention its keys and values. Weights start as GPT-2's: normal
 * with deviation 0.02, projections into the residual stream scaled by 1 / sqrt(2 * layers). */
#include "engine/models/gpt_network.h"

#include <inttypes.h>
#include <math.h>

#include "engine/models/layers.h"

typedef struct network {
  ig_graph *graph;
  const ig_gpt_config *config;
  int64_t tokens;    /* T of the graph being built */
  bool decodes;      /* with a cache; what follows is for that */
  int64_t sequences; /* N */
  ig_value *places;  /* positions of the tokens fed, [T] */
  ig_value *start;   /* position of the first by sequence, [N] */
  ig_value *length;  /* T is 1: valid cache entries by sequence, [N] */
  ig_value *mask;    /* T is more: which cache entries a token may see, bool [T, context] */
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
  return ig_layer_layer_norm(n->graph, join(n, prefix, name), x, 1e-5f, n->config->bias);
}

/* The cache with this step's rows [N, T, width] written at `start`; the STATE takes the result. */
static ig_value *cached(const network *n, const char *prefix, const char *what, ig_value *rows) {
  if (!rows) return NULL;
  ig_graph *g = n->graph;
  const char *name = ig_arena_format(g->arena, "cache.%s.%s", prefix, what);
  if (!name) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "%s: out of memory", prefix));
  ig_value *cache = ig_graph_state(g, name, IG_F32,
                                   IG_SHAPE(n->sequences, n->config->context, rows->shape.dims[2]),
                                   (ig_init){.kind = IG_INIT_ZERO});
  ig_value *present =
      ig_op1(g, "TensorScatter", NULL, IG_INS(cache, rows, n->start), IG_ATTRS(IG_INT("axis", 1)));
  ig_graph_assign(g, cache, present);
  return present;
}

static ig_value *attention(const network *n, const char *prefix, ig_value *x) {
  if (!x) return NULL;
  ig_graph *g = n->graph;
  const ig_gpt_config *c = n->config;
  int64_t kv_width = c->width / c->heads * c->kv_heads;
  x = linear(n, prefix, "attn.c_attn", x, c->width + 2 * kv_width, 0.02f);
  x = IG_RESHAPE(g, x, -1, n->tokens, c->width + 2 * kv_width);
  int64_t sizes[] = {c->width, kv_width, kv_width};
  ig_node *split = ig_graph_node(g, "Split", NULL, IG_INS(x, ig_graph_const_i64s(g, 3, sizes)),
                                 IG_ATTRS(IG_INT("axis", 2)), 3);
  if (!split) return NULL;
  ig_value *q = split->outputs[0], *k = split->outputs[1], *v = split->outputs[2], *y;
  int64_t causal = !n->decodes;
  if (n->decodes) {
    k = cached(n, prefix, "key", k);
    v = cached(n, prefix, "value", v);
  }
  y = ig_op1(g, "Attention", join(n, prefix, "attn"),
             IG_INS(q, k, v, n->mask, NULL, NULL, n->length),
             IG_ATTRS(IG_INT("is_causal", causal), IG_INT("q_num_heads", c->heads),
                      IG_INT("kv_num_heads", c->kv_heads)));
  return IG_RESHAPE(g, y, -1, c->width);
}

/* Dropout sees whole sequences: its masks are drawn by sample, which is the first dimension. */
static ig_value *dropout(const network *n, ig_value *x) {
  if (n->config->dropout <= 0) return x;
  x = IG_RESHAPE(n->graph, x, -1, n->tokens, n->config->width);
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
  y = linear(n, prefix, "mlp.c_fc", layer_norm(n, prefix, "ln_2", x), 4 * c->width, 0.02f);
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
  if (n->decodes) {
    places = ig_op1(g, "Gather", "wpe", IG_INS(places, n->places), IG_NO_ATTRS);
  } else if (n->tokens < c->context) {
    int64_t zero = 0, end = n->tokens;
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
  ig_graph_output(g, "y", IG_RESHAPE(g, y, -1, n->tokens, c->vocabulary));
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
  IG_TRY(check(config));
  IG_CHECK(spec->input.rank == 1, IG_ERR_SHAPE,
           "expected sequences of tokens [T], found samples of shape %s",
           IG_SHAPE_STR(&spec->input));
  int64_t tokens = spec->input.dims[0];
  IG_CHECK(tokens <= config->context, IG_ERR_SHAPE,
           "sequences of %" PRId64 " tokens exceed the context of %" PRId64, tokens,
           config->context);
  network n = {.graph = graph, .config = config, .tokens = tokens};
  return build(&n, ig_layer_input(graph, spec, IG_I64));
}

static ig_value *range(ig_graph *g, int64_t count, ig_shape shape) {
  int64_t *values = ig_arena_alloc(g->arena, (size_t)count * sizeof *values);
  if (!values) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "gpt: out of memory"));
  for (int64_t i = 0; i < count; i++) values[i] = i;
  return ig_graph_const(g, NULL, IG_I64, shape, values);
}

/* Positions of the tokens fed, from that of the first; and what each may see in the cache: all
 * entries up to its own. */
static void decode_inputs(network *n) {
  ig_graph *g = n->graph;
  const ig_gpt_config *c = n->config;
  ig_value *position = ig_graph_input(g, "position", IG_I64, IG_SHAPE(1));
  n->places = n->start = position;
  if (n->sequences > 1) {
    n->start = ig_op1(g, "Expand", NULL, IG_INS(position, ig_graph_const_i64s(g, 1, &n->sequences)),
                      IG_NO_ATTRS);
  }
  if (n->tokens == 1) {
    int64_t one = 1;
    n->length =
        ig_op1(g, "Add", NULL, IG_INS(n->start, ig_graph_const_i64s(g, 1, &one)), IG_NO_ATTRS);
    return;
  }
  ig_value *steps = range(g, n->tokens, IG_SHAPE(n->tokens));
  n->places = ig_op1(g, "Add", NULL, IG_INS(position, steps), IG_NO_ATTRS);
  n->mask = ig_op1(
      g, "LessOrEqual", NULL,
      IG_INS(range(g, c->context, IG_SHAPE(1, c->context)), IG_RESHAPE(g, n->places, n->tokens, 1)),
      IG_NO_ATTRS);
}

ig_status ig_gpt_build_decode(ig_graph *graph, const ig_gpt_config *config,
                              const ig_model_spec *spec) {
  IG_TRY(check(config));
  IG_CHECK(spec->sequences >= 0 && spec->sequences <= 65536, IG_ERR_USAGE,
           "%" PRId64 " sequences side by side, expected 1 to 65536", spec->sequences);
  IG_CHECK(spec->fed >= 0 && spec->fed <= config->context, IG_ERR_USAGE,
           "%" PRId64 " tokens fed at once, expected 1 to the context of %" PRId64, spec->fed,
           config->context);
  network n = {.graph = graph,
               .config = config,
               .decodes = true,
               .tokens = IG_MAX(spec->fed, 1),
               .sequences = IG_MAX(spec->sequences, 1)};
  ig_value *x = ig_graph_input(graph, "x", IG_I64, IG_SHAPE(n.sequences, n.tokens));
  decode_inputs(&n);
  return build(&n, x);
}
