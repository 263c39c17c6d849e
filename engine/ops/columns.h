/* What Col2Im and its gradient share: the attributes, and their reading against an image. */
#ifndef IG_OPS_COLUMNS_H
#define IG_OPS_COLUMNS_H

#include "engine/ops/op.h"
#include "kernels/columns.h"

/* First member of the attribute structs. */
typedef struct ig_columns_attrs {
  ig_ints dilations, pads, strides; /* empty: 1, 0 and 1 */
} ig_columns_attrs;

#define IG_COLUMNS_FIELD(type_, member)                                                            \
  { .name = #member, .type = IG_ATTR_INTS, .offset = offsetof(type_, columns.member) }
#define IG_COLUMNS_FIELDS(type_)                                                                   \
  IG_COLUMNS_FIELD(type_, dilations), IG_COLUMNS_FIELD(type_, pads),                               \
      IG_COLUMNS_FIELD(type_, strides)

/* Of images and blocks of `rank` dimensions; `planes` is left to the caller. */
ig_status ig_columns_read(const ig_columns_attrs *attrs, int rank, const int64_t *image,
                          const int64_t *block, ig_columns *out);
/* Elements of a block, and places; both were checked. */
int64_t ig_columns_block(const ig_columns *columns);
int64_t ig_columns_places(const ig_columns *columns);

#endif
