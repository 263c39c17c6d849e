/* Rows and views as in gpt_network.c. */
#include "engine/models/bert_network.h"

#include <inttypes.h>

#include "engine/models/layers.h"

typedef struct network {
  ig_graph *graph;
  const ig_bert_config *config;
  int64_t tokens;
  ig_value *mask; /* which tokens may be seen, bool [N, 1, 1, T]; NULL for all */
} network;

static const char *join(const network *n, const char *prefix, const char *name) {
  return ig_layer_name(n->graph, prefix, name);
}

static ig_value *linear(const network *n, const char *prefix, const char *name, ig_value *x,
                        int64_t out) {
  return ig_layer_linear(n->graph, join(n, prefix, name), x, out, true, ig_init_normal(0.02f));
}

static ig_value *layer_norm(const network *n, const char *prefix, ig_value *x) {
  return ig_layer_layer_norm(n->graph, join(n, prefix, "LayerNorm"), x, (float)n->config->epsilon,
                             true);
}

static ig_value *gelu(const network *n, ig_value *x) {
  return ig_op1(n->graph, "Gelu", NULL, IG_INS(x),
                IG_ATTRS(IG_STRING("approximate", n->config->tanh_gelu ? "tanh" : "none")));
}

/* Masks of dropout are drawn by sample, which is the first dimension. */
static ig_value *dropout(const network *n, ig_value *x) {
  if (n->config->dropout <= 0) return x;
  x = IG_RESHAPE(n->graph, x, -1, n->tokens, n->config->width);
  return IG_RESHAPE(n->graph, ig_layer_dropout(n->graph, x, n->config->dropout), -1,
                    n->config->width);
}

/* The end of a branch: projection, dropout, sum, normalisation. */
static ig_value *close_branch(const network *n, const char *prefix, ig_value *x, ig_value *branch) {
  branch = dropout(n, linear(n, prefix, "dense", branch, n->config->width));
  return layer_norm(n, prefix, ig_op1(n->graph, "Add", NULL, IG_INS(x, branch), IG_NO_ATTRS));
}

static ig_value *attention(const network *n, const char *prefix, ig_value *x) {
  ig_graph *g = n->graph;
  static const char *const names[] = {"query", "key", "value"};
  const char *at = join(n, prefix, "self");
  ig_value *in[3];
  for (int i = 0; i < 3; i++) {
    in[i] = IG_RESHAPE(g, linear(n, at, names[i], x, n->config->width), -1, n->tokens,
                       n->config->width);
  }
  ig_value *y = ig_op1(
      g, "Attention", at, IG_INS(in[0], in[1], in[2], n->mask),
      IG_ATTRS(IG_INT("q_num_heads", n->config->heads), IG_INT("kv_num_heads", n->config->heads)));
  return close_branch(n, join(n, prefix, "output"), x, IG_RESHAPE(g, y, -1, n->config->width));
}

static ig_value *block(const network *n, int64_t index, ig_value *x) {
  ig_graph *g = n->graph;
  const char *prefix = ig_arena_format(g->arena, "bert.encoder.layer.%" PRId64, index);
  if (!prefix) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "bert: out of memory"));
  x = attention(n, join(n, prefix, "attention"), x);
  ig_value *y = gelu(n, linear(n, prefix, "intermediate.dense", x, n->config->inner));
  return close_branch(n, join(n, prefix, "output"), x, y);
}

static ig_value *table(const network *n, const char *name, int64_t rows) {
  const char *full = ig_arena_format(n->graph->arena, "bert.embeddings.%s.weight", name);
  if (!full) return ig_graph_fail(n->graph, ig_fail(IG_ERR_MEMORY, "bert: out of memory"));
  return ig_graph_param(n->graph, full, IG_F32, IG_SHAPE(rows, n->config->width),
                        ig_init_normal(0.02f), true);
}

/* The first `count` rows. */
static ig_value *rows_of(const network *n, ig_value *from, int64_t count) {
  ig_graph *g = n->graph;
  int64_t zero = 0;
  return ig_op1(g, "Slice", NULL,
                IG_INS(from, ig_graph_const_i64s(g, 1, &zero), ig_graph_const_i64s(g, 1, &count),
                       ig_graph_const_i64s(g, 1, &zero)),
                IG_NO_ATTRS);
}

static ig_value *embed(const network *n, ig_value *x, ig_value *words) {
  ig_graph *g = n->graph;
  const ig_bert_config *c = n->config;
  ig_value *places = table(n, "position_embeddings", c->context);
  ig_value *types = table(n, "token_type_embeddings", c->types);
  ig_value *h = ig_op1(g, "Gather", NULL, IG_INS(words, x), IG_NO_ATTRS);
  h = ig_op1(g, "Add", NULL, IG_INS(h, rows_of(n, types, 1)), IG_NO_ATTRS);
  h = ig_op1(g, "Add", NULL, IG_INS(h, rows_of(n, places, n->tokens)), IG_NO_ATTRS);
  return dropout(n, layer_norm(n, "bert.embeddings", IG_RESHAPE(g, h, -1, c->width)));
}

static void make_mask(network *n, ig_value *x) {
  if (n->config->pad < 0) return;
  ig_graph *g = n->graph;
  ig_value *pad = ig_graph_const(g, NULL, IG_I64, IG_SCALAR, &n->config->pad);
  ig_value *is = ig_op1(g, "Equal", NULL, IG_INS(x, pad), IG_NO_ATTRS);
  ig_value *seen = ig_op1(g, "Not", NULL, IG_INS(is), IG_NO_ATTRS);
  n->mask = IG_RESHAPE(g, seen, -1, 1, 1, n->tokens);
}

/* tanh of a linear layer over the first token (BERT's "pooler"). */
static ig_value *pool(const network *n, ig_value *h) {
  ig_graph *g = n->graph;
  int64_t zero = 0;
  h = IG_RESHAPE(g, h, -1, n->tokens, n->config->width);
  h = ig_op1(g, "Gather", NULL, IG_INS(h, ig_graph_const(g, NULL, IG_I64, IG_SCALAR, &zero)),
             IG_ATTRS(IG_INT("axis", 1)));
  return ig_op1(g, "Tanh", NULL, IG_INS(linear(n, "bert.pooler", "dense", h, n->config->width)),
                IG_NO_ATTRS);
}

static ig_value *word_scores(const network *n, ig_value *h, ig_value *words) {
  ig_graph *g = n->graph;
  const char *at = "cls.predictions.transform";
  h = layer_norm(n, at, gelu(n, linear(n, at, "dense", h, n->config->width)));
  ig_value *bias =
      ig_graph_param(g, "cls.predictions.bias", IG_F32, IG_SHAPE(n->config->vocabulary),
                     (ig_init){.kind = IG_INIT_ZERO}, false);
  h = ig_op1(g, "Gemm", "cls.predictions.decoder", IG_INS(h, words, bias),
             IG_ATTRS(IG_INT("transB", 1)));
  return IG_RESHAPE(g, h, -1, n->tokens, n->config->vocabulary);
}

static ig_status build(network *n, ig_value *x) {
  ig_graph *g = n->graph;
  const ig_bert_config *c = n->config;
  make_mask(n, x);
  ig_value *words = table(n, "word_embeddings", c->vocabulary), *pooled;
  ig_value *h = embed(n, x, words);
  for (int64_t i = 0; i < c->layers && h; i++) h = block(n, i, h);
  switch (c->head) {
  case IG_BERT_CLASS:
    pooled = ig_layer_dropout(g, pool(n, h), c->dropout);
    ig_graph_output(g, "y", linear(n, "", "classifier", pooled, c->classes));
    break;
  case IG_BERT_MLM: ig_graph_output(g, "y", word_scores(n, h, words)); break;
  case IG_BERT_NONE:
    ig_graph_output(g, "y", IG_RESHAPE(g, h, -1, n->tokens, c->width));
    ig_graph_output(g, "pooled", pool(n, h));
    break;
  }
  return ig_graph_status(g);
}

ig_status ig_bert_build(ig_graph *graph, const ig_bert_config *config, const ig_model_spec *spec) {
  IG_CHECK(config->width % config->heads == 0, IG_ERR_USAGE,
           "a width of %" PRId64 " is not divisible into %" PRId64 " heads", config->width,
           config->heads);
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
