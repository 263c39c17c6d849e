/* Cases of MatMulInteger. */
#include "case_tools.h"

static double zero_at(const ig_node *node, const ig_case_array *in, int which, int64_t i) {
  if (node->n_inputs <= 2 + which || !node->inputs[2 + which]) return 0;
  return in[2 + which].data[count_of(&in[2 + which]) == 1 ? 0 : i];
}

/* Multi-indices of the result, less what broadcasting repeats. */
static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *x = &in[0].shape, *y = &in[1].shape, *z = &out->shape;
  int64_t k = x->dims[x->rank - 1];
  for (int64_t at = 0; at < count_of(out); at++) {
    int64_t index[IG_MAX_RANK] = {0}, i = 0, j = 0, a = 0, b = 0;
    int rank = z->rank;
    index_of(z, at, index);
    if (y->rank > 1) j = index[--rank];
    if (x->rank > 1) i = index[--rank];
    for (int d = 0; d < rank; d++) {
      int own_a = d - (rank - (x->rank - 2)), own_b = d - (rank - (y->rank - 2));
      if (own_a >= 0) a = a * x->dims[own_a] + (x->dims[own_a] == 1 ? 0 : index[d]);
      if (own_b >= 0) b = b * y->dims[own_b] + (y->dims[own_b] == 1 ? 0 : index[d]);
    }
    int64_t m = x->rank > 1 ? x->dims[x->rank - 2] : 1, n = y->rank > 1 ? y->dims[y->rank - 1] : 1;
    for (int64_t l = 0; l < k; l++) {
      out->data[at] += (in[0].data[(a * m + i) * k + l] - zero_at(node, in, 0, i)) *
                       (in[1].data[(b * k + l) * n + j] - zero_at(node, in, 1, j));
    }
  }
}

#define BYTES(...) INTS(IG_U8, 0, 255, __VA_ARGS__)
#define SIGNED(...) INTS(IG_I8, -128, 127, __VA_ARGS__)

static const ig_op_case cases[] = {
    {.name = "u8 by i8", .inputs = {BYTES(5, 7), SIGNED(7, 3)}},
    {.name = "u8 by u8", .inputs = {BYTES(5, 7), BYTES(7, 3)}},
    {.name = "i8 by i8", .inputs = {SIGNED(5, 8), SIGNED(8, 3)}},
    {.name = "i8 by u8", .inputs = {SIGNED(5, 9), BYTES(9, 3)}},
    {.name = "zero points",
     .inputs = {BYTES(5, 7), SIGNED(7, 3), SCALAR_AS(IG_U8, false, 131), SCALAR_AS(IG_I8, false, -9)}},
    {.name = "zero point of b alone", .inputs = {BYTES(5, 7), BYTES(7, 3), ABSENT, SCALAR_AS(IG_U8, false, 255)}},
    {.name = "zero points of shape [1]",
     .inputs = {BYTES(5, 7), BYTES(7, 3), LIST_AS(IG_U8, false, 3), LIST_AS(IG_U8, false, 7)}},
    {.name = "a zero point a row and column",
     .inputs = {BYTES(5, 7), SIGNED(7, 3), BYTES(5), SIGNED(3)}},
    {.name = "vector and matrix", .inputs = {BYTES(7), SIGNED(7, 3)}},
    {.name = "matrix and vector", .inputs = {BYTES(5, 7), SIGNED(7)}},
    {.name = "vectors", .inputs = {BYTES(7), SIGNED(7), SCALAR_AS(IG_U8, false, 128)}},
    {.name = "batch", .inputs = {BYTES(2, 3, 5, 7), SIGNED(2, 3, 7, 4), BYTES(5)}},
    {.name = "one matrix for a batch", .inputs = {BYTES(2, 3, 5, 7), SIGNED(7, 4)}},
    {.name = "batches repeated", .inputs = {BYTES(2, 1, 5, 7), SIGNED(3, 7, 4), ABSENT, SIGNED(4)}},
    {.name = "nothing to add", .inputs = {BYTES(3, 0), SIGNED(0, 4), SCALAR_AS(IG_U8, false, 9)}},
    {.name = "no rows", .inputs = {BYTES(0, 3), SIGNED(3, 4)}},
    {.name = "beyond a tile",
     .inputs = {BYTES(67, 131), SIGNED(131, 70), SCALAR_AS(IG_U8, false, 128), SIGNED(70)}},
    {.name = "beyond a stretch", .inputs = {SIGNED(3, 65), BYTES(65, 1100)}},
    {.name = "threads", .inputs = {BYTES(40, 300), SIGNED(300, 200), BYTES(40), SIGNED(200)}},
    {.name = "greatest sums",
     .inputs = {{.dtype = IG_U8, .shape = DIMS(2, 500), .fill = IG_FILL_INT, .low = 255, .high = 255},
                {.dtype = IG_I8, .shape = DIMS(500, 2), .fill = IG_FILL_INT, .low = -128, .high = -128}}},
};

const ig_op_cases ig_cases_mat_mul_integer = {
    .op = "MatMulInteger", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
