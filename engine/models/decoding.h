/* How a decoder-only transformer meets its tokens, whichever network it is: whole sequences at once, or
 * a few tokens after those whose keys and values are in a cache (ig_model_preset.build_decode). */
#ifndef IG_MODELS_DECODING_H
#define IG_MODELS_DECODING_H

#include "engine/models/model.h"

typedef struct ig_decoding {
  ig_graph *graph;
  int64_t context;   /* the most tokens of a sequence */
  int64_t tokens;    /* T of the graph being built */
  bool cached;       /* with a cache; what follows is for that */
  int64_t sequences; /* N */
  ig_value *places;  /* positions of the tokens fed, [T] */
  ig_value *start;   /* position of the first by sequence, [N] */
  ig_value *length;  /* T is 1: valid cache entries by sequence, [N] */
  ig_value *mask;    /* T is more: which cache entries a token may see, bool [T, context] */
} ig_decoding;

/* For whole sequences of spec->input tokens, which the context must hold. *x is the input [N, T]. */
ig_status ig_decoding_whole(ig_graph *graph, const ig_model_spec *spec, int64_t context,
                            ig_decoding *out, ig_value **x);
/* For spec->fed tokens of spec->sequences with a cache. *x is the input [sequences, fed]. */
ig_status ig_decoding_cached(ig_graph *graph, const ig_model_spec *spec, int64_t context,
                             ig_decoding *out, ig_value **x);
/* The STATE "cache.PREFIX.WHAT" with this step's rows [N, T, width] written at their place. */
ig_value *ig_decoding_cache(const ig_decoding *d, const char *prefix, const char *what,
                            ig_value *rows);
/* Causal attention of q, k and v [N, T, heads * size], which go through the caches where there are some;
 * [N, T, heads * size]. */
ig_value *ig_decoding_attention(const ig_decoding *d, const char *prefix, const char *name,
                                ig_value *q, ig_value *k, ig_value *v, int64_t heads,
                                int64_t kv_heads);
/* 0, 1, 2, ... count - 1 of that shape. */
ig_value *ig_decoding_range(ig_graph *graph, int64_t count, ig_shape shape);

#endif
