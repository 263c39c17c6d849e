/* What the attention operators share: attributes, shapes of queries, keys and values in their two
 * ONNX forms and in one packed projection, and the kernels' description. */
#ifndef IG_OPS_HEADS_H
#define IG_OPS_HEADS_H

#include "engine/ops/op.h"
#include "kernels/attention.h"

typedef struct ig_heads_attrs {
  int64_t is_causal, kv_num_heads, q_num_heads;
  float scale; /* 0: 1 / sqrt(head size) */
  float softcap;
  int64_t qk_matmul_output_mode, softmax_precision;
} ig_heads_attrs;

#define IG_HEADS_FIELDS                                                                            \
  IG_FIELD_INT(ig_heads_attrs, is_causal, 0), IG_FIELD_INT(ig_heads_attrs, kv_num_heads, 0),       \
      IG_FIELD_INT(ig_heads_attrs, q_num_heads, 0), IG_FIELD_FLOAT(ig_heads_attrs, scale, 0),      \
      IG_FIELD_FLOAT(ig_heads_attrs, softcap, 0)

/* The operands of attention, wherever a node has them. k and v are NULL where q is a packed
 * projection [B, T, (heads + 2 kv_heads) * size]. */
typedef struct ig_heads {
  const ig_value *q, *k, *v, *mask, *past_key, *past_value, *lengths;
} ig_heads;

/* Those of a node of each operator. */
ig_heads ig_heads_of_attention(const ig_node *node);
ig_heads ig_heads_of_attention_lse(const ig_node *node);
ig_heads ig_heads_of_attention_grad(const ig_node *node);

/* Checks the operands; gives the description (with rows of q, k, v and y as the operands lie, keys
 * counted with the past) and the shape of y. */
ig_status ig_heads_describe(const ig_node *node, const ig_heads *heads, ig_attention *out,
                            ig_shape *y);
/* Dense rows of [batch, heads, tokens, size]. */
ig_rows ig_heads_dense(int64_t heads, int64_t tokens, int64_t size);

/* The attributes as builders take them. */
#define IG_HEADS_ATTRS 5
void ig_heads_attr_list(const ig_node *node, ig_attr list[IG_HEADS_ATTRS]);

/* Multiplications and additions of the two products (`products` = 2) or the five of the
 * gradient. */
ig_cost ig_heads_cost(const ig_node *node, const ig_heads *heads, int products);
/* NULL when the tiled kernels take it. */
const char *ig_heads_reject_tiles(const ig_node *node, const ig_heads *heads);

#endif
