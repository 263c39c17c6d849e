/* The depth of volumes, [N, C, D, H, W]: what convolutions and poolings say of the third spatial dimension
 * beside the two that all have. All 0 where there is none. */
#ifndef IG_KERNELS_DEPTH_H
#define IG_KERNELS_DEPTH_H

#include <stdint.h>

typedef struct ig_depth {
  int64_t src, dst, kernel, stride, dilation, begin, end;
} ig_depth;

/* The src plane that kernel index `i` meets at dst plane `p`, or -1. */
static inline int64_t ig_depth_source(const ig_depth *d, int64_t p, int64_t i) {
  int64_t at = p * d->stride + i * d->dilation - d->begin;
  return at >= 0 && at < d->src ? at : -1;
}

#endif
