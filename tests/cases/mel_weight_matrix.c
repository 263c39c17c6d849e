/* Cases of MelWeightMatrix: each band is the triangle over three of its edges. */
#include "case_tools.h"

static double mel_edge(const ig_case_array *in, double k) {
  double low = 2595 * log10(1 + in[3].data[0] / 700), high = 2595 * log10(1 + in[4].data[0] / 700);
  double at = low + k * (high - low) / (in[0].data[0] + 2);
  return floor((in[1].data[0] + 1) * 700 * (pow(10, at / 2595) - 1) / in[2].data[0]);
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t bands = out->shape.dims[1];
  for (int64_t i = 0; i < count_of(out); i++) {
    double bin = (double)(i / bands), band = (double)(i % bands);
    double a = mel_edge(in, band), b = mel_edge(in, band + 1), c = mel_edge(in, band + 2);
    out->data[i] = bin == b             ? 1
                   : bin > a && bin < b ? (bin - a) / (b - a)
                   : bin > b && bin < c ? (c - bin) / (c - b)
                                        : 0;
  }
}

#define MEL(bands, length, rate, low, high)                                                        \
  SCALAR_AS(IG_I64, true, bands), SCALAR_AS(IG_I64, true, length), SCALAR_AS(IG_I64, true, rate),  \
      SCALAR_AS(IG_F32, true, low), SCALAR_AS(IG_F32, true, high)

static const ig_op_case cases[] = {
    {.name = "eight bands", .inputs = {MEL(8, 16, 8192, 0, 4096)}},
    {.name = "forty bands in f64",
     .inputs = {MEL(40, 512, 16000, 20, 7600)},
     .n_attrs = 1,
     .attrs = {A_INT("output_datatype", 11)}},
};

const ig_op_cases ig_cases_mel_weight_matrix = {
    .op = "MelWeightMatrix", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
