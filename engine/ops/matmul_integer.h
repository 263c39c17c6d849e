/* What MatMulInteger and QLinearMatMul share: operands, their zero points, and the product. */
#ifndef IG_OPS_MATMUL_INTEGER_H
#define IG_OPS_MATMUL_INTEGER_H

#include "engine/ops/op.h"
#include "kernels/matmul_integer.h"
#include "kernels/quantize.h"

/* Which input is what; zero points may be absent. */
typedef struct ig_integer_operands {
  int a, b, a_zero, b_zero;
} ig_integer_operands;

extern const ig_integer_operands ig_mat_mul_integer_operands, ig_q_linear_mat_mul_operands;

/* Fails unless input i is i8 or u8, and its zero point, where there is one, of that type and one number or
 * `zeros` of them. */
ig_status ig_integer_check(const ig_node *node, int i, int zero_input, int64_t zeros);
/* The scales of QLinearMatMul and QLinearConv, inputs 1, 4 and 6, with the zero points behind them. */
ig_status ig_q_linear_check(const ig_node *node);
/* Checks the four and gives the result's shape: NumPy's rules for matrices, batches of them, vectors. */
ig_status ig_matmul_integer_shape(const ig_node *node, const ig_integer_operands *which,
                                  ig_shape *result);
/* The kernels' description of a node whose inputs were checked. */
ig_matmul_integer ig_matmul_integer_of(const ig_node *node, const ig_integer_operands *which);
/* The bytes of an input, or NULL. */
const void *ig_integer_in(const ig_call *call, int input);
/* What QLinearMatMul does with the sums. */
ig_requantize ig_requantize_of(const ig_node *node, const ig_matmul_integer *s);
ig_cost ig_matmul_integer_cost(const ig_node *node);

#endif
