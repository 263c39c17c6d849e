/* Cases of ingot.MaxPool. */
#include "pool_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, NULL);
  int64_t area = ig_shape_span(&out[0].shape, 2, 5), src = ig_shape_span(&in[0].shape, 2, 5), at[IG_MAX_RANK];
  for (int64_t i = 0; i < ig_shape_count(&out[0].shape); i++) {
    volume_index(&out[0].shape, i, at);
    volume_window w = volume_window_of(&v, &in[0].shape, in[0].data + i / area * src, at + 2, false, 2);
    out[0].data[i] = w.max;
    out[1].data[i] = (double)w.tap;
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  if (in[0].shape.rank == 5) {
    volume_reference(node, in, out);
    return;
  }
  pool_window p;
  find_pool(node, &in[0].shape, &out[0].shape, &p);
  int64_t src_area = p.src[2] * p.src[3], area = p.dst[2] * p.dst[3];
  for (int64_t i = 0; i < ig_shape_count(&out[0].shape); i++) {
    pool_result r = window_of(&p, in[0].data + i / area * src_area, i % area / p.dst[3],
                              i % p.dst[3], false, false);
    out[0].data[i] = r.value;
    out[1].data[i] = (double)r.tap;
  }
}

#define GEOMETRY(title, src, dst, n, ...)                                                          \
  {.name = title, .inputs = {DISTINCT src}, .n_attrs = n, .attrs = {__VA_ARGS__}, .n_outputs = 2},

static const double ties[] = {1, 1, 0, 1, 2, 2};

static const ig_op_case cases[] = {
    {.name = "a volume", .inputs = {VOLUME_DISTINCT(2, 3, 5, 4, 6)}, .n_attrs = 3, .attrs = {LIST("kernel_shape", 2, 3, 2), LIST("strides", 2, 2, 1), LIST("pads", 1, 1, 0, 0, 1, 1)}, .n_outputs = 2},
    
    POOL_GEOMETRIES(GEOMETRY){.name = "the first of equals",
                              .inputs = {{.dtype = IG_F32,
                                          .shape = DIMS(1, 16, 4, 4),
                                          .fill = IG_FILL_VALUES,
                                          .values = ties,
                                          .n_values = IG_COUNT(ties)}},
                              .n_attrs = 1,
                              .attrs = {LIST("kernel_shape", 2, 2)},
                              .n_outputs = 2,
                              .no_grad_check = true,
                              .why = "a maximum has no derivative where elements are equal"},
};

const ig_op_cases ig_cases_max_pool_taps = {
    .op = "ingot.MaxPool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
