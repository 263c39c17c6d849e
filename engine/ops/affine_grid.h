/* What AffineGrid and its gradient share. */
#ifndef IG_OPS_AFFINE_GRID_H
#define IG_OPS_AFFINE_GRID_H

#include "engine/ops/doubles.h"

typedef struct ig_affine_grid_attrs {
  int64_t align_corners;
} ig_affine_grid_attrs;

extern const ig_attr_field ig_affine_grid_fields[];
extern const ig_twin ig_affine_grid_twin;

ig_status ig_affine_grid_shape(const ig_node *node, ig_shape *out);
/* The point of a regular grid at position `i` of `out`'s spatial dims, last axis first, and a 1. */
void ig_affine_grid_point(const ig_node *node, const ig_shape *out, int64_t i, double point[4]);

#endif
