/* Attribute structs from tables: defaults, assignment by name with type checks, deep copies. */
#ifndef IG_GRAPH_ATTRS_H
#define IG_GRAPH_ATTRS_H

#include "engine/ops/op.h"

/* A fresh struct in `arena` with the defaults of op->attrs and then `attrs`; NULL in *out when the
 * operator has none. Unknown names, wrong types and missing required ones fail. */
ig_status ig_attrs_create(ig_arena *arena, const ig_op *op, int n_attrs, const ig_attr *attrs,
                          void **out);
/* A copy of `attrs` (of that operator) in another arena. */
ig_status ig_attrs_copy(ig_arena *arena, const ig_op *op, const void *attrs, void **out);
/* Elements of a tensor in the arena, texts with their bytes; NULL when memory is short. */
const void *ig_elements_copy(ig_arena *arena, ig_dtype dtype, const ig_shape *shape,
                             const void *data);
/* The field's current value as an ig_attr. */
ig_attr ig_attrs_get(const ig_attr_field *field, const void *attrs);
/* Whether that value is the default. */
bool ig_attrs_is_default(const ig_attr_field *field, const void *attrs);
bool ig_attrs_equal(const ig_op *op, const void *a, const void *b);
/* The table's row of that name, or NULL. */
const ig_attr_field *ig_attrs_field(const ig_op *op, const char *name);
/* The value of a node's attribute; its operator must have one of that name. */
ig_attr ig_attrs_of(const ig_node *node, const char *name);

#endif
