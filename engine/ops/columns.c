/* Reads the attributes of Col2Im. */
#include "engine/ops/columns.h"

#include "engine/base/checked.h"

static int64_t at(ig_ints list, int i, int64_t otherwise) {
  return list.n ? list.v[i] : otherwise;
}

/* Places of the block along one dimension. */
static ig_status count_places(const ig_columns *c, int d, int64_t end, int64_t *out) {
  int64_t extent, padded;
  bool fits = c->image[d] >= 1 && c->block[d] >= 1 && c->stride[d] >= 1 && c->dilation[d] >= 1 &&
              c->pad[d] >= 0 && ig_add_dim(c->image[d], c->pad[d], &padded) &&
              ig_add_dim(padded, end, &padded) &&
              ig_mul_dim(c->block[d] - 1, c->dilation[d], &extent) && extent < padded;
  IG_CHECK(
      fits, IG_ERR_SHAPE,
      "in dimension %d, a block of %lld by steps of %lld does not fit an image of %lld with pads "
      "%lld and %lld (stride %lld)",
      d, (long long)c->block[d], (long long)c->dilation[d], (long long)c->image[d],
      (long long)c->pad[d], (long long)end, (long long)c->stride[d]);
  *out = (padded - extent - 1) / c->stride[d] + 1;
  return IG_OK;
}

ig_status ig_columns_read(const ig_columns_attrs *a, int rank, const int64_t *image,
                          const int64_t *block, ig_columns *out) {
  IG_CHECK(rank >= 1 && rank <= IG_COLUMNS_MOST, IG_ERR_SHAPE,
           "images of %d dimensions, expected 1 to %d", rank, IG_COLUMNS_MOST);
  IG_CHECK((a->dilations.n == 0 || a->dilations.n == rank) &&
               (a->strides.n == 0 || a->strides.n == rank) &&
               (a->pads.n == 0 || a->pads.n == 2 * rank),
           IG_ERR_SHAPE, "%d dilations, %d strides and %d pads for images of %d dimensions",
           a->dilations.n, a->strides.n, a->pads.n, rank);
  *out = (ig_columns){.rank = rank};
  int64_t elements = 1, places = 1;
  for (int d = 0; d < rank; d++) {
    out->image[d] = image[d];
    out->block[d] = block[d];
    out->stride[d] = at(a->strides, d, 1);
    out->dilation[d] = at(a->dilations, d, 1);
    out->pad[d] = at(a->pads, d, 0);
    IG_TRY(count_places(out, d, at(a->pads, rank + d, 0), &out->count[d]));
    IG_CHECK(ig_mul_dim(elements, block[d], &elements) &&
                 ig_mul_dim(places, out->count[d], &places),
             IG_ERR_SHAPE, "more elements than can be counted");
  }
  return IG_OK;
}

static int64_t product(const int64_t *dims, int rank) {
  int64_t count = 1;
  for (int d = 0; d < rank; d++) count *= dims[d];
  return count;
}

int64_t ig_columns_block(const ig_columns *c) {
  return product(c->block, c->rank);
}

int64_t ig_columns_places(const ig_columns *c) {
  return product(c->count, c->rank);
}
