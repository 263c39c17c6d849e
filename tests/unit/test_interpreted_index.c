/* Operators whose results' sizes hang on their inputs, and texts that are moved like any element: by the
 * interpreter. Expected values are written out by hand from the definitions. */
#include <math.h>

#include "data_checks.h"

static ig_datum *texts(ig_shape shape, const char *const *words) {
  ig_string list[16];
  ig_datum *datum = NULL;
  for (int64_t i = 0; i < ig_shape_count(&shape); i++)
    list[i] = (ig_string){words[i], strlen(words[i])};
  GOOD(ig_datum_strings(&shape, list, &datum));
  return datum;
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__})

static void same_texts(const ig_datum *got, ig_shape shape, const char *const *want) {
  assert_non_null(got);
  assert_int_equal(got->dtype, IG_STRING);
  assert_string_equal(IG_SHAPE_STR(&got->shape), IG_SHAPE_STR(&shape));
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) {
    const ig_string *text = (const ig_string *)got->data + i;
    assert_int_equal(text->size, strlen(want[i]));
    assert_memory_equal(text->bytes, want[i], text->size);
  }
}

/* One node of up to three inputs whose dtypes and ranks are those of the data. */
static ig_status interpret(const char *op, int n_in, ig_datum *const *in, int n_attrs,
                           const ig_attr *attrs, int n_out, ig_datum **out) {
  ig_graph *g = deferred("one");
  ig_value *values[3];
  char name[16];
  for (int i = 0; i < n_in; i++) {
    snprintf(name, sizeof name, "in%d", i);
    values[i] = free_input(g, name, in[i]->dtype, in[i]->shape.rank);
  }
  ig_node *node = ig_graph_node(g, op, "node", n_in, values, n_attrs, attrs, n_out);
  for (int i = 0; node && i < n_out; i++) {
    snprintf(name, sizeof name, "out%d", i);
    ig_graph_output(g, name, node->outputs[i]);
  }
  GOOD(ig_graph_status(g));
  ig_interpreter *interpreter = interpreter_with(0, 0);
  ig_status status = ig_interpret(interpreter, g, NULL, in, out);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
  return status;
}

static void unique_numbers(void **state) {
  (void)state;
  ig_datum *in = VECTOR(IG_F32, 2, 1, 1, 3, 4, 3), *out[4];
  GOOD(interpret("Unique", 1, &in, IG_ATTRS(IG_INT("sorted", 0)), 4, out));
  SAME_VECTOR(out[0], IG_F32, 2, 1, 3, 4);
  SAME_VECTOR(out[1], IG_I64, 0, 1, 3, 4);
  SAME_VECTOR(out[2], IG_I64, 0, 1, 1, 2, 3, 2);
  SAME_VECTOR(out[3], IG_I64, 1, 2, 2, 1);
  release(4, out);
  ig_datum_release(in);
}

static void unique_texts(void **state) {
  (void)state;
  ig_datum *in = texts(IG_SHAPE(5), WORDS("pear", "fig", "", "pear", "figs")), *out[4];
  GOOD(interpret("Unique", 1, &in, IG_NO_ATTRS, 4, out));
  same_texts(out[0], IG_SHAPE(4), WORDS("", "fig", "figs", "pear"));
  SAME_VECTOR(out[1], IG_I64, 2, 1, 4, 0);
  SAME_VECTOR(out[2], IG_I64, 3, 1, 0, 3, 2);
  SAME_VECTOR(out[3], IG_I64, 1, 1, 1, 2);
  release(4, out);
  ig_datum_release(in);
}

static void non_zero_and_compress(void **state) {
  (void)state;
  ig_datum *in = tensor(IG_BOOL, IG_SHAPE(2, 2), VALUES(1, 0, 1, 1)), *out = NULL;
  GOOD(interpret("NonZero", 1, &in, IG_NO_ATTRS, 1, &out));
  same_values(out, IG_I64, IG_SHAPE(2, 3), VALUES(0, 1, 1, 0, 0, 1));
  ig_datum_release(out);
  ig_datum_release(in);
  ig_datum *two[2] = {texts(IG_SHAPE(2, 3), WORDS("a", "b", "c", "d", "e", "f")),
                      VECTOR(IG_BOOL, 0, 1, 1)};
  GOOD(interpret("Compress", 2, two, IG_ATTRS(IG_INT("axis", 1)), 1, &out));
  same_texts(out, IG_SHAPE(2, 2), WORDS("b", "c", "e", "f"));
  ig_datum_release(out);
  assert_int_equal(interpret("Compress", 2, two, IG_ATTRS(IG_INT("axis", 0)), 1, &out),
                   IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "true at 2 of 2"));
  release(2, two);
}

static void texts_are_moved(void **state) {
  (void)state;
  ig_datum *in[2] = {texts(IG_SHAPE(2, 2), WORDS("a", "bc", "", "d")), VECTOR(IG_I64, 1, 2)};
  ig_datum *out = NULL;
  GOOD(interpret("Tile", 2, in, IG_NO_ATTRS, 1, &out));
  same_texts(out, IG_SHAPE(2, 4), WORDS("a", "bc", "a", "bc", "", "d", "", "d"));
  ig_datum_release(out);
  GOOD(interpret("Transpose", 1, in, IG_NO_ATTRS, 1, &out));
  same_texts(out, IG_SHAPE(2, 2), WORDS("a", "", "bc", "d"));
  ig_datum_release(out);
  ig_datum_release(in[1]);
  in[1] = VECTOR(IG_I64, -1, 0, -1);
  GOOD(interpret("Gather", 2, in, IG_ATTRS(IG_INT("axis", 1)), 1, &out));
  same_texts(out, IG_SHAPE(2, 3), WORDS("bc", "a", "bc", "d", "", "d"));
  ig_datum_release(out);
  ig_datum_release(in[1]);
  in[1] = VECTOR(IG_I64, 0, 1, 0, 0); /* a text that nothing gives is empty */
  GOOD(interpret("Pad", 2, in, IG_NO_ATTRS, 1, &out));
  same_texts(out, IG_SHAPE(2, 3), WORDS("", "a", "bc", "", "", "d"));
  ig_datum_release(out);
  release(2, in);
}

static void texts_are_scattered(void **state) {
  (void)state;
  ig_datum *in[3] = {texts(IG_SHAPE(3), WORDS("a", "b", "c")), VECTOR(IG_I64, 2, -3),
                     texts(IG_SHAPE(2), WORDS("last", "first"))};
  ig_datum *out = NULL;
  GOOD(interpret("ScatterElements", 3, in, IG_NO_ATTRS, 1, &out));
  same_texts(out, IG_SHAPE(3), WORDS("first", "b", "last"));
  ig_datum_release(out);
  assert_int_equal(
      interpret("ScatterElements", 3, in, IG_ATTRS(IG_STRING("reduction", "add")), 1, &out),
      IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "no reduction is defined for string"));
  release(3, in);
}

/* What only running can find. */
static void indices_out_of_range(void **state) {
  (void)state;
  ig_datum *in[3] = {VECTOR(IG_F32, 1, 2, 3), VECTOR(IG_I64, 0, 3), VECTOR(IG_F32, 4, 5)};
  ig_datum *out = NULL;
  assert_int_equal(interpret("GatherElements", 2, in, IG_NO_ATTRS, 1, &out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "index 3 at position 1 is outside [-3, 3)"));
  assert_int_equal(interpret("ScatterElements", 3, in, IG_NO_ATTRS, 1, &out), IG_ERR_INPUT);
  ig_datum *pairs[3] = {in[0], tensor(IG_I64, IG_SHAPE(2, 1), VALUES(0, -4)), in[2]};
  assert_int_equal(interpret("GatherND", 2, pairs, IG_NO_ATTRS, 1, &out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "index -4 at position 1 is outside [-3, 3)"));
  assert_int_equal(interpret("ScatterND", 3, pairs, IG_NO_ATTRS, 1, &out), IG_ERR_INPUT);
  ig_datum *sequence[2] = {tensor(IG_F32, IG_SHAPE(2, 1), VALUES(1, 2)), VECTOR(IG_I64, 3)};
  assert_int_equal(interpret("ReverseSequence", 2, sequence, IG_NO_ATTRS, 1, &out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "sequence_lens[0] is 3, expected 0 to 2"));
  ig_datum *sums[2] = {in[0], scalar(IG_I32, 1)};
  assert_int_equal(interpret("CumSum", 2, sums, IG_NO_ATTRS, 1, &out), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "axis 1 does not fit [3]"));
  ig_datum_release(pairs[1]);
  ig_datum_release(sums[1]);
  release(2, sequence);
  release(3, in);
}

/* Whole numbers that no double can tell apart. */
static void large_integers(void **state) {
  (void)state;
  ig_datum *in[2] = {VECTOR(IG_U64, 0, 0, 0), VECTOR(IG_I64, 3)}, *out[2];
  uint64_t *u = in[0]->data;
  u[0] = UINT64_MAX - 2;
  u[1] = UINT64_MAX;
  u[2] = UINT64_MAX - 1;
  GOOD(interpret("TopK", 2, in, IG_NO_ATTRS, 2, out));
  SAME_VECTOR(out[1], IG_I64, 1, 2, 0);
  assert_true(((const uint64_t *)out[0]->data)[0] == UINT64_MAX);
  release(2, out);
  GOOD(interpret("ReduceMin", 1, in, IG_NO_ATTRS, 1, out));
  assert_true(*(const uint64_t *)out[0]->data == UINT64_MAX - 2);
  release(1, out);
  release(2, in);
}

/* Of no elements at all: the neutral element, or the end of the type's range. */
static void empty_sets(void **state) {
  (void)state;
  static const struct {
    const char *op;
    ig_dtype dtype;
    double want;
  } sets[] = {
      {"ReduceMax", IG_I32, INT32_MIN},
      {"ReduceMin", IG_I32, INT32_MAX},
      {"ReduceMax", IG_U8, 0},
      {"ReduceMin", IG_U8, 255},
      {"ReduceMin", IG_U16, 65535},
      {"ReduceMax", IG_I8, -128},
      {"ReduceMax", IG_BOOL, 0},
      {"ReduceMin", IG_BOOL, 1},
      {"ReduceMax", IG_F16, -INFINITY},
      {"ReduceMin", IG_F64, INFINITY},
      {"ReduceSum", IG_U32, 0},
      {"ReduceProd", IG_I64, 1},
      {"ReduceProd", IG_BF16, 1},
      {"ReduceL1", IG_F32, 0},
      {"ReduceL2", IG_F64, 0},
      {"ReduceSumSquare", IG_F32, 0},
      {"ReduceLogSum", IG_F32, -INFINITY},
      {"ReduceLogSumExp", IG_F64, -INFINITY},
  };
  for (int i = 0; i < IG_COUNT(sets); i++) {
    ig_datum *in = NULL, *out = NULL;
    ig_shape shape = IG_SHAPE(0, 2);
    GOOD(ig_datum_tensor(sets[i].dtype, &shape, &in));
    GOOD(interpret(sets[i].op, 1, &in, IG_NO_ATTRS, 1, &out));
    same_values(out, sets[i].dtype, IG_SHAPE(1, 1), VALUES(sets[i].want));
    ig_datum_release(out);
    ig_datum_release(in);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unique_numbers),        cmocka_unit_test(unique_texts),
      cmocka_unit_test(non_zero_and_compress), cmocka_unit_test(texts_are_moved),
      cmocka_unit_test(texts_are_scattered),   cmocka_unit_test(indices_out_of_range),
      cmocka_unit_test(large_integers),        cmocka_unit_test(empty_sets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
