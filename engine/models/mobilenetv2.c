/* MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov, Chen, CVPR 2018, table 2), width 1, with
 * torchvision's names and initial distribution (He's normal by fan-out; the classifier normal with
 * deviation 0.01). ReLU6 is Clip to [0, 6]. "cifar" keeps the first three strides at 1, so that
 * 32 x 32 images are not shrunk to a point. */
#include "engine/models/layers.h"

typedef struct stage {
  int64_t expand, channels, repeats, stride;
} stage;

static const stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

typedef struct conv {
  const char *conv_name, *norm_name;
  int64_t out, kernel, stride, groups;
  bool relu6;
} conv;

static ig_value *conv_norm(ig_graph *g, const char *prefix, ig_value *x, conv c) {
  ig_layer_conv_options options = {.out = c.out,
                                   .kernel = c.kernel,
                                   .stride = c.stride,
                                   .pad = c.kernel / 2,
                                   .groups = c.groups,
                                   .fan_out = true};
  x = ig_layer_conv(g, ig_layer_name(g, prefix, c.conv_name), x, &options);
  x = ig_layer_batch_norm(g, ig_layer_name(g, prefix, c.norm_name), x);
  if (!c.relu6) return x;
  return ig_op1(g, "Clip", NULL, IG_INS(x, ig_graph_const_f32(g, 0), ig_graph_const_f32(g, 6)),
                IG_NO_ATTRS);
}

/* Expand by a 1x1 convolution, filter each channel by itself, project down; with a residual when the
 * shapes agree. The places within "conv" shift by one when there is nothing to expand. */
static ig_value *inverted_residual(ig_graph *g, const char *prefix, ig_value *x, const stage *s,
                                   int64_t stride) {
  if (!x) return NULL;
  int64_t in = x->shape.dims[1], hidden = in * s->expand;
  bool expands = s->expand != 1;
  ig_value *y = x;
  if (expands) y = conv_norm(g, prefix, y, (conv){"conv.0.0", "conv.0.1", hidden, 1, 1, 1, true});
  y = conv_norm(g, prefix, y,
                (conv){expands ? "conv.1.0" : "conv.0.0", expands ? "conv.1.1" : "conv.0.1", hidden,
                       3, stride, hidden, true});
  y = conv_norm(g, prefix, y,
                (conv){expands ? "conv.2" : "conv.1", expands ? "conv.3" : "conv.2", s->channels, 1,
                       1, 1, false});
  if (stride != 1 || in != s->channels) return y;
  return ig_op1(g, "Add", NULL, IG_INS(x, y), IG_NO_ATTRS);
}

static ig_status mobilenetv2_build(ig_graph *g, const ig_model_args *args,
                                   const ig_model_spec *spec) {
  double dropout;
  IG_TRY(ig_args_float(args, "dropout", 0.2, 0, 0.95, &dropout));
  bool small = ig_args_word(args, 0) != NULL;
  ig_value *x = ig_layer_image_input(g, spec, small ? 8 : 32);
  x = conv_norm(g, "features.0", x, (conv){"0", "1", 32, 3, small ? 1 : 2, 1, true});
  int place = 1;
  for (int i = 0; i < IG_COUNT(stages) && x; i++) {
    int64_t stride = small && i < 3 ? 1 : stages[i].stride;
    for (int64_t k = 0; k < stages[i].repeats; k++) {
      const char *prefix = ig_arena_format(g->arena, "features.%d", place++);
      IG_CHECK_ALLOC(prefix);
      x = inverted_residual(g, prefix, x, &stages[i], k == 0 ? stride : 1);
    }
  }
  x = conv_norm(g, "features.18", x, (conv){"0", "1", 1280, 1, 1, 1, true});
  x = ig_op1(g, "GlobalAveragePool", NULL, IG_INS(x), IG_NO_ATTRS);
  x = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)));
  x = ig_layer_dropout(g, x, dropout);
  x = ig_layer_linear(g, "classifier.1", x, spec->n_outputs, true, ig_init_normal(0.01f));
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}

const ig_model_preset ig_preset_mobilenetv2 = {
    .name = "mobilenetv2",
    .what = "mobilenetv2[:cifar,dropout=0.2]: MobileNetV2; with cifar, for images of about 32 x 32",
    .named = (const char *const[]){"dropout", NULL},
    .words = (const char *const[]){"cifar", NULL},
    .build = mobilenetv2_build,
};
