/* Cases of DequantizeLinear. */
#include "quantize_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  for (int64_t i = 0; i < count_of(in); i++) {
    int64_t s = scale_of(node, in, i);
    out->data[i] = (in[0].data[i] - zero_of(node, in, s)) * in[1].data[s];
  }
}

#define BYTES(...) INTS(IG_U8, 0, 255, __VA_ARGS__)
#define SIGNED(...) INTS(IG_I8, -128, 127, __VA_ARGS__)
#define STEP SCALAR_AS(IG_F32, false, 0.017)

static const ig_op_case cases[] = {
    {.name = "u8", .inputs = {BYTES(5, 7), STEP}},
    {.name = "i8", .inputs = {SIGNED(999), STEP}},
    {.name = "u8 zero point", .inputs = {BYTES(999), STEP, SCALAR_AS(IG_U8, false, 131)}},
    {.name = "i8 zero point", .inputs = {SIGNED(999), STEP, SCALAR_AS(IG_I8, false, -77)}},
    {.name = "i32", .inputs = {INTS(IG_I32, -30000, 30000, 77), STEP}},
    {.name = "i32 beyond 31 bits",
     .inputs = {LIST_AS(IG_I32, false, -0x1p31, 0x1p31 - 1, 5), SCALAR_AS(IG_F32, false, 0x1p-20),
                SCALAR_AS(IG_I32, false, 1000)}},
    {.name = "f32 by output_dtype",
     .inputs = {BYTES(40), SCALAR_AS(IG_F16, false, 0.03)},
     .n_attrs = 1,
     .attrs = {A_INT("output_dtype", 1)}},
    {.name = "bf16 by output_dtype",
     .inputs = {BYTES(40), STEP},
     .n_attrs = 1,
     .attrs = {A_INT("output_dtype", 16)}},
    {.name = "scale of shape [1]",
     .inputs = {BYTES(3, 4), LIST_AS(IG_F32, false, 0.02), LIST_AS(IG_U8, false, 9)}},
    {.name = "scalar", .inputs = {SCALAR_AS(IG_I8, false, -3), STEP}},
    {.name = "empty", .inputs = {BYTES(0, 3), STEP}},
    {.name = "channels", .inputs = {BYTES(2, 5, 3, 3), SCALES(5), BYTES(5)}},
    {.name = "bias", .inputs = {INTS(IG_I32, -30000, 30000, 21), SCALES(21)}, AXIS(0)},
    {.name = "axis 0", .inputs = {SIGNED(6, 21), SCALES(6), SIGNED(6)}, AXIS(0)},
    {.name = "last axis", .inputs = {SIGNED(37, 6), SCALES(6), SIGNED(6)}, AXIS(-1)},
    {.name = "blocks of the last axis", .inputs = {BYTES(5, 32), SCALES(5, 4), BYTES(5, 4)}, BLOCKS(-1, 8)},
    {.name = "a short last block", .inputs = {SIGNED(5, 19), SCALES(5, 3), SIGNED(5, 3)}, BLOCKS(1, 8)},
    {.name = "blocks of the first axis", .inputs = {SIGNED(7, 6), SCALES(3, 6)}, BLOCKS(0, 3)},
    {.name = "blocks of a middle axis",
     .inputs = {BYTES(2, 5, 3), SCALES(2, 3, 3), BYTES(2, 3, 3)}, BLOCKS(1, 2)},
    {.name = "u16",
     .inputs = {INTS(IG_U16, 0, 65535, 60), STEP, SCALAR_AS(IG_U16, false, 32767)}},
    {.name = "i16", .inputs = {INTS(IG_I16, -32768, 32767, 60), STEP}},
    {.name = "u4", .inputs = {INTS(IG_U4, 0, 15, 60), STEP, SCALAR_AS(IG_U4, false, 7)}},
    {.name = "i4", .inputs = {INTS(IG_I4, -8, 7, 60), STEP, SCALAR_AS(IG_I4, false, -2)}},
    {.name = "u2", .inputs = {INTS(IG_U2, 0, 3, 60), STEP}},
    {.name = "i2", .inputs = {INTS(IG_I2, -2, 1, 60), STEP, LIST_AS(IG_I2, false, 1)}},
    {.name = "e4m3", .inputs = {NORMAL(IG_F8E4M3, 60), STEP, SCALAR_AS(IG_F8E4M3, false, 0)}},
    {.name = "e5m2fnuz", .inputs = {NORMAL(IG_F8E5M2FNUZ, 60), STEP}},
    {.name = "e2m1", .inputs = {NORMAL(IG_F4E2M1, 60), STEP}},
    {.name = "power of two",
     .inputs = {BYTES(60), SCALAR_AS(IG_F8E8M0, false, 0.0625)},
     .n_attrs = 1,
     .attrs = {A_INT("output_dtype", 1)}},
    {.name = "i4 blocks", .inputs = {INTS(IG_I4, -8, 7, 5, 19), SCALES(5, 3)}, BLOCKS(1, 8)},
    {.name = "threads", .inputs = {BYTES(50021), STEP, SCALAR_AS(IG_U8, false, 128)}},
    {.name = "threads, channels last", .inputs = {SIGNED(700, 67), SCALES(67), SIGNED(67)}, AXIS(1)},
    {.name = "threads, blocks of rows", .inputs = {BYTES(9, 5003), SCALES(3, 5003)}, BLOCKS(0, 4)},
};

const ig_op_cases ig_cases_dequantize_linear = {
    .op = "DequantizeLinear", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
