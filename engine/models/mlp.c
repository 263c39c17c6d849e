/* Multi-layer perceptron on flattened samples: linear and ReLU for each hidden size, then a linear
 * output. Hidden layers start from He's normal distribution, the output from PyTorch's uniform. */
#include "engine/models/layers.h"

#define MOST_LAYERS 16

static ig_status mlp_build(ig_graph *g, const ig_model_args *args, const ig_model_spec *spec) {
  int64_t hidden[MOST_LAYERS];
  int layers;
  double dropout;
  IG_TRY(ig_args_ints(args, 1, 1 << 20, MOST_LAYERS, hidden, &layers));
  IG_TRY(ig_args_float(args, "dropout", 0, 0, 0.95, &dropout));
  if (layers == 0) hidden[layers++] = 128;

  ig_value *x = ig_layer_input(g, spec, IG_F32);
  if (spec->input.rank != 1) {
    x = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)));
  }
  for (int i = 0; i < layers && x; i++) {
    const char *name = ig_arena_format(g->arena, "fc%d", i + 1);
    IG_CHECK_ALLOC(name);
    x = ig_layer_linear(g, name, x, hidden[i], true, ig_init_he(x->shape.dims[1]));
    x = ig_layer_dropout(g, ig_layer_relu(g, x), dropout);
  }
  if (x) x = ig_layer_linear(g, "out", x, spec->n_outputs, true, ig_init_linear(x->shape.dims[1]));
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}

const ig_model_preset ig_preset_mlp = {
    .name = "mlp",
    .what = "mlp:256,128[,dropout=0.1]: hidden sizes of a multi-layer perceptron (default 128)",
    .named = (const char *const[]){"dropout", NULL},
    .numbers = MOST_LAYERS,
    .build = mlp_build,
};
