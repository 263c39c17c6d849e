/* Cases of Multinomial: every class as often as its probability asks, within five standard errors. */
#include "noise_cases.h"

static const char *check(const ig_node *node, const ig_case_array *in, const ig_case_array *out) {
  IG_UNUSED(node);
  int64_t rows = in->shape.dims[0], classes = in->shape.dims[1], n = out->shape.dims[1];
  for (int64_t row = 0; row < rows; row++) {
    double total = 0;
    for (int64_t c = 0; c < classes; c++) total += exp(in->data[row * classes + c]);
    for (int64_t c = 0; c < classes; c++) {
      double p = exp(in->data[row * classes + c]) / total, found = 0;
      for (int64_t i = 0; i < n; i++) found += out->data[row * n + i] == (double)c;
      if (p == 0 && found > 0) return "an impossible class";
      if (fabs(found - p * (double)n) > 5 * sqrt((double)n * p * (1 - p)) + 1)
        return "a class is drawn too often, or too rarely";
    }
  }
  for (int64_t i = 0; i < count_of(out); i++) {
    if (!(out->data[i] >= 0 && out->data[i] < (double)classes)) return "no such class";
  }
  return NULL;
}

#define DRAWS(n) .n_attrs = 1, .attrs = {A_INT("sample_size", n)}

static const double one_class[] = {-HUGE_VAL, 3, -HUGE_VAL};

static const ig_op_case cases[] = {
    {.name = "one", .inputs = {NORMAL(IG_F32, 3, 5)}},
    {.name = "many", .inputs = {NORMAL(IG_F32, 3, 5)}, DRAWS(3000)},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 2, 7)}, DRAWS(2000)},
    {.name = "i64",
     .inputs = {NORMAL(IG_F32, 2, 3)},
     .n_attrs = 2,
     .attrs = {A_INT("sample_size", 500), A_INT("dtype", 7)}},
    {.name = "large",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(2, 3), .fill = IG_FILL_UNIFORM, .low = 500, .high = 502}},
     DRAWS(500)},
    {.name = "one class",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(2, 3), .fill = IG_FILL_VALUES, .values = one_class,
                 .n_values = 3}},
     DRAWS(50)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3)}, DRAWS(5)},
    {.name = "none", .inputs = {NORMAL(IG_F32, 2, 3)}, DRAWS(0)},
};

const ig_op_cases ig_cases_multinomial = {
    .op = "Multinomial", .n_cases = IG_COUNT(cases), .cases = cases, .check = check};
