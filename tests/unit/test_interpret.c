/* The interpreter: shapes that hang on values, lifetimes, limits, errors, generators. */
#include "data_checks.h"

/* y = Reshape(x, shape) + Range(0, Shape(...)): nothing of it can be planned. */
static ig_graph *reshaped(void) {
  ig_graph *g = deferred("reshaped");
  ig_value *x = free_input(g, "x", IG_F32, 2), *shape = free_input(g, "shape", IG_I64, 1);
  ig_value *y = make2(g, "Reshape", x, shape);
  ig_value *zero = ig_graph_const_f32(g, 0), *one = ig_graph_const_f32(g, 1);
  ig_value *last = make2(g, "Gather", make1(g, "Shape", y), ig_graph_const(g, NULL, IG_I64, IG_SCALAR, &(int64_t){-1}));
  ig_value *limit = ig_op1(g, "Cast", NULL, IG_INS(last), IG_ATTRS(IG_INT("to", 1)));
  ig_value *steps = ig_op1(g, "Range", NULL, IG_INS(zero, limit, one), IG_NO_ATTRS);
  ig_graph_output(g, "y", make2(g, "Add", y, steps));
  ig_graph_output(g, "again", x);
  ig_graph_output(g, "constant", one);
  GOOD(ig_graph_status(g));
  return g;
}

static void shapes_from_values(void **state) {
  (void)state;
  size_t before = ig_datum_live_bytes();
  ig_graph *g = reshaped();
  ig_interpreter *interpreter = interpreter_with(0, 0);
  ig_datum *in[2] = {tensor(IG_F32, IG_SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6)), VECTOR(IG_I64, 3, -1)};
  ig_datum *out[3];
  GOOD(ig_interpret(interpreter, g, NULL, in, out));
  same_values(out[0], IG_F32, IG_SHAPE(3, 2), VALUES(1, 3, 3, 5, 5, 7));
  assert_ptr_equal(out[1], in[0]); /* handed on, not copied */
  same_values(out[2], IG_F32, IG_SCALAR, VALUES(1));
  release(3, out);
  ig_datum_release(in[1]);
  in[1] = VECTOR(IG_I64, 6);
  GOOD(ig_interpret(interpreter, g, NULL, in, out));
  SAME_VECTOR(out[0], IG_F32, 1, 3, 5, 7, 9, 11);
  release(3, out);
  release(2, in);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
  assert_int_equal(ig_datum_live_bytes(), before); /* nothing is kept */
}

static void errors_name_the_node(void **state) {
  (void)state;
  ig_graph *g = reshaped();
  ig_interpreter *interpreter = interpreter_with(0, 0);
  ig_datum *in[2] = {tensor(IG_F32, IG_SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6)), VECTOR(IG_I64, 4, 2)};
  ig_datum *out[3];
  assert_int_equal(ig_interpret(interpreter, g, NULL, in, out), IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "(Reshape)"));
  assert_null(strstr(ig_last_error(), "(Reshape): node")); /* once */
  for (int i = 0; i < 3; i++) assert_null(out[i]);
  ig_datum *none = NULL;
  GOOD(ig_datum_none(&none));
  ig_datum *empty[2] = {none, in[1]};
  assert_int_equal(ig_interpret(interpreter, g, NULL, empty, out), IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "an empty optional"));
  ig_datum_release(none);
  release(2, in);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
}

/* A chain of four values of 40,000 bytes, of which two live at a time. */
static void memory_is_limited(void **state) {
  (void)state;
  ig_graph *g = deferred("chain");
  ig_value *x = free_input(g, "shape", IG_I64, 1);
  ig_value *y = ig_op1(g, "ConstantOfShape", NULL, IG_INS(x), IG_NO_ATTRS);
  for (int i = 0; i < 3; i++) y = make1(g, "Exp", y);
  ig_graph_output(g, "y", y);
  GOOD(ig_graph_status(g));
  ig_datum *in = VECTOR(IG_I64, 10000), *out = NULL;
  ig_interpreter *enough = interpreter_with(80000, 0), *little = interpreter_with(79999, 0);
  GOOD(ig_interpret(enough, g, NULL, &in, &out));
  assert_int_equal(ig_shape_count(&out->shape), 10000);
  ig_datum_release(out);
  assert_int_equal(ig_interpret(little, g, NULL, &in, &out), IG_ERR_MEMORY);
  assert_non_null(strstr(ig_last_error(), "(Exp)"));
  ig_datum *bomb = VECTOR(IG_I64, 1 << 30, 1 << 20);
  assert_int_equal(ig_interpret(enough, g, NULL, &bomb, &out), IG_ERR_MEMORY);
  ig_datum_release(bomb);
  ig_datum_release(in);
  ig_interpreter_destroy(enough);
  ig_interpreter_destroy(little);
  ig_graph_destroy(g);
}

static void steps_are_limited(void **state) {
  (void)state;
  ig_graph *g = reshaped();
  ig_interpreter *interpreter = interpreter_with(0, 3);
  ig_datum *in[2] = {tensor(IG_F32, IG_SHAPE(1, 1), VALUES(1)), VECTOR(IG_I64, 1)}, *out[3];
  assert_int_equal(ig_interpret(interpreter, g, NULL, in, out), IG_ERR_UNSUPPORTED);
  assert_non_null(strstr(ig_last_error(), "limit"));
  release(2, in);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
}

/* Draws differ between runs and nodes, and are the same in another interpreter of that seed. */
static void generators(void **state) {
  (void)state;
  ig_graph *g = deferred("random");
  ig_value *x = free_input(g, "x", IG_F32, 1);
  ig_value *half = ig_graph_const_f32(g, 0.5f);
  ig_value *on = ig_graph_const(g, NULL, IG_BOOL, IG_SCALAR, &(uint8_t){1});
  for (int i = 0; i < 2; i++) {
    ig_graph_output(g, NULL, ig_op1(g, "Dropout", NULL, IG_INS(x, half, on), IG_NO_ATTRS));
  }
  GOOD(ig_graph_status(g));
  ig_datum *in = NULL, *out[6];
  ig_shape shape = IG_SHAPE(256);
  GOOD(ig_datum_tensor(IG_F32, &shape, &in));
  for (int i = 0; i < 256; i++) ((float *)in->data)[i] = 1;
  ig_interpreter *one = interpreter_with(0, 0), *other = interpreter_with(0, 0);
  GOOD(ig_interpret(one, g, NULL, &in, out));
  GOOD(ig_interpret(one, g, NULL, &in, out + 2));
  GOOD(ig_interpret(other, g, NULL, &in, out + 4));
  size_t bytes = 256 * sizeof(float);
  assert_memory_not_equal(out[0]->data, out[1]->data, bytes);
  assert_memory_not_equal(out[0]->data, out[2]->data, bytes);
  assert_memory_equal(out[0]->data, out[4]->data, bytes);
  assert_memory_equal(out[1]->data, out[5]->data, bytes);
  release(6, out);
  ig_datum_release(in);
  ig_interpreter_destroy(one);
  ig_interpreter_destroy(other);
  ig_graph_destroy(g);
}

/* Parameters have the bytes of the store, else those the graph was imported with. */
static void parameters(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = deferred("affine");
  ig_value *x = free_input(g, "x", IG_F32, 1);
  static const float imported[2] = {10, 20};
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(2), (ig_init){.kind = IG_INIT_DATA}, false);
  w->data = imported;
  ig_graph_output(g, "y", make2(g, "Add", x, w));
  GOOD(ig_graph_status(g));
  ig_interpreter *interpreter = interpreter_with(0, 0);
  ig_datum *in = VECTOR(IG_F32, 1, 2), *out = NULL;
  GOOD(ig_interpret(interpreter, g, NULL, &in, &out));
  SAME_VECTOR(out, IG_F32, 11, 22);
  ig_datum_release(out);
  GOOD(ig_store_add_graph(env.store, g, 1));
  GOOD(ig_store_write(env.store, ig_store_find(env.store, "w"), (const float[]){-1, -2}));
  GOOD(ig_interpret(interpreter, g, env.store, &in, &out));
  SAME_VECTOR(out, IG_F32, 0, 0);
  ig_datum_release(out);
  ig_datum_release(in);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
  run_env_close(&env);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shapes_from_values), cmocka_unit_test(errors_name_the_node),
      cmocka_unit_test(memory_is_limited),  cmocka_unit_test(steps_are_limited),
      cmocka_unit_test(generators),         cmocka_unit_test(parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
