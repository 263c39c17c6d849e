/* The network of airbench94 (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section
 * 3): a 2x2 convolution for whitening, three blocks of two 3x3 convolutions, one linear layer. A block
 * begins as the identity on the channels it has (Dirac filters). Batch norm follows fast (momentum 0.6)
 * and has no scale of its own, since what follows a rectifier's kin needs none. Deviation: the whitening
 * has no bias; there it is trained for three epochs. */
#include <math.h>

#include "engine/models/layers.h"

#define BLOCKS 3
#define LEAST_SIDE 16 /* three halvings leave one pixel */

static ig_value *conv(ig_graph *g, const char *prefix, const char *name, ig_value *x, int64_t out) {
  if (!x) return NULL;
  int64_t in = x->shape.dims[1], kernel[] = {3, 3}, pads[] = {1, 1, 1, 1};
  ig_init init = {.kind = IG_INIT_DIRAC, .value = (float)sqrt(1.0 / (9.0 * (double)in))};
  const char *full = ig_layer_name(g, prefix, name);
  ig_value *weight = ig_graph_param(g, ig_layer_name(g, full, "weight"), IG_F32,
                                    IG_SHAPE(out, in, 3, 3), init, true);
  return ig_op1(g, "Conv", full, IG_INS(x, weight),
                IG_ATTRS(IG_INTS("kernel_shape", 2, kernel), IG_INTS("pads", 4, pads)));
}

static ig_value *norm(ig_graph *g, const char *prefix, const char *name, ig_value *x) {
  if (!x) return NULL;
  const char *full = ig_layer_name(g, prefix, name);
  ig_shape channels = IG_SHAPE(x->shape.dims[1]);
  ig_init zero = {.kind = IG_INIT_ZERO}, one = {.kind = IG_INIT_ONE};
  ig_value *scale =
      ig_graph_param(g, ig_layer_name(g, full, "weight"), IG_F32, channels, one, false);
  if (scale) scale->frozen = true;
  ig_value *bias = ig_graph_param(g, ig_layer_name(g, full, "bias"), IG_F32, channels, zero, false);
  ig_value *mean =
      ig_graph_state(g, ig_layer_name(g, full, "running_mean"), IG_F32, channels, zero);
  ig_value *variance =
      ig_graph_state(g, ig_layer_name(g, full, "running_var"), IG_F32, channels, one);
  x = ig_op1(g, "BatchNormalization", full, IG_INS(x, scale, bias, mean, variance),
             IG_ATTRS(IG_FLOAT("epsilon", 1e-5f), IG_FLOAT("momentum", 0.6f)));
  return ig_op1(g, "Gelu", NULL, IG_INS(x), IG_NO_ATTRS);
}

static ig_value *pool(ig_graph *g, ig_value *x, int64_t height, int64_t width) {
  int64_t window[] = {height, width};
  return ig_op1(g, "MaxPool", NULL, IG_INS(x),
                IG_ATTRS(IG_INTS("kernel_shape", 2, window), IG_INTS("strides", 2, window)));
}

static ig_value *whitening(ig_graph *g, const ig_model_spec *spec) {
  ig_value *x = ig_layer_image_input(g, spec, LEAST_SIDE);
  if (!x) return NULL;
  ig_layer_conv_options options = {.out = 2 * 4 * x->shape.dims[1], .kernel = 2};
  return ig_op1(g, "Gelu", NULL, IG_INS(ig_layer_conv(g, "whiten", x, &options)), IG_NO_ATTRS);
}

static ig_status airbench_build(ig_graph *g, const ig_model_args *args, const ig_model_spec *spec) {
  int64_t widths[BLOCKS] = {64, 256, 256};
  int given = 0;
  IG_TRY(ig_args_ints(args, 1, 65536, BLOCKS, widths, &given));
  IG_CHECK(given == 0 || given == BLOCKS, IG_ERR_USAGE,
           "airbench: expected %d widths or none, found %d", BLOCKS, given);
  ig_value *x = whitening(g, spec);
  for (int b = 0; b < BLOCKS && x; b++) {
    const char *prefix = ig_arena_format(g->arena, "block%d", b + 1);
    IG_CHECK_ALLOC(prefix);
    x = conv(g, prefix, "conv1", x, widths[b]);
    x = norm(g, prefix, "norm1", pool(g, x, 2, 2));
    x = norm(g, prefix, "norm2", conv(g, prefix, "conv2", x, widths[b]));
  }
  if (x) x = pool(g, x, x->shape.dims[2], x->shape.dims[3]);
  x = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)));
  x = ig_layer_linear(g, "head", x, spec->n_outputs, false, ig_init_linear(widths[BLOCKS - 1]));
  x = ig_op1(g, "Mul", NULL, IG_INS(x, ig_graph_const_f32(g, 1.0f / 9)), IG_NO_ATTRS);
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}

const ig_model_preset ig_preset_airbench = {
    .name = "airbench",
    .what = "airbench[:64,256,256]: the network of airbench94 for small images, by widths of its "
            "three blocks; for train --whiten --bias-lr",
    .numbers = BLOCKS,
    .build = airbench_build,
};
