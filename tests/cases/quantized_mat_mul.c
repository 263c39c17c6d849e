/* Cases of ingot.QuantizedMatMul. */
#include "quantized_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double zero = (double)ig_attr_int_of(node, "x_zero", 0);
  int64_t k = in[1].shape.dims[0], n = in[1].shape.dims[1];
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    out->data[i] = 0;
    for (int64_t j = 0; j < k; j++) {
      out->data[i] += (in[0].data[i / n * k + j] - zero) * in[1].data[j * n + i % n];
    }
  }
  quantized_end(node, in, n, 1, out);
}

#define OF_BYTES X_STEP(0x1p-5f), X_ZERO(131)

static const ig_op_case cases[] = {
    {.name = "to codes",
     .inputs = {BYTES(5, 33), SIGNED(33, 7), ONE(IG_F32, 0x1p-7)},
     .n_attrs = 5,
     .attrs = {OF_BYTES, TO_U8, Y_STEP(0.5f), Y_ZERO(128)}},
    {.name = "fixed, batches, scales, bias, residual, Relu",
     .inputs = {BYTES(2, 3, 9, 64), KNOWN_WEIGHTS(64, 48), KNOWN_STEPS(48), KNOWN_BIAS(48),
                SIGNED(2, 3, 9, 48)},
     .n_attrs = 10,
     .attrs = {OF_BYTES, TO_I8, Y_STEP(0.5f), Y_ZERO(-90), Z_STEP(0.25f), Z_ZERO(5),
               ACTIVATION("Relu", 0, 0)}},
    {.name = "fixed, signed, odd",
     .inputs = {SIGNED(1, 77), KNOWN_WEIGHTS(77, 13), KNOWN_STEPS(13), KNOWN_BIAS(13)},
     .n_attrs = 5,
     .attrs = {X_STEP(0x1p-5f), X_ZERO(-7), TO_I8, Y_STEP(0.5f), Y_ZERO(2)}},
    {.name = "fixed, to f32, Gelu",
     .inputs = {BYTES(3, 16, 32), KNOWN_WEIGHTS(32, 64), KNOWN_STEPS(64), KNOWN_BIAS(64)},
     .n_attrs = 5,
     .attrs = {OF_BYTES, ACTIVATION("Gelu", 0, 0)}},
    {.name = "fixed, to f32, residual of f32",
     .inputs = {BYTES(3, 16, 32), KNOWN_WEIGHTS(32, 64), KNOWN_STEPS(64), NONE,
                {.dtype = IG_F32, .shape = DIMS(3, 16, 64), .no_grad = true}},
     .n_attrs = 2,
     .attrs = {OF_BYTES}},
    {.name = "sums beyond 16 bits in pairs",
     .inputs = {{.dtype = IG_U8, .shape = DIMS(4, 64), .fill = IG_FILL_VALUES,
                 .values = (const double[]){255}, .n_values = 1},
                {.dtype = IG_I8, .shape = DIMS(64, 16), .fill = IG_FILL_VALUES,
                 .values = (const double[]){127, -128, 127}, .n_values = 3, .constant = true},
                KNOWN_STEPS(16)},
     .n_attrs = 2,
     .attrs = {X_STEP(0x1p-8f), X_ZERO(0)}},
};

const ig_op_cases ig_cases_quantized_mat_mul = {.op = "ingot.QuantizedMatMul",
                                                .reference = reference,
                                                .n_cases = IG_COUNT(cases),
                                                .cases = cases};
