/* For the case files of quantization: which scale an element has, from ONNX's definition. */
#ifndef IG_TESTS_QUANTIZE_CASES_H
#define IG_TESTS_QUANTIZE_CASES_H

#include "case_tools.h"

/* Index into scale and zero point for element `i` of x. */
static inline int64_t scale_of(const ig_node *node, const ig_case_array *in, int64_t i) {
  int64_t index[IG_MAX_RANK] = {0}, block = attr_int(node, "block_size");
  if (count_of(&in[1]) == 1) return 0;
  int axis = axis_of(attr_int(node, "axis"), &in[0].shape);
  index_of(&in[0].shape, i, index);
  if (!block) return index[axis];
  index[axis] /= block;
  return offset_of(&in[1].shape, index);
}

static inline double zero_of(const ig_node *node, const ig_case_array *in, int64_t scale) {
  return node->n_inputs > 2 ? in[2].data[scale] : 0;
}

#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}
#define BLOCKS(axis_, size) .n_attrs = 2, .attrs = {A_INT("axis", axis_), A_INT("block_size", size)}
#define SCALES(...)                                                                                \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 0.01,             \
    .high = 0.05, .no_grad = true                                                                  \
  }

#endif
