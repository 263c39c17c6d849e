/* Operators on texts. Expected values follow the ONNX specification's definitions and examples. */
#include "data_checks.h"

#include <math.h>

#define MOST 8

static ig_datum *texts(ig_shape shape, const char *const *given) {
  ig_string strings[32];
  ig_datum *datum = NULL;
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) {
    strings[i] = (ig_string){given[i], strlen(given[i])};
  }
  GOOD(ig_datum_strings(&shape, strings, &datum));
  return datum;
}
#define TEXTS(...) ((const char *const[]){__VA_ARGS__})
#define ROW(...)                                                                                   \
  texts(IG_SHAPE((int64_t)(sizeof TEXTS(__VA_ARGS__) / sizeof(char *))), TEXTS(__VA_ARGS__))

static void same_texts(const ig_datum *got, ig_shape shape, const char *const *want) {
  assert_int_equal(got->dtype, IG_STRING);
  assert_string_equal(IG_SHAPE_STR(&got->shape), IG_SHAPE_STR(&shape));
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) {
    const ig_string *text = &((const ig_string *)got->data)[i];
    assert_int_equal(text->size, strlen(want[i]));
    assert_memory_equal(text->bytes, want[i], text->size);
  }
}
#define SAME_ROW(got, ...)                                                                         \
  same_texts(got, IG_SHAPE((int64_t)(sizeof TEXTS(__VA_ARGS__) / sizeof(char *))),                 \
             TEXTS(__VA_ARGS__))

static ig_status run_node(const char *op, int n_in, ig_datum *const *in, int n_attrs,
                          const ig_attr *attrs, int n_out, ig_datum **out) {
  ig_graph *g = deferred("node");
  ig_value *values[MOST] = {0};
  for (int i = 0; i < n_in; i++) values[i] = ig_graph_input_any(g, NULL, IG_NONE);
  ig_node *node = ig_graph_node(g, op, op, n_in, values, n_attrs, attrs, n_out);
  for (int i = 0; i < n_out && node; i++) ig_graph_output(g, NULL, node->outputs[i]);
  ig_interpreter *interpreter = interpreter_with(0, 0);
  ig_status status = ig_graph_status(g);
  if (status == IG_OK) status = ig_interpret(interpreter, g, NULL, in, out);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
  return status;
}
#define NODE(op, n_attrs, attrs, ...)                                                              \
  run_node(op, (int)(sizeof((ig_datum *[]){__VA_ARGS__}) / sizeof(ig_datum *)),                    \
           (ig_datum *[]){__VA_ARGS__}, n_attrs, attrs, 1, &out)

#define STRINGS(n_, ...)                                                                           \
  { .name = (n_), .type = IG_ATTR_STRINGS,                                                         \
    .strings = {(int)(sizeof TEXTS(__VA_ARGS__) / sizeof(char *)), TEXTS(__VA_ARGS__)} }
#define INTS(n_, ...)                                                                              \
  { .name = (n_), .type = IG_ATTR_INTS,                                                            \
    .ints = {(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}} }

static void joining(void **state) {
  (void)state;
  ig_datum *a = texts(IG_SHAPE(2, 1), TEXTS("x", "")), *b = ROW("1", "\xc3\xa9"), *out = NULL;
  GOOD(NODE("StringConcat", 0, NULL, a, b));
  same_texts(out, IG_SHAPE(2, 2), TEXTS("x1", "x\xc3\xa9", "1", "\xc3\xa9"));
  ig_datum_release(out);
  ig_datum *c = ROW("1", "2");
  GOOD(NODE("Equal", 0, NULL, c, b));
  SAME_VECTOR(out, IG_BOOL, 1, 0);
  ig_datum *numbers = VECTOR(IG_F32, 1, 2);
  ig_datum *wrong = NULL;
  assert_int_equal(run_node("StringConcat", 2, (ig_datum *[]){b, numbers}, 0, NULL, 1, &wrong), IG_ERR_SHAPE);
  assert_int_equal(run_node("Equal", 2, (ig_datum *[]){b, numbers}, 0, NULL, 1, &wrong), IG_ERR_SHAPE);
  release(5, (ig_datum *[]){out, numbers, a, b, c});
}

static void splitting(void **state) {
  (void)state;
  ig_datum *spaced = ROW(" a  bc d ", "", "e"), *cut = ROW("a,,b", "", "c,"), *out[2];
  GOOD(run_node("StringSplit", 1, &spaced, 0, NULL, 2, out));
  same_texts(out[0], IG_SHAPE(3, 3), TEXTS("a", "bc", "d", "", "", "", "e", "", ""));
  SAME_VECTOR(out[1], IG_I64, 3, 0, 1);
  release(2, out);
  ig_attr attrs[] = {IG_INT("maxsplit", 1), IG_STRING("delimiter", ",")};
  GOOD(run_node("StringSplit", 1, &spaced, 1, attrs, 2, out)); /* the rest keeps its spaces */
  same_texts(out[0], IG_SHAPE(3, 2), TEXTS("a", "bc d ", "", "", "e", ""));
  release(2, out);
  GOOD(run_node("StringSplit", 1, &cut, 1, attrs + 1, 2, out));
  same_texts(out[0], IG_SHAPE(3, 3), TEXTS("a", "", "b", "", "", "", "c", "", ""));
  SAME_VECTOR(out[1], IG_I64, 3, 1, 2);
  release(2, out);
  GOOD(run_node("StringSplit", 1, &cut, 2, attrs, 2, out));
  same_texts(out[0], IG_SHAPE(3, 2), TEXTS("a", ",b", "", "", "c", ""));
  release(2, out);
  release(2, (ig_datum *[]){spaced, cut});
}

static void normalizing(void **state) {
  (void)state;
  ig_datum *x = ROW("Monday", "\xc3\x84rger", "monday"), *out = NULL;
  ig_attr attrs[] = {IG_STRING("case_change_action", "LOWER"), STRINGS("stopwords", "MONDAY")};
  GOOD(NODE("StringNormalizer", 2, attrs, x));
  SAME_ROW(out, "\xc3\xa4rger");
  ig_datum_release(out);
  ig_attr exact[] = {IG_STRING("case_change_action", "UPPER"), STRINGS("stopwords", "monday"),
                     IG_INT("is_case_sensitive", 1)};
  GOOD(NODE("StringNormalizer", 3, exact, x));
  SAME_ROW(out, "MONDAY", "\xc3\x84RGER");
  ig_datum_release(out);
  ig_datum *all = ROW("monday"), *broken = ROW("\xc3(A");
  GOOD(NODE("StringNormalizer", 2, attrs, all));
  SAME_ROW(out, "");
  ig_datum_release(out);
  GOOD(NODE("StringNormalizer", 1, attrs, broken)); /* bytes that are no UTF-8 stay */
  SAME_ROW(out, "\xc3(a");
  ig_datum_release(out);
  attrs[0] = IG_STRING("case_change_action", "lower");
  assert_int_equal(NODE("StringNormalizer", 1, attrs, x), IG_ERR_INPUT);
  release(3, (ig_datum *[]){x, all, broken});
}

static void matching(void **state) {
  (void)state;
  ig_datum *x = ROW("www.a.com", "www.a.com\n", "xwww.a.com", ""), *out = NULL;
  ig_attr pattern = IG_STRING("pattern", "www\\.[a-z]+\\.com$");
  GOOD(NODE("RegexFullMatch", 1, &pattern, x));
  SAME_VECTOR(out, IG_BOOL, 1, 0, 0, 0);
  ig_datum_release(out);
  pattern.s = "(";
  assert_int_equal(NODE("RegexFullMatch", 1, &pattern, x), IG_ERR_INPUT);
  /* What would take a backtracking matcher 2^40 steps ends. */
  pattern.s = "(a|a|aa)*b";
  ig_datum *hostile = ROW("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac");
  ig_status status = NODE("RegexFullMatch", 1, &pattern, hostile);
  assert_true(status == IG_OK || status == IG_ERR_UNSUPPORTED);
  if (status == IG_OK) {
    SAME_VECTOR(out, IG_BOOL, 0);
    ig_datum_release(out);
  }
  release(2, (ig_datum *[]){x, hostile});
}

/* The specification's pool: unigrams 2, 3, 5, 4 and bigrams (5, 6), (7, 8), (6, 7). */
static void counting(void **state) {
  (void)state;
  ig_datum *x = VECTOR(IG_I32, 1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8), *out = NULL;
  ig_attr attrs[] = {IG_STRING("mode", "TF"),
                     IG_INT("min_gram_length", 1),
                     IG_INT("max_gram_length", 2),
                     IG_INT("max_skip_count", 0),
                     INTS("ngram_counts", 0, 4),
                     INTS("ngram_indexes", 0, 1, 2, 3, 4, 5, 6),
                     INTS("pool_int64s", 2, 3, 5, 4, 5, 6, 7, 8, 6, 7),
                     {.name = "weights", .type = IG_ATTR_FLOATS,
                      .floats = {7, (const float[]){1, 2, 4, 8, 16, 32, 64}}}};
  GOOD(NODE("TfIdfVectorizer", 7, attrs, x));
  SAME_VECTOR(out, IG_F32, 0, 3, 1, 0, 1, 1, 1);
  ig_datum_release(out);
  attrs[3].i = 1; /* pairs with one left out between: (7, 6) (8, 7) (6, 5) (7, 6) (5, 8): none listed */
  GOOD(NODE("TfIdfVectorizer", 7, attrs, x));
  SAME_VECTOR(out, IG_F32, 0, 3, 1, 0, 1, 1, 1);
  ig_datum_release(out);
  attrs[3].i = 5; /* (7, 8) with five between, (5, 6) nowhere; (7, 8) at 5 and 11 */
  attrs[0].s = "IDF";
  GOOD(NODE("TfIdfVectorizer", 8, attrs, x));
  SAME_VECTOR(out, IG_F32, 0, 2, 4, 0, 16, 32, 64);
  ig_datum_release(out);
  attrs[0].s = "TFIDF";
  attrs[3].i = 0;
  GOOD(NODE("TfIdfVectorizer", 8, attrs, x));
  SAME_VECTOR(out, IG_F32, 0, 6, 4, 0, 16, 32, 64);
  ig_datum_release(out);
  attrs[2].i = 3; /* of which the pool has none */
  assert_int_equal(NODE("TfIdfVectorizer", 8, attrs, x), IG_ERR_INPUT);
  attrs[2].i = 2;
  attrs[4].ints.v = (const int64_t[]){0, 99};
  assert_int_equal(NODE("TfIdfVectorizer", 8, attrs, x), IG_ERR_INPUT);
  ig_datum_release(x);
}

static void casting(void **state) {
  (void)state;
  ig_datum *x = ROW("3.14", "1e-5", "1E8", "-INF", "NaN"), *out = NULL, *back = NULL;
  ig_attr to_f32 = IG_INT("to", 1), to_text = IG_INT("to", 8), to_i64 = IG_INT("to", 7);
  GOOD(NODE("Cast", 1, &to_f32, x));
  const float *got = out->data;
  assert_true(got[0] == 3.14f && got[1] == 1e-5f && got[2] == 1e8f && got[3] == -INFINITY);
  assert_true(got[4] != got[4]);
  GOOD(run_node("Cast", 1, &out, 1, &to_text, 1, &back));
  SAME_ROW(back, "3.14", "1e-05", "1e+08", "-INF", "NaN");
  release(3, (ig_datum *[]){x, out, back});
  x = ROW("9007199254740993", "-5", "2.75");
  GOOD(NODE("Cast", 1, &to_i64, x));
  assert_true(((int64_t *)out->data)[0] == 9007199254740993); /* no double holds it */
  assert_true(((int64_t *)out->data)[1] == -5 && ((int64_t *)out->data)[2] == 2);
  GOOD(run_node("Cast", 1, &out, 1, &to_text, 1, &back));
  SAME_ROW(back, "9007199254740993", "-5", "2");
  release(3, (ig_datum *[]){x, out, back});
  x = ROW("12 apples");
  assert_int_equal(NODE("Cast", 1, &to_f32, x), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "apples"));
  ig_datum_release(x);
}

static void lookups(void **state) {
  (void)state;
  ig_datum *x = ROW("a", "z", "b"), *ids = VECTOR(IG_I64, 6, 7), *out = NULL;
  ig_attr encoder[] = {STRINGS("keys_strings", "a", "b", "a"), INTS("values_int64s", 5, 6, 8)};
  GOOD(NODE("ai.onnx.ml.LabelEncoder", 2, encoder, x));
  SAME_VECTOR(out, IG_I64, 8, -1, 6); /* of two equal keys the last */
  ig_datum_release(out);
  ig_attr turned[] = {INTS("keys_int64s", 5, 6), STRINGS("values_strings", "a", "b")};
  GOOD(NODE("ai.onnx.ml.LabelEncoder", 2, turned, ids));
  SAME_ROW(out, "b", "_Unused");
  ig_datum_release(out);
  assert_int_equal(NODE("ai.onnx.ml.LabelEncoder", 2, turned, x), IG_ERR_SHAPE);
  assert_int_equal(NODE("ai.onnx.ml.LabelEncoder", 1, encoder, x), IG_ERR_INPUT);
  ig_attr mapper[] = {STRINGS("cats_strings", "a", "b"), INTS("cats_int64s", 1, 6)};
  GOOD(NODE("ai.onnx.ml.CategoryMapper", 2, mapper, x));
  SAME_VECTOR(out, IG_I64, 1, -1, 6);
  ig_datum_release(out);
  GOOD(NODE("ai.onnx.ml.CategoryMapper", 2, mapper, ids));
  SAME_ROW(out, "b", "_Unused");
  ig_datum_release(out);
  ig_attr hot[] = {STRINGS("cats_strings", "b", "a"), INTS("cats_int64s", 7, 6), IG_INT("zeros", 0)};
  GOOD(NODE("ai.onnx.ml.OneHotEncoder", 1, hot, x));
  same_values(out, IG_F32, IG_SHAPE(3, 2), VALUES(0, 1, 0, 0, 1, 0));
  ig_datum_release(out);
  GOOD(NODE("ai.onnx.ml.OneHotEncoder", 1, hot + 1, ids));
  same_values(out, IG_F32, IG_SHAPE(2, 2), VALUES(0, 1, 1, 0));
  ig_datum_release(out);
  ig_attr strict[] = {hot[0], hot[2]};
  assert_int_equal(NODE("ai.onnx.ml.OneHotEncoder", 2, strict, x), IG_ERR_INPUT);
  ig_datum *at = VECTOR(IG_I64, 2, 0), *outside = VECTOR(IG_I64, 3);
  GOOD(NODE("ai.onnx.ml.ArrayFeatureExtractor", 0, NULL, x, at));
  same_texts(out, IG_SHAPE(1, 2), TEXTS("b", "a"));
  ig_datum_release(out);
  assert_int_equal(NODE("ai.onnx.ml.ArrayFeatureExtractor", 0, NULL, x, outside), IG_ERR_INPUT);
  release(4, (ig_datum *[]){x, ids, at, outside});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(joining),  cmocka_unit_test(splitting), cmocka_unit_test(normalizing),
      cmocka_unit_test(matching), cmocka_unit_test(counting),  cmocka_unit_test(casting),
      cmocka_unit_test(lookups),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
