/* Operators on sequences and optionals, against their definitions in the ONNX specification. */
#include "data_checks.h"

#define MOST 8

/* Runs one node: `n_in` inputs as given (NULL is absent), attributes, the outputs. */
static ig_status run_node(const char *op, int n_in, ig_datum *const *in, int n_attrs,
                          const ig_attr *attrs, int n_out, ig_datum **out) {
  ig_graph *g = deferred("node");
  ig_value *values[MOST] = {0};
  ig_datum *given[MOST] = {0};
  for (int i = 0; i < n_in; i++) {
    if (in[i]) values[i] = ig_graph_input_any(g, NULL, IG_NONE);
    if (in[i]) given[g->n_inputs - 1] = in[i];
  }
  ig_node *node = ig_graph_node(g, op, op, n_in, values, n_attrs, attrs, n_out);
  for (int i = 0; i < n_out && node; i++) ig_graph_output(g, NULL, node->outputs[i]);
  ig_interpreter *interpreter = interpreter_with(0, 0);
  ig_status status = ig_graph_status(g);
  if (status == IG_OK) status = ig_interpret(interpreter, g, NULL, given, out);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
  return status;
}
#define NODE(op, n_attrs, attrs, ...)                                                              \
  run_node(op, (int)(sizeof((ig_datum *[]){__VA_ARGS__}) / sizeof(ig_datum *)),                    \
           (ig_datum *[]){__VA_ARGS__}, n_attrs, attrs, 1, &out)

static ig_datum *numbers(int n) { /* the sequence [0], [1], ... */
  ig_datum *items[MOST] = {0}, *sequence = NULL;
  for (int i = 0; i < n; i++) items[i] = VECTOR(IG_F32, i);
  GOOD(ig_datum_sequence(IG_F32, n, items, &sequence));
  release(n, items);
  return sequence;
}

static void same_numbers_in(ig_datum *got, int n, const double *want) {
  assert_int_equal(got->kind, IG_DATUM_SEQUENCE);
  assert_int_equal(got->n, n);
  for (int i = 0; i < n; i++) SAME_VECTOR(got->items[i], IG_F32, want[i]);
}

static void edits(void **state) {
  (void)state;
  ig_datum *s = numbers(3), *x = VECTOR(IG_F32, 9), *out = NULL;
  static const struct {
    double at;
    double want[4];
  } inserted[] = {{0, {9, 0, 1, 2}}, {3, {0, 1, 2, 9}}, {-1, {0, 1, 9, 2}}, {-3, {9, 0, 1, 2}}};
  for (int i = 0; i < IG_COUNT(inserted); i++) {
    ig_datum *at = scalar(IG_I64, inserted[i].at);
    GOOD(NODE("SequenceInsert", 0, NULL, s, x, at));
    same_numbers_in(out, 4, inserted[i].want);
    ig_datum_release(out);
    ig_datum_release(at);
  }
  GOOD(NODE("SequenceInsert", 0, NULL, s, x));
  same_numbers_in(out, 4, VALUES(0, 1, 2, 9));
  ig_datum_release(out);
  GOOD(NODE("SequenceErase", 0, NULL, s));
  same_numbers_in(out, 2, VALUES(0, 1));
  ig_datum_release(out);
  ig_datum *first = scalar(IG_I32, -3), *outside = scalar(IG_I64, 4), *ints = VECTOR(IG_I64, 1);
  GOOD(NODE("SequenceErase", 0, NULL, s, first));
  same_numbers_in(out, 2, VALUES(1, 2));
  ig_datum_release(out);
  GOOD(NODE("SequenceAt", 0, NULL, s, first));
  SAME_VECTOR(out, IG_F32, 0);
  ig_datum_release(out);
  GOOD(NODE("SequenceLength", 0, NULL, s));
  same_values(out, IG_I64, IG_SCALAR, VALUES(3));
  ig_datum_release(out);
  assert_int_equal(NODE("SequenceInsert", 0, NULL, s, x, outside), IG_ERR_INPUT);
  assert_int_equal(NODE("SequenceAt", 0, NULL, s, outside), IG_ERR_INPUT);
  assert_int_equal(NODE("SequenceInsert", 0, NULL, s, ints), IG_ERR_SHAPE);
  assert_int_equal(NODE("SequenceLength", 0, NULL, x), IG_ERR_SHAPE);
  same_numbers_in(s, 3, VALUES(0, 1, 2)); /* the given sequence stays as it is */
  release(5, (ig_datum *[]){s, x, first, outside, ints});
}

static void construction(void **state) {
  (void)state;
  ig_datum *a = VECTOR(IG_F32, 1), *b = VECTOR(IG_F32, 2), *i = VECTOR(IG_I32, 3), *out = NULL;
  GOOD(NODE("SequenceConstruct", 0, NULL, a, b, a));
  same_numbers_in(out, 3, VALUES(1, 2, 1));
  ig_datum_release(out);
  assert_int_equal(NODE("SequenceConstruct", 0, NULL, a, i), IG_ERR_SHAPE);
  ig_attr dtype = IG_INT("dtype", 7);
  GOOD(run_node("SequenceEmpty", 0, NULL, 1, &dtype, 1, &out));
  assert_int_equal(out->n, 0);
  assert_int_equal(out->dtype, IG_I64);
  ig_datum *empty = out;
  assert_int_equal(NODE("SequenceErase", 0, NULL, empty), IG_ERR_INPUT);
  ig_attr axis = IG_INT("axis", 0);
  assert_int_equal(NODE("ConcatFromSequence", 1, &axis, empty), IG_ERR_INPUT);
  release(4, (ig_datum *[]){empty, a, b, i});
}

/* [[0, 1, 2], [3, 4, 5]], cut along axis 1. */
static void splitting(void **state) {
  (void)state;
  ig_datum *x = tensor(IG_F32, IG_SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5)), *out = NULL;
  ig_datum *two = scalar(IG_I64, 2), *sizes = VECTOR(IG_I64, 1, 0, 2), *wrong = VECTOR(IG_I64, 1, 1);
  ig_attr attrs[] = {IG_INT("axis", -1), IG_INT("keepdims", 0)};
  GOOD(NODE("SplitToSequence", 2, attrs, x));
  assert_int_equal(out->n, 3);
  SAME_VECTOR(out->items[1], IG_F32, 1, 4);
  ig_datum_release(out);
  GOOD(NODE("SplitToSequence", 1, attrs, x, two));
  assert_int_equal(out->n, 2);
  same_values(out->items[0], IG_F32, IG_SHAPE(2, 2), VALUES(0, 1, 3, 4));
  same_values(out->items[1], IG_F32, IG_SHAPE(2, 1), VALUES(2, 5));
  ig_datum *parts = out;
  GOOD(NODE("ConcatFromSequence", 1, attrs, parts)); /* there and back */
  same_values(out, IG_F32, IG_SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5));
  ig_datum_release(out);
  ig_attr stacked[] = {IG_INT("axis", 0), IG_INT("new_axis", 1)};
  assert_int_equal(NODE("ConcatFromSequence", 2, stacked, parts), IG_ERR_SHAPE);
  ig_datum_release(parts);
  GOOD(NODE("SplitToSequence", 1, attrs, x, sizes));
  assert_int_equal(out->n, 3);
  assert_int_equal(ig_shape_count(&out->items[1]->shape), 0);
  same_values(out->items[2], IG_F32, IG_SHAPE(2, 2), VALUES(1, 2, 4, 5));
  ig_datum_release(out);
  ig_datum *s = numbers(3);
  stacked[0] = IG_INT("axis", -1);
  GOOD(NODE("ConcatFromSequence", 2, stacked, s));
  same_values(out, IG_F32, IG_SHAPE(1, 3), VALUES(0, 1, 2));
  ig_datum_release(out);
  assert_int_equal(NODE("SplitToSequence", 1, attrs, x, wrong), IG_ERR_SHAPE);
  *(int64_t *)two->data = 0;
  assert_int_equal(NODE("SplitToSequence", 1, attrs, x, two), IG_ERR_INPUT);
  release(5, (ig_datum *[]){x, two, sizes, wrong, s});
}

static void optionals(void **state) {
  (void)state;
  ig_datum *x = VECTOR(IG_F32, 4), *none = NULL, *out = NULL;
  GOOD(run_node("Optional", 0, NULL, 0, NULL, 1, &none));
  assert_int_equal(none->kind, IG_DATUM_NONE);
  GOOD(NODE("Optional", 0, NULL, x));
  assert_ptr_equal(out, x);
  ig_datum_release(out);
  GOOD(NODE("OptionalGetElement", 0, NULL, x));
  assert_ptr_equal(out, x);
  ig_datum_release(out);
  assert_int_equal(NODE("OptionalGetElement", 0, NULL, none), IG_ERR_INPUT);
  ig_datum *const cases[] = {x, none, NULL};
  for (int i = 0; i < 3; i++) {
    GOOD(run_node("OptionalHasElement", 1, &cases[i], 0, NULL, 1, &out));
    same_values(out, IG_BOOL, IG_SCALAR, VALUES(i == 0));
    ig_datum_release(out);
  }
  ig_datum *s = numbers(2);
  GOOD(NODE("Identity", 0, NULL, s));
  assert_ptr_equal(out, s);
  release(4, (ig_datum *[]){out, s, none, x});
}

/* Each element plus a capture, and its shape. */
static void mapped(void **state) {
  (void)state;
  ig_graph *body = deferred("body");
  ig_value *a = ig_graph_input_any(body, "a", IG_NONE), *b = ig_graph_input_any(body, "b", IG_NONE);
  ig_graph_output(body, NULL, make2(body, "Add", a, b));
  ig_graph_output(body, NULL, make1(body, "Shape", a));
  ig_attr attrs[] = {{.name = "body", .type = IG_ATTR_GRAPH, .graph = body}, IG_INT("captured", 1)};
  ig_datum *s = numbers(3), *x = VECTOR(IG_F32, 10, 20), *out[2] = {0};
  GOOD(run_node("SequenceMap", 2, (ig_datum *[]){s, x}, 2, attrs, 2, out));
  assert_int_equal(out[0]->n, 3);
  SAME_VECTOR(out[0]->items[2], IG_F32, 12, 22);
  SAME_VECTOR(out[1]->items[0], IG_I64, 1);
  release(2, out);
  ig_datum *shorter = numbers(2);
  attrs[1] = IG_INT("captured", 0);
  GOOD(run_node("SequenceMap", 2, (ig_datum *[]){s, s}, 2, attrs, 2, out));
  SAME_VECTOR(out[0]->items[2], IG_F32, 4);
  release(2, out);
  assert_int_equal(run_node("SequenceMap", 2, (ig_datum *[]){s, shorter}, 2, attrs, 2, out),
                   IG_ERR_SHAPE);
  ig_graph_destroy(body);
  release(3, (ig_datum *[]){s, x, shorter});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(edits),     cmocka_unit_test(construction), cmocka_unit_test(splitting),
      cmocka_unit_test(optionals), cmocka_unit_test(mapped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
