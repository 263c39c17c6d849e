/* GridSample's map, one axis at a time: all its modes and paddings are products over the axes. */
#ifndef IG_OPS_GRID_SAMPLE_H
#define IG_OPS_GRID_SAMPLE_H

#include "engine/ops/doubles.h"

typedef struct ig_grid_sample_attrs {
  int64_t align_corners;
  const char *mode, *padding_mode;
} ig_grid_sample_attrs;

extern const ig_attr_field ig_grid_sample_fields[];
extern const ig_twin ig_grid_sample_twin;

/* The elements along one axis that a coordinate reads, -1 for those that count as 0, their weights, and
 * the derivatives of the weights by the coordinate. */
typedef struct ig_grid_taps {
  int n;
  int64_t index[4];
  double weight[4], slope[4];
} ig_grid_taps;

ig_grid_taps ig_grid_taps_of(const ig_grid_sample_attrs *attrs, double coordinate, int64_t extent);
/* Checks a node and gives the result's shape. */
ig_status ig_grid_sample_shape(const ig_node *node, ig_shape *out);

/* Calls back for every combination of taps of output position `p` (of all batch entries): the offset in
 * a channel of x, the weight, and the weight's derivative by each coordinate (in the grid's order). */
typedef void ig_grid_visit(void *context, int64_t offset, double weight, const double *slope);
void ig_grid_visit_taps(const ig_node *node, const double *grid, int64_t p, ig_grid_visit *visit,
                        void *context);

#endif
