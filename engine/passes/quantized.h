/* What the passes lower_int8*.c read of a graph with QuantizeLinear and DequantizeLinear. */
#ifndef IG_PASSES_QUANTIZED_H
#define IG_PASSES_QUANTIZED_H

#include "engine/passes/rewrite.h"

/* A tensor of 8-bit codes whose one scale and zero point are known. */
typedef struct ig_coded {
  ig_value *codes; /* of a sink: QuantizeLinear's result */
  float scale;
  int64_t zero;
  ig_dtype dtype;
} ig_coded;

/* Whether integer operators pay: inference on a CPU that multiplies bytes without saturating. */
bool ig_int8_pays(const ig_pass_options *options);
/* Scale and zero point of a QuantizeLinear or DequantizeLinear between f32 and 8 bits, where both are one
 * known number; its codes are input 0 of the latter, output 0 of the former. */
bool ig_coded_read(const ig_node *node, ig_coded *out);
/* The codes that `value` was made from by a DequantizeLinear. */
bool ig_coded_source(const ig_value *value, ig_coded *out);
/* The QuantizeLinear that alone reads `value`, or NULL. */
ig_node *ig_coded_sink(const ig_graph *graph, const ig_value *value, ig_coded *out);
static inline bool ig_coded_alike(const ig_coded *a, const ig_coded *b) {
  return a->scale == b->scale && a->zero == b->zero && a->dtype == b->dtype;
}

/* DequantizeLinear of `codes` with these numbers. */
ig_value *ig_coded_decode(ig_graph *graph, ig_value *codes, const ig_coded *as);
ig_value *ig_coded_encode(ig_graph *graph, ig_value *real, const ig_coded *as);

#endif
