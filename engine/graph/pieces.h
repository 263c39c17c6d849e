/* Tensors of any type, texts included, cut and joined along an axis, outside of plans. */
#ifndef IG_GRAPH_PIECES_H
#define IG_GRAPH_PIECES_H

#include "engine/graph/datum.h"

/* Elements [from, from + count) along an axis, which are there. With `drop`, which needs a count of 1, the
 * axis goes. */
ig_status ig_datum_part(const ig_datum *datum, int axis, int64_t from, int64_t count, bool drop,
                        ig_datum **out);
/* At least one tensor of one type, one behind the other along an axis, in which alone their shapes may
 * differ; `axis` may be negative. With `backwards`, the last comes first. */
ig_status ig_datum_join(int64_t n, ig_datum *const *items, int64_t axis, bool backwards,
                        ig_datum **out);
/* The same for equal shapes along a new axis, counted in the result. */
ig_status ig_datum_stack(int64_t n, ig_datum *const *items, int64_t axis, bool backwards,
                         ig_datum **out);
/* `element` with a new dimension of n; *at is the axis, not negative. */
ig_status ig_shape_stacked(const ig_shape *element, int64_t n, int64_t axis, ig_shape *out, int *at);

#endif
