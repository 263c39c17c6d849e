/* Cases of QLinearConv, with the f32 arithmetic that the operator names: the factor
 * x_scale w_scale / y_scale, and its product with the sum. */
#include <math.h>

#include "integer_conv_cases.h"

static double of_channel(const ig_case_array *array, int64_t c) {
  return array->data[ig_shape_count(&array->shape) == 1 ? 0 : c];
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t d[4];
  four_dims(&out->shape, d);
  integer_conv(node, &in[0], &in[3], &in[2], &in[5], &out->shape, out->data);
  double least = node->outputs[0]->dtype == IG_I8 ? -128 : 0;
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    int64_t c = i / (d[2] * d[3]) % d[1];
    double sum = out->data[i] + (node->n_inputs > 8 ? in[8].data[c] : 0);
    float factor = (float)in[1].data[0] * (float)of_channel(&in[4], c);
    factor = factor / (float)in[6].data[0];
    float value = (float)sum * factor;
    double q = (double)lrint((double)value) + in[7].data[0];
    out->data[i] = fmin(fmax(q, least), least + 255);
  }
}

#define STEPS(n)                                                                                   \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(n), .fill = IG_FILL_UNIFORM, .low = 0.01, .high = 0.05,         \
    .no_grad = true                                                                                \
  }
#define BIAS(n) INTEGERS(IG_I32, -5000, 5000, n)
#define GEOMETRY(title, src, dst, filter, n, ...)                                                  \
  {.name = title,                                                                                  \
   .inputs = {BYTES src, ONE(IG_F32, 0.02), ONE(IG_U8, 113), SIGNED filter, ONE(IG_F32, 0.03),     \
              ONE(IG_I8, 0), ONE(IG_F32, 0.7), ONE(IG_U8, 128)},                                   \
   .n_attrs = n,                                                                                   \
   .attrs = {__VA_ARGS__}},

static const ig_op_case cases[] = {
    CONV_GEOMETRIES(GEOMETRY) TILE_GEOMETRY(GEOMETRY){
        .name = "to i8, bias",
        .inputs = {BYTES(2, 16, 6, 5), ONE(IG_F32, 0.02), ONE(IG_U8, 113), SIGNED(32, 16, 3, 3),
                   ONE(IG_F32, 0.03), ONE(IG_I8, -4), ONE(IG_F32, 0.5), ONE(IG_I8, -20), BIAS(32)},
        .n_attrs = 1,
        .attrs = {PAD1}},
    {.name = "a scale and zero point a channel, bias",
     .inputs = {SIGNED(2, 5, 6, 5), ONE(IG_F32, 0.02), ONE(IG_I8, 3), SIGNED(7, 5, 3, 3), STEPS(7),
                SIGNED(7), ONE(IG_F32, 0.3), ONE(IG_I8, 5), BIAS(7)},
     .n_attrs = 1,
     .attrs = {PAD1}},
    {.name = "groups, a scale a channel, channels in whole chunks",
     .inputs = {BYTES(2, 32, 5, 5), ONE(IG_F32, 0.02), ONE(IG_U8, 128), SIGNED(32, 16, 3, 3),
                STEPS(32), SIGNED(32), ONE(IG_F32, 0.9), ONE(IG_U8, 100), BIAS(32)},
     .n_attrs = 2,
     .attrs = {PAD1, NUMBER("group", 2)}},
    {.name = "u8 by u8",
     .inputs = {BYTES(1, 3, 7, 7), ONE(IG_F32, 0.0066), ONE(IG_U8, 113), BYTES(4, 3, 2, 2),
                ONE(IG_F32, 0.00705), ONE(IG_U8, 114), ONE(IG_F32, 0.0107), ONE(IG_U8, 118)}},
    {.name = "halves to even",
     .inputs = {BYTES(1, 1, 9, 9), ONE(IG_F32, 0.5), ONE(IG_U8, 0),
                INTEGERS(IG_I8, -1, 1, 4, 1, 1, 1), ONE(IG_F32, 1), ONE(IG_I8, 0), ONE(IG_F32, 1),
                ONE(IG_I8, 3)}},
    {.name = "filter's zero points known to be 0",
     .inputs = {BYTES(2, 16, 5, 5),
                ONE(IG_F32, 0.02),
                ONE(IG_U8, 9),
                SIGNED(6, 16, 3, 3),
                STEPS(6),
                {.dtype = IG_I8, .shape = DIMS(6), .fill = IG_FILL_INT, .constant = true},
                ONE(IG_F32, 0.5),
                ONE(IG_U8, 9)},
     .n_attrs = 1,
     .attrs = {PAD1}},
    {.name = "filter and its zero point known, bias, to i8",
     .inputs = {BYTES(2, 19, 6, 5),
                ONE(IG_F32, 0.02),
                ONE(IG_U8, 77),
                {.dtype = IG_I8,
                 .shape = DIMS(33, 19, 3, 3),
                 .fill = IG_FILL_INT,
                 .low = -128,
                 .high = 127,
                 .constant = true},
                ONE(IG_F32, 0.03),
                {.dtype = IG_I8, .fill = IG_FILL_INT, .constant = true},
                ONE(IG_F32, 0.7),
                ONE(IG_I8, 11),
                BIAS(33)},
     .n_attrs = 2,
     .attrs = {PAD1, LIST("strides", 2, 1)}},
};

const ig_op_cases ig_cases_q_linear_conv = {
    .op = "QLinearConv", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
