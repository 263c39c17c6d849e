/* Cases of ingot.PagedScatter: rows within a page, over its end, and nowhere near the tables' unused
 * entries. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  const int64_t *cache = in[0].shape.dims, *rows = in[1].shape.dims;
  int64_t pages = in[2].shape.dims[1];
  memcpy(out->data, in[0].data, (size_t)count_of(out) * sizeof(double));
  for (int64_t b = 0; b < rows[0]; b++)
    for (int64_t t = 0; t < rows[1]; t++) {
      int64_t place = (int64_t)in[3].data[b] + t;
      int64_t page = (int64_t)in[2].data[b * pages + place / cache[1]];
      for (int64_t d = 0; d < cache[2]; d++)
        out->data[(page * cache[1] + place % cache[1]) * cache[2] + d] =
            in[1].data[(b * rows[1] + t) * cache[2] + d];
    }
}

#define TABLE(batch, pages, ...)                                                                   \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(batch, pages), .fill = IG_FILL_VALUES,                          \
    .values = (const double[]){__VA_ARGS__}, .n_values = (batch) * (pages)                         \
  }
#define WHY .no_grad_check = true, .why = "caches are not trained through: there is no gradient"

static const ig_op_case cases[] = {
    {.name = "one row",
     .inputs = {NORMAL(IG_F32, 4, 16, 8), NORMAL(IG_F32, 3, 1, 8), TABLE(3, 2, 3, -1, 0, 2, -9, 1),
                LIST_AS(IG_I64, false, 5, 15, 31)},
     WHY},
    {.name = "over the end of a page",
     .inputs = {NORMAL(IG_F32, 5, 16, 3), NORMAL(IG_F32, 2, 20, 3), TABLE(2, 3, 4, 0, 99, 99, 1, 2),
                LIST_AS(IG_I64, false, 12, 28)},
     WHY},
    {.name = "bytes, wide rows",
     .inputs = {INTS(IG_I8, -9, 9, 2, 32, 301), INTS(IG_I8, -9, 9, 1, 2, 301), TABLE(1, 1, 1),
                LIST_AS(IG_I64, false, 30)},
     WHY},
};

const ig_op_cases ig_cases_paged_scatter = {
    .op = "ingot.PagedScatter", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
