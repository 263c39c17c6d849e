/* Cases of ingot.FakeQuantize. The quotient is one of f32, which a quotient in float64 rounded to f32 is. */
#include "quantize_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double low = (double)attr_int(node, "low"), high = (double)attr_int(node, "high");
  for (int64_t i = 0; i < count_of(in); i++) {
    int64_t index[IG_MAX_RANK] = {0}, c = 0;
    index_of(&in[0].shape, i, index);
    if (in[1].shape.rank) c = index[axis_of(attr_int(node, "axis"), &in[0].shape)];
    double s = fmax(fabs(in[1].data[c]), 0x1p-100), v = (double)(float)(in[0].data[i] / s);
    out->data[i] = isnan(v) ? v : s * rint(fmin(fmax(v, low), high));
  }
}

#define STRAIGHT .no_grad_check = true, .why = "the gradient passes rounding straight through; see FakeQuantizeGrad"
#define STEP(value) SCALAR_AS(IG_F32, false, value)
#define BOUNDS(axis_, low_, high_)                                                                 \
  .n_attrs = 3, .attrs = {A_INT("axis", axis_), A_INT("low", low_), A_INT("high", high_)}

static const ig_op_case cases[] = {
    {.name = "one scale", .inputs = {NORMAL(IG_F32, 5, 37), STEP(0.017)}, STRAIGHT},
    {.name = "filters", .inputs = {NORMAL(IG_F32, 6, 4, 3, 3), SCALES(6)}, BOUNDS(0, -127, 127), STRAIGHT},
    {.name = "last axis", .inputs = {NORMAL(IG_F32, 37, 6), SCALES(6)}, BOUNDS(-1, -127, 127), STRAIGHT},
    {.name = "middle axis", .inputs = {NORMAL(IG_F32, 3, 5, 7), SCALES(5)}, BOUNDS(1, -8, 7), STRAIGHT},
    {.name = "zero point", .inputs = {NORMAL(IG_F32, 999), STEP(0.01)}, BOUNDS(0, -100, 155), STRAIGHT},
    {.name = "above zero alone", .inputs = {NORMAL(IG_F32, 99), STEP(0.01)}, BOUNDS(0, 0, 255), STRAIGHT},
    {.name = "halves to even",
     .inputs = {LIST_AS(IG_F32, false, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 127.5, -128.5), STEP(1)},
     STRAIGHT},
    {.name = "extremes",
     .inputs = {LIST_AS(IG_F32, false, -HUGE_VAL, -3e38, -1e-40, 0.0, 1e-40, 3e38, HUGE_VAL, (double)NAN),
                STEP(1)},
     STRAIGHT},
    {.name = "negative scale", .inputs = {NORMAL(IG_F32, 33), STEP(-0.02)}, STRAIGHT},
    {.name = "scale 0", .inputs = {LIST_AS(IG_F32, false, -1, 0, 1), STEP(0)}, STRAIGHT},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3), STEP(1)}, STRAIGHT},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 50021), STEP(0.02)}, STRAIGHT},
    {.name = "threads, channels", .inputs = {NORMAL(IG_F32, 4, 9, 1501), SCALES(9)}, BOUNDS(1, -127, 127), STRAIGHT},
    {.name = "threads, channels last", .inputs = {NORMAL(IG_F32, 700, 67), SCALES(67)}, BOUNDS(1, -127, 127), STRAIGHT},
};

const ig_op_cases ig_cases_fake_quantize = {
    .op = "ingot.FakeQuantize", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
