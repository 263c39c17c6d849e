/* What DFT and its gradient share: lines along one axis. */
#ifndef IG_OPS_DFT_H
#define IG_OPS_DFT_H

#include "engine/ops/doubles.h"
#include "kernels/dft.h"

typedef struct ig_dft_attrs {
  int64_t inverse, onesided;
} ig_dft_attrs;

extern const ig_attr_field ig_dft_fields[];
extern const ig_twin ig_dft_twin;

/* A checked node. Elements of x are read as `parts` numbers (1 real, 2 complex), `length` to a line,
 * those of y as `out_parts`, `out_length` to a line; lines lie `inner` elements apart. */
typedef struct ig_dft {
  int64_t n, outer, inner, length, parts, out_length, out_parts;
  bool inverse, onesided;
} ig_dft;

ig_status ig_dft_describe(const ig_node *node, ig_dft *out, ig_shape *y);
/* Tables, and a line after them. */
size_t ig_dft_scratch(const ig_dft *dft);
/* Reads a constant scalar; `fallback` when it is absent. */
ig_status ig_dft_scalar(const ig_node *node, int i, const char *what, int64_t fallback, int64_t *out);

#endif
