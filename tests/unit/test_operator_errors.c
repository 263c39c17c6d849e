/* What operators refuse: every line names what was expected and what was found, before any kernel
 * reads memory. Labels are the one thing that only a run can check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/ops/op.h"

typedef struct operand {
  ig_dtype dtype;
  ig_shape shape;
  bool constant;
  int64_t value; /* of a constant, repeated */
} operand;

#define DIMS(...)                                                                                  \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {                                   \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define F32(...)                                                                                   \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__) }
#define I64(...)                                                                                   \
  { .dtype = IG_I64, .shape = DIMS(__VA_ARGS__) }
#define BYTES(...)                                                                                 \
  { .dtype = IG_U8, .shape = DIMS(__VA_ARGS__) }
#define AXES(n, axis)                                                                              \
  { .dtype = IG_I64, .shape = DIMS(n), .constant = true, .value = (axis) }

typedef struct refusal {
  const char *op;
  operand in[9];
  int n_in, n_out;
  int n_attrs;
  ig_attr attrs[2];
  const char *says;
} refusal;

#define HEADS                                                                                      \
  {.name = "q_num_heads", .type = IG_ATTR_INT, .i = 2}, {                                          \
    .name = "kv_num_heads", .type = IG_ATTR_INT, .i = 2                                            \
  }

static const refusal refusals[] = {
    {.op = "Add", .in = {F32(2, 3), F32(2)}, .n_in = 2, .says = "does not broadcast"},
    {.op = "Add",
     .in = {F32(2, 3), I64(3)},
     .n_in = 2,
     .says = "input 1 is i64 where input 0 is f32"},
    {.op = "Mul", .in = {{.dtype = IG_BOOL}, {.dtype = IG_BOOL}}, .n_in = 2, .says = "found bool"},
    {.op = "Exp", .in = {I64(3)}, .n_in = 1, .says = "must have a float type, found i64"},
    {.op = "And", .in = {F32(2), F32(2)}, .n_in = 2, .says = "must be bool, found f32"},
    {.op = "Where", .in = {F32(2), F32(2), F32(2)}, .n_in = 3, .says = "condition must be bool"},
    {.op = "Clip", .in = {F32(2), F32(2)}, .n_in = 2, .says = "bound 1 must be one number"},
    {.op = "Pow", .in = {I64(2), {.dtype = IG_BOOL}}, .n_in = 2, .says = "input 1 must be numbers"},
    {.op = "Sum", .in = {F32(2), F32(2), I64(2)}, .n_in = 3, .says = "input 2 is i64"},
    {.op = "Max", .in = {F32(2), F32(3)}, .n_in = 2, .says = "does not broadcast"},
    {.op = "Mean", .in = {I64(2)}, .n_in = 1, .says = "must have a float type"},
    {.op = "Mod", .in = {F32(2), F32(2)}, .n_in = 2, .says = "must be integers where fmod is 0"},
    {.op = "PRelu", .in = {F32(2), F32(3, 2)}, .n_in = 2, .says = "does not broadcast to [2]"},
    {.op = "BitwiseAnd", .in = {F32(2), F32(2)}, .n_in = 2, .says = "must be integers, found f32"},
    {.op = "IsNaN", .in = {I64(2)}, .n_in = 1, .says = "must be floats, found i64"},
    {.op = "BitShift",
     .in = {I64(2), I64(2)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "direction", .type = IG_ATTR_STRING, .s = "LEFT"}},
     .says = "must be natural numbers, found i64"},
    {.op = "BitShift",
     .in = {BYTES(2), BYTES(2)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "direction", .type = IG_ATTR_STRING, .s = "UP"}},
     .says = "direction is 'UP', expected LEFT or RIGHT"},
    {.op = "BitCast",
     .in = {I64(2)},
     .n_in = 1,
     .n_attrs = 1,
     .attrs = {{.name = "to", .type = IG_ATTR_INT, .i = 1}},
     .says = "f32 has 32 bits where i64 has 64"},
    {.op = "CastLike",
     .in = {I64(2), F32(2)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "round_mode", .type = IG_ATTR_STRING, .s = "odd"}},
     .says = "round_mode is 'odd', expected up, down or nearest"},
    {.op = "Gelu",
     .in = {F32(2)},
     .n_in = 1,
     .n_attrs = 1,
     .attrs = {{.name = "approximate", .type = IG_ATTR_STRING, .s = "sigmoid"}},
     .says = "approximate is 'sigmoid', expected none or tanh"},
    {.op = "ReduceSum", .in = {F32(2, 3), AXES(1, 2)}, .n_in = 2, .says = "axis 2 is out of range"},
    {.op = "ReduceSum", .in = {F32(2, 3), AXES(2, 1)}, .n_in = 2, .says = "named twice"},
    {.op = "ReduceMean", .in = {F32(2, 3), I64(1)}, .n_in = 2, .says = "axes"},
    {.op = "Softmax",
     .in = {F32(2, 3)},
     .n_in = 1,
     .n_attrs = 1,
     .attrs = {{.name = "axis", .type = IG_ATTR_INT, .i = 2}},
     .says = "axis 2 is outside shape [2, 3]"},
    {.op = "ArgMax",
     .in = {F32(2, 0)},
     .n_in = 1,
     .n_attrs = 1,
     .attrs = {{.name = "axis", .type = IG_ATTR_INT, .i = 1}},
     .says = "axis 1 of shape [2, 0] is empty"},
    {.op = "TopK",
     .in = {F32(2, 3), AXES(1, 4)},
     .n_in = 2,
     .n_out = 2,
     .says = "K is 4, expected 0 to 3"},
    {.op = "TopK", .in = {F32(2, 3), I64(1)}, .n_in = 2, .n_out = 2, .says = "K"},
    {.op = "SoftmaxCrossEntropyLoss",
     .in = {F32(4), I64(4)},
     .n_in = 2,
     .says = "[batch, classes, ...], found [4]"},
    {.op = "SoftmaxCrossEntropyLoss",
     .in = {F32(4, 3), I64(3)},
     .n_in = 2,
     .says = "i64 or i32 of shape [4], found i64[3]"},
    {.op = "SoftmaxCrossEntropyLoss", .in = {F32(4, 3), F32(4)}, .n_in = 2, .says = "found f32[4]"},
    {.op = "SoftmaxCrossEntropyLoss",
     .in = {F32(4, 3), I64(4), F32(4)},
     .n_in = 3,
     .says = "weights must be one f32 a class"},
    {.op = "SoftmaxCrossEntropyLoss",
     .in = {F32(4, 3), I64(4)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "reduction", .type = IG_ATTR_STRING, .s = "max"}},
     .says = "reduction is 'max', expected none, sum or mean"},
    {.op = "ingot.SoftmaxCrossEntropy",
     .in = {F32(4, 3), I64(4)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "label_smoothing", .type = IG_ATTR_FLOAT, .f = 1}},
     .says = "label_smoothing is 1, expected at least 0 and below 1"},
    {.op = "ingot.MeanSquaredError",
     .in = {F32(4, 3), F32(4)},
     .n_in = 2,
     .says = "targets are f32[4] where predictions are f32[4, 3]"},
    {.op = "QuantizeLinear", .in = {I64(2), F32(1)}, .n_in = 2, .says = "must be f32, bf16, f16 or i32"},
    {.op = "QuantizeLinear",
     .in = {F32(2, 3), F32(2)},
     .n_in = 2,
     .says = "scale has shape [2], expected one number or [3]: axis 1 of [2, 3]"},
    {.op = "QuantizeLinear",
     .in = {F32(2), F32(2)},
     .n_in = 2,
     .says = "axis 1 is outside shape [2]"},
    {.op = "QuantizeLinear",
     .in = {F32(2, 3), F32(3), {.dtype = IG_I8, .shape = DIMS(2)}},
     .n_in = 3,
     .says = "zero point has shape [2] where scale has [3]"},
    {.op = "QuantizeLinear",
     .in = {F32(2, 3), F32(1), I64(1)},
     .n_in = 3,
     .says = "quantizes to narrow integers and floats, not to i64"},
    {.op = "QuantizeLinear",
     .in = {F32(2, 3), F32(1), {.dtype = IG_I8, .shape = DIMS(1)}},
     .n_in = 3,
     .n_attrs = 1,
     .attrs = {{.name = "output_dtype", .type = IG_ATTR_INT, .i = 2}},
     .says = "output_dtype is ONNX type 2 where the zero point is i8"},
    {.op = "QuantizeLinear",
     .in = {F32(2, 9), F32(2, 2)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "block_size", .type = IG_ATTR_INT, .i = 4}},
     .says = "scale has shape [2, 2], expected [2, 3]: blocks of 4 along axis 1 of [2, 9]"},
    {.op = "QuantizeLinear",
     .in = {F32(2, 9), F32(2, 2)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "block_size", .type = IG_ATTR_INT, .i = -4}},
     .says = "block_size is -4, expected at least 0"},
    {.op = "DequantizeLinear", .in = {F32(2), F32(1)}, .n_in = 2, .says = "must be narrow integers or floats, or i32"},
    {.op = "DequantizeLinear",
     .in = {{.dtype = IG_I8, .shape = DIMS(2)}, F32(1), {.dtype = IG_U8, .shape = DIMS(1)}},
     .n_in = 3,
     .says = "zero point is u8, expected i8"},
    {.op = "DequantizeLinear",
     .in = {{.dtype = IG_I8, .shape = DIMS(2)}, I64(1)},
     .n_in = 2,
     .says = "scale must be f32, bf16, f16 or f8e8m0, found i64"},
    {.op = "DequantizeLinear",
     .in = {{.dtype = IG_I8, .shape = DIMS(2)}, F32(1)},
     .n_in = 2,
     .n_attrs = 1,
     .attrs = {{.name = "output_dtype", .type = IG_ATTR_INT, .i = 7}},
     .says = "output_dtype is ONNX type 7 with a scale of f32"},
    {.op = "DynamicQuantizeLinear",
     .in = {I64(2)},
     .n_in = 1,
     .n_out = 3,
     .says = "must be f32, found i64"},
    {.op = "MatMulInteger", .in = {F32(2, 3), F32(3, 2)}, .n_in = 2, .says = "must be i8 or u8"},
    {.op = "MatMulInteger",
     .in = {{.dtype = IG_I8, .shape = DIMS(2, 3)}, {.dtype = IG_U8, .shape = DIMS(4, 2)}},
     .n_in = 2,
     .says = "the inner dimensions of [2, 3] and [4, 2] differ"},
    {.op = "MatMulInteger",
     .in = {{.dtype = IG_I8, .shape = DIMS(2, 3)},
            {.dtype = IG_U8, .shape = DIMS(3, 2)},
            {.dtype = IG_U8, .shape = DIMS(2)}},
     .n_in = 3,
     .says = "zero point 2 is u8 where input 0 is i8"},
    {.op = "MatMulInteger",
     .in = {{.dtype = IG_I8, .shape = DIMS(2, 3)},
            {.dtype = IG_U8, .shape = DIMS(3, 2)},
            {.dtype = IG_I8, .shape = DIMS(3)}},
     .n_in = 3,
     .says = "zero point 2 has shape [3], expected one number or [2]"},
    {.op = "MatMulInteger",
     .in = {{.dtype = IG_I8, .shape = DIMS(2, 2, 3)}, {.dtype = IG_U8, .shape = DIMS(3, 3, 2)}},
     .n_in = 2,
     .says = "the batches of [2, 2, 3] and [3, 3, 2] do not fit together"},
    {.op = "QLinearMatMul",
     .in = {BYTES(2, 3), F32(1), BYTES(1), BYTES(3, 2), F32(3), BYTES(1), F32(1), BYTES(1)},
     .n_in = 8,
     .says = "scale 4 has shape [3] where its zero point has [1]"},
    {.op = "QLinearMatMul",
     .in = {BYTES(2, 3), F32(1), BYTES(1), BYTES(3, 2), I64(1), BYTES(1), F32(1), BYTES(1)},
     .n_in = 8,
     .says = "scale 4 must be f32, bf16 or f16, found i64"},
    {.op = "QLinearMatMul",
     .in = {BYTES(2, 3), F32(1), BYTES(1), BYTES(3, 2), F32(1), BYTES(1), F32(2), BYTES(2)},
     .n_in = 8,
     .says = "scale 6 has shape [2], expected one number"},
    {.op = "QLinearMatMul",
     .in = {BYTES(2, 3), F32(1), BYTES(1), BYTES(3, 2), F32(1), BYTES(1), F32(1), I64(1)},
     .n_in = 8,
     .says = "zero point 7 must be i8 or u8, found i64"},
    {.op = "ConvInteger",
     .in = {F32(1, 2, 5), BYTES(3, 2, 3)},
     .n_in = 2,
     .says = "input 0 must be i8 or u8"},
    {.op = "ConvInteger",
     .in = {BYTES(1, 2, 5), BYTES(3, 1, 3)},
     .n_in = 2,
     .says = "an input of 2 channels in 1 groups does not fit the filter [3, 1, 3]"},
    {.op = "ConvInteger",
     .in = {BYTES(1, 2, 5), BYTES(3, 2, 3), BYTES(2)},
     .n_in = 3,
     .says = "zero point 2 has shape [2], expected one number or [1]"},
    {.op = "ConvInteger",
     .in = {BYTES(1, 2, 5), BYTES(3, 2, 3), BYTES(1), BYTES(2)},
     .n_in = 4,
     .says = "zero point 3 has shape [2], expected one number or [3]"},
    {.op = "QLinearConv",
     .in = {BYTES(1, 2, 5), F32(1), BYTES(1), BYTES(3, 2, 3), F32(1), BYTES(3), F32(1), BYTES(1)},
     .n_in = 8,
     .says = "scale 4 has shape [1] where its zero point has [3]"},
    {.op = "QLinearConv",
     .in = {BYTES(1, 2, 5), F32(1), BYTES(1), BYTES(3, 2, 3), F32(1), BYTES(1), F32(1), BYTES(1),
            F32(3)},
     .n_in = 9,
     .says = "the bias is f32[3], expected i32[3]"},
    {.op = "ingot.PagedAttention",
     .in = {F32(2, 1, 8), F32(4, 24, 8), F32(4, 24, 8), I64(2, 3), I64(2)},
     .n_in = 5,
     .n_attrs = 2,
     .attrs = {HEADS},
     .says = "a page size of a power of two from 16 to 65536"},
    {.op = "ingot.PagedAttention",
     .in = {F32(2, 1, 8), F32(4, 16, 8), F32(4, 16, 8), I64(3, 3), I64(2)},
     .n_in = 5,
     .n_attrs = 2,
     .attrs = {HEADS},
     .says = "a block table i64[3, 3], expected i64[2, pages]"},
    {.op = "ingot.PagedAttention",
     .in = {F32(2, 1, 12), F32(4, 16, 8), F32(4, 16, 8), I64(2, 3), I64(2)},
     .n_in = 5,
     .n_attrs = 2,
     .attrs = {HEADS},
     .says = "queries of size 6, keys [4, 16, 8] and values [4, 16, 8] do not fit together"},
    {.op = "ingot.PagedAttention",
     .in = {F32(2, 1, 8), F32(4, 16, 8), F32(4, 16, 8), I64(2, 3), I64(3)},
     .n_in = 5,
     .n_attrs = 2,
     .attrs = {HEADS},
     .says = "lengths are i64[3], expected i64[2]"},
    {.op = "ingot.PagedScatter",
     .in = {F32(4, 16, 8), F32(2, 1, 7), I64(2, 3), I64(2)},
     .n_in = 4,
     .says = "rows f32 [2, 1, 7] do not fit a cache f32 [4, 16, 8]"},
    {.op = "ingot.Sample",
     .in = {I64(2, 3)},
     .n_in = 1,
     .says = "must have a float type, found i64"},
    {.op = "ingot.Sample",
     .in = {F32(2, 3), F32(2)},
     .n_in = 2,
     .says = "temperature must be one f32, found f32[2]"},
};

static ig_value *add_operand(ig_graph *graph, const operand *o) {
  if (!o->constant) return ig_graph_input(graph, NULL, o->dtype, o->shape);
  int64_t values[4] = {o->value, o->value, o->value, o->value};
  return ig_graph_const_i64s(graph, (int)ig_shape_count(&o->shape), values);
}

static void wrong_operands_are_refused(void **state) {
  IG_UNUSED(state);
  for (int i = 0; i < IG_COUNT(refusals); i++) {
    const refusal *r = &refusals[i];
    ig_graph *graph;
    ig_value *in[9];
    assert_int_equal(ig_graph_create("refusal", &graph), IG_OK);
    for (int k = 0; k < r->n_in; k++) in[k] = add_operand(graph, &r->in[k]);
    ig_clear_error();
    ig_node *node = ig_graph_node(graph, r->op, "n", r->n_in, in, r->n_attrs, r->attrs,
                                  r->n_out ? r->n_out : 1);
    if (node || !strstr(ig_last_error(), r->says))
      print_error("%s: expected '%s', found '%s'\n", r->op, r->says, ig_last_error());
    assert_null(node);
    assert_non_null(strstr(ig_last_error(), r->says));
    assert_int_not_equal(ig_graph_status(graph), IG_OK);
    ig_graph_destroy(graph);
  }
}

/* A label from a data set, out of range: an error from the loss and from its gradient. */
static void wrong_labels_fail_the_run(void **state) {
  IG_UNUSED(state);
  static const float scores[6] = {0}, one = 1;
  const int64_t labels[2] = {1, 3};
  ig_graph *graph;
  assert_int_equal(ig_graph_create("labels", &graph), IG_OK);
  ig_value *x = ig_graph_input(graph, "x", IG_F32, IG_SHAPE(2, 3));
  ig_value *y = ig_graph_input(graph, "y", IG_I64, IG_SHAPE(2));
  ig_value *d = ig_graph_input(graph, "d", IG_F32, IG_SCALAR);
  ig_node *loss =
      ig_graph_node(graph, "ingot.SoftmaxCrossEntropy", NULL, IG_INS(x, y), IG_NO_ATTRS, 1);
  ig_node *back =
      ig_graph_node(graph, "ingot.SoftmaxCrossEntropyGrad", NULL, IG_INS(d, x, y), IG_NO_ATTRS, 1);
  float result[6];
  void *out[1] = {result};
  assert_int_equal(ig_op_evaluate(loss, NULL, (const void *[]){scores, labels}, out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "label 3 at position 1 is outside 0 to 2"));
  assert_int_equal(ig_op_evaluate(back, NULL, (const void *[]){&one, scores, labels}, out),
                   IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "label 3 at position 1 is outside 0 to 2"));
  ig_graph_destroy(graph);
}

/* A page or a place that is not there: an error before anything is read or written. */
static void wrong_pages_fail_the_run(void **state) {
  IG_UNUSED(state);
  static const float q[8] = {0}, rows[16] = {0};
  static float cache[2 * 16 * 8];
  const int64_t table[2] = {1, 2};
  int64_t length = 17;
  ig_graph *graph;
  assert_int_equal(ig_graph_create("pages", &graph), IG_OK);
  ig_value *query = ig_graph_input(graph, "q", IG_F32, IG_SHAPE(1, 1, 8));
  ig_value *pages = ig_graph_input(graph, "pages", IG_F32, IG_SHAPE(2, 16, 8));
  ig_value *update = ig_graph_input(graph, "rows", IG_F32, IG_SHAPE(1, 2, 8));
  ig_value *where = ig_graph_input(graph, "table", IG_I64, IG_SHAPE(1, 2));
  ig_value *count = ig_graph_input(graph, "length", IG_I64, IG_SHAPE(1));
  ig_node *attention =
      ig_graph_node(graph, "ingot.PagedAttention", NULL, IG_INS(query, pages, pages, where, count),
                    2, (const ig_attr[]){HEADS}, 1);
  ig_node *scatter = ig_graph_node(graph, "ingot.PagedScatter", NULL,
                                   IG_INS(pages, update, where, count), IG_NO_ATTRS, 1);
  float result[2 * 16 * 8];
  void *out[1] = {result};
  const void *read[] = {q, cache, cache, table, &length};
  assert_int_equal(ig_op_evaluate(attention, NULL, read, out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "entry 1 of sequence 0 in the block table is 2"));
  length = 33;
  assert_int_equal(ig_op_evaluate(attention, NULL, read, out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "sequence 0 has 33 keys, expected 0 to 32"));
  const void *written[] = {cache, rows, table, &length};
  for (length = -1; length < 34; length += 32) { /* -1 and 31 */
    assert_int_equal(ig_op_evaluate(scatter, NULL, written, out), IG_ERR_INPUT);
    assert_non_null(strstr(ig_last_error(), "leave the 32 places of sequence 0"));
  }
  length = 15;
  assert_int_equal(ig_op_evaluate(scatter, NULL, written, out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "in the block table is 2, expected one of 2 pages"));
  length = 1;
  assert_int_equal(ig_op_evaluate(scatter, NULL, written, out), IG_OK);
  ig_graph_destroy(graph);
}

/* When nothing accepts a node, the error has every reason. */
static void no_implementation_lists_reasons(void **state) {
  IG_UNUSED(state);
  ig_graph *graph;
  assert_int_equal(ig_graph_create("choose", &graph), IG_OK);
  ig_value *x = ig_graph_input(graph, "x", IG_F32, IG_SHAPE(1, 16, 2, 2));
  ig_value *y = ig_op1(graph, "Exp", "e", IG_INS(x), IG_NO_ATTRS);
  x->layout = IG_LAYOUT_BLOCK16; /* y stays in rows */
  const ig_impl *impl = NULL;
  assert_int_equal(ig_op_choose(y->producer, IG_CPU, &impl), IG_ERR_UNSUPPORTED);
  assert_non_null(strstr(ig_last_error(), "node 'e' (Exp)"));
  assert_non_null(strstr(ig_last_error(), "vector: operands differ in memory layout; reference: "));
  assert_int_equal(ig_op_choose(y->producer, IG_CUDA, &impl), IG_ERR_UNSUPPORTED);
  assert_non_null(strstr(ig_last_error(), "there is none"));
  assert_null(impl);
  assert_null(ig_op_find("exp"));
  assert_null(ig_op_find(""));
  assert_string_equal(ig_op_find("Exp")->name, "Exp");
  ig_graph_destroy(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_operands_are_refused),
      cmocka_unit_test(wrong_labels_fail_the_run),
      cmocka_unit_test(wrong_pages_fail_the_run),
      cmocka_unit_test(no_implementation_lists_reasons),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
