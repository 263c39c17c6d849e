/* Cases of ingot.FakeQuantizeGrad: Esser et al. 2020, equations 3 and 5, element by element. */
#include "quantize_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_case_array *dy = &in[0], *x = &in[1], *scale = &in[2];
  double low = (double)attr_int(node, "low"), high = (double)attr_int(node, "high");
  double given = attr_float(node, "grad_scale");
  double shared = (double)count_of(x) / (double)IG_MAX(count_of(scale), 1) * high;
  double factor = given > 0 ? given : shared > 0 ? 1 / sqrt(shared) : 1;
  for (int64_t c = 0; c < count_of(scale); c++) out[1].data[c] = 0;
  for (int64_t i = 0; i < count_of(x); i++) {
    int64_t index[IG_MAX_RANK] = {0}, c = 0;
    index_of(&x->shape, i, index);
    if (scale->shape.rank) c = index[axis_of(attr_int(node, "axis"), &x->shape)];
    double s = scale->data[c], v = (double)(float)(x->data[i] / fabs(s));
    bool below = v < low, above = v > high;
    out[0].data[i] = below || above ? 0 : dy->data[i];
    double slope = below ? low : above ? high : rint(v) - v;
    out[1].data[c] += factor * dy->data[i] * slope * (s < 0 ? -1 : 1);
  }
}

#define BOUNDS(axis_, low_, high_)                                                                 \
  .n_outputs = 2, .n_attrs = 3,                                                                    \
  .attrs = {A_INT("axis", axis_), A_INT("low", low_), A_INT("high", high_)}
#define STEP(value) SCALAR_AS(IG_F32, false, value)

static const ig_op_case cases[] = {
    {.name = "one scale", .inputs = {NORMAL(IG_F32, 5, 37), NORMAL(IG_F32, 5, 37), STEP(0.017)}, BOUNDS(0, -128, 127)},
    {.name = "much clipped", .inputs = {NORMAL(IG_F32, 5, 37), NORMAL(IG_F32, 5, 37), STEP(0.1)}, BOUNDS(0, -8, 7)},
    {.name = "filters",
     .inputs = {NORMAL(IG_F32, 6, 4, 3, 3), NORMAL(IG_F32, 6, 4, 3, 3), SCALES(6)}, BOUNDS(0, -127, 127)},
    {.name = "last axis", .inputs = {NORMAL(IG_F32, 137, 6), NORMAL(IG_F32, 137, 6), SCALES(6)}, BOUNDS(-1, -50, 60)},
    {.name = "middle axis", .inputs = {NORMAL(IG_F32, 3, 5, 7), NORMAL(IG_F32, 3, 5, 7), SCALES(5)}, BOUNDS(1, -8, 7)},
    {.name = "zero point", .inputs = {NORMAL(IG_F32, 999), NORMAL(IG_F32, 999), STEP(0.01)}, BOUNDS(0, -100, 155)},
    {.name = "negative scale", .inputs = {NORMAL(IG_F32, 99), NORMAL(IG_F32, 99), STEP(-0.01)}, BOUNDS(0, -100, 155)},
    {.name = "grad_scale",
     .inputs = {NORMAL(IG_F32, 99), NORMAL(IG_F32, 99), STEP(0.01)},
     .n_outputs = 2, .n_attrs = 1, .attrs = {A_FLOAT("grad_scale", 0.25)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3), NORMAL(IG_F32, 0, 3), STEP(1)}, BOUNDS(0, -8, 7)},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 50021), NORMAL(IG_F32, 50021), STEP(0.02)}, BOUNDS(0, -127, 127)},
    {.name = "threads, channels",
     .inputs = {NORMAL(IG_F32, 4, 9, 1501), NORMAL(IG_F32, 4, 9, 1501), SCALES(9)}, BOUNDS(1, -60, 60)},
    {.name = "threads, channels last",
     .inputs = {NORMAL(IG_F32, 700, 67), NORMAL(IG_F32, 700, 67), SCALES(67)}, BOUNDS(1, -60, 60)},
};

const ig_op_cases ig_cases_fake_quantize_grad = {
    .op = "ingot.FakeQuantizeGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
