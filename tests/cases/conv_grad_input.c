/* Cases of ingot.ConvGradInput. */
#include "conv_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, &in[1].shape);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  volume_arrays a = {out->data, in[1].data, in[0].data};
  volume_products(&v, &out->shape, &in[0].shape, volume_to_src, &a);
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  if (in[0].shape.rank == 5) {
    volume_reference(node, in, out);
    return;
  }
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

static const ig_op_case cases[] = {
    {.name = "a volume",
     .inputs = {VOLUME_TENSOR(2, 4, 2, 5, 3), VOLUME_TENSOR(4, 3, 2, 2, 3)},
     .n_attrs = 4,
     .attrs = {LIST("strides", 2, 1, 2), LIST("pads", 1, 0, 1, 0, 1, 1), LIST("dilations", 1, 2, 1),
               LIST("shape", 4, 6, 5)}},
    CONV_GEOMETRIES(GEOMETRY) WINOGRAD_GEOMETRY(GEOMETRY) TILE_GEOMETRY(GEOMETRY)
                                   GROUP_GEOMETRIES(GEOMETRY)};

const ig_op_cases ig_cases_conv_grad_input = {.op = "ingot.ConvGradInput",
                                              .reference = reference,
                                              .n_cases = IG_COUNT(cases),
                                              .cases = cases};
