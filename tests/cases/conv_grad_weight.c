/* Cases of ingot.ConvGradWeight, each with the gradient of a bias as second output. */
#include "conv_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, NULL);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  volume_arrays a = {in[0].data, out->data, in[1].data};
  volume_products(&v, &in[0].shape, &in[1].shape, volume_to_filter, &a);
  if (node->n_outputs < 2) return;
  int64_t channels = in[1].shape.dims[1], area = ig_shape_span(&in[1].shape, 2, 5);
  memset(out[1].data, 0, (size_t)channels * sizeof(double));
  for (int64_t i = 0; i < ig_shape_count(&in[1].shape); i++) {
    out[1].data[i / area % channels] += in[1].data[i];
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  if (in[0].shape.rank == 5) {
    volume_reference(node, in, out);
    return;
  }
  int64_t src[4], dst[4];
  window_numbers w;
  int spatial = in[0].shape.rank - 2;
  four_dims(&in[0].shape, src);
  four_dims(&in[1].shape, dst);
  find_window(node, spatial, NULL, &w);
  find_begin(node, spatial, src + 2, dst + 2, &w);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  conv_arrays a = {in[0].data, out->data, in[1].data};
  visit_conv(src, dst, &w, sum_filter, &a);
  if (node->n_outputs < 2) return;
  memset(out[1].data, 0, (size_t)dst[1] * sizeof(double));
  int64_t count = ig_shape_count(&in[1].shape), area = dst[2] * dst[3];
  for (int64_t i = 0; i < count; i++) out[1].data[i / area % dst[1]] += in[1].data[i];
}

#define KERNEL(m, c, ...) LIST("kernel_shape", __VA_ARGS__)
#define GEOMETRY(title, src, dst, filter, n, ...)                                                  \
  {.name = title,                                                                                  \
   .inputs = {TENSOR src, TENSOR dst},                                                             \
   .n_attrs = n + 1,                                                                               \
   .attrs = {KERNEL filter, __VA_ARGS__},                                                          \
   .n_outputs = 2,                                                                                 \
   .tolerance = 1e-4,                                                                              \
   .no_grad_check = true,                                                                          \
   .why = "no model needs the gradient of a gradient"},

static const ig_op_case cases[] = {
    {.name = "a volume",
     .inputs = {VOLUME_TENSOR(2, 3, 4, 6, 5), VOLUME_TENSOR(2, 4, 2, 5, 3)},
     .n_attrs = 4,
     .attrs = {LIST("strides", 2, 1, 2), LIST("pads", 1, 0, 1, 0, 1, 1), LIST("dilations", 1, 2, 1),
               LIST("kernel_shape", 2, 2, 3)},
     .n_outputs = 2},
    
    CONV_GEOMETRIES(GEOMETRY)
        WINOGRAD_GEOMETRY(GEOMETRY) TILE_GEOMETRY(GEOMETRY){.name = "filter alone",
                                    .inputs = {TENSOR(2, 16, 5, 5), TENSOR(2, 16, 5, 5)},
                                    .n_attrs = 2,
                                    .attrs = {LIST("kernel_shape", 3, 3), PAD1},
                                    .no_grad_check = true,
                                    .why = "no model needs the gradient of a gradient"},
};

const ig_op_cases ig_cases_conv_grad_weight = {.op = "ingot.ConvGradWeight",
                                               .reference = reference,
                                               .n_cases = IG_COUNT(cases),
                                               .cases = cases};
