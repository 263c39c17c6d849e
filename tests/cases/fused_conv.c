/* Cases of ingot.FusedConv. */
#include <math.h>

#include "conv_cases.h"

static double activate(const char *name, double a, double b, double x) {
  if (strcmp(name, "Relu") == 0) return fmax(x, 0);
  if (strcmp(name, "Clip") == 0) return fmin(fmax(x, a), b);
  if (strcmp(name, "Swish") == 0) return x / (1 + exp(-a * x));
  if (strcmp(name, "HardSwish") == 0) return x * fmin(fmax(x / 6 + 0.5, 0), 1);
  return x;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t src[4], dst[4], count = ig_shape_count(&out->shape);
  window_numbers w;
  four_dims(&in[0].shape, src);
  four_dims(&out->shape, dst);
  find_window(node, 2, in[1].shape.dims + 2, &w);
  find_begin(node, 2, src + 2, dst + 2, &w);
  memset(out->data, 0, (size_t)count * sizeof(double));
  conv_arrays a = {in[0].data, in[1].data, out->data};
  visit_conv(src, dst, &w, sum_dst, &a);
  if (node->n_inputs > 2) add_channels(dst, in[2].data, out->data);
  for (int64_t i = 0; i < count; i++) {
    if (node->n_inputs > 3 && in[3].data) out->data[i] += in[3].data[i];
    out->data[i] = activate(ig_attr_string_of(node, "activation", ""),
                            ig_attr_float_of(node, "activation_alpha", 0),
                            ig_attr_float_of(node, "activation_beta", 0), out->data[i]);
  }
}

#define ABSENT                                                                                     \
  { .fill = IG_FILL_ABSENT }
#define SCALE(n, value)                                                                            \
  { .name = (n), .type = IG_ATTR_FLOAT, .f = (value) }
#define NO_GRADIENT                                                                                \
  .no_grad_check = true, .why = "the gradient of this function needs what it was given"

static const ig_op_case cases[] = {
    {.name = "plain", .inputs = {TENSOR(2, 3, 6, 5), TENSOR(17, 3, 3, 3)}},
    {.name = "bias and relu",
     .inputs = {TENSOR(2, 16, 6, 6), TENSOR(16, 16, 3, 3), TENSOR(16)},
     .n_attrs = 2,
     .attrs = {PAD1, WORD("activation", "Relu")}},
    {.name = "residual",
     .inputs = {TENSOR(2, 16, 6, 6), TENSOR(16, 16, 3, 3), TENSOR(16), TENSOR(2, 16, 6, 6)},
     .n_attrs = 2,
     .attrs = {PAD1, WORD("activation", "Relu")}},
    {.name = "residual without bias",
     .inputs = {TENSOR(2, 5, 4, 4), TENSOR(7, 5, 1, 1), ABSENT, TENSOR(2, 7, 4, 4)}},
    {.name = "residual, winograd",
     .inputs = {TENSOR(4, 32, 16, 16), TENSOR(32, 32, 3, 3), TENSOR(32), TENSOR(4, 32, 16, 16)},
     .n_attrs = 2,
     .attrs = {PAD1, WORD("activation", "Relu")},
     .tolerance = 1e-4,
     .no_grad_check = true,
     .why = "the reference takes too long; the smaller cases check the gradient"},
    {.name = "clip, depth by depth",
     .inputs = {TENSOR(2, 32, 6, 6), FILTER(32, 1, 3, 3), TENSOR(32)},
     .n_attrs = 5,
     .attrs = {PAD1, NUMBER("group", 32), WORD("activation", "Clip"), SCALE("activation_alpha", 0),
               SCALE("activation_beta", 2)},
     NO_GRADIENT},
    {.name = "few pixels, a tile of channels and one vector",
     .inputs = {TENSOR(1, 128, 4, 4), FILTER(80, 128, 3, 3), TENSOR(80), TENSOR(1, 80, 4, 4)},
     .n_attrs = 2,
     .attrs = {PAD1, WORD("activation", "Relu")},
     .tolerance = 1e-4},
    {.name = "few pixels, two vectors of channels, a rest of pixels",
     .inputs = {TENSOR(3, 144, 5, 3), FILTER(32, 144, 3, 3)},
     .n_attrs = 2,
     .attrs = {PAD1, LIST("strides", 2, 1)},
     .tolerance = 1e-4},
    {.name = "few pixels, three vectors of channels",
     .inputs = {TENSOR(1, 256, 5, 4), FILTER(48, 256, 2, 2), ABSENT, TENSOR(1, 48, 4, 2)},
     .n_attrs = 4,
     .attrs = {LIST("dilations", 1, 2), WORD("activation", "Clip"), SCALE("activation_alpha", -4),
               SCALE("activation_beta", 4)},
     .tolerance = 1e-4,
     NO_GRADIENT},
    {.name = "hard swish",
     .inputs = {TENSOR(1, 16, 5, 5), TENSOR(32, 16, 1, 1)},
     .n_attrs = 1,
     .attrs = {WORD("activation", "HardSwish")},
     NO_GRADIENT},
    {.name = "swish",
     .inputs = {TENSOR(1, 16, 5, 5), FILTER(32, 16, 1, 1)},
     .n_attrs = 2,
     .attrs = {WORD("activation", "Swish"), SCALE("activation_alpha", 1.5f)},
     NO_GRADIENT},
};

const ig_op_cases ig_cases_fused_conv = {
    .op = "ingot.FusedConv", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
