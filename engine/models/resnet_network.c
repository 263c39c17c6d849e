/* Stem, four stages of residual blocks, global average pooling, one linear layer. Convolutions have
 * no bias, since a BatchNormalization follows each; they start from He's normal distribution by
 * fan-out. */
#include "engine/models/resnet_network.h"

#include "engine/models/layers.h"

static ig_value *conv_norm(ig_graph *g, const char *prefix, const char *conv, const char *norm,
                           ig_value *x, int64_t out, int64_t kernel, int64_t stride) {
  ig_layer_conv_options options = {
      .out = out, .kernel = kernel, .stride = stride, .pad = kernel / 2, .fan_out = true};
  x = ig_layer_conv(g, ig_layer_name(g, prefix, conv), x, &options);
  return ig_layer_batch_norm(g, ig_layer_name(g, prefix, norm), x);
}

static ig_value *block(ig_graph *g, const ig_resnet_config *config, const char *prefix, ig_value *x,
                       int64_t width, int64_t stride) {
  if (!x) return NULL;
  int64_t out = config->bottleneck ? 4 * width : width;
  ig_value *shortcut = x, *y;
  if (config->bottleneck) {
    y = ig_layer_relu(g, conv_norm(g, prefix, "conv1", "bn1", x, width, 1, 1));
    y = ig_layer_relu(g, conv_norm(g, prefix, "conv2", "bn2", y, width, 3, stride));
    y = conv_norm(g, prefix, "conv3", "bn3", y, out, 1, 1);
  } else {
    y = ig_layer_relu(g, conv_norm(g, prefix, "conv1", "bn1", x, width, 3, stride));
    y = conv_norm(g, prefix, "conv2", "bn2", y, out, 3, 1);
  }
  if (stride != 1 || x->shape.dims[1] != out) {
    shortcut = conv_norm(g, prefix, "downsample.0", "downsample.1", x, out, 1, stride);
  }
  return ig_layer_relu(g, ig_op1(g, "Add", NULL, IG_INS(y, shortcut), IG_NO_ATTRS));
}

static ig_value *stem(ig_graph *g, const ig_resnet_config *config, ig_value *x) {
  if (config->small_stem) return ig_layer_relu(g, conv_norm(g, "", "conv1", "bn1", x, 64, 3, 1));
  x = ig_layer_relu(g, conv_norm(g, "", "conv1", "bn1", x, 64, 7, 2));
  int64_t kernel[] = {3, 3}, strides[] = {2, 2}, pads[] = {1, 1, 1, 1};
  return ig_op1(g, "MaxPool", NULL, IG_INS(x),
                IG_ATTRS(IG_INTS("kernel_shape", 2, kernel), IG_INTS("strides", 2, strides),
                         IG_INTS("pads", 4, pads)));
}

ig_status ig_resnet_build(ig_graph *g, const ig_resnet_config *config, const ig_model_spec *spec) {
  ig_value *x = stem(g, config, ig_layer_image_input(g, spec, config->small_stem ? 8 : 32));
  for (int stage = 0; stage < 4 && x; stage++) {
    for (int i = 0; i < config->blocks[stage]; i++) {
      const char *prefix = ig_arena_format(g->arena, "layer%d.%d", stage + 1, i);
      IG_CHECK_ALLOC(prefix);
      x = block(g, config, prefix, x, (int64_t)64 << stage, stage > 0 && i == 0 ? 2 : 1);
    }
  }
  x = ig_op1(g, "GlobalAveragePool", NULL, IG_INS(x), IG_NO_ATTRS);
  x = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)));
  if (x) x = ig_layer_linear(g, "fc", x, spec->n_outputs, true, ig_init_linear(x->shape.dims[1]));
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}
