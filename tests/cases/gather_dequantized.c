/* Cases of ingot.GatherDequantized. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t rows = in[0].shape.dims[0], width = in[0].shape.dims[1];
  int64_t block = attr_int(node, "block_size");
  int axis = axis_of(attr_int(node, "axis"), &in[0].shape);
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t row = (int64_t)in[2].data[i / width], at[2];
    if (row < 0) row += rows;
    at[0] = row;
    at[1] = i % width;
    double code = in[0].data[row * width + i % width], scale = in[1].data[0];
    if (block) {
      at[axis] /= block;
      scale = in[1].data[offset_of(&in[1].shape, at)];
    } else if (count_of(&in[1]) > 1) {
      scale = in[1].data[at[axis]];
    }
    out->data[i] = code * scale;
  }
}

#define SIGNED(...) INTS(IG_I8, -128, 127, __VA_ARGS__)
#define SHORT(...) INTS(IG_I4, -8, 7, __VA_ARGS__)
#define KNOWN(...)                                                                                 \
  {                                                                                                \
    .dtype = IG_I4, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = -8, .high = 7,         \
    .constant = true                                                                               \
  }
#define INDICES INTS(IG_I64, -9, 8, 3, 2)
#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}
#define BLOCKS(axis_, size) .n_attrs = 2, .attrs = {A_INT("axis", axis_), A_INT("block_size", size)}

static const ig_op_case cases[] = {
    {.name = "one scale", .inputs = {SIGNED(9, 7), SCALAR_AS(IG_F32, false, 0.03), INDICES}},
    {.name = "a scale a row", .inputs = {SIGNED(9, 7), POSITIVE(IG_F32, 9), INDICES}, AXIS(0)},
    {.name = "a scale a column", .inputs = {SIGNED(9, 7), POSITIVE(IG_F32, 7), INDICES}, AXIS(-1)},
    {.name = "blocks of a row",
     .inputs = {SIGNED(9, 19), POSITIVE(IG_F32, 9, 3), INDICES},
     BLOCKS(1, 8)},
    {.name = "blocks of rows",
     .inputs = {SIGNED(9, 7), POSITIVE(IG_F32, 3, 7), INTS(IG_I32, 0, 8, 4)},
     BLOCKS(0, 4)},
    {.name = "i4", .inputs = {SHORT(9, 7), POSITIVE(IG_F32, 9), INDICES}, AXIS(0)},
    {.name = "i4 packed", .inputs = {KNOWN(9, 8), POSITIVE(IG_F32, 9), INDICES}, AXIS(0)},
    {.name = "i4 packed, odd, blocks",
     .inputs = {KNOWN(9, 19), POSITIVE(IG_F32, 9, 3), INDICES},
     BLOCKS(1, 8)},
    {.name = "no index",
     .inputs = {SIGNED(9, 7), POSITIVE(IG_F32, 9), INTS(IG_I64, 0, 8, 0)},
     AXIS(0)},
    {.name = "threads",
     .inputs = {SIGNED(90, 3000), POSITIVE(IG_F32, 90), INTS(IG_I64, -90, 89, 100)},
     AXIS(0)},
};

const ig_op_cases ig_cases_gather_dequantized = {.op = "ingot.GatherDequantized",
                                                 .reference = reference,
                                                 .n_cases = IG_COUNT(cases),
                                                 .cases = cases};
