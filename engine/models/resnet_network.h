/* Residual networks (He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016)
 * behind the presets resnet18 and resnet50: torchvision's arrangement (the stride of a bottleneck
 * on its 3x3 convolution), names and initial distribution. */
#ifndef IG_MODELS_RESNET_NETWORK_H
#define IG_MODELS_RESNET_NETWORK_H

#include "engine/models/model.h"

typedef struct ig_resnet_config {
  int blocks[4];   /* of each stage */
  bool bottleneck; /* 1x1, 3x3, 1x1 with four times the channels, instead of 3x3, 3x3 */
  bool small_stem; /* for images of about 32 x 32: 3x3 stride 1 and no pooling, as in section 4.2 */
} ig_resnet_config;

ig_status ig_resnet_build(ig_graph *graph, const ig_resnet_config *config,
                          const ig_model_spec *spec);

#endif
