/* Cases of QuantizeLinear. The integers are exact: the quotient is one of f32, which a quotient in
 * float64 rounded to f32 is (53 bits are more than twice 24 and 2), and lrint rounds half to even. */
#include "quantize_cases.h"
#include "small_rounding.h"

/* Small floats of normal numbers. */
static double small(ig_dtype dtype, double x, bool saturate) {
  switch (dtype) {
  case IG_F8E4M3: return limited(rounded(x, 4), 448, saturate, NAN);
  case IG_F8E5M2: return limited(rounded(x, 3), 57344, saturate, INFINITY);
  case IG_F8E4M3FNUZ: return limited(rounded(x, 4), 240, saturate, NAN);
  case IG_F8E5M2FNUZ: return limited(rounded(x, 3), 57344, saturate, NAN);
  default: return limited(fabs(x) < 1 ? rint(2 * x) / 2 : rounded(x, 2), 6, true, 6);
  }
}

static double quotient(const ig_node *node, double x, double scale) {
  if (attr_int(node, "precision") == 10) return rounded(x / scale, 11); /* of f16 operands */
  return (double)(float)(x / scale);
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  ig_dtype dtype = node->outputs[0]->dtype;
  bool natural = ig_dtype_is_unsigned(dtype), saturate = attr_int(node, "saturate");
  double least = natural ? 0 : -ldexp(1, ig_dtype_bits(dtype) - 1);
  double most = least + ldexp(1, ig_dtype_bits(dtype)) - 1;
  for (int64_t i = 0; i < count_of(in); i++) {
    int64_t s = scale_of(node, in, i);
    double ratio = quotient(node, in[0].data[i], in[1].data[s]);
    if (ig_dtype_is_small_float(dtype)) {
      out->data[i] = small(dtype, ratio + zero_of(node, in, s), saturate);
      continue;
    }
    if (isnan(ratio)) ratio = 0;
    double q = (double)lrint(fmin(fmax(ratio, -1e6), 1e6)) + zero_of(node, in, s);
    out->data[i] = fmin(fmax(q, least), most);
  }
}

#define TYPE(title, onnx, ...)                                                                     \
  {                                                                                                \
    .name = (title), .inputs = {NORMAL(IG_F32, 5, 60), __VA_ARGS__}, .n_attrs = 1,                 \
    .attrs = {A_INT("output_dtype", onnx)}                                                         \
  }
#define SCALE(value) SCALAR_AS(IG_F32, false, value)
#define HALVES LIST_AS(IG_F32, false, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 126.5, 127.5, 254.5, 255.5, -128.5)
#define EXTREMES                                                                                   \
  LIST_AS(IG_F32, false, -HUGE_VAL, -3e38, -1e-40, -0.0, 0.0, 1e-40, 3e38, HUGE_VAL, (double)NAN)
#define ONE SCALAR_AS(IG_F32, false, 1)
#define STEP SCALAR_AS(IG_F32, false, 0.017)
#define DTYPE(onnx) .n_attrs = 1, .attrs = {A_INT("output_dtype", onnx)}

static const ig_op_case cases[] = {
    {.name = "u8 by default", .inputs = {NORMAL(IG_F32, 5, 7), STEP}},
    {.name = "i8 by output_dtype", .inputs = {NORMAL(IG_F32, 5, 7), STEP}, DTYPE(3)},
    {.name = "u8 by output_dtype", .inputs = {NORMAL(IG_F32, 5, 7), STEP}, DTYPE(2)},
    {.name = "u8 zero point", .inputs = {NORMAL(IG_F32, 999), STEP, SCALAR_AS(IG_U8, false, 131)}},
    {.name = "i8 zero point", .inputs = {NORMAL(IG_F32, 999), STEP, SCALAR_AS(IG_I8, false, -77)}},
    {.name = "halves to even, u8", .inputs = {HALVES, ONE}},
    {.name = "halves to even, i8", .inputs = {HALVES, ONE}, DTYPE(3)},
    {.name = "halves with zero point", .inputs = {HALVES, ONE, SCALAR_AS(IG_U8, false, 3)}},
    {.name = "quotients next to halves",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(5000), .fill = IG_FILL_DISTINCT, .low = -12, .high = 12},
                SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_I8, false, 0)}},
    {.name = "extremes, u8", .inputs = {EXTREMES, ONE, SCALAR_AS(IG_U8, false, 200)}},
    {.name = "extremes, i8", .inputs = {EXTREMES, ONE, SCALAR_AS(IG_I8, false, -100)}},
    {.name = "scale 0", .inputs = {LIST_AS(IG_F32, false, -1, 0, 1), SCALAR_AS(IG_F32, false, 0)}, DTYPE(3)},
    {.name = "negative scale", .inputs = {NORMAL(IG_F32, 33), SCALAR_AS(IG_F32, false, -0.02)}, DTYPE(3)},
    {.name = "scale of shape [1]",
     .inputs = {NORMAL(IG_F32, 3, 4), LIST_AS(IG_F32, false, 0.02), LIST_AS(IG_U8, false, 9)}},
    {.name = "scalar", .inputs = {SCALAR_AS(IG_F32, false, 0.3), STEP}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3), STEP}},
    {.name = "16-bit scale", .inputs = {NORMAL(IG_F32, 40), SCALAR_AS(IG_BF16, false, 0.03)}},
    {.name = "channels",
     .inputs = {NORMAL(IG_F32, 2, 5, 3, 3), SCALES(5), INTS(IG_U8, 0, 255, 5)}},
    {.name = "channels without zero points", .inputs = {NORMAL(IG_F32, 2, 5, 3, 3), SCALES(5)}, DTYPE(3)},
    {.name = "axis 0", .inputs = {NORMAL(IG_F32, 6, 21), SCALES(6), INTS(IG_I8, -128, 127, 6)}, AXIS(0)},
    {.name = "last axis", .inputs = {NORMAL(IG_F32, 37, 6), SCALES(6), INTS(IG_I8, -20, 20, 6)}, AXIS(-1)},
    {.name = "axis of one", .inputs = {NORMAL(IG_F32, 4, 1, 3), SCALES(1)}, AXIS(1)},
    {.name = "blocks of the last axis",
     .inputs = {NORMAL(IG_F32, 5, 32), SCALES(5, 4), INTS(IG_U8, 0, 255, 5, 4)}, BLOCKS(-1, 8)},
    {.name = "a short last block",
     .inputs = {NORMAL(IG_F32, 5, 19), SCALES(5, 3), INTS(IG_I8, -9, 9, 5, 3)}, BLOCKS(1, 8)},
    {.name = "blocks of the first axis",
     .inputs = {NORMAL(IG_F32, 7, 6), SCALES(3, 6), INTS(IG_I8, -9, 9, 3, 6)}, BLOCKS(0, 3)},
    {.name = "blocks of a middle axis",
     .inputs = {NORMAL(IG_F32, 2, 5, 3), SCALES(2, 3, 3)}, BLOCKS(1, 2)},
    {.name = "one block a row", .inputs = {NORMAL(IG_F32, 3, 10), SCALES(3, 1)}, BLOCKS(1, 64)},
    TYPE("u16", 4, SCALE(1e-4), SCALAR_AS(IG_U16, false, 30000)),
    TYPE("i16", 5, SCALE(1e-4)),
    TYPE("u4", 21, SCALE(0.2), SCALAR_AS(IG_U4, false, 7)),
    TYPE("i4", 22, SCALE(0.2), SCALAR_AS(IG_I4, false, 1)),
    TYPE("u2", 25, SCALE(0.7), SCALAR_AS(IG_U2, false, 1)),
    TYPE("i2", 26, SCALE(0.7)),
    TYPE("e4m3", 17, SCALE(4e-3)),
    TYPE("e5m2", 19, SCALE(4e-5)),
    TYPE("e4m3fnuz", 18, SCALE(4e-3)),
    TYPE("e5m2fnuz", 20, SCALE(4e-5)),
    TYPE("e2m1", 23, SCALE(0.3)),
    TYPE("power of two", 2, SCALAR_AS(IG_F8E8M0, false, 0.0625)),
    {.name = "e4m3 beyond",
     .inputs = {NORMAL(IG_F32, 5, 60), SCALE(4e-3)},
     .n_attrs = 2,
     .attrs = {A_INT("output_dtype", 17), A_INT("saturate", 0)}},
    {.name = "i32", .inputs = {INTS(IG_I32, -9000, 9000, 60), SCALE(50)}, DTYPE(3)},
    {.name = "i32 by i32", .inputs = {INTS(IG_I32, -9000, 9000, 60), SCALAR_AS(IG_I32, false, 70)}, DTYPE(3)},
    {.name = "f16 quotients",
     .inputs = {NORMAL(IG_F16, 900), SCALAR_AS(IG_F16, false, 0.01)},
     .n_attrs = 2,
     .attrs = {A_INT("output_dtype", 5), A_INT("precision", 10)}},
    {.name = "zero point of shape [1]",
     .inputs = {NORMAL(IG_F32, 3, 4), SCALE(0.02), LIST_AS(IG_U8, false, 9)}},
    {.name = "i4 channels",
     .inputs = {NORMAL(IG_F32, 2, 5, 3, 3), SCALES(5), INTS(IG_I4, -8, 7, 5)}},
    {.name = "u4 blocks",
     .inputs = {NORMAL(IG_F32, 5, 19), SCALES(5, 3), INTS(IG_U4, 0, 15, 5, 3)}, BLOCKS(1, 8)},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 50021), STEP, SCALAR_AS(IG_U8, false, 128)}},
    {.name = "threads, long blocks",
     .inputs = {NORMAL(IG_F32, 3, 15001), SCALES(3, 3), INTS(IG_I8, -9, 9, 3, 3)}, BLOCKS(1, 5001)},
    {.name = "threads, channels last", .inputs = {NORMAL(IG_F32, 700, 67), SCALES(67)}, AXIS(1)},
    {.name = "threads, blocks of rows",
     .inputs = {NORMAL(IG_F32, 9, 5003), SCALES(3, 5003), INTS(IG_U8, 0, 255, 3, 5003)}, BLOCKS(0, 4)},
};

const ig_op_cases ig_cases_quantize_linear = {
    .op = "QuantizeLinear", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
