/* ResNet-18: two 3x3 convolutions a block; "cifar" chooses the stem for small images. */
#include "engine/models/resnet_network.h"

static ig_status resnet18_build(ig_graph *graph, const ig_model_args *args,
                                const ig_model_spec *spec) {
  ig_resnet_config config = {
      .blocks = {2, 2, 2, 2}, .bottleneck = false, .small_stem = ig_args_word(args, 0) != NULL};
  return ig_resnet_build(graph, &config, spec);
}

const ig_model_preset ig_preset_resnet18 = {
    .name = "resnet18",
    .what = "resnet18[:cifar]: ResNet-18; with cifar, the stem for images of about 32 x 32",
    .words = (const char *const[]){"cifar", NULL},
    .build = resnet18_build,
};
