/* Cases of Dropout: the mask is random, so what holds for any mask is checked: kept elements are
 * scaled, dropped ones zero, about as many dropped as asked, and no two samples alike. */
#include "case_tools.h"

static const char *check(const ig_node *node, const ig_case_array *in, const ig_case_array *out) {
  bool training = node->n_inputs > 2 && in[2].data[0] != 0;
  double ratio = !training ? 0 : node->inputs[1] ? in[1].data[0] : 0.5;
  int64_t n = count_of(in), dropped = 0;
  for (int64_t i = 0; i < n; i++) {
    double want = in[0].data[i] / (1 - ratio), got = out[0].data[i];
    if (node->n_outputs > 1 && (out[1].data[i] != 0) != (got != 0)) return "mask and output differ";
    if (got != 0 && fabs(got - want) > 1e-2 * fabs(want)) return "a kept element is not scaled";
    dropped += got == 0;
  }
  double deviation = sqrt((double)n * ratio * (1 - ratio));
  if (fabs((double)dropped - ratio * (double)n) > 5 * deviation)
    return "the share of dropped elements is not the ratio";
  if (!training || in->shape.rank < 2) return NULL;
  int64_t per = n / in->shape.dims[0], same = 0;
  for (int64_t i = 0; i < per; i++) same += (out->data[i] == 0) == (out->data[per + i] == 0);
  double alike = ratio * ratio + (1 - ratio) * (1 - ratio);
  return fabs((double)same - alike * (double)per) > 5 * sqrt((double)per * alike * (1 - alike))
             ? "two samples have the same mask, or opposite ones"
             : NULL;
}

/* Away from 0, so that a zero means dropped. */
#define VALUES(type, ...)                                                                          \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 1, .high = 2       \
  }

static const ig_op_case cases[] = {
    {.name = "training",
     .inputs = {VALUES(IG_F32, 4, 5003), SCALAR_AS(IG_F32, true, 0.3), SCALAR_AS(IG_BOOL, true, 1)},
     .n_outputs = 2},
    {.name = "default ratio",
     .inputs = {VALUES(IG_F32, 2, 3001), ABSENT, SCALAR_AS(IG_BOOL, true, 1)}},
    {.name = "ratio 0",
     .inputs = {VALUES(IG_F32, 2, 3001), SCALAR_AS(IG_F32, true, 0), SCALAR_AS(IG_BOOL, true, 1)}},
    {.name = "not training", .inputs = {VALUES(IG_F32, 3, 7), SCALAR_AS(IG_F32, true, 0.3)}, .n_outputs = 2},
    {.name = "training off",
     .inputs = {VALUES(IG_F64, 3, 7), SCALAR_AS(IG_F32, true, 0.3), SCALAR_AS(IG_BOOL, true, 0)}},
    {.name = "one sample", .inputs = {VALUES(IG_F32, 70001), SCALAR_AS(IG_F32, true, 0.9),
                                      SCALAR_AS(IG_BOOL, true, 1)}},
};

const ig_op_cases ig_cases_dropout = {
    .op = "Dropout", .n_cases = IG_COUNT(cases), .cases = cases, .check = check};
