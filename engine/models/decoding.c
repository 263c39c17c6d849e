/* See decoding.h. Training and decoding share every line of a network but what feeds attention its keys
 * and values, which is here. */
#include "engine/models/decoding.h"

#include <inttypes.h>

#include "engine/models/layers.h"

ig_value *ig_decoding_range(ig_graph *g, int64_t count, ig_shape shape) {
  int64_t *values = ig_arena_alloc(g->arena, (size_t)count * sizeof *values);
  if (!values) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "positions: out of memory"));
  for (int64_t i = 0; i < count; i++) values[i] = i;
  return ig_graph_const(g, NULL, IG_I64, shape, values);
}

ig_status ig_decoding_whole(ig_graph *graph, const ig_model_spec *spec, int64_t context,
                            ig_decoding *out, ig_value **x) {
  IG_CHECK(spec->input.rank == 1, IG_ERR_SHAPE,
           "expected sequences of tokens [T], found samples of shape %s",
           IG_SHAPE_STR(&spec->input));
  int64_t tokens = spec->input.dims[0];
  IG_CHECK(tokens <= context, IG_ERR_SHAPE,
           "sequences of %" PRId64 " tokens exceed the context of %" PRId64, tokens, context);
  *out = (ig_decoding){.graph = graph, .context = context, .tokens = tokens};
  *x = ig_layer_input(graph, spec, IG_I64);
  return ig_graph_status(graph);
}

/* Positions of the tokens fed, from that of the first; and what each may see in the cache: all
 * entries up to its own. */
static void cached_inputs(ig_decoding *d) {
  ig_graph *g = d->graph;
  ig_value *position = ig_graph_input(g, "position", IG_I64, IG_SHAPE(1));
  d->places = d->start = position;
  if (d->sequences > 1) {
    d->start = ig_op1(g, "Expand", NULL, IG_INS(position, ig_graph_const_i64s(g, 1, &d->sequences)),
                      IG_NO_ATTRS);
  }
  if (d->tokens == 1) {
    int64_t one = 1;
    d->length =
        ig_op1(g, "Add", NULL, IG_INS(d->start, ig_graph_const_i64s(g, 1, &one)), IG_NO_ATTRS);
    return;
  }
  ig_value *steps = ig_decoding_range(g, d->tokens, IG_SHAPE(d->tokens));
  d->places = ig_op1(g, "Add", NULL, IG_INS(position, steps), IG_NO_ATTRS);
  d->mask = ig_op1(g, "LessOrEqual", NULL,
                   IG_INS(ig_decoding_range(g, d->context, IG_SHAPE(1, d->context)),
                          IG_RESHAPE(g, d->places, d->tokens, 1)),
                   IG_NO_ATTRS);
}

ig_status ig_decoding_cached(ig_graph *graph, const ig_model_spec *spec, int64_t context,
                             ig_decoding *out, ig_value **x) {
  IG_CHECK(spec->sequences >= 0 && spec->sequences <= 65536, IG_ERR_USAGE,
           "%" PRId64 " sequences side by side, expected 1 to 65536", spec->sequences);
  IG_CHECK(spec->fed >= 0 && spec->fed <= context, IG_ERR_USAGE,
           "%" PRId64 " tokens fed at once, expected 1 to the context of %" PRId64, spec->fed,
           context);
  *out = (ig_decoding){.graph = graph,
                       .context = context,
                       .cached = true,
                       .tokens = IG_MAX(spec->fed, 1),
                       .sequences = IG_MAX(spec->sequences, 1)};
  *x = ig_graph_input(graph, "x", IG_I64, IG_SHAPE(out->sequences, out->tokens));
  cached_inputs(out);
  return ig_graph_status(graph);
}

ig_value *ig_decoding_cache(const ig_decoding *d, const char *prefix, const char *what,
                            ig_value *rows) {
  if (!rows) return NULL;
  ig_graph *g = d->graph;
  const char *name = ig_arena_format(g->arena, "cache.%s.%s", prefix, what);
  if (!name) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "%s: out of memory", prefix));
  ig_value *cache =
      ig_graph_state(g, name, IG_F32, IG_SHAPE(d->sequences, d->context, rows->shape.dims[2]),
                     (ig_init){.kind = IG_INIT_ZERO});
  ig_value *present =
      ig_op1(g, "TensorScatter", NULL, IG_INS(cache, rows, d->start), IG_ATTRS(IG_INT("axis", 1)));
  ig_graph_assign(g, cache, present);
  return present;
}

ig_value *ig_decoding_attention(const ig_decoding *d, const char *prefix, const char *name,
                                ig_value *q, ig_value *k, ig_value *v, int64_t heads,
                                int64_t kv_heads) {
  if (d->cached) {
    k = ig_decoding_cache(d, prefix, "key", k);
    v = ig_decoding_cache(d, prefix, "value", v);
  }
  return ig_op1(d->graph, "Attention", name, IG_INS(q, k, v, d->mask, NULL, NULL, d->length),
                IG_ATTRS(IG_INT("is_causal", !d->cached), IG_INT("q_num_heads", heads),
                         IG_INT("kv_num_heads", kv_heads)));
}
