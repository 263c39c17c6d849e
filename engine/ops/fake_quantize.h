/* What ingot.FakeQuantize and its gradient share. */
#ifndef IG_OPS_FAKE_QUANTIZE_H
#define IG_OPS_FAKE_QUANTIZE_H

#include "engine/ops/op.h"
#include "kernels/fake_quantize.h"

typedef struct ig_fake_quantize_attrs {
  int64_t axis, low, high;
  float grad_scale;
} ig_fake_quantize_attrs;

extern const ig_attr_field ig_fake_quantize_fields[];

/* Fails unless `scale` is one number, or one for each place along the axis of x, and the bounds are in
 * order. */
ig_status ig_fake_quantize_check(const ig_node *node, const ig_value *x, const ig_value *scale);
/* Of operands that were checked. */
ig_fake_quantize ig_fake_quantize_of(const ig_node *node, const ig_value *x,
                                     const ig_value *scale);

#endif
