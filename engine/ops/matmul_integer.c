/* The parts of MatMulInteger and QLinearMatMul, and the checks that the convolutions of integers share
 * with them; see matmul_integer.h. */
#include "engine/ops/matmul_integer.h"

static const ig_value *input(const ig_node *node, int i) {
  return i < node->n_inputs ? node->inputs[i] : NULL;
}

static bool is_vector(const ig_value *zero) {
  return zero && zero->shape.rank == 1 && zero->shape.dims[0] != 1;
}

/* The dimensions before those of the matrices. */
static ig_shape batch_of(const ig_value *value) {
  ig_shape batch = value->shape;
  batch.rank = IG_MAX(batch.rank - 2, 0);
  return batch;
}

ig_matmul_integer ig_matmul_integer_of(const ig_node *node, const ig_integer_operands *which) {
  const ig_value *a = node->inputs[which->a], *b = node->inputs[which->b];
  const ig_shape *x = &a->shape, *y = &b->shape;
  ig_matmul_integer s = {.a = a->dtype, .b = b->dtype};
  ig_shape left = batch_of(a), right = batch_of(b);
  s.k = x->dims[x->rank - 1];
  s.m = x->rank > 1 ? x->dims[x->rank - 2] : 1;
  s.n = y->rank > 1 ? y->dims[y->rank - 1] : 1;
  ig_shape_broadcast(&left, &right, &s.batch); /* inference has checked that it fits */
  ig_shape_broadcast_strides(&left, &s.batch, s.a_step);
  ig_shape_broadcast_strides(&right, &s.batch, s.b_step);
  s.a_zero_rows = is_vector(input(node, which->a_zero));
  s.b_zero_columns = is_vector(input(node, which->b_zero));
  return s;
}

const void *ig_integer_in(const ig_call *call, int i) {
  return input(call->node, i) ? call->in[i] : NULL;
}

ig_status ig_integer_check(const ig_node *node, int i, int zero_input, int64_t zeros) {
  const ig_value *x = node->inputs[i], *zero = input(node, zero_input);
  IG_CHECK(x->dtype == IG_I8 || x->dtype == IG_U8, IG_ERR_SHAPE,
           "input %d must be i8 or u8, found %s", i, ig_dtype_name(x->dtype));
  if (!zero) return IG_OK;
  IG_CHECK(zero->dtype == x->dtype, IG_ERR_SHAPE, "zero point %d is %s where input %d is %s",
           zero_input, ig_dtype_name(zero->dtype), i, ig_dtype_name(x->dtype));
  IG_CHECK(zero->shape.rank == 0 || (zero->shape.rank == 1 &&
                                     (zero->shape.dims[0] == 1 || zero->shape.dims[0] == zeros)),
           IG_ERR_SHAPE, "zero point %d has shape %s, expected one number or [%lld]", zero_input,
           IG_SHAPE_STR(&zero->shape), (long long)zeros);
  return IG_OK;
}

static ig_status check_scale(const ig_node *node, int i) {
  const ig_value *scale = node->inputs[i], *zero = node->inputs[i + 1];
  IG_CHECK(scale->dtype == IG_F32 || scale->dtype == IG_BF16 || scale->dtype == IG_F16,
           IG_ERR_SHAPE, "scale %d must be f32, bf16 or f16, found %s", i,
           ig_dtype_name(scale->dtype));
  IG_CHECK(scale->dtype == node->inputs[1]->dtype, IG_ERR_SHAPE,
           "scale %d is %s where scale 1 is %s", i, ig_dtype_name(scale->dtype),
           ig_dtype_name(node->inputs[1]->dtype));
  IG_CHECK(ig_shape_equal(&scale->shape, &zero->shape), IG_ERR_SHAPE,
           "scale %d has shape %s where its zero point has %s", i, IG_SHAPE_STR(&scale->shape),
           IG_SHAPE_STR(&zero->shape));
  return IG_OK;
}

ig_status ig_q_linear_check(const ig_node *node) {
  const ig_value *y_scale = node->inputs[6], *y_zero = node->inputs[7];
  for (int i = 1; i < 8; i += i == 1 ? 3 : 2) IG_TRY(check_scale(node, i));
  IG_CHECK(y_zero->dtype == IG_I8 || y_zero->dtype == IG_U8, IG_ERR_SHAPE,
           "zero point 7 must be i8 or u8, found %s", ig_dtype_name(y_zero->dtype));
  IG_CHECK(ig_value_count(y_scale) == 1, IG_ERR_UNSUPPORTED,
           "scale 6 has shape %s, expected one number", IG_SHAPE_STR(&y_scale->shape));
  return IG_OK;
}

ig_status ig_matmul_integer_shape(const ig_node *node, const ig_integer_operands *which,
                                  ig_shape *result) {
  const ig_shape *x = &node->inputs[which->a]->shape, *y = &node->inputs[which->b]->shape;
  IG_CHECK(x->rank > 0 && y->rank > 0, IG_ERR_SHAPE, "expected matrices, found %s and %s",
           IG_SHAPE_STR(x), IG_SHAPE_STR(y));
  int64_t m = x->rank > 1 ? x->dims[x->rank - 2] : 1, n = y->rank > 1 ? y->dims[y->rank - 1] : 1;
  IG_CHECK(x->dims[x->rank - 1] == y->dims[IG_MAX(y->rank - 2, 0)], IG_ERR_SHAPE,
           "the inner dimensions of %s and %s differ", IG_SHAPE_STR(x), IG_SHAPE_STR(y));
  IG_TRY(ig_integer_check(node, which->a, which->a_zero, m));
  IG_TRY(ig_integer_check(node, which->b, which->b_zero, n));
  ig_shape left = batch_of(node->inputs[which->a]), right = batch_of(node->inputs[which->b]);
  IG_CHECK(ig_shape_broadcast(&left, &right, result), IG_ERR_SHAPE,
           "the batches of %s and %s do not fit together", IG_SHAPE_STR(x), IG_SHAPE_STR(y));
  if (x->rank > 1) result->dims[result->rank++] = m;
  if (y->rank > 1) result->dims[result->rank++] = n;
  return IG_OK;
}

ig_cost ig_matmul_integer_cost(const ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  double results = (double)ig_value_count(node->outputs[0]);
  return (ig_cost){2.0 * results * (double)x->dims[x->rank - 1], ig_cost_copy(node).bytes};
}
