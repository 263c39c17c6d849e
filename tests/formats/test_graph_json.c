/* Graphs as JSON: what is written is read back as the same graph, by name and by bits, and text that
 * is not a graph ends in an error that names the member. */
#include <math.h>

#include "scratch.h"

#include "engine/graph/attrs.h"
#include "engine/models/model.h"
#include "engine/base/base64.h"
#include "formats/graph_json.h"

static char *to_json(const ig_graph *graph) {
  char *text = NULL;
  if (ig_graph_to_json(graph, &text) != IG_OK) fail_msg("%s", ig_last_error());
  return text;
}

static ig_graph *from_json(const char *text) {
  ig_graph *graph = NULL;
  if (ig_graph_from_json(text, &graph) != IG_OK) fail_msg("%s", ig_last_error());
  return graph;
}

/* Every value of `a` is in `b` under its name with the same type, kind, and bytes; every node too. */
static void same_value(const ig_value *x, const ig_value *y) {
  assert_non_null(y);
  assert_int_equal(x->kind, y->kind);
  assert_int_equal(x->dtype, y->dtype);
  assert_true(ig_shape_equal(&x->shape, &y->shape));
  assert_int_equal(x->decay, y->decay);
  assert_int_equal(x->frozen, y->frozen);
  assert_int_equal(x->init.kind, y->init.kind);
  assert_memory_equal(&x->init.value, &y->init.value, sizeof x->init.value);
  if (x->kind == IG_VALUE_CONST) assert_memory_equal(x->data, y->data, ig_value_bytes(x));
  for (int d = 0; d < x->shape.rank; d++) {
    assert_int_equal(x->symbols[d] == NULL, y->symbols[d] == NULL);
    if (x->symbols[d]) assert_string_equal(x->symbols[d], y->symbols[d]);
  }
}

static void same_node(const ig_node *x, const ig_node *y) {
  assert_string_equal(x->name, y->name);
  assert_ptr_equal(x->op, y->op);
  assert_int_equal(x->n_inputs, y->n_inputs);
  assert_int_equal(x->n_outputs, y->n_outputs);
  assert_true(ig_attrs_equal(x->op, x->attrs, y->attrs));
  for (int i = 0; i < x->n_inputs; i++) {
    assert_int_equal(x->inputs[i] == NULL, y->inputs[i] == NULL);
    if (x->inputs[i]) assert_string_equal(x->inputs[i]->name, y->inputs[i]->name);
  }
  for (int i = 0; i < x->n_outputs; i++) {
    assert_string_equal(x->outputs[i]->name, y->outputs[i]->name);
  }
}

static void same_graph(const ig_graph *a, const ig_graph *b) {
  assert_string_equal(a->name, b->name);
  assert_int_equal(a->n_nodes, b->n_nodes);
  for (int32_t i = 0; i < a->n_values; i++) {
    const ig_value *v = a->values[i];
    if (v->kind == IG_VALUE_CONST && ig_value_use_count(a, v) == 0) continue;
    same_value(v, ig_graph_find_value(b, v->name));
  }
  for (int32_t i = 0; i < a->n_nodes; i++) same_node(a->nodes[i], b->nodes[i]);
  assert_int_equal(a->n_inputs, b->n_inputs);
  for (int32_t i = 0; i < a->n_inputs; i++) {
    assert_string_equal(a->inputs[i]->name, b->inputs[i]->name);
  }
  assert_int_equal(a->n_outputs, b->n_outputs);
  for (int32_t i = 0; i < a->n_outputs; i++) {
    assert_string_equal(a->output_names[i], b->output_names[i]);
    assert_string_equal(a->outputs[i]->name, b->outputs[i]->name);
  }
  assert_int_equal(a->n_assigns, b->n_assigns);
  for (int32_t i = 0; i < a->n_assigns; i++) {
    assert_string_equal(a->assigns[i].target->name, b->assigns[i].target->name);
    assert_string_equal(a->assigns[i].source->name, b->assigns[i].source->name);
  }
}

static void round_trip(ig_graph *graph) {
  if (ig_graph_status(graph) != IG_OK) fail_msg("%s", ig_last_error());
  char *text = to_json(graph);
  ig_graph *back = from_json(text);
  same_graph(graph, back);
  if (ig_graph_verify(back) != IG_OK) fail_msg("%s", ig_last_error());
  char *again = to_json(back);
  assert_string_equal(text, again);
  ig_free(again);
  ig_free(text);
  ig_graph_destroy(back);
}

/* One of everything: kinds, dtypes, awkward numbers, attributes of each type, absent inputs. */
static ig_graph *sample(void) {
  ig_graph *g;
  assert_int_equal(ig_graph_create("sam\"ple \xc3\xbc", &g), IG_OK);
  ig_value *x = ig_graph_input(g, "x/0", IG_F32, IG_SHAPE(1, 4));
  ig_value_set_symbol(g, x, 0, "N");
  ig_value *w = ig_graph_param(g, "layer.weight", IG_F32, IG_SHAPE(4, 4),
                               (ig_init){IG_INIT_NORMAL, 0.02f}, true);
  ig_value *b = ig_graph_param(g, "layer.bias", IG_F32, IG_SHAPE(4),
                               (ig_init){IG_INIT_CONSTANT, INFINITY}, false);
  if (b) b->frozen = true;
  ig_value *s = ig_graph_state(g, "count", IG_F32, IG_SHAPE(1, 4), (ig_init){IG_INIT_ONE, 0});
  const float odd[] = {0.1f, -0.0f, INFINITY, -INFINITY, 1e-45f, 3.4e38f, 1.0f / 3, 16777217.0f};
  ig_value *c = ig_graph_const(g, "odd", IG_F32, IG_SHAPE(2, 4), odd);
  const float nans[] = {NAN, -NAN, 1, 2};
  ig_value *n = ig_graph_const(g, "nans", IG_F32, IG_SHAPE(4), nans);
  float many[100];
  for (int i = 0; i < 100; i++) many[i] = (float)(i * 0.37);
  ig_value *m = ig_graph_const(g, "many", IG_F32, IG_SHAPE(25, 4), many);
  ig_value *h = ig_op1(g, "Mul", "scale", IG_INS(x, w), IG_NO_ATTRS);
  h = ig_op1(g, "Add", NULL, IG_INS(h, b), IG_NO_ATTRS);
  h = ig_op1(g, "Concat", "join", IG_INS(h, c, m), IG_ATTRS(IG_INT("axis", 0)));
  h = ig_op1(g, "Add", "add", IG_INS(h, n), IG_NO_ATTRS);
  h = ig_op1(g, "LeakyRelu", "leaky", IG_INS(h), IG_ATTRS(IG_FLOAT("alpha", 0.3f)));
  ig_value *low = ig_graph_const_f32(g, 6.0f);
  h = ig_op1(g, "Clip", "clip", IG_INS(h, NULL, low), IG_NO_ATTRS);
  h = ig_op1(g, "Transpose", "turn", 1, &h, IG_ATTRS(IG_INTS("perm", 2, ((int64_t[]){1, 0}))));
  h = ig_op1(g, "Gelu", "gelu", 1, &h, IG_ATTRS(IG_STRING("approximate", "tanh")));
  ig_graph_output(g, "y", h);
  ig_graph_output(g, "y again", h);
  ig_graph_assign(g, s, x);
  return g;
}

static void a_sample_with_everything(void **state) {
  IG_UNUSED(state);
  ig_graph *g = sample();
  round_trip(g);
  ig_graph_destroy(g);
}

static void constants_of_every_dtype(void **state) {
  IG_UNUSED(state);
  ig_graph *g;
  assert_int_equal(ig_graph_create("constants", &g), IG_OK);
  for (ig_dtype d = IG_F64; d <= IG_F4E2M1; d++) {
    for (int64_t n = 0; n <= 40; n += n < 18 ? 1 : 11) {
      unsigned char bytes[40 * 8];
      for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)((i * 2654435761u + (unsigned)d) >> 5);
        if (d == IG_BOOL) bytes[i] &= 1;
      }
      char name[32];
      snprintf(name, sizeof name, "%s_%d", ig_dtype_name(d), (int)n);
      ig_graph_output(g, name, ig_graph_const(g, name, d, IG_SHAPE(n), bytes));
    }
  }
  round_trip(g);
  ig_graph_destroy(g);
}

static void a_large_constant(void **state) {
  IG_UNUSED(state);
  ig_graph *g;
  assert_int_equal(ig_graph_create("large", &g), IG_OK);
  int64_t n = 3 << 20;
  float *data = malloc((size_t)n * sizeof *data);
  for (int64_t i = 0; i < n; i++) data[i] = (float)i;
  ig_graph_output(g, "y", ig_graph_const(g, "large", IG_F32, IG_SHAPE(n), data));
  free(data);
  char *text = to_json(g);
  assert_true(strlen(text) < (size_t)n * 4 * 4 / 3 + 1000);
  ig_free(text);
  round_trip(g);
  ig_graph_destroy(g);
}

static void presets_round_trip(void **state) {
  IG_UNUSED(state);
  static const struct {
    const char *model;
    ig_model_spec spec;
  } models[] = {
      {"mlp:32,16", {{1, {64}}, 10}},
      {"gpt:layers=2,heads=2,embd=16,ctx=8", {{1, {8}}, 65}},
      {"vit:tiny", {{3, {3, 32, 32}}, 10}},
      {"resnet18", {{3, {3, 32, 32}}, 10}},
      {"mobilenetv2", {{3, {3, 32, 32}}, 10}},
      {"lenet", {{3, {1, 28, 28}}, 10}},
  };
  for (int i = 0; i < IG_COUNT(models); i++) {
    ig_graph *g;
    if (ig_model_build(models[i].model, &models[i].spec, &g) != IG_OK) {
      fail_msg("%s: %s", models[i].model, ig_last_error());
    }
    round_trip(g);
    ig_graph_destroy(g);
  }
}

/* RFC 4648, section 10. */
static void base64_vectors(void **state) {
  IG_UNUSED(state);
  static const char *const vectors[][2] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (int i = 0; i < IG_COUNT(vectors); i++) {
    char text[16], back[16];
    size_t n = strlen(vectors[i][0]);
    ig_base64_encode(vectors[i][0], n, text);
    assert_string_equal(text, vectors[i][1]);
    assert_true(ig_base64_decode(text, strlen(text), back, n));
    assert_memory_equal(back, vectors[i][0], n);
  }
  char byte[4];
  assert_false(ig_base64_decode("Zg=", 3, byte, 1));
  assert_false(ig_base64_decode("Zg==", 4, byte, 2));
  assert_false(ig_base64_decode("Z===", 4, byte, 1));
  assert_false(ig_base64_decode("Zg=a", 4, byte, 1));
  assert_false(ig_base64_decode("Z!==", 4, byte, 1));
}

/* --- text that is not a graph ---------------------------------------------------------------- */

#define HEAD "{\"format\":\"ingot graph\",\"version\":1,\"name\":\"g\","
#define LISTS(in, par, st, con, nod, out, as)                                                      \
  HEAD "\"inputs\":[" in "],\"parameters\":[" par "],\"states\":[" st "],\"constants\":[" con      \
       "],\"nodes\":[" nod "],\"outputs\":[" out "],\"assignments\":[" as "]}"
#define X "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2,3]}"
#define C(rest) "{\"name\":\"c\",\"dtype\":\"f32\"," rest "}"
#define RELU(rest) "{\"op\":\"Relu\",\"name\":\"r\",\"inputs\":[\"x\"],\"outputs\":[\"y\"]" rest "}"

static void bad_text_is_refused(void **state) {
  IG_UNUSED(state);
  static const struct {
    const char *text, *words;
    ig_status status;
  } cases[] = {
      {"", "graph JSON: line", IG_ERR_INPUT},
      {"[1,2]", "format", IG_ERR_INPUT},
      {"{}", "format", IG_ERR_INPUT},
      {"{\"format\":\"ingot graph\",\"version\":9}", "this Ingot reads 1", IG_ERR_UNSUPPORTED},
      {"{\"format\":\"ingot graph\",\"format\":\"ingot graph\"}", "duplicate", IG_ERR_INPUT},
      {HEAD "\"inputs\":3}", "\"inputs\" is not a list", IG_ERR_INPUT},
      {LISTS("3", "", "", "", "", "", ""), "inputs[0]", IG_ERR_INPUT},
      {LISTS(X "," X, "", "", "", "", "", ""), "'x' is defined twice", IG_ERR_INPUT},
      {LISTS("{\"name\":\"x\",\"dtype\":\"f31\",\"shape\":[]}", "", "", "", "", "", ""),
       "\"dtype\"", IG_ERR_INPUT},
      {LISTS("{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[-1]}", "", "", "", "", "", ""),
       "negative", IG_ERR_INPUT},
      {LISTS("{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[1,1,1,1,1,1,1,1,1]}", "", "", "", "", "",
             ""),
       "\"shape\"", IG_ERR_INPUT},
      {LISTS("{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[4611686018427387904,4]}", "", "", "", "",
             "", ""),
       "more elements", IG_ERR_INPUT},
      {LISTS("", "{\"name\":\"p\",\"dtype\":\"f32\",\"shape\":[]}", "", "", "", "", ""), "\"init\"",
       IG_ERR_INPUT},
      {LISTS("", "{\"name\":\"p\",\"dtype\":\"f32\",\"shape\":[],\"init\":{\"kind\":\"magic\"}}",
             "", "", "", "", ""),
       "initial values", IG_ERR_INPUT},
      {LISTS("", "", "", C("\"shape\":[3],\"values\":[1,2]"), "", "", ""), "length", IG_ERR_INPUT},
      {LISTS("", "", "", C("\"shape\":[2],\"values\":[1,true]"), "", "", ""), "numbers",
       IG_ERR_INPUT},
      {LISTS("", "", "", C("\"shape\":[99999999999],\"base64\":\"AAAA\""), "", "", ""), "base64",
       IG_ERR_INPUT},
      {LISTS("", "", "", C("\"shape\":[1],\"base64\":\"AA!AAA==\""), "", "", ""), "base64",
       IG_ERR_INPUT},
      {LISTS(X, "", "", "", "{\"op\":\"Frobnicate\",\"name\":\"r\"}", "", ""),
       "node 'r': unknown operator 'Frobnicate'", IG_ERR_UNSUPPORTED},
      {LISTS(X, "", "", "", RELU(",\"attributes\":{\"speed\":1}"), "", ""),
       "Relu has no attribute \"speed\"", IG_ERR_INPUT},
      {LISTS(X, "", "", "",
             "{\"op\":\"LeakyRelu\",\"name\":\"r\",\"inputs\":[\"x\"],\"outputs\":[\"y\"],"
             "\"attributes\":{\"alpha\":[]}}",
             "", ""),
       "\"alpha\" is not a number", IG_ERR_INPUT},
      {LISTS(X, "", "", "", RELU("") "," RELU(""), "", ""), "'y' is defined twice", IG_ERR_INPUT},
      {LISTS("", "", "", "", RELU(""), "", ""), "uses 'x', which is not defined", IG_ERR_INPUT},
      {LISTS(X, "", "", "",
             "{\"op\":\"Split\",\"name\":\"r\",\"inputs\":[\"x\"],\"outputs\":[\"y\",\"y\"]}", "",
             ""),
       "defined twice", IG_ERR_INPUT},
      {LISTS(X, "", "", "", "{\"op\":\"Relu\",\"name\":\"r\",\"inputs\":[],\"outputs\":[\"y\"]}",
             "", ""),
       "takes 1 to 1 inputs, found 0", IG_ERR_SHAPE},
      {LISTS(X, "", "", "", "", "{\"name\":\"out\",\"value\":\"nothing\"}", ""), "'nothing'",
       IG_ERR_INPUT},
      {LISTS(X, "", "", "", "", "", "{\"target\":\"x\",\"source\":\"x\"}"), "cannot take",
       IG_ERR_SHAPE},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    ig_graph *g;
    ig_status status = ig_graph_from_json(cases[i].text, &g);
    if (status != cases[i].status || !strstr(ig_last_error(), cases[i].words)) {
      fail_msg("case %d: status %d: %s", i, (int)status, status ? ig_last_error() : "accepted");
    }
  }
}

/* Every prefix of a graph's text, and every single byte replaced: an error or a graph, no crash. */
static void damaged_text(void **state) {
  IG_UNUSED(state);
  ig_graph *g = sample(), *back;
  char *text = to_json(g);
  ig_graph_destroy(g);
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i++) {
    char kept = text[i];
    static const char replacements[] = {'\0', '"', '[', '}', '9', '-', 'z', '\\'};
    for (int k = 0; k < IG_COUNT(replacements); k++) {
      text[i] = replacements[k];
      if (ig_graph_from_json(text, &back) == IG_OK) {
        assert_true(i > 0 && replacements[k] != '\0');
        ig_graph_destroy(back);
      }
    }
    text[i] = kept;
  }
  ig_free(text);
}

static void deep_nesting_is_refused(void **state) {
  IG_UNUSED(state);
  size_t depth = 1000000;
  char *text = malloc(depth + 1);
  memset(text, '[', depth);
  text[depth] = '\0';
  ig_graph *g;
  assert_int_equal(ig_graph_from_json(text, &g), IG_ERR_INPUT);
  free(text);
}

/* A deferred graph with a body within a body, an input of which nothing is known, and texts. */
static void bodies(void **state) {
  (void)state;
  ig_graph *body[2], *g = NULL;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(ig_graph_create(i ? "inner" : "outer", &body[i]), IG_OK);
    body[i]->deferred = true;
  }
  ig_value *x = ig_graph_input_any(body[1], "x", IG_NONE);
  ig_graph_output(body[1], "y", ig_op1(body[1], "Neg", NULL, IG_INS(x), IG_NO_ATTRS));
  ig_value *is = ig_graph_input_any(body[0], "is", IG_BOOL);
  ig_value *given = ig_graph_input_any(body[0], "given", IG_F16);
  ig_attr attrs[] = {{.name = "then_branch", .type = IG_ATTR_GRAPH, .graph = body[1]},
                     {.name = "else_branch", .type = IG_ATTR_GRAPH, .graph = body[1]},
                     IG_INT("captured", 1)};
  ig_graph_output(body[0], "y", ig_op1(body[0], "If", "choice", IG_INS(is, given), 3, attrs));
  assert_int_equal(ig_graph_status(body[0]), IG_OK);
  assert_int_equal(ig_graph_create("whole", &g), IG_OK);
  g->deferred = true;
  ig_value *condition = ig_graph_input(g, "condition", IG_BOOL, IG_SCALAR);
  const ig_string words[] = {{"", 0}, {"caf\xe9", 4}, {"two\nlines", 9}};
  ig_value *texts = ig_graph_const(g, "texts", IG_STRING, IG_SHAPE(3), words);
  ig_value *always = ig_graph_const(g, NULL, IG_BOOL, IG_SCALAR, &(uint8_t){1});
  attrs[0].graph = attrs[1].graph = body[0];
  attrs[2].i = 2;
  ig_graph_output(g, "y",
                  ig_op1(g, "If", "first", IG_INS(always, condition, texts), 3, attrs));
  assert_int_equal(ig_graph_status(g), IG_OK);
  for (int i = 0; i < 2; i++) ig_graph_destroy(body[i]);
  char *text = to_json(g);
  ig_graph_destroy(g);
  g = from_json(text);
  assert_true(g->deferred);
  assert_int_equal(ig_graph_verify(g), IG_OK);
  const ig_string *read = ig_graph_find_value(g, "texts")->data;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(read[i].size, words[i].size);
    assert_memory_equal(read[i].bytes, words[i].bytes, words[i].size);
  }
  const ig_graph *outer = ig_attrs_of(g->nodes[0], "else_branch").graph;
  assert_true(outer->deferred && outer->inputs[1]->any_shape);
  assert_int_equal(outer->inputs[1]->dtype, IG_F16);
  const ig_graph *inner = ig_attrs_of(outer->nodes[0], "then_branch").graph;
  assert_string_equal(inner->nodes[0]->op->name, "Neg");
  assert_int_equal(inner->inputs[0]->dtype, IG_NONE);
  char *again = to_json(g);
  assert_string_equal(text, again);
  ig_free(text);
  ig_free(again);
  ig_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_sample_with_everything),
      cmocka_unit_test(constants_of_every_dtype),
      cmocka_unit_test(bodies),
      cmocka_unit_test(a_large_constant),
      cmocka_unit_test(presets_round_trip),
      cmocka_unit_test(base64_vectors),
      cmocka_unit_test(bad_text_is_refused),
      cmocka_unit_test(damaged_text),
      cmocka_unit_test(deep_nesting_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
