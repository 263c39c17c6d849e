/* Cases of ingot.LRNGrad: dy y' of every channel, by the quotient rule. */
#include "lrn_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in->shape;
  double beta = attr_float(node, "beta");
  double scale = attr_float(node, "alpha") / (double)attr_int(node, "size");
  for (int64_t i = 0; i < count_of(out); i++) {
    double total = 0;
    for (int64_t c = 0; c < shape->dims[1]; c++) {
      int64_t y = in_channel(shape, i, c);
      double base = base_of(node, &in[1], y), slope = 0;
      if (y == i) slope += 1;
      if (in_window(node, c, channel_of(shape, i)))
        slope -= in[1].data[y] * beta / base * 2 * scale * in[1].data[i];
      total += in[0].data[y] * slope * pow(base, -beta);
    }
    out->data[i] = total;
  }
}

#define PAIR(type, ...) NORMAL(type, __VA_ARGS__), NORMAL(type, __VA_ARGS__)
#define NO_GRAD .no_grad_check = true, .why = "it is a gradient"

static const ig_op_case cases[] = {
    {.name = "strong", .inputs = {PAIR(IG_F32, 2, 7, 3)}, LRN(3, 2, 0.75f, 1), NO_GRAD},
    {.name = "even size", .inputs = {PAIR(IG_F64, 2, 6, 2, 2)}, LRN(4, 1.5f, 0.5f, 2), NO_GRAD},
    {.name = "wide", .inputs = {PAIR(IG_F32, 2, 3, 70)}, LRN(9, 3, 1, 1), NO_GRAD},
};

const ig_op_cases ig_cases_lrn_grad = {
    .op = "ingot.LRNGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
