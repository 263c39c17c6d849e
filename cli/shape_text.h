/* Shapes as people type them. */
#ifndef IG_CLI_SHAPE_TEXT_H
#define IG_CLI_SHAPE_TEXT_H

#include "engine/base/shape.h"

/* "1,28,28" to the shape [1, 28, 28]; at most IG_MAX_RANK - 1 positive dimensions, since a batch
 * dimension comes before them. */
ig_status ig_shape_parse(const char *text, ig_shape *out);

#endif
