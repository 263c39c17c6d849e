/* Cases of AveragePool, each also with pads that count. */
#include "pool_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  pool_window p;
  find_pool(node, &in[0].shape, &out[0].shape, &p);
  bool count_pads = ig_attr_int_of(node, "count_include_pad", 0) != 0;
  int64_t src_area = p.src[2] * p.src[3], area = p.dst[2] * p.dst[3];
  for (int64_t i = 0; i < ig_shape_count(&out[0].shape); i++) {
    out->data[i] = window_of(&p, in[0].data + i / area * src_area, i % area / p.dst[3],
                             i % p.dst[3], true, count_pads)
                       .value;
  }
}

#define GEOMETRY(title, src, dst, n, ...)                                                          \
  {.name = title, .inputs = {TENSOR src}, .n_attrs = n, .attrs = {__VA_ARGS__}},                   \
      {.name = title ", pads count",                                                               \
       .inputs = {TENSOR src},                                                                     \
       .n_attrs = n + 1,                                                                           \
       .attrs = {NUMBER("count_include_pad", 1), __VA_ARGS__}},

static const ig_op_case cases[] = {POOL_GEOMETRIES(GEOMETRY)};

const ig_op_cases ig_cases_average_pool = {
    .op = "AveragePool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
