/* A function of one element that a product or a convolution applies to each result before it is
 * stored. */
#ifndef IG_KERNELS_ACTIVATION_H
#define IG_KERNELS_ACTIVATION_H

#include "kernels/elementwise.h"

typedef struct ig_activation {
  bool on;
  ig_unary kind;
  float a, b; /* as ig_unary says */
} ig_activation;

/* One result, the readable way. */
static inline double ig_activate(const ig_activation *f, double x) {
  if (f->on) ig_cpu_unary_reference(f->kind, IG_F64, &x, &x, 1, f->a, f->b);
  return x;
}

#endif
