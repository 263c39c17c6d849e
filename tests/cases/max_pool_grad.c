/* Cases of ingot.MaxPoolGrad. The taps are drawn: any of a window's places, some of them in pads,
 * from where nothing comes back. */
#include "pool_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, NULL);
  int64_t area = ig_shape_span(&in[0].shape, 2, 5), src = ig_shape_span(&out[0].shape, 2, 5), at[IG_MAX_RANK];
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  for (int64_t i = 0; i < ig_shape_count(&in[0].shape); i++) {
    int64_t tap[IG_MAX_RANK];
    bool counts;
    volume_index(&in[0].shape, i, at);
    volume_index(&v.kernel, (int64_t)in[1].data[i], tap);
    int64_t place = volume_place(&v, &out->shape, at + 2, tap, &counts);
    if (place >= 0) out->data[i / area * src + place] += in[0].data[i];
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  if (in[0].shape.rank == 5) {
    volume_reference(node, in, out);
    return;
  }
  pool_window p;
  find_pool(node, &out[0].shape, &in[0].shape, &p);
  int64_t src_area = p.src[2] * p.src[3], area = p.dst[2] * p.dst[3];
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  for (int64_t i = 0; i < ig_shape_count(&in[0].shape); i++) {
    bool counts;
    int64_t tap = (int64_t)in[1].data[i];
    int64_t at = tap_place(&p, i % area / p.dst[3], i % p.dst[3], tap / p.kernel[1],
                           tap % p.kernel[1], &counts);
    if (at >= 0) out->data[i / area * src_area + at] += in[0].data[i];
  }
}

#define SPATIAL(n, c, ...) LIST("shape", __VA_ARGS__)
#define TAPS(...)                                                                                  \
  { .dtype = IG_U8, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = 0, .high = 2 }
#define GEOMETRY(title, src, dst, n, ...)                                                          \
  {.name = title,                                                                                  \
   .inputs = {TENSOR dst, TAPS dst},                                                               \
   .n_attrs = n + 1,                                                                               \
   .attrs = {SPATIAL src, __VA_ARGS__},                                                            \
   .no_grad_check = true,                                                                          \
   .why = "no model needs the gradient of a gradient"},

static const ig_op_case cases[] = {
    {.name = "a volume",
     .inputs = {VOLUME_TENSOR(2, 3, 3, 2, 6),
                {.dtype = IG_U8, .shape = {5, {2, 3, 3, 2, 6}}, .fill = IG_FILL_INT, .low = 0, .high = 11}},
     .n_attrs = 4,
     .attrs = {LIST("kernel_shape", 2, 3, 2), LIST("strides", 2, 2, 1), LIST("pads", 1, 1, 0, 0, 1, 1), LIST("shape", 5, 4, 6)}},
    POOL_GEOMETRIES(GEOMETRY)};

const ig_op_cases ig_cases_max_pool_grad = {
    .op = "ingot.MaxPoolGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
