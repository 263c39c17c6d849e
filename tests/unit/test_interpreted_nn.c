/* Network operators that are interpreted alone: NonMaxSuppression, with figures worked out by hand, and
 * FlexAttention, whose bodies are checked on queries that leave all keys alike. */
#include "data_checks.h"

/* Four boxes in a row: 0 and 1 overlap by 9 / 11, 2 is apart, 3 is 0 again. */
static ig_datum *boxes(void) {
  return tensor(IG_F32, IG_SHAPE(1, 4, 4),
                VALUES(0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 5, 1, 6, 1, 1, 0, 0));
}

static ig_graph *suppression(void) {
  ig_graph *g = deferred("suppression");
  ig_value *in[] = {free_input(g, "boxes", IG_F32, 3), free_input(g, "scores", IG_F32, 3),
                    free_input(g, "most", IG_I64, 0), free_input(g, "overlap", IG_F32, 0),
                    free_input(g, "score", IG_F32, 0)};
  ig_graph_output(g, "y", ig_op1(g, "NonMaxSuppression", NULL, 5, in, IG_NO_ATTRS));
  GOOD(ig_graph_status(g));
  return g;
}

static void boxes_are_suppressed(void **state) {
  (void)state;
  ig_graph *g = suppression();
  ig_interpreter *interpreter = interpreter_with(0, 0);
  ig_datum *in[] = {boxes(), tensor(IG_F32, IG_SHAPE(1, 2, 4), VALUES(.9, .8, .7, .9, .1, .6, .2, .3)),
                    scalar(IG_I64, 3), scalar(IG_F32, 0.5), scalar(IG_F32, 0.15)};
  ig_datum *out = NULL;
  GOOD(ig_interpret(interpreter, g, NULL, in, &out));
  same_values(out, IG_I64, IG_SHAPE(4, 3), VALUES(0, 0, 0, 0, 0, 2, 0, 1, 1, 0, 1, 2));
  ig_datum_release(out);
  ig_datum_release(in[3]);
  in[3] = scalar(IG_F32, 0.9); /* only the same box overlaps so much */
  GOOD(ig_interpret(interpreter, g, NULL, in, &out));
  same_values(out, IG_I64, IG_SHAPE(6, 3),
              VALUES(0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 1, 1, 0, 1, 3, 0, 1, 2));
  ig_datum_release(out);
  ig_datum_release(in[2]);
  in[2] = scalar(IG_I64, 0);
  GOOD(ig_interpret(interpreter, g, NULL, in, &out));
  same_values(out, IG_I64, IG_SHAPE(0, 3), VALUES(0));
  ig_datum_release(out);
  ig_datum_release(in[1]);
  in[1] = tensor(IG_F32, IG_SHAPE(1, 1, 3), VALUES(1, 2, 3));
  assert_int_equal(ig_interpret(interpreter, g, NULL, in, &out), IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "boxes [1, 4, 4] and scores [1, 1, 3]"));
  release(5, in);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
}

/* x + x */
static ig_graph *doubled(void) {
  ig_graph *g = deferred("doubled");
  ig_value *x = free_input(g, "x", IG_F32, 4);
  ig_graph_output(g, "y", make2(g, "Add", x, x));
  GOOD(ig_graph_status(g));
  return g;
}

static void bodies_modify_attention(void **state) {
  (void)state;
  ig_graph *g = deferred("attention"), *body = doubled();
  ig_value *q = free_input(g, "q", IG_F32, 4), *k = free_input(g, "k", IG_F32, 4);
  ig_value *v = free_input(g, "v", IG_F32, 4);
  const char *op = "ai.onnx.preview.FlexAttention";
  ig_graph_output(g, "plain", ig_op1(g, op, NULL, IG_INS(q, k, v), IG_NO_ATTRS));
  const ig_attr mod = {.name = "prob_mod", .type = IG_ATTR_GRAPH, .graph = body};
  ig_graph_output(g, "twice", ig_op1(g, op, NULL, IG_INS(q, k, v), 1, &mod));
  GOOD(ig_graph_status(g));
  ig_interpreter *interpreter = interpreter_with(0, 0);
  /* Two heads of queries share one of keys; all scores are 0, so that values are averaged. */
  ig_datum *in[] = {tensor(IG_F32, IG_SHAPE(1, 2, 1, 2), VALUES(0, 0, 0, 0)),
                    tensor(IG_F32, IG_SHAPE(1, 1, 2, 2), VALUES(1, 2, 3, 4)),
                    tensor(IG_F32, IG_SHAPE(1, 1, 2, 3), VALUES(1, 2, 3, 3, 6, 9))};
  ig_datum *out[2] = {NULL};
  GOOD(ig_interpret(interpreter, g, NULL, in, out));
  same_values(out[0], IG_F32, IG_SHAPE(1, 2, 1, 3), VALUES(2, 4, 6, 2, 4, 6));
  same_values(out[1], IG_F32, IG_SHAPE(1, 2, 1, 3), VALUES(4, 8, 12, 4, 8, 12));
  release(2, out);
  release(3, in);
  ig_interpreter_destroy(interpreter);
  ig_graph_destroy(g);
  ig_graph_destroy(body);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(boxes_are_suppressed),
      cmocka_unit_test(bodies_modify_attention),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
