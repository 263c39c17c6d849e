/* Cases of Conv. */
#include "conv_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, &in[1].shape);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  volume_arrays a = {in[0].data, in[1].data, out->data};
  volume_products(&v, &in[0].shape, &out->shape, volume_to_dst, &a);
  if (node->n_inputs > 2) volume_bias(&in[2], out);
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
  four_dims(&out->shape, dst);
  find_window(node, spatial, in[1].shape.dims + 2, &w);
  find_begin(node, spatial, src + 2, dst + 2, &w);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  conv_arrays a = {in[0].data, in[1].data, out->data};
  visit_conv(src, dst, &w, sum_dst, &a);
  if (node->n_inputs > 2) add_channels(dst, in[2].data, out->data);
}

#define TOO_LONG                                                                                   \
  .no_grad_check = true, .why = "the reference takes too long; ConvGradInput and ConvGradWeight "  \
                                "have this case"

/* F(4x4, 3x3) loses up to two digits to its transforms. */
#define GEOMETRY(title, src, dst, filter, n, ...)                                                  \
  {.name = title,                                                                                  \
   .inputs = {TENSOR src, TENSOR filter},                                                          \
   .n_attrs = n,                                                                                   \
   .attrs = {__VA_ARGS__},                                                                         \
   .tolerance = 1e-4},                                                                             \
      {.name = title ", filter known",                                                             \
       .inputs = {TENSOR src, FILTER filter},                                                      \
       .n_attrs = n,                                                                               \
       .attrs = {__VA_ARGS__},                                                                     \
       .tolerance = 1e-4},

#define LARGE_GEOMETRY(title, src, dst, filter, n, ...)                                            \
  {.name = title,                                                                                  \
   .inputs = {TENSOR src, TENSOR filter},                                                          \
   .n_attrs = n,                                                                                   \
   .attrs = {__VA_ARGS__},                                                                         \
   .tolerance = 1e-4,                                                                              \
   TOO_LONG},

static const ig_op_case cases[] = {
    {.name = "a volume",
     .inputs = {VOLUME_TENSOR(2, 3, 4, 6, 5), VOLUME_TENSOR(4, 3, 2, 2, 3), VOLUME_TENSOR(4)},
     .n_attrs = 3,
     .attrs = {LIST("strides", 2, 1, 2), LIST("pads", 1, 0, 1, 0, 1, 1), LIST("dilations", 1, 2, 1)}},
    {.name = "volumes of groups",
     .inputs = {VOLUME_TENSOR(1, 4, 3, 4, 4), VOLUME_TENSOR(6, 2, 2, 3, 2)},
     .n_attrs = 1,
     .attrs = {NUMBER("group", 2)}},
    {.name = "a volume in f64",
     .inputs = {{.dtype = IG_F64, .shape = {5, {1, 2, 3, 3, 4}}}, {.dtype = IG_F64, .shape = {5, {2, 2, 2, 2, 2}}}},
     .n_attrs = 1,
     .attrs = {WORD("auto_pad", "VALID")}},
    
    CONV_GEOMETRIES(GEOMETRY) TILE_GEOMETRY(LARGE_GEOMETRY) GROUP_GEOMETRIES(LARGE_GEOMETRY){.name = "bias",
                              .inputs = {TENSOR(2, 3, 6, 5), TENSOR(17, 3, 3, 3), TENSOR(17)},
                              .n_attrs = 1,
                              .attrs = {PAD1}},
    {.name = "bias, depth by depth",
     .inputs = {TENSOR(2, 16, 6, 5), TENSOR(16, 1, 3, 3), TENSOR(16)},
     .n_attrs = 2,
     .attrs = {PAD1, NUMBER("group", 16)}},
    {.name = "bias, one dimension", .inputs = {TENSOR(2, 3, 8), TENSOR(5, 3, 3), TENSOR(5)}},
    {.name = "same upper",
     .inputs = {TENSOR(1, 3, 6, 7), TENSOR(2, 3, 4, 3)},
     .n_attrs = 2,
     .attrs = {WORD("auto_pad", "SAME_UPPER"), LIST("strides", 1, 2)}},
    {.name = "same lower",
     .inputs = {TENSOR(1, 3, 6, 7), TENSOR(2, 3, 4, 3)},
     .n_attrs = 2,
     .attrs = {WORD("auto_pad", "SAME_LOWER"), LIST("dilations", 1, 2)}},
    {.name = "valid",
     .inputs = {TENSOR(1, 3, 6, 7), TENSOR(2, 3, 4, 3)},
     .n_attrs = 2,
     .attrs = {WORD("auto_pad", "VALID"), LIST("kernel_shape", 4, 3)}},
    {.name = "f64",
     .inputs = {{.dtype = IG_F64, .shape = {4, {1, 2, 4, 4}}},
                {.dtype = IG_F64, .shape = {4, {3, 2, 2, 2}}}}},
    {.name = "no samples", .inputs = {TENSOR(0, 3, 6, 5), TENSOR(2, 3, 3, 3)}},
};

const ig_op_cases ig_cases_conv = {
    .op = "Conv", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
