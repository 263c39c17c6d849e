/* Cases of ingot.ConvGradInput. */
#include "conv_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t src[4], dst[4];
  window_numbers w;
  int spatial = out->shape.rank - 2;
  four_dims(&out->shape, src);
  four_dims(&in[0].shape, dst);
  find_window(node, spatial, in[1].shape.dims + 2, &w);
  find_begin(node, spatial, src + 2, dst + 2, &w);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  conv_arrays a = {out->data, in[1].data, in[0].data};
  visit_conv(src, dst, &w, sum_src, &a);
}

#define SPATIAL(n, c, ...) LIST("shape", __VA_ARGS__)
#define GEOMETRY(title, src, dst, filter, n, ...)                                                  \
  {.name = title,                                                                                  \
   .inputs = {TENSOR dst, TENSOR filter},                                                          \
   .n_attrs = n + 1,                                                                               \
   .attrs = {SPATIAL src, __VA_ARGS__},                                                            \
   .tolerance = 1e-4,                                                                              \
   .no_grad_check = true,                                                                          \
   .why = "no model needs the gradient of a gradient"},

static const ig_op_case cases[] = {CONV_GEOMETRIES(GEOMETRY) WINOGRAD_GEOMETRY(GEOMETRY) TILE_GEOMETRY(GEOMETRY)
                                   GROUP_GEOMETRIES(GEOMETRY)};

const ig_op_cases ig_cases_conv_grad_input = {.op = "ingot.ConvGradInput",
                                              .reference = reference,
                                              .n_cases = IG_COUNT(cases),
                                              .cases = cases};
