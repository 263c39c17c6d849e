/* What Cast and CastLike share: the element types of both sides are those of the node's values. */
#ifndef IG_OPS_CASTING_H
#define IG_OPS_CASTING_H

#include "engine/ops/op.h"

typedef struct ig_cast_attrs {
  int64_t to; /* Cast's alone */
  int64_t saturate;
  const char *round_mode;
} ig_cast_attrs;

#define IG_CAST_FIELDS                                                                             \
  IG_FIELD_INT(ig_cast_attrs, saturate, 1), IG_FIELD_STRING(ig_cast_attrs, round_mode, "up")

/* Output 0 like input 0 but for its dtype; checks the attributes. */
ig_status ig_cast_infer(ig_node *node, ig_dtype to);
ig_status ig_cast_run(const ig_call *call);
/* Where the bytes do not change, output 0 may be input 0. */
int ig_cast_inplace(const ig_node *node, int output);
/* dx[0] is dy cast back, where both are floats to compute in. */
void ig_cast_grad(const ig_grad *grad);

#endif
