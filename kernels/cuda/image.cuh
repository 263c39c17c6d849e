/* Where the elements of an activation [N, C, H, W] are, row-major or channels last. */
#ifndef IG_KERNELS_CUDA_IMAGE_CUH
#define IG_KERNELS_CUDA_IMAGE_CUH

#include "kernels/cuda/device.cuh"
extern "C" {
#include "engine/base/layout.h"
}

/* One dimension each: how far apart neighbours are. */
struct ig_image {
  int64_t n, c, h, w;
};

static inline ig_image ig_image_strides(ig_layout layout, const int64_t dims[4]) {
  int64_t area = dims[2] * dims[3];
  if (layout == IG_LAYOUT_NHWC) return {area * dims[1], 1, dims[3] * dims[1], dims[1]};
  return {area * dims[1], area, dims[3], 1};
}

/* An element's place along each dimension, from its number in memory. */
struct ig_image_at {
  int64_t n;
  int c, h, w;
};

__device__ static inline ig_image_at ig_image_split(ig_layout layout, int64_t element, int channels,
                                                    int height, int width) {
  int inner = layout == IG_LAYOUT_NHWC ? channels : width;
  int middle = layout == IG_LAYOUT_NHWC ? width : height;
  int outer = layout == IG_LAYOUT_NHWC ? height : channels;
  int a, b, c;
  int64_t n;
  if (element < INT32_MAX) { /* divisions of 32 bits cost a fraction of those of 64 */
    uint32_t e = (uint32_t)element, rest = e / (uint32_t)inner;
    a = (int)(e % (uint32_t)inner);
    b = (int)(rest % (uint32_t)middle);
    rest /= (uint32_t)middle;
    c = (int)(rest % (uint32_t)outer);
    n = rest / (uint32_t)outer;
  } else {
    int64_t rest = element / inner;
    a = (int)(element % inner);
    b = (int)(rest % middle);
    rest /= middle;
    c = (int)(rest % outer);
    n = rest / outer;
  }
  if (layout == IG_LAYOUT_NHWC) return {n, a, c, b};
  return {n, c, b, a};
}

#endif
