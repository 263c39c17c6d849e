/* Cases of ingot.QuantizedAdd. */
#include "quantized_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double x_scale = (double)ig_attr_float_of(node, "x_scale", 1);
  double z_scale = (double)ig_attr_float_of(node, "z_scale", 1);
  double x_zero = (double)ig_attr_int_of(node, "x_zero", 0);
  double z_zero = (double)ig_attr_int_of(node, "z_zero", 0);
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    double y = (in[0].data[i] - x_zero) * x_scale + (in[1].data[i] - z_zero) * z_scale;
    out->data[i] = quantized_store(node, quantized_activate(node, y));
  }
}

#define STEPS X_STEP(0x1p-4f), Z_STEP(0x1p-5f), Y_STEP(0x1p-4f)
#define OF(title, a, b, to, x_zero, z_zero, y_zero)                                                \
  {                                                                                                \
    .name = title, .inputs = {a(3, 7, 5, 11), b(3, 7, 5, 11)}, .n_attrs = 7,                       \
    .attrs = {STEPS, to, X_ZERO(x_zero), Z_ZERO(z_zero), Y_ZERO(y_zero)}                           \
  }

static const ig_op_case cases[] = {
    OF("u8 and u8 to u8", BYTES, BYTES, TO_U8, 3, 200, 77),
    OF("u8 and u8 to i8", BYTES, BYTES, TO_I8, 100, 0, -3),
    OF("u8 and i8 to u8", BYTES, SIGNED, TO_U8, 128, -5, 128),
    OF("u8 and i8 to i8", BYTES, SIGNED, TO_I8, 128, 0, 0),
    OF("i8 and u8 to u8", SIGNED, BYTES, TO_U8, 0, 128, 120),
    OF("i8 and u8 to i8", SIGNED, BYTES, TO_I8, -128, 255, 7),
    OF("i8 and i8 to u8", SIGNED, SIGNED, TO_U8, 1, 2, 128),
    OF("i8 and i8 to i8", SIGNED, SIGNED, TO_I8, 0, 0, 0),
    {.name = "Relu",
     .inputs = {BYTES(70000), BYTES(70000)},
     .n_attrs = 10,
     .attrs = {STEPS, TO_U8, X_ZERO(128), Z_ZERO(120), Y_ZERO(9), ACTIVATION("Relu", 0, 0)}},
    {.name = "Clip",
     .inputs = {BYTES(40, 7), BYTES(40, 7)},
     .n_attrs = 10,
     .attrs = {STEPS, TO_I8, X_ZERO(128), Z_ZERO(120), Y_ZERO(9), ACTIVATION("Clip", -1, 3)}},
    {.name = "LeakyRelu",
     .inputs = {BYTES(40, 7), BYTES(40, 7)},
     .n_attrs = 10,
     .attrs = {STEPS, TO_I8, X_ZERO(128), Z_ZERO(120), Y_ZERO(9),
               ACTIVATION("LeakyRelu", 0.25f, 0)}},
};

const ig_op_cases ig_cases_quantized_add = {
    .op = "ingot.QuantizedAdd", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
