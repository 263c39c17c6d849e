/* MelWeightMatrix: triangles, equally wide on the mel scale, that weigh the bins of a spectrum. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/ops/op.h"

typedef struct mel_attrs {
  int64_t output_datatype;
} mel_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_INT(mel_attrs, output_datatype, 1), {0}};

static ig_status infer(ig_node *node) {
  ig_dtype dtype = ig_dtype_from_onnx(IG_ATTRS_OF(mel_attrs, node)->output_datatype);
  int64_t bins, length;
  int n, m;
  IG_CHECK(ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype), IG_ERR_USAGE,
           "attribute output_datatype is not a type of numbers");
  IG_TRY(ig_value_const_ints(node->inputs[0], "num_mel_bins", 1, &bins, &n));
  IG_TRY(ig_value_const_ints(node->inputs[1], "dft_length", 1, &length, &m));
  IG_CHECK(n == 1 && m == 1 && bins >= 1 && bins <= INT32_MAX && length >= 1 && length <= INT32_MAX,
           IG_ERR_SHAPE, "%" PRId64 " bands of a transform of length %" PRId64, bins, length);
  for (int i = 2; i < 5; i++) {
    IG_CHECK(ig_value_count(node->inputs[i]) == 1 && node->inputs[i]->dtype != IG_STRING,
             IG_ERR_SHAPE, "input %d must be one number", i);
  }
  ig_shape y = IG_SHAPE(length / 2 + 1, bins);
  return ig_infer_set(node, 0, dtype, &y);
}

/* The bin at which the k-th of `bands` + 2 equal steps on the mel scale lies. */
static int64_t edge(const double p[5], int64_t k) {
  double low = 2595 * log10(1 + p[3] / 700), high = 2595 * log10(1 + p[4] / 700);
  double mel = (double)k * ((high - low) / (p[0] + 2)) + low;
  double hertz = 700 * (pow(10, mel / 2595) - 1), bin = floor((p[1] + 1) * hertz / p[2]);
  return bin >= 0 && bin < 0x1p31 ? (int64_t)bin : -1;
}

static ig_status run(const ig_call *call) {
  const ig_value *y = call->node->outputs[0];
  int64_t rows = y->shape.dims[0], bands = y->shape.dims[1];
  double p[5];
  for (int i = 0; i < 5; i++) p[i] = ig_load_f64(call->node->inputs[i]->dtype, call->in[i], 0);
  for (int64_t i = 0; i < rows * bands; i++) ig_store_f64(y->dtype, call->out[0], i, 0);
  for (int64_t band = 0; band < bands; band++) {
    int64_t low = edge(p, band), middle = edge(p, band + 1), high = edge(p, band + 2);
    IG_CHECK(low >= 0 && low <= middle && middle <= high && high <= rows, IG_ERR_INPUT,
             "band %" PRId64 " lies outside the spectrum", band);
    for (int64_t j = low; j < high || j == middle; j++) {
      double rising = low == middle ? 1 : (double)(j - low) / (double)(middle - low);
      double falling = high == middle ? 1 : (double)(high - j) / (double)(high - middle);
      if (j < rows) {
        ig_store_f64(y->dtype, call->out[0], j * bands + band, j <= middle ? rising : falling);
      }
    }
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_mel_weight_matrix = {
    .name = "MelWeightMatrix",
    .since = 17,
    .n_in = {5, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(mel_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
