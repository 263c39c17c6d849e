/* One linear layer: logistic or linear regression, the baseline that any network should beat. */
#include "engine/models/layers.h"

static ig_status linear_build(ig_graph *graph, const ig_model_args *args,
                              const ig_model_spec *spec) {
  IG_UNUSED(args);
  int64_t features = ig_shape_count(&spec->input);
  ig_value *x = IG_RESHAPE(graph, ig_layer_input(graph, spec, IG_F32), 0, features);
  x = ig_layer_linear(graph, "fc", x, spec->n_outputs, true, ig_init_linear(features));
  ig_graph_output(graph, "y", x);
  return ig_graph_status(graph);
}

const ig_model_preset ig_preset_linear = {
    .name = "linear",
    .what = "linear: one layer, for logistic or linear regression",
    .build = linear_build,
};
