/* For case files of operators on buckets: the layout, from its definition. */
#ifndef IG_TESTS_BUCKET_CASES_H
#define IG_TESTS_BUCKET_CASES_H

#include "case_tools.h"

enum { ONNX_F32 = 1, ONNX_F16 = 10, ONNX_BF16 = 16 };

/* Elements in 64 bytes of the dtype that attribute `to` names. */
static inline int64_t line_elements(const ig_node *node) {
  return attr_int(node, "to") == ONNX_F32 ? 16 : 32;
}

/* The bucket of all inputs, one element more than it has room for never written: out[0..room). */
static inline void lay_out(const ig_node *node, const ig_case_array *in, double *out, int64_t room) {
  int64_t at = 0, line = line_elements(node);
  for (int64_t i = 0; i < room; i++) out[i] = 0;
  int members = node->n_inputs - (ig_attrs_field(node->op, "after") ? (int)attr_int(node, "after") : 0);
  for (int k = 0; k < members; k++) {
    for (int64_t i = 0; i < count_of(&in[k]); i++) out[at + i] = in[k].data[i];
    at += (count_of(&in[k]) + line - 1) / line * line;
  }
}

#endif
