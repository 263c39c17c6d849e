/* Cases of ingot.DynamicQuantizedMatMul. Rows are rounded as ONNX defines DynamicQuantizeLinear, in f32. */
#include "narrow_reference.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  static double rounded[1 << 17];
  float least = 0, most = 0;
  for (int64_t i = 0; i < count_of(in); i++) {
    least = fminf(least, (float)in[0].data[i]);
    most = fmaxf(most, (float)in[0].data[i]);
  }
  float scale = most > least ? (most - least) / 255.0f : 1;
  float zero = nearbyintf(fminf(fmaxf(-least / scale, 0), 255));
  for (int64_t i = 0; i < count_of(in); i++) {
    float code = nearbyintf((float)in[0].data[i] / scale) + zero;
    rounded[i] = (double)(fminf(fmaxf(code, 0), 255) - zero) * (double)scale;
  }
  narrow_reference(node, in, rounded, attr_int(node, "trans_b"), 0, (double)attr_int(node, "w_zero"), out);
}

#define X(...) FIXED(IG_F32, __VA_ARGS__)
#define BYTES(...) NARROW_CODES(IG_I8, -128, 127, true, __VA_ARGS__)
#define ABOVE(...) NARROW_CODES(IG_U8, 0, 255, true, __VA_ARGS__)
#define S(...) NARROW_SCALES(__VA_ARGS__)

static const ig_op_case cases[] = {
    {.name = "one scale", .inputs = {X(3, 32), BYTES(32, 70), SCALAR_AS(IG_F32, true, 0.01)}},
    {.name = "a scale a column", .inputs = {X(2, 5, 21), BYTES(21, 67), S(67), X(67)}},
    {.name = "one row", .inputs = {X(1, 64), BYTES(64, 10), S(10)}},
    {.name = "u8",
     .inputs = {X(9, 40), ABOVE(40, 30), S(30)},
     .n_attrs = 1,
     .attrs = {A_INT("w_zero", 131)}},
    {.name = "transposed",
     .inputs = {X(9, 40), BYTES(70, 40), S(70), X(70)},
     .n_attrs = 1,
     .attrs = {A_INT("trans_b", 1)}},
    {.name = "positive rows",
     .inputs = {POSITIVE(IG_F32, 9, 40), BYTES(40, 30), S(30)}},
    {.name = "weights known late",
     .inputs = {X(9, 40), NARROW_CODES(IG_I8, -128, 127, false, 40, 30), S(30)}},
    {.name = "relu",
     .inputs = {X(4, 40), BYTES(40, 30), S(30), X(30)},
     .n_attrs = 1,
     .attrs = {NARROW_ACTIVATION("Relu")}},
    {.name = "zeros",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(2, 32), .fill = IG_FILL_INT, .no_grad = true},
                BYTES(32, 9), S(9), X(9)}},
    {.name = "threads", .inputs = {X(50, 256), BYTES(256, 300), S(300), X(300)}},
};

const ig_op_cases ig_cases_dynamic_quantized_mat_mul = {.op = "ingot.DynamicQuantizedMatMul",
                                                        .reference = reference,
                                                        .n_cases = IG_COUNT(cases),
                                                        .cases = cases};
