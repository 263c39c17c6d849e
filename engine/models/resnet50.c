/* ResNet-50: bottleneck blocks; "cifar" chooses the stem for small images. */
#include "engine/models/resnet_network.h"

static ig_status resnet50_build(ig_graph *graph, const ig_model_args *args,
                                const ig_model_spec *spec) {
  ig_resnet_config config = {
      .blocks = {3, 4, 6, 3}, .bottleneck = true, .small_stem = ig_args_word(args, 0) != NULL};
  return ig_resnet_build(graph, &config, spec);
}

const ig_model_preset ig_preset_resnet50 = {
    .name = "resnet50",
    .what = "resnet50[:cifar]: ResNet-50; with cifar, the stem for images of about 32 x 32",
    .words = (const char *const[]){"cifar", NULL},
    .build = resnet50_build,
};
