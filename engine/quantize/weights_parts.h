/* What the files of weight methods share: which numbers of a weight have one scale, and a layer's parameters
 * at hand. */
#ifndef IG_QUANTIZE_WEIGHTS_PARTS_H
#define IG_QUANTIZE_WEIGHTS_PARTS_H

#include "engine/quantize/weights.h"

/* A weight [outer, length, inner] about the dimension that has scales of its own: one for each of `length`
 * channels, or (group > 0) one for each of `groups` groups of it, in all outer and inner places. */
typedef struct ig_weight_slices {
  int64_t outer, length, inner, group, groups;
  int64_t count; /* of scales */
  int bits;      /* 8: -127 to 127; 4: -8 to 7 */
} ig_weight_slices;

/* Elements base + a * stride[0] + b of the weight, a < n[0], b < n[1]. */
typedef struct ig_weight_slice {
  int64_t base, n[2], stride[2];
} ig_weight_slice;

ig_status ig_weight_slices_of(const ig_quant_layer *layer, const ig_quant_settings *settings,
                              const ig_shape *shape, ig_weight_slices *out);
ig_weight_slice ig_weight_slice_at(const ig_weight_slices *slices, int64_t index);

/* The scale of element `i` of the weight. */
static inline int64_t ig_weight_scale_index(const ig_weight_slices *s, int64_t i) {
  int64_t at = i / s->inner % s->length;
  if (!s->group) return at;
  return (i / s->inner / s->length * s->groups + at / s->group) * s->inner + i % s->inner;
}

/* Whether the format has weights in integers. */
static inline bool ig_quant_has_codes(ig_quant_format format) {
  return format == IG_QUANT_INT8 || format == IG_QUANT_INT8_DYNAMIC ||
         format == IG_QUANT_INT8_WEIGHTS || format == IG_QUANT_INT4_WEIGHTS;
}

/* Room for scales and codes. */
ig_status ig_quant_weight_create(const ig_weight_slices *slices, const ig_shape *shape,
                                 ig_quant_weight *out);
ig_status ig_quantize_nearest(const ig_quant_layer *layer, const ig_weight_slices *slices,
                              const ig_shape *shape, const float *weight, ig_quant_weight *out);

/* A layer's weight and bias as f32 on the host, and which channels a number of the weight joins. */
typedef struct ig_layer_weights {
  const ig_quant_layer *layer;
  ig_node *node;
  ig_value *weight, *bias; /* PARAMs; no bias: NULL */
  int64_t n_in, n_out, groups; /* channels; all groups together */
  int64_t inner_in, inner_out; /* elements between neighbours along the two dimensions */
  float *w, *b;                /* heap */
} ig_layer_weights;

/* *usable is false where the layer is of another kind than Conv, Gemm or MatMul with an f32 PARAM as input 1
 * that nothing else reads, or has a bias that is no such PARAM. A bias is an input of the node, or what an Add
 * behind a MatMul adds. Nothing is to be closed then, or on failure. */
ig_status ig_layer_weights_open(const ig_graph *graph, const ig_store *store,
                                const ig_quant_layer *layer, ig_layer_weights *out, bool *usable);
/* Writes both back to the store. */
ig_status ig_layer_weights_save(const ig_layer_weights *weights, ig_store *store);
void ig_layer_weights_close(ig_layer_weights *weights);

static inline int64_t ig_weight_out(const ig_layer_weights *w, int64_t i) {
  return i / w->inner_out % w->n_out;
}
static inline int64_t ig_weight_in(const ig_layer_weights *w, int64_t i) {
  int64_t each = w->n_in / w->groups;
  return i / w->inner_in % each + ig_weight_out(w, i) / (w->n_out / w->groups) * each;
}

/* The only node that reads the value, which is no output of the graph; NULL when there are more or none. */
ig_node *ig_only_reader(const ig_graph *graph, const ig_value *value);
/* Floats of the store; those read are heap, the caller's. */
ig_status ig_store_read_floats(const ig_store *store, const char *name, float **out);
ig_status ig_store_write_floats(ig_store *store, const char *name, const float *host);

#endif
