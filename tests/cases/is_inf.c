/* Cases of IsInf. */
#include "elementwise_cases.h"

#define LISTED(type)                                                                               \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(IG_COUNT(special_values)), .fill = IG_FILL_VALUES,              \
    .values = special_values, .n_values = IG_COUNT(special_values)                                 \
  }

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const int64_t *detect = node->attrs; /* negative, positive */
  int64_t n = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < n; i++) out->data[i] = isinf(in->data[i]) && detect[in->data[i] > 0];
}

#define DETECT(key) .n_attrs = 1, .attrs = {{.name = (key), .type = IG_ATTR_INT, .i = 0}}


static const ig_op_case cases[] = {
    {.name = "both", .inputs = {LISTED(IG_F32)}},
    {.name = "positive", .inputs = {LISTED(IG_F32)}, DETECT("detect_negative")},
    {.name = "negative", .inputs = {LISTED(IG_F32)}, DETECT("detect_positive")},
    {.name = "f64", .inputs = {LISTED(IG_F64)}},
    {.name = "e5m2", .inputs = {LISTED(IG_F8E5M2)}},
    {.name = "image", .inputs = {SPREAD(IG_F32, -4, 4, 2, 20, 3, 3)}},
};

const ig_op_cases ig_cases_is_inf = {
    .op = "IsInf", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
