/* What ArgMax and ArgMin share. */
#ifndef IG_OPS_ARG_H
#define IG_OPS_ARG_H

#include "engine/ops/op.h"

typedef struct ig_arg_attrs {
  int64_t axis, keepdims, select_last_index;
} ig_arg_attrs;

extern const ig_attr_field ig_arg_fields[];

ig_status ig_arg_infer(ig_node *node);
ig_cost ig_arg_cost(const ig_node *node);
ig_status ig_arg_run(const ig_call *call, bool least);

#endif
