/* What LinearAttention and its gradient share. */
#ifndef IG_OPS_LINEAR_ATTENTION_H
#define IG_OPS_LINEAR_ATTENTION_H

#include "engine/ops/doubles.h"

typedef struct ig_linear_attention_attrs {
  int64_t chunk_size, kv_num_heads, q_num_heads;
  float scale;
  const char *update_rule;
} ig_linear_attention_attrs;

extern const ig_attr_field ig_linear_attention_fields[];
extern const ig_twin ig_linear_attention_twin;

/* Inputs of both operators. */
enum { IG_LA_QUERY, IG_LA_KEY, IG_LA_VALUE, IG_LA_PAST, IG_LA_DECAY, IG_LA_BETA };

/* A checked node: batch, steps, heads, widths of keys and values, numbers of decay and beta a step. */
typedef struct ig_linear_attention {
  int64_t batch, steps, heads, kv_heads, size, v_size, decays, betas;
  double scale;
  bool delta;
} ig_linear_attention;

ig_status ig_linear_attention_describe(const ig_node *node, ig_linear_attention *out,
                                       ig_shape shapes[2]);
/* Row of head `h` of `heads`, `size` wide, at step t. */
static inline int64_t ig_la_row(const ig_linear_attention *s, int64_t b, int64_t t, int64_t h,
                                int64_t heads, int64_t size) {
  return ((b * s->steps + t) * heads + h) * size;
}
/* Where key dimension i of head h finds its decay, and head h its beta, at step t. */
static inline int64_t ig_la_decay(const ig_linear_attention *s, int64_t b, int64_t t, int64_t h,
                                  int64_t i) {
  return (b * s->steps + t) * s->decays + (s->decays == s->kv_heads ? h : h * s->size + i);
}
static inline int64_t ig_la_beta(const ig_linear_attention *s, int64_t b, int64_t t, int64_t h) {
  return (b * s->steps + t) * s->betas + (s->betas == 1 ? 0 : h);
}
/* One step of one head: the decayed state goes to `decayed`, the new one to `next`, both [size, v_size];
 * `change` gets what was written for the key. */
void ig_linear_attention_step(const ig_linear_attention *spec, const ig_doubles *doubles, int64_t b,
                              int64_t h, int64_t t, const double *state, double *decayed,
                              double *change, double *next);

#endif
