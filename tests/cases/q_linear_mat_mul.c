/* Cases of QLinearMatMul, with the f32 arithmetic that the operator names: the factor
 * a_scale b_scale / y_scale, and its product with the sum. */
#include "case_tools.h"

static double of_place(const ig_case_array *array, int64_t i) {
  return array->data[count_of(array) == 1 ? 0 : i];
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *x = &in[0].shape, *y = &in[3].shape;
  int64_t m = x->dims[x->rank - 2], k = x->dims[x->rank - 1], n = y->dims[y->rank - 1];
  double least = node->outputs[0]->dtype == IG_I8 ? -128 : 0;
  for (int64_t at = 0; at < count_of(out); at++) {
    int64_t row = at / n, i = row % m, j = at % n, matrix = y->rank > 2 ? row / m : 0;
    double sum = 0;
    for (int64_t l = 0; l < k; l++) {
      sum += (in[0].data[row * k + l] - of_place(&in[2], i)) *
             (in[3].data[(matrix * k + l) * n + j] - of_place(&in[5], j));
    }
    float factor = (float)of_place(&in[1], i) * (float)of_place(&in[4], j);
    factor = factor / (float)in[6].data[0];
    float value = (float)sum * factor;
    double q = (double)lrint((double)value) + in[7].data[0];
    out->data[at] = fmin(fmax(q, least), least + 255);
  }
}

#define BYTES(...) INTS(IG_U8, 0, 255, __VA_ARGS__)
#define SIGNED(...) INTS(IG_I8, -128, 127, __VA_ARGS__)
#define ONE_BYTE(value) SCALAR_AS(IG_U8, false, value)
#define STEP(value) SCALAR_AS(IG_F32, false, value)
#define STEPS(n)                                                                                   \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(n), .fill = IG_FILL_UNIFORM, .low = 0.01, .high = 0.05,         \
    .no_grad = true                                                                                \
  }

static const ig_op_case cases[] = {
    {.name = "u8 by u8",
     .inputs = {BYTES(5, 7), STEP(0.0066), ONE_BYTE(113), BYTES(7, 3), STEP(0.00705), ONE_BYTE(114),
                STEP(0.0107), ONE_BYTE(118)}},
    {.name = "u8 by i8 to i8",
     .inputs = {BYTES(5, 7), STEP(0.02), ONE_BYTE(113), SIGNED(7, 3), STEP(0.03),
                SCALAR_AS(IG_I8, false, 0), STEP(0.5), SCALAR_AS(IG_I8, false, -20)}},
    {.name = "halves to even",
     .inputs = {BYTES(9, 1), STEP(0.5), ONE_BYTE(0), INTS(IG_I8, -1, 1, 1, 4), STEP(1),
                SCALAR_AS(IG_I8, false, 0), STEP(1), SCALAR_AS(IG_I8, false, 3)}},
    {.name = "a scale a row and column",
     .inputs = {BYTES(5, 7), STEPS(5), BYTES(5), SIGNED(7, 3), STEPS(3), SIGNED(3), STEP(0.3),
                ONE_BYTE(128)}},
    {.name = "batch",
     .inputs = {BYTES(2, 5, 7), STEPS(5), BYTES(5), SIGNED(2, 7, 3), STEPS(3), SIGNED(3), STEP(0.3),
                ONE_BYTE(128)}},
    {.name = "threads",
     .inputs = {BYTES(200, 40), STEPS(200), BYTES(200), SIGNED(40, 300), STEPS(300), SIGNED(300),
                STEP(0.9), ONE_BYTE(128)}},
};

const ig_op_cases ig_cases_q_linear_mat_mul = {
    .op = "QLinearMatMul", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
