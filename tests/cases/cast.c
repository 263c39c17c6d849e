/* Cases of Cast. Types are ONNX's numbers: 1 f32, 2 u8, 3 i8, 6 i32, 7 i64, 9 bool, 10 f16, 11 f64,
 * 16 bf16, 17 and 19 the 8-bit floats. */
#include "case_tools.h"

/* Significant bits kept, ties to even, within the normal range. */
static double rounded(double x, int bits) {
  if (x == 0 || !isfinite(x)) return x;
  int exponent;
  double scale = ldexp(1, bits), fraction = frexp(x, &exponent);
  return ldexp(nearbyint(fraction * scale) / scale, exponent);
}

static double wrapped(double x, double range) {
  double low = x - range * floor(x / range);
  return low >= range / 2 ? low - range : low;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  bool from_int = !ig_dtype_is_float(node->inputs[0]->dtype);
  for (int64_t i = 0; i < count_of(in); i++) {
    double x = in->data[i];
    switch (attr_int(node, "to")) {
    case 1: x = (double)(float)x; break;
    case 2: x = from_int ? x - 256 * floor(x / 256) : fmin(fmax(trunc(x), 0), 255); break;
    case 3: x = from_int ? wrapped(x, 256) : fmin(fmax(trunc(x), -128), 127); break;
    case 6: x = from_int ? wrapped(x, 0x1p32) : trunc(x); break;
    case 7: x = trunc(x); break;
    case 9: x = x != 0; break;
    case 10: x = rounded(x, 11); break;
    case 16: x = rounded(x, 8); break;
    case 17: x = fmin(rounded(x, 4), 448); break;
    case 19: x = fmin(rounded(x, 3), 57344); break;
    default: break;
    }
    out->data[i] = x;
  }
}

#define TO(value) .n_attrs = 1, .attrs = {A_INT("to", value)}
#define NO_GRADIENT .no_grad_check = true, .why = "rounding has no finite difference"

static const ig_op_case cases[] = {
    {.name = "f32 to f64", .inputs = {NORMAL(IG_F32, 5, 7)}, TO(11)},
    {.name = "f64 to f32", .inputs = {NORMAL(IG_F64, 41)}, TO(1), NO_GRADIENT},
    {.name = "f32 to f32", .inputs = {NORMAL(IG_F32, 19)}, TO(1), NO_GRADIENT},
    {.name = "f32 to bf16", .inputs = {NORMAL(IG_F32, 1003)}, TO(16), NO_GRADIENT},
    {.name = "f32 to f16", .inputs = {NORMAL(IG_F32, 1003)}, TO(10), NO_GRADIENT},
    {.name = "bf16 to f32", .inputs = {NORMAL(IG_BF16, 33)}, TO(1), NO_GRADIENT},
    {.name = "f16 to bf16", .inputs = {NORMAL(IG_F16, 33)}, TO(16), NO_GRADIENT},
    {.name = "f32 to e4m3",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(600), .fill = IG_FILL_UNIFORM, .low = 1, .high = 600}},
     TO(17), NO_GRADIENT},
    {.name = "f32 to e5m2",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(600), .fill = IG_FILL_UNIFORM, .low = 1, .high = 9e4}},
     TO(19), NO_GRADIENT},
    {.name = "e4m3 to f32", .inputs = {NORMAL(IG_F8E4M3, 300)}, TO(1)},
    {.name = "f32 to i64",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(50), .fill = IG_FILL_UNIFORM, .low = -9, .high = 9}},
     TO(7)},
    {.name = "f32 to u8 saturates",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(50), .fill = IG_FILL_UNIFORM, .low = -400, .high = 400}},
     TO(2)},
    {.name = "f32 to bool", .inputs = {LIST_AS(IG_F32, false, 0, -0.0, 0.5, -3)}, TO(9)},
    {.name = "bool to f32", .inputs = {INTS(IG_BOOL, 0, 1, 20)}, TO(1)},
    {.name = "u8 to f32", .inputs = {INTS(IG_U8, 0, 255, 300)}, TO(1)},
    {.name = "i64 to i8 wraps", .inputs = {INTS(IG_I64, -1000, 1000, 100)}, TO(3)},
    {.name = "i64 to i32 wraps", .inputs = {LIST_AS(IG_I64, false, 0x1p31, -0x1p31 - 1, 0x1p40 + 5)}, TO(6)},
    {.name = "i8 to u8 wraps", .inputs = {INTS(IG_I8, -128, 127, 100)}, TO(2)},
    {.name = "i64 to bool", .inputs = {INTS(IG_I64, -1, 1, 20)}, TO(9)},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 90000)}, TO(16), NO_GRADIENT},
    {.name = "image", .inputs = {NORMAL(IG_F32, 2, 20, 3, 3)}, TO(11)},
};

const ig_op_cases ig_cases_cast = {
    .op = "Cast", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
