/* Cases of AveragePool, each also with pads that count. */
#include "pool_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, NULL);
  int64_t area = ig_shape_span(&out[0].shape, 2, 5), src = ig_shape_span(&in[0].shape, 2, 5), at[IG_MAX_RANK];
  for (int64_t i = 0; i < ig_shape_count(&out[0].shape); i++) {
    volume_index(&out[0].shape, i, at);
    volume_window w = volume_window_of(&v, &in[0].shape, in[0].data + i / area * src, at + 2,
                                       ig_attr_int_of(node, "count_include_pad", 0) != 0, 2);
    out->data[i] = w.sum / w.count;
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  if (in[0].shape.rank == 5) {
    volume_reference(node, in, out);
    return;
  }
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

static const ig_op_case cases[] = {
    {.name = "a volume", .inputs = {VOLUME_TENSOR(2, 3, 5, 4, 6)}, .n_attrs = 3, .attrs = {LIST("kernel_shape", 2, 3, 2), LIST("strides", 2, 2, 1), LIST("pads", 1, 1, 0, 0, 1, 1)}},
    {.name = "a volume, pads count",
     .inputs = {VOLUME_TENSOR(1, 2, 5, 4, 6)},
     .n_attrs = 5,
     .attrs = {LIST("kernel_shape", 2, 3, 2), LIST("strides", 2, 2, 1), LIST("pads", 1, 1, 0, 0, 1, 1), NUMBER("count_include_pad", 1), NUMBER("ceil_mode", 1)}},
    POOL_GEOMETRIES(GEOMETRY)};

const ig_op_cases ig_cases_average_pool = {
    .op = "AveragePool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
