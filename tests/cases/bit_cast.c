/* Cases of BitCast. Types are ONNX's numbers. The driver's numbers are doubles, from which the reference
 * makes the bits again. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  for (int64_t i = 0; i < count_of(in); i++) {
    double x = in->data[i];
    float narrow = (float)x;
    int32_t word = (int32_t)x;
    int64_t wide = (int64_t)x;
    switch (attr_int(node, "to")) {
    case 6: memcpy(&word, &narrow, sizeof word), x = word; break;
    case 1: memcpy(&narrow, &word, sizeof word), x = (double)narrow; break;
    case 11: memcpy(&x, &wide, sizeof x); break;
    case 2: x = x < 0 ? x + 256 : x; break;
    case 5: x = x < 32768 ? x : x - 65536; break;
    case 21: x = x < 0 ? x + 16 : x; break;
    case 22: x = x < 8 ? x : x - 16; break;
    case 26: x = x < 2 ? x : x - 4; break;
    default: break; /* bits of f32 as u32 */
    }
    out->data[i] = x;
  }
}

#define TO(value) .n_attrs = 1, .attrs = {A_INT("to", value)}

static const ig_op_case cases[] = {
    {.name = "f32 to i32", .inputs = {LIST_AS(IG_F32, false, 1, -2.5, 0, -0.0, 3e38)}, TO(6)},
    {.name = "i32 to f32", .inputs = {INTS(IG_I32, 1e9, 1.1e9, 3, 5)}, TO(1)},
    {.name = "i64 to f64", .inputs = {LIST_AS(IG_I64, false, 0x1p62, 0, 1)}, TO(11)},
    {.name = "i8 to u8", .inputs = {INTS(IG_I8, -128, 127, 40)}, TO(2)},
    {.name = "u16 to i16", .inputs = {INTS(IG_U16, 0, 65535, 40)}, TO(5)},
    {.name = "i4 to u4", .inputs = {INTS(IG_I4, -8, 7, 40)}, TO(21)},
    {.name = "u4 to i4", .inputs = {INTS(IG_U4, 0, 15, 40)}, TO(22)},
    {.name = "u2 to i2", .inputs = {INTS(IG_U2, 0, 3, 40)}, TO(26)},
    {.name = "bool to u8", .inputs = {INTS(IG_BOOL, 0, 1, 9)}, TO(2)},
    {.name = "scalar", .inputs = {SCALAR_AS(IG_F32, false, 1)}, TO(6)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3)}, TO(6)},
    {.name = "image", .inputs = {NORMAL(IG_F32, 2, 20, 3, 3)}, TO(6)},
};

const ig_op_cases ig_cases_bit_cast = {
    .op = "BitCast", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
