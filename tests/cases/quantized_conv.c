/* Cases of ingot.QuantizedConv: weights known and not, every kind of end. */
#include "quantized_cases.h"

/* Three dimensions, without pads, strides and groups. */
static void volume_sums(const ig_case_array *x, const ig_case_array *w, double zero,
                        ig_case_array *y) {
  const int64_t *s = x->shape.dims, *k = w->shape.dims, *d = y->shape.dims;
  for (int64_t i = 0; i < ig_shape_count(&y->shape); i++) {
    int64_t at[5], rest = i;
    for (int a = 4; a >= 0; rest /= d[a], a--) at[a] = rest % d[a];
    y->data[i] = 0;
    for (int64_t j = 0; j < ig_shape_count(&w->shape) / k[0]; j++) {
      int64_t q[4], left = j;
      for (int a = 3; a >= 0; left /= k[1 + a], a--) q[a] = left % k[1 + a];
      int64_t from = (((at[0] * s[1] + q[0]) * s[2] + at[2] + q[1]) * s[3] + at[3] + q[2]) * s[4] +
                     at[4] + q[3];
      y->data[i] += (x->data[from] - zero) * w->data[at[1] * (k[1] * k[2] * k[3] * k[4]) + j];
    }
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t channels = out->shape.dims[1];
  double number = (double)ig_attr_int_of(node, "x_zero", 0);
  const ig_case_array zero = {.shape = IG_SCALAR, .data = &number};
  if (out->shape.rank == 5)
    volume_sums(&in[0], &in[1], number, out);
  else
    integer_conv(node, &in[0], &in[1], &zero, NULL, &out->shape, out->data);
  quantized_end(node, in, channels, ig_shape_span(&out->shape, 2, out->shape.rank), out);
}

#define OF_SIGNED X_STEP(0x1p-4f), X_ZERO(3)
#define OF_BYTES X_STEP(0x1p-4f), X_ZERO(113)
#define GEOMETRY(title, src, dst, filter, n, ...)                                                  \
  {.name = title,                                                                                  \
   .inputs = {BYTES src, SIGNED filter, ONE(IG_F32, 0x1p-8)},                                      \
   .n_attrs = (n) + 5,                                                                             \
   .attrs = {OF_BYTES, TO_U8, Y_STEP(0.5f), Y_ZERO(120), __VA_ARGS__}},
#define FIXED(title, src, dst, filter, n, ...)                                                     \
  {.name = title ", fixed",                                                                        \
   .inputs = {BYTES src, KNOWN_WEIGHTS filter, {.dtype = IG_F32, .fill = IG_FILL_VALUES,           \
              .values = quantized_steps, .n_values = 1, .constant = true, .no_grad = true}},       \
   .n_attrs = (n) + 5,                                                                             \
   .attrs = {OF_BYTES, TO_I8, Y_STEP(0.5f), Y_ZERO(-10), __VA_ARGS__}},

static const ig_op_case cases[] = {
    CONV_GEOMETRIES(GEOMETRY) CONV_GEOMETRIES(FIXED) TILE_GEOMETRY(FIXED){
        .name = "bias, residual, Relu",
        .inputs = {BYTES(2, 16, 6, 5), KNOWN_WEIGHTS(32, 16, 3, 3), KNOWN_STEPS(32), KNOWN_BIAS(32),
                   BYTES(2, 32, 6, 5)},
        .n_attrs = 11,
        .attrs = {PAD1, OF_BYTES, TO_U8, Y_STEP(0.5f), Y_ZERO(0), Z_STEP(0.25f), Z_ZERO(101),
                  ACTIVATION("Relu", 0, 0)}},
    {.name = "bias, residual of the other sign, not fixed",
     .inputs = {SIGNED(2, 5, 6, 5), SIGNED(7, 5, 3, 3), KNOWN_STEPS(7),
                {.dtype = IG_F32, .shape = DIMS(7), .fill = IG_FILL_INT, .low = -9, .high = 9,
                 .no_grad = true},
                SIGNED(2, 7, 6, 5)},
     .n_attrs = 8,
     .attrs = {PAD1, OF_SIGNED, TO_U8, Y_STEP(0.5f), Y_ZERO(76), Z_STEP(0.25f), Z_ZERO(-4)}},
    {.name = "residual of the other sign, no bias",
     .inputs = {SIGNED(2, 16, 6, 5), KNOWN_WEIGHTS(16, 16, 3, 3), KNOWN_STEPS(16), NONE,
                SIGNED(2, 16, 6, 5)},
     .n_attrs = 8,
     .attrs = {PAD1, OF_SIGNED, TO_U8, Y_STEP(0.5f), Y_ZERO(76), Z_STEP(0.25f), Z_ZERO(-4)}},
    {.name = "Clip that saturation does not do, depth by depth",
     .inputs = {BYTES(2, 32, 7, 7), KNOWN_WEIGHTS(32, 1, 3, 3), KNOWN_STEPS(32), KNOWN_BIAS(32)},
     .n_attrs = 10,
     .attrs = {PAD1, OF_BYTES, TO_U8, Y_STEP(0x1p-5f), Y_ZERO(4), NUMBER("group", 32),
               ACTIVATION("Clip", 0, 6)}},
    {.name = "Clip that saturation does",
     .inputs = {BYTES(2, 3, 9, 9), KNOWN_WEIGHTS(16, 3, 3, 3), KNOWN_STEPS(16), KNOWN_BIAS(16)},
     .n_attrs = 10,
     .attrs = {PAD1, OF_BYTES, TO_U8, Y_STEP(0x1p-6f), Y_ZERO(0), LIST("strides", 2, 2),
               ACTIVATION("Clip", 0, 6)}},
    {.name = "LeakyRelu",
     .inputs = {BYTES(1, 16, 5, 5), KNOWN_WEIGHTS(16, 16, 1, 1), KNOWN_STEPS(16), KNOWN_BIAS(16)},
     .n_attrs = 8,
     .attrs = {OF_BYTES, TO_I8, Y_STEP(0.5f), Y_ZERO(-30), ACTIVATION("LeakyRelu", 0.125f, 0)}},
    {.name = "to f32, HardSwish, residual of f32",
     .inputs = {BYTES(2, 16, 5, 5), KNOWN_WEIGHTS(24, 16, 3, 3), KNOWN_STEPS(24), KNOWN_BIAS(24),
                {.dtype = IG_F32, .shape = DIMS(2, 24, 5, 5), .no_grad = true}},
     .n_attrs = 6,
     .attrs = {PAD1, OF_BYTES, ACTIVATION("HardSwish", 0, 0)}},
    {.name = "to f32, three dimensions",
     .inputs = {BYTES(2, 3, 4, 5, 3), SIGNED(4, 3, 2, 3, 2), ONE(IG_F32, 0x1p-8)},
     .n_attrs = 2,
     .attrs = {OF_BYTES}},
    {.name = "sums beyond 16 bits in pairs",
     .inputs = {{.dtype = IG_U8, .shape = DIMS(1, 64, 4, 4), .fill = IG_FILL_VALUES,
                 .values = (const double[]){255}, .n_values = 1},
                {.dtype = IG_I8, .shape = DIMS(16, 64, 1, 1), .fill = IG_FILL_VALUES,
                 .values = (const double[]){127, 127, 127, 127, -128, -128}, .n_values = 6,
                 .constant = true},
                KNOWN_STEPS(16)},
     .n_attrs = 2,
     .attrs = {X_STEP(0x1p-8f), X_ZERO(0)}},
};

const ig_op_cases ig_cases_quantized_conv = {
    .op = "ingot.QuantizedConv", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
