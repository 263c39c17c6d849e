/* Cases of ingot.Reorder from rows; every pair of layouts is in unit/test_onednn.c. */
#include <string.h>

#include "op_case.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  memcpy(out->data, in->data, (size_t)ig_shape_count(&in->shape) * sizeof(double));
}

#define CASE(title, type_, layout, ...)                                                            \
  {                                                                                                \
    .name = title,                                                                                 \
    .inputs = {{.dtype = type_, .shape = {4, {__VA_ARGS__}}, .fill = IG_FILL_INT, .high = 100}},   \
    .n_attrs = 1, .attrs = {{.name = "to", .type = IG_ATTR_INT, .i = layout}},                     \
    .no_grad_check = true, .why = "layouts are chosen after autodiff"                              \
  }

static const ig_op_case cases[] = {
    CASE("rows", IG_F32, IG_LAYOUT_ROWS, 2, 5, 3, 4),
    CASE("channels last", IG_F32, IG_LAYOUT_NHWC, 2, 19, 3, 4),
    CASE("blocked", IG_F32, IG_LAYOUT_BLOCK16, 2, 32, 3, 4),
    CASE("blocked, padded", IG_F32, IG_LAYOUT_BLOCK16, 2, 19, 3, 4),
    CASE("bytes", IG_U8, IG_LAYOUT_BLOCK16, 1, 17, 2, 2),
};

const ig_op_cases ig_cases_reorder = {
    .op = "ingot.Reorder", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
