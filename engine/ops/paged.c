/* Checks of paged caches: shapes when a graph is made, the table's entries when it runs on the CPU. */
#include "engine/ops/paged.h"

#include <inttypes.h>

#include "engine/base/checked.h"

ig_status ig_paged_check(const ig_value *cache, const ig_value *table, int64_t batch, int *shift) {
  const ig_shape *c = &cache->shape, *t = &table->shape;
  int64_t page = c->rank == 3 ? c->dims[1] : 0;
  IG_CHECK(
      page >= IG_PAGE_LEAST && page <= IG_PAGE_MOST && (page & (page - 1)) == 0, IG_ERR_SHAPE,
      "a paged cache %s, expected [pages, page size, width] with a page size of a power of two "
      "from %d to %d",
      IG_SHAPE_STR(c), IG_PAGE_LEAST, IG_PAGE_MOST);
  IG_CHECK(table->dtype == IG_I64 && t->rank == 2 && t->dims[0] == batch, IG_ERR_SHAPE,
           "a block table %s%s, expected i64[%" PRId64 ", pages]", ig_dtype_name(table->dtype),
           IG_SHAPE_STR(t), batch);
  for (*shift = 0; page > 1; page /= 2) ++*shift;
  return IG_OK;
}

ig_status ig_paged_check_table(const int64_t *table, int64_t pages, int64_t pool, int shift,
                               int64_t b, int64_t from, int64_t to) {
  if (to <= from) return IG_OK;
  for (int64_t p = from >> shift; p <= (to - 1) >> shift; p++) {
    int64_t page = table[b * pages + p];
    IG_CHECK(page >= 0 && page < pool, IG_ERR_INPUT,
             "entry %" PRId64 " of sequence %" PRId64 " in the block table is %" PRId64
             ", expected one of %" PRId64 " pages",
             p, b, page, pool);
  }
  return IG_OK;
}
