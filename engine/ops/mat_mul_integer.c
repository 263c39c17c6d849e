/* MatMulInteger: NumPy's matmul of 8-bit integers less their zero points, as i32. A zero point is one
 * number, or one for each row of A and for each column of B. */
#include "engine/ops/matmul_integer.h"

static const ig_value *zero_of(const ig_node *node, int which) {
  return node->n_inputs > 2 + which ? node->inputs[2 + which] : NULL;
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

ig_matmul_integer ig_matmul_integer_of(const ig_node *node) {
  const ig_value *a = node->inputs[0], *b = node->inputs[1];
  const ig_shape *x = &a->shape, *y = &b->shape;
  ig_matmul_integer s = {.a = a->dtype, .b = b->dtype};
  ig_shape left = batch_of(a), right = batch_of(b);
  s.k = x->dims[x->rank - 1];
  s.m = x->rank > 1 ? x->dims[x->rank - 2] : 1;
  s.n = y->rank > 1 ? y->dims[y->rank - 1] : 1;
  ig_shape_broadcast(&left, &right, &s.batch); /* inference has checked that it fits */
  ig_shape_broadcast_strides(&left, &s.batch, s.a_step);
  ig_shape_broadcast_strides(&right, &s.batch, s.b_step);
  s.a_zero_rows = is_vector(zero_of(node, 0));
  s.b_zero_columns = is_vector(zero_of(node, 1));
  return s;
}

const void *ig_matmul_integer_zero(const ig_call *call, int which) {
  return zero_of(call->node, which) ? call->in[2 + which] : NULL;
}

static ig_status check_operand(const ig_node *node, int i, int64_t zeros) {
  const ig_value *x = node->inputs[i], *zero = zero_of(node, i);
  IG_CHECK(x->dtype == IG_I8 || x->dtype == IG_U8, IG_ERR_SHAPE,
           "input %d must be i8 or u8, found %s", i, ig_dtype_name(x->dtype));
  if (!zero) return IG_OK;
  IG_CHECK(zero->dtype == x->dtype, IG_ERR_SHAPE, "zero point %d is %s where input %d is %s", i,
           ig_dtype_name(zero->dtype), i, ig_dtype_name(x->dtype));
  IG_CHECK(zero->shape.rank == 0 || (zero->shape.rank == 1 && zero->shape.dims[0] == 1) ||
               (zero->shape.rank == 1 && zero->shape.dims[0] == zeros),
           IG_ERR_SHAPE, "zero point %d has shape %s, expected one number or [%lld]", i,
           IG_SHAPE_STR(&zero->shape), (long long)zeros);
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape, *y = &node->inputs[1]->shape;
  IG_CHECK(x->rank > 0 && y->rank > 0, IG_ERR_SHAPE, "expected matrices, found %s and %s",
           IG_SHAPE_STR(x), IG_SHAPE_STR(y));
  int64_t m = x->rank > 1 ? x->dims[x->rank - 2] : 1, n = y->rank > 1 ? y->dims[y->rank - 1] : 1;
  IG_CHECK(x->dims[x->rank - 1] == y->dims[IG_MAX(y->rank - 2, 0)], IG_ERR_SHAPE,
           "the inner dimensions of %s and %s differ", IG_SHAPE_STR(x), IG_SHAPE_STR(y));
  IG_TRY(check_operand(node, 0, m));
  IG_TRY(check_operand(node, 1, n));
  ig_shape left = batch_of(node->inputs[0]), right = batch_of(node->inputs[1]), result;
  IG_CHECK(ig_shape_broadcast(&left, &right, &result), IG_ERR_SHAPE,
           "the batches of %s and %s do not fit together", IG_SHAPE_STR(x), IG_SHAPE_STR(y));
  if (x->rank > 1) result.dims[result.rank++] = m;
  if (y->rank > 1) result.dims[result.rank++] = n;
  return ig_infer_set(node, 0, IG_I32, &result);
}

static ig_cost cost(const ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  double results = (double)ig_value_count(node->outputs[0]);
  return (ig_cost){2.0 * results * (double)x->dims[x->rank - 1], ig_cost_copy(node).bytes};
}

static ig_status run_rows(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node);
  ig_cpu_matmul_integer(&s, call->in[0], call->in[1], ig_matmul_integer_zero(call, 0),
                        ig_matmul_integer_zero(call, 1), call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node);
  ig_cpu_matmul_integer_reference(&s, call->in[0], call->in[1], ig_matmul_integer_zero(call, 0),
                                  ig_matmul_integer_zero(call, 1), call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "rows", .run = run_rows},
    {.name = "reference", .run = run_reference},
    {0},
};

const ig_op ig_op_mat_mul_integer = {
    .name = "MatMulInteger",
    .since = 10,
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
