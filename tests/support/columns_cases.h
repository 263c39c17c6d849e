/* What the cases of Col2Im and ingot.Im2Col share: the pixel under each element of the columns. */
#ifndef IG_TESTS_COLUMNS_CASES_H
#define IG_TESTS_COLUMNS_CASES_H

#include "case_tools.h"

static inline int64_t entry(const ig_node *node, const char *name, int i, int64_t otherwise) {
  ig_ints list = attr_of(node, name).ints;
  return list.n ? list.v[i] : otherwise;
}

/* Element of the image [N, C, ...] under element i of columns [N, C * block, places]; -1 outside. */
static inline int64_t pixel_under(const ig_node *node, const ig_shape *image,
                                  const ig_shape *columns, const int64_t *block, int64_t i) {
  int rank = image->rank - 2;
  ig_shape blocks = ig_shape_of(rank, block), places = {.rank = rank};
  for (int d = 0; d < rank; d++) {
    int64_t extent = (block[d] - 1) * entry(node, "dilations", d, 1) + 1;
    int64_t padded =
        image->dims[2 + d] + entry(node, "pads", d, 0) + entry(node, "pads", rank + d, 0);
    places.dims[d] = (padded - extent) / entry(node, "strides", d, 1) + 1;
  }
  int64_t at[IG_MAX_RANK], k[IG_MAX_RANK], l[IG_MAX_RANK], pixel[IG_MAX_RANK];
  index_of(columns, i, at);
  index_of(&blocks, at[1] % ig_shape_count(&blocks), k);
  index_of(&places, at[2], l);
  pixel[0] = at[0];
  pixel[1] = at[1] / ig_shape_count(&blocks);
  for (int d = 0; d < rank; d++) {
    pixel[2 + d] = l[d] * entry(node, "strides", d, 1) - entry(node, "pads", d, 0) +
                   k[d] * entry(node, "dilations", d, 1);
    if (pixel[2 + d] < 0 || pixel[2 + d] >= image->dims[2 + d]) return -1;
  }
  return offset_of(image, pixel);
}

#endif
