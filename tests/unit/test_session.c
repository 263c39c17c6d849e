/* Sessions: plans where shapes follow from the inputs', the interpreter elsewhere, and shape arithmetic
 * as exporters write it. */
#include "data_checks.h"

#include "engine/plan/session.h"

static ig_session *session_of(run_env *env, const ig_graph *g) {
  ig_session *session = NULL;
  const ig_session_options options = {.compute = IG_F32};
  GOOD(ig_graph_status(g));
  GOOD(ig_store_add_graph(env->store, g, 1));
  GOOD(ig_session_create(g, env->backend, env->store, &options, &session));
  return session;
}

static ig_value *i64_scalar(ig_graph *g, int64_t value) {
  return ig_graph_const(g, NULL, IG_I64, IG_SCALAR, &value);
}

static ig_value *dim_of(ig_graph *g, ig_value *x, int64_t d) {
  return make2(g, "Gather", make1(g, "Shape", x), i64_scalar(g, d));
}

static ig_value *unsqueezed(ig_graph *g, ig_value *x) {
  return make2(g, "Unsqueeze", x, ig_graph_const_i64s(g, 1, (const int64_t[]){0}));
}

static ig_value *cast(ig_graph *g, ig_value *x, ig_dtype to) {
  return ig_op1(g, "Cast", NULL, IG_INS(x), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(to))));
}

static ig_value *concat(ig_graph *g, ig_value *a, ig_value *b) {
  return ig_op1(g, "Concat", NULL, IG_INS(a, b), IG_ATTRS(IG_INT("axis", 0)));
}

/* --- plans ----------------------------------------------------------------------------------- */

/* x [N, T] reshaped to [T, N] by its own dimensions. */
static void by_shapes(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = deferred("turned");
  ig_value *x = free_input(g, "x", IG_F32, 2);
  ig_value *shape = concat(g, unsqueezed(g, dim_of(g, x, 1)), unsqueezed(g, dim_of(g, x, 0)));
  ig_graph_output(g, "y", make2(g, "Reshape", x, shape));
  ig_session *session = session_of(&env, g);
  for (int64_t n = 1; n <= 20; n++) { /* more than are kept */
    ig_datum *in = NULL, *out = NULL;
    ig_shape shape_in = IG_SHAPE(n, 3), shape_out = IG_SHAPE(3, n);
    GOOD(ig_datum_tensor(IG_F32, &shape_in, &in));
    for (int64_t i = 0; i < 3 * n; i++) ((float *)in->data)[i] = (float)(n + i);
    GOOD(ig_session_run(session, &in, &out));
    assert_null(ig_session_interpreted(session));
    assert_string_equal(IG_SHAPE_STR(&out->shape), IG_SHAPE_STR(&shape_out));
    assert_memory_equal(out->data, in->data, (size_t)(3 * n) * sizeof(float));
    ig_datum_release(in);
    ig_datum_release(out);
  }
  ig_session_destroy(session);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* Outputs that no step makes. */
static void outputs_without_steps(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = deferred("given");
  ig_value *x = free_input(g, "x", IG_F32, 1);
  ig_graph_output(g, "same", x);
  ig_graph_output(g, "shape", make1(g, "Shape", x));
  ig_graph_output(g, "two", ig_graph_const_f32(g, 2));
  ig_graph_output(g, "view", make2(g, "Unsqueeze", x, ig_graph_const_i64s(g, 1, (const int64_t[]){0})));
  ig_session *session = session_of(&env, g);
  ig_datum *in = VECTOR(IG_F32, 5, 6, 7), *out[4];
  GOOD(ig_session_run(session, &in, out));
  assert_null(ig_session_interpreted(session));
  SAME_VECTOR(out[0], IG_F32, 5, 6, 7);
  SAME_VECTOR(out[1], IG_I64, 3);
  same_values(out[2], IG_F32, IG_SCALAR, VALUES(2));
  same_values(out[3], IG_F32, IG_SHAPE(1, 3), VALUES(5, 6, 7));
  release(4, out);
  ig_datum_release(in);
  ig_session_destroy(session);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* The chains that exporters write: floats, masks, ranges, fills. All must be planned. */
static void shape_arithmetic(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = deferred("arithmetic");
  ig_value *x = free_input(g, "x", IG_F32, 2);
  /* Half of dimension 1, by way of f32, as a Reshape's target. */
  ig_value *half = make2(g, "Mul", cast(g, dim_of(g, x, 1), IG_F32), ig_graph_const_f32(g, 0.5f));
  ig_value *whole = cast(g, half, IG_I64);
  ig_value *split = concat(g, ig_graph_const_i64s(g, 1, (const int64_t[]){-1}), unsqueezed(g, whole));
  ig_graph_output(g, "split", make2(g, "Reshape", x, split));
  /* Expand to a shape in which -1 stands for what x has. */
  ig_value *wanted = ig_graph_const_i64s(g, 2, (const int64_t[]){2, -1});
  ig_value *minus = ig_graph_const_i64s(g, 1, (const int64_t[]){-1});
  ig_value *filled = ig_op1(g, "Where", NULL,
                            IG_INS(make2(g, "Equal", wanted, minus), make1(g, "Shape", x), wanted),
                            IG_NO_ATTRS);
  ig_value *row = ig_op1(g, "Range", NULL, IG_INS(i64_scalar(g, 0), dim_of(g, x, 1), i64_scalar(g, 1)),
                         IG_NO_ATTRS);
  ig_graph_output(g, "rows", make2(g, "Expand", row, filled));
  ig_graph_output(g, "zeros", ig_op1(g, "ConstantOfShape", NULL, IG_INS(make1(g, "Shape", x)), IG_NO_ATTRS));
  ig_session *session = session_of(&env, g);
  ig_datum *in = tensor(IG_F32, IG_SHAPE(1, 4), VALUES(1, 2, 3, 4)), *out[3];
  GOOD(ig_session_run(session, &in, out));
  assert_null(ig_session_interpreted(session));
  same_values(out[0], IG_F32, IG_SHAPE(2, 2), VALUES(1, 2, 3, 4));
  same_values(out[1], IG_I64, IG_SHAPE(2, 4), VALUES(0, 1, 2, 3, 0, 1, 2, 3));
  same_values(out[2], IG_F32, IG_SHAPE(1, 4), VALUES(0, 0, 0, 0));
  release(3, out);
  ig_datum_release(in);
  ig_session_destroy(session);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- the interpreter ------------------------------------------------------------------------- */

static void by_values(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = deferred("by values");
  ig_value *x = free_input(g, "x", IG_F32, 1), *shape = free_input(g, "shape", IG_I64, 1);
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SCALAR, (ig_init){.kind = IG_INIT_ONE}, false);
  ig_graph_output(g, "y", make2(g, "Add", make2(g, "Reshape", x, shape), w));
  ig_session *session = session_of(&env, g);
  ig_datum *in[2] = {VECTOR(IG_F32, 1, 2, 3, 4), VECTOR(IG_I64, 2, 2)}, *out = NULL;
  GOOD(ig_session_run(session, in, &out));
  same_values(out, IG_F32, IG_SHAPE(2, 2), VALUES(2, 3, 4, 5));
  assert_non_null(ig_session_interpreted(session));
  assert_non_null(strstr(ig_session_interpreted(session), "Reshape"));
  ig_datum_release(out);
  ((int64_t *)in[1]->data)[1] = 3; /* wrong in this run alone */
  assert_int_equal(ig_session_run(session, in, &out), IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "Reshape"));
  ((int64_t *)in[1]->data)[1] = -1;
  GOOD(ig_session_run(session, in, &out));
  same_values(out, IG_F32, IG_SHAPE(2, 2), VALUES(2, 3, 4, 5));
  ig_datum_release(out);
  release(2, in);
  ig_session_destroy(session);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* Type and rank of an input that the graph leaves open come from the run. */
static void open_inputs(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = deferred("open");
  ig_value *x = ig_graph_input_any(g, "x", IG_NONE);
  ig_graph_output(g, "y", make2(g, "Add", x, x));
  ig_session *session = session_of(&env, g);
  ig_datum *in[] = {VECTOR(IG_F32, 1, 2), scalar(IG_F32, 4), scalar(IG_F64, 5)}, *out = NULL, *none;
  static const double want[] = {2, 8, 10};
  for (int i = 0; i < 3; i++) {
    GOOD(ig_session_run(session, &in[i], &out));
    assert_null(ig_session_interpreted(session));
    assert_int_equal(out->dtype, in[i]->dtype);
    assert_true(ig_load_f64(out->dtype, out->data, 0) == want[i]);
    ig_datum_release(out);
  }
  GOOD(ig_datum_none(&none)); /* no tensor at all: the interpreter says what Add says */
  assert_int_equal(ig_session_run(session, &none, &out), IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "(Add)"));
  ig_datum_release(none);
  release(3, in);
  ig_session_destroy(session);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void wrong_inputs(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = deferred("sum");
  ig_value *a = free_input(g, "a", IG_F32, 2), *b = free_input(g, "b", IG_F32, 2);
  ig_value_set_symbol(g, b, 0, "a.0");
  ig_graph_output(g, "y", make2(g, "Add", a, b));
  ig_session *session = session_of(&env, g);
  ig_datum *right = tensor(IG_F32, IG_SHAPE(1, 2), VALUES(1, 2)), *out = NULL, *none = NULL;
  GOOD(ig_datum_none(&none));
  ig_datum *wrong[] = {
      tensor(IG_F64, IG_SHAPE(1, 2), VALUES(1, 2)), VECTOR(IG_F32, 1, 2),
      tensor(IG_F32, IG_SHAPE(2, 2), VALUES(1, 2, 3, 4)), none, NULL,
  };
  static const char *const messages[] = {"must be f32, found f64", "must have 2 dimensions",
                                         "where 'a.0' of 'a' is 1", "an empty optional", "missing"};
  for (int i = 0; i < IG_COUNT(wrong); i++) {
    ig_datum *in[2] = {right, wrong[i]};
    assert_int_equal(ig_session_run(session, in, &out), IG_ERR_INPUT);
    assert_non_null(strstr(ig_last_error(), "'b'"));
    assert_non_null(strstr(ig_last_error(), messages[i]));
  }
  /* Shapes that no run of the model can take: what specialising says is kept. */
  ig_datum *three = tensor(IG_F32, IG_SHAPE(1, 3), VALUES(1, 2, 3));
  assert_int_equal(ig_session_run(session, (ig_datum *[]){right, three}, &out), IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "(Add)"));
  ig_datum_release(three);
  release(IG_COUNT(wrong), wrong);
  ig_datum_release(right);
  ig_session_destroy(session);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- If -------------------------------------------------------------------------------------- */

/* A body that gives its two inputs joined by an operator. */
static ig_graph *body_of(const char *op) {
  ig_graph *g = deferred(op);
  ig_value *a = free_input(g, "a", IG_F32, 1), *b = free_input(g, "b", IG_F32, 1);
  ig_value *y = strcmp(op, "Concat") == 0 ? concat(g, a, b) : make2(g, op, a, b);
  ig_graph_output(g, "y", y);
  GOOD(ig_graph_status(g));
  return g;
}

static ig_value *choose(ig_graph *g, ig_value *condition, const char *then, const char *otherwise,
                        ig_value *a, ig_value *b) {
  ig_graph *bodies[2] = {body_of(then), body_of(otherwise)};
  ig_attr attrs[] = {
      {.name = "then_branch", .type = IG_ATTR_GRAPH, .graph = bodies[0]},
      {.name = "else_branch", .type = IG_ATTR_GRAPH, .graph = bodies[1]},
      IG_INT("captured", 2),
  };
  ig_value *y = ig_op1(g, "If", NULL, IG_INS(condition, a, b), 3, attrs);
  for (int i = 0; i < 2; i++) ig_graph_destroy(bodies[i]);
  return y;
}

/* Planned where the bodies agree about the shape, interpreted elsewhere; the numbers are the same. */
static void conditions(void **state) {
  (void)state;
  static const struct {
    const char *then, *otherwise;
    bool planned;
  } cases[] = {{"Add", "Mul", true}, {"Concat", "Mul", false}};
  for (int c = 0; c < IG_COUNT(cases); c++) {
    run_env env = run_env_open();
    ig_graph *g = deferred("chosen");
    ig_value *a = free_input(g, "a", IG_F32, 1), *b = free_input(g, "b", IG_F32, 1);
    ig_value *condition = free_input(g, "condition", IG_BOOL, 0);
    ig_graph_output(g, "y", choose(g, condition, cases[c].then, cases[c].otherwise, a, b));
    ig_session *session = session_of(&env, g);
    for (int turn = 0; turn < 6; turn++) {
      ig_datum *in[3] = {VECTOR(IG_F32, 2, 3), VECTOR(IG_F32, 5, 7), scalar(IG_BOOL, turn % 2)};
      ig_datum *out = NULL;
      GOOD(ig_session_run(session, in, &out));
      assert_int_equal(ig_session_interpreted(session) == NULL, cases[c].planned);
      if (turn % 2 == 0) SAME_VECTOR(out, IG_F32, 10, 21);
      else if (cases[c].planned) SAME_VECTOR(out, IG_F32, 7, 10);
      else SAME_VECTOR(out, IG_F32, 2, 3, 5, 7);
      ig_datum_release(out);
      release(3, in);
    }
    ig_session_destroy(session);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

/* A condition that shapes decide: the chosen body stands in the graph. */
static void known_condition(void **state) {
  (void)state;
  ig_graph *g = deferred("chosen"), *at[2];
  ig_value *a = free_input(g, "a", IG_F32, 1), *b = free_input(g, "b", IG_F32, 1);
  ig_value *condition = make2(g, "Equal", dim_of(g, a, 0), i64_scalar(g, 3));
  ig_graph_output(g, "y", choose(g, condition, "Add", "Concat", a, b));
  GOOD(ig_graph_status(g));
  for (int i = 0; i < 2; i++) {
    ig_shape shapes[2] = {IG_SHAPE(2 + i), IG_SHAPE(2 + i)};
    GOOD(ig_graph_specialize(g, shapes, &at[i]));
    GOOD(ig_graph_verify(at[i]));
    assert_int_equal(at[i]->n_nodes, 1);
  }
  ig_graph_destroy(g); /* the copies need nothing of it */
  assert_string_equal(at[0]->nodes[0]->op->name, "Concat");
  assert_string_equal(at[1]->nodes[0]->op->name, "Add");
  ig_graph_destroy(at[0]);
  ig_graph_destroy(at[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_shapes),        cmocka_unit_test(outputs_without_steps),
      cmocka_unit_test(shape_arithmetic), cmocka_unit_test(by_values),
      cmocka_unit_test(wrong_inputs),     cmocka_unit_test(conditions),
      cmocka_unit_test(known_condition),  cmocka_unit_test(open_inputs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
