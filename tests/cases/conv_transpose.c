/* Cases of ConvTranspose. */
#include "conv_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, &in[1].shape);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  volume_arrays a = {out->data, in[1].data, in[0].data};
  volume_products(&v, &out->shape, &in[0].shape, volume_to_src, &a);
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
  four_dims(&out->shape, src); /* in terms of the convolution that goes the other way */
  four_dims(&in[0].shape, dst);
  find_window(node, spatial, in[1].shape.dims + 2, &w);
  find_begin(node, spatial, src + 2, dst + 2, &w);
  memset(out->data, 0, (size_t)ig_shape_count(&out->shape) * sizeof(double));
  conv_arrays a = {out->data, in[1].data, in[0].data};
  visit_conv(src, dst, &w, sum_src, &a);
  if (node->n_inputs > 2) add_channels(src, in[2].data, out->data);
}

static const ig_op_case cases[] = {
    {.name = "a volume",
     .inputs = {VOLUME_TENSOR(2, 4, 2, 3, 2), VOLUME_TENSOR(4, 3, 2, 2, 3), VOLUME_TENSOR(3)},
     .n_attrs = 3,
     .attrs = {LIST("strides", 2, 1, 2), LIST("pads", 1, 0, 1, 0, 1, 1), LIST("dilations", 1, 2, 1)}},
    {.name = "volumes of groups",
     .inputs = {VOLUME_TENSOR(1, 4, 2, 3, 2), VOLUME_TENSOR(4, 3, 2, 2, 3)},
     .n_attrs = 2,
     .attrs = {NUMBER("group", 2), LIST("strides", 2, 2, 2)}},
    
    {.name = "plain", .inputs = {TENSOR(2, 5, 4, 3), TENSOR(5, 4, 3, 3)}},
    {.name = "doubling",
     .inputs = {TENSOR(1, 16, 4, 4), TENSOR(16, 16, 2, 2), TENSOR(16)},
     .n_attrs = 1,
     .attrs = {LIST("strides", 2, 2)}},
    {.name = "doubling, blocks of channels",
     .inputs = {TENSOR(1, 32, 4, 5), TENSOR(32, 16, 4, 4)},
     .n_attrs = 2,
     .attrs = {LIST("strides", 2, 2), PAD1}},
    {.name = "output padding",
     .inputs = {TENSOR(1, 3, 4, 5), TENSOR(3, 2, 3, 3), TENSOR(2)},
     .n_attrs = 3,
     .attrs = {LIST("strides", 2, 2), PAD1, LIST("output_padding", 1, 0)}},
    {.name = "output shape",
     .inputs = {TENSOR(1, 3, 4, 5), TENSOR(3, 2, 3, 3)},
     .n_attrs = 2,
     .attrs = {LIST("strides", 2, 2), LIST("output_shape", 8, 9)}},
    {.name = "same upper",
     .inputs = {TENSOR(1, 3, 4, 5), TENSOR(3, 2, 3, 3)},
     .n_attrs = 2,
     .attrs = {LIST("strides", 2, 2), WORD("auto_pad", "SAME_UPPER")}},
    {.name = "same lower",
     .inputs = {TENSOR(1, 3, 4, 5), TENSOR(3, 2, 4, 4)},
     .n_attrs = 2,
     .attrs = {LIST("strides", 1, 2), WORD("auto_pad", "SAME_LOWER")}},
    {.name = "groups and dilation",
     .inputs = {TENSOR(2, 4, 4, 4), TENSOR(4, 3, 3, 3), TENSOR(6)},
     .n_attrs = 2,
     .attrs = {NUMBER("group", 2), LIST("dilations", 2, 2)}},
    {.name = "one dimension",
     .inputs = {TENSOR(2, 4, 7), TENSOR(4, 3, 4), TENSOR(3)},
     .n_attrs = 2,
     .attrs = {LIST("strides", 3), LIST("pads", 1, 0)}},
};

const ig_op_cases ig_cases_conv_transpose = {
    .op = "ConvTranspose", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
