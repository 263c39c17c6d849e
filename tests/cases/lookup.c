/* Cases of ingot.Lookup. */
#include "quantized_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    int code = (int)in[0].data[i];
    out->data[i] = in[1].data[code < 0 ? code + 256 : code];
  }
}

static const ig_op_case cases[] = {
    {.name = "u8 to i8", .inputs = {BYTES(3, 7, 5, 11), SIGNED(256)}},
    {.name = "i8 to u8", .inputs = {SIGNED(71), BYTES(256)}},
    {.name = "many", .inputs = {SIGNED(3, 70000), SIGNED(256)}},
    {.name = "empty", .inputs = {SIGNED(3, 0), SIGNED(256)}},
};

const ig_op_cases ig_cases_lookup = {
    .op = "ingot.Lookup", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
