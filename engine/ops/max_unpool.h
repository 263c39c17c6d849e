/* What MaxUnpool and its gradient share. */
#ifndef IG_OPS_MAX_UNPOOL_H
#define IG_OPS_MAX_UNPOOL_H

#include "engine/ops/doubles.h"
#include "engine/ops/window.h"

typedef struct ig_max_unpool_attrs {
  ig_window_attrs window;
} ig_max_unpool_attrs;

extern const ig_attr_field ig_max_unpool_fields[];
extern const ig_twin ig_max_unpool_twin;

/* The shape that indices count in, and that of the result. */
ig_status ig_max_unpool_shapes(const ig_node *node, ig_shape *counted, ig_shape *result);
/* Where element `index` of `counted` lies in `result`, or -1 for a bad index. */
int64_t ig_max_unpool_place(const ig_shape *counted, const ig_shape *result, double index);

#endif
