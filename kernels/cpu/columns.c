/* Both directions go element by element of what is written, so that sums have one order and one
 * accumulator. */
#include "kernels/columns.h"

#include <string.h>

#include "kernels/cpu/number.h"
#include "kernels/cpu/parallel.h"

static int64_t product(const int64_t *dims, int rank) {
  int64_t count = 1;
  for (int d = 0; d < rank; d++) count *= dims[d];
  return count;
}

static void split(const int64_t *dims, int rank, int64_t index, int64_t *at) {
  for (int d = rank - 1; d >= 0; d--) {
    at[d] = index % dims[d];
    index /= dims[d];
  }
}

void ig_cpu_image_to_columns(ig_dtype dtype, const ig_columns *c, const void *image,
                             void *columns) {
  size_t size = ig_dtype_size(dtype);
  int64_t pixels = product(c->image, c->rank), places = product(c->count, c->rank);
  int64_t blocks = product(c->block, c->rank);
  IG_PARALLEL_FOR(ig_worth_team(c->planes * blocks * places * (int64_t)size))
  for (int64_t unit = 0; unit < c->planes * blocks; unit++) {
    int64_t k[IG_COLUMNS_MOST], l[IG_COLUMNS_MOST], plane = unit / blocks;
    split(c->block, c->rank, unit % blocks, k);
    for (int64_t place = 0; place < places; place++) {
      int64_t from = 0;
      bool inside = true;
      split(c->count, c->rank, place, l);
      for (int d = 0; d < c->rank && inside; d++) {
        int64_t at = l[d] * c->stride[d] - c->pad[d] + k[d] * c->dilation[d];
        inside = at >= 0 && at < c->image[d];
        from = from * c->image[d] + at;
      }
      char *to = (char *)columns + (size_t)(unit * places + place) * size;
      if (inside) {
        memcpy(to, (const char *)image + (size_t)(plane * pixels + from) * size, size);
      } else {
        memset(to, 0, size);
      }
    }
  }
}

/* Whether element k of some block lies on the pixel, and the place of that block. */
static bool place_of(const ig_columns *c, const int64_t *pixel, const int64_t *k, int64_t *place) {
  *place = 0;
  for (int d = 0; d < c->rank; d++) {
    int64_t from = pixel[d] + c->pad[d] - k[d] * c->dilation[d];
    if (from < 0 || from % c->stride[d] != 0 || from / c->stride[d] >= c->count[d]) return false;
    *place = *place * c->count[d] + from / c->stride[d];
  }
  return true;
}

void ig_cpu_columns_to_image(ig_dtype dtype, const ig_columns *c, const void *columns,
                             void *image) {
  ig_kind kind = ig_kind_of(dtype);
  int64_t pixels = product(c->image, c->rank), places = product(c->count, c->rank);
  int64_t blocks = product(c->block, c->rank);
  IG_PARALLEL_FOR(c->planes * pixels * blocks > IG_PARALLEL_FROM)
  for (int64_t i = 0; i < c->planes * pixels; i++) {
    int64_t pixel[IG_COLUMNS_MOST], k[IG_COLUMNS_MOST], place;
    ig_number sum = ig_number_of(kind, 0);
    split(c->image, c->rank, i % pixels, pixel);
    for (int64_t block = 0; block < blocks; block++) {
      split(c->block, c->rank, block, k);
      if (!place_of(c, pixel, k, &place)) continue;
      int64_t at = (i / pixels * blocks + block) * places + place;
      sum = ig_number_add(kind, sum, ig_load_number(dtype, columns, at));
    }
    ig_store_number(dtype, image, i, sum);
  }
}
