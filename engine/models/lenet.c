/* A network of LeNet-5's size and kind (LeCun, Bottou, Bengio, Haffner 1998) with today's parts: two
 * 3x3 convolutions, one pooling, two linear layers, ReLU. Starts from He's normal distribution. */
#include "engine/models/layers.h"

static ig_status lenet_build(ig_graph *g, const ig_model_args *args, const ig_model_spec *spec) {
  int64_t channels, width;
  double dropout;
  IG_TRY(ig_args_int(args, "channels", 32, 1, 4096, &channels));
  IG_TRY(ig_args_int(args, "width", 128, 1, 1 << 20, &width));
  IG_TRY(ig_args_float(args, "dropout", 0, 0, 0.95, &dropout));

  ig_value *x = ig_layer_image_input(g, spec, 2);
  ig_layer_conv_options conv = {.out = channels, .kernel = 3, .pad = 1, .bias = true};
  x = ig_layer_relu(g, ig_layer_conv(g, "conv1", x, &conv));
  conv.out = 2 * channels;
  x = ig_layer_relu(g, ig_layer_conv(g, "conv2", x, &conv));
  int64_t two[] = {2, 2};
  x = ig_op1(g, "MaxPool", NULL, IG_INS(x),
             IG_ATTRS(IG_INTS("kernel_shape", 2, two), IG_INTS("strides", 2, two)));
  x = ig_layer_dropout(g, x, dropout);
  x = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)));
  if (x) x = ig_layer_linear(g, "fc1", x, width, true, ig_init_he(x->shape.dims[1]));
  x = ig_layer_dropout(g, ig_layer_relu(g, x), dropout);
  x = ig_layer_linear(g, "fc2", x, spec->n_outputs, true, ig_init_linear(width));
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}

const ig_model_preset ig_preset_lenet = {
    .name = "lenet",
    .what =
        "lenet[:channels=32,width=128,dropout=0]: two 3x3 convolutions (channels, then twice as "
        "many), pooling, two linear layers",
    .named = (const char *const[]){"channels", "width", "dropout", NULL},
    .build = lenet_build,
};
