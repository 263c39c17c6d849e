/* Cases of Gelu. */
#include "elementwise_cases.h"

#include <string.h>

#define BY_TANH                                                                                    \
  .n_attrs = 1, .attrs = {{.name = "approximate", .type = IG_ATTR_STRING, .s = "tanh"}}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  bool by_tanh = strcmp(*(const char *const *)node->attrs, "tanh") == 0;
  int64_t n = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < n; i++) {
    double x = in[0].data[i];
    double u = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    out->data[i] = by_tanh ? x / 2 * (1 + tanh(u)) : x / 2 * erfc(-x / sqrt(2));
  }
}

static const ig_op_case cases[] = {UNARY_CASES(-5, 5), UNARY_SPECIAL_CASE(),
                                   UNARY_CASES(-5, 5, BY_TANH), UNARY_SPECIAL_CASE(BY_TANH)};

const ig_op_cases ig_cases_gelu = {
    .op = "Gelu", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
