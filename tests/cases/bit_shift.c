/* Cases of BitShift. */
#include <string.h>

#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double range = ldexp(1, ig_dtype_bits(node->inputs[0]->dtype));
  bool left = strcmp(*(const char *const *)node->attrs, "LEFT") == 0;
  int64_t n = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < n; i++) {
    double a = broadcast_at(&in[0], &out->shape, i), b = broadcast_at(&in[1], &out->shape, i);
    out->data[i] = left ? fmod(a * exp2(b), range) : floor(a / exp2(b));
  }
}

#define TOWARDS(way) .n_attrs = 1, .attrs = {{.name = "direction", .type = IG_ATTR_STRING, .s = (way)}}
#define SHIFTED(type, most, by, way)                                                               \
  {                                                                                                \
    .name = #type " " way, .inputs = {INT_OPERAND(type, 0, most), INT_OPERAND(type, 0, by)},       \
    TOWARDS(way)                                                                                   \
  }


static const ig_op_case cases[] = {
    SHIFTED(IG_U8, 255, 9, "LEFT"),    SHIFTED(IG_U8, 255, 9, "RIGHT"),
    SHIFTED(IG_U16, 65535, 17, "LEFT"), SHIFTED(IG_U16, 65535, 17, "RIGHT"),
    SHIFTED(IG_U32, 4e9, 33, "LEFT"),  SHIFTED(IG_U32, 4e9, 33, "RIGHT"),
    SHIFTED(IG_U64, 4e9, 20, "LEFT"),  SHIFTED(IG_U64, 4e15, 70, "RIGHT"),
};

const ig_op_cases ig_cases_bit_shift = {
    .op = "BitShift", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
