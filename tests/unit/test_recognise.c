/* Patterns in pieces, as exporters write them, against the one operator that passes make of them: equal
 * numbers and gradients; and near misses, which stay as they are. */
#include <math.h>

#include "pass_checks.h"

static ig_value *number(ig_graph *g, double value) { return ig_graph_const_f32(g, (float)value); }

static ig_value *param(ig_graph *g, const char *name, ig_shape shape) {
  return ig_graph_param(g, name, IG_F32, shape, noise, true);
}

static void check(const ig_graph *g, const char *name, const char *made, int count) {
  run_env env = run_env_open();
  ig_graph *after = same_numbers(&env, g, name, &training, 1e-5);
  assert_int_equal(run_count(after, made), count);
  ig_graph *cleaned = same_numbers(&env, after, "dce", &training, 0);
  assert_int_equal(run_count(cleaned, made), count);
  if (count) same_gradients(&env, g, name, 1e-4);
  ig_graph_destroy(cleaned);
  ig_graph_destroy(after);
  run_env_close(&env);
}

/* --- GELU ------------------------------------------------------------------------------------ */

static ig_value *erf_sum(ig_graph *g, ig_value *x, bool divided, double root) {
  ig_value *inside = divided ? op2(g, "Div", x, number(g, root)) : op2(g, "Mul", x, number(g, 1 / root));
  return op2(g, "Add", op(g, "Erf", inside), number(g, 1));
}

static ig_value *tanh_sum(ig_graph *g, ig_value *x, bool pow, double factor) {
  ig_value *cube = pow ? op2(g, "Pow", x, number(g, 3)) : op2(g, "Mul", op2(g, "Mul", x, x), x);
  ig_value *inside = op2(g, "Add", x, op2(g, "Mul", cube, number(g, factor)));
  return op2(g, "Add", number(g, 1), op(g, "Tanh", op2(g, "Mul", inside, number(g, 0.7978845608))));
}

/* The three orders of x, 1/2 and the sum. */
static ig_value *factors(ig_graph *g, ig_value *x, ig_value *sum, int order, double half) {
  if (order == 0) return op2(g, "Mul", op2(g, "Mul", x, sum), number(g, half));
  if (order == 1) return op2(g, "Mul", x, op2(g, "Mul", number(g, half), sum));
  return op2(g, "Mul", op2(g, "Mul", number(g, half), x), sum);
}

static void gelu_one(int order, bool tanh_form, bool variant, double constant, double half, int count) {
  ig_graph *g = fresh();
  ig_value *x = op2(g, "Add", ig_graph_input(g, "x", IG_F32, IG_SHAPE(4, 6)), param(g, "w", IG_SHAPE(4, 6)));
  ig_value *sum = tanh_form ? tanh_sum(g, x, variant, constant) : erf_sum(g, x, variant, constant);
  ig_graph_output(g, "y", factors(g, x, sum, order, half));
  check(g, "recognise_gelu", "Gelu", count);
  ig_graph_destroy(g);
}

static void gelu(void **state) {
  (void)state;
  for (int order = 0; order < 3; order++) {
    for (int variant = 0; variant < 2; variant++) {
      gelu_one(order, false, variant, sqrt(2), 0.5, 1);
      gelu_one(order, true, variant, 0.044715, 0.5, 1);
    }
  }
}

static void gelu_declines(void **state) {
  (void)state;
  gelu_one(0, false, true, 1.5, 0.5, 0);
  gelu_one(1, true, true, 0.05, 0.5, 0);
  gelu_one(2, false, true, sqrt(2), 0.6, 0);
}

/* --- attention ------------------------------------------------------------------------------- */

typedef struct sdpa {
  bool split_scale, divided, batched, guard, mask, learned_mask;
  int softmax_axis;
} sdpa;

static ig_value *transpose(ig_graph *g, ig_value *x, int n, const int64_t *perm) {
  return ig_op1(g, "Transpose", NULL, IG_INS(x), IG_ATTRS(IG_INTS("perm", n, perm)));
}

static ig_value *reshape(ig_graph *g, ig_value *x, int n, const int64_t *dims) {
  return op2(g, "Reshape", x, ig_graph_const_i64s(g, n, dims));
}

static ig_value *keys_turned(ig_graph *g, ig_value *k, bool batched) {
  if (!batched) return transpose(g, k, 4, (const int64_t[]){0, 1, 3, 2});
  ig_value *flat = reshape(g, k, 3, (const int64_t[]){6, 7, 8});
  ig_value *turned = transpose(g, flat, 3, (const int64_t[]){0, 2, 1});
  return reshape(g, turned, 4, (const int64_t[]){2, 3, 8, 7});
}

static void attention_one(sdpa s, int count) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 5, 8));
  ig_value *q = op2(g, "Mul", x, param(g, "q", IG_SHAPE(8)));
  ig_value *k = param(g, "k", IG_SHAPE(2, 3, 7, 8)), *v = param(g, "v", IG_SHAPE(2, 3, 7, 4));
  ig_value *turned = keys_turned(g, k, s.batched);
  if (s.split_scale) {
    q = op2(g, "Mul", q, number(g, 0.7));
    turned = op2(g, "Mul", turned, number(g, 0.7));
  }
  ig_value *scores = op2(g, "MatMul", q, turned);
  if (s.divided) scores = op2(g, "Div", scores, number(g, 2.5));
  float hidden[2 * 5 * 7] = {0};
  for (int i = 0; i < 2 * 5 * 7; i += 3) hidden[i] = -INFINITY;
  ig_value *mask = ig_graph_const(g, NULL, IG_F32, IG_SHAPE(2, 1, 5, 7), hidden);
  if (s.learned_mask) mask = param(g, "mask", IG_SHAPE(1, 3, 5, 7));
  if (s.mask) scores = op2(g, "Add", scores, mask);
  ig_value *p = ig_op1(g, "Softmax", NULL, IG_INS(scores), IG_ATTRS(IG_INT("axis", s.softmax_axis)));
  if (s.guard) p = ig_op1(g, "Where", NULL, IG_INS(op(g, "IsNaN", p), number(g, 0), p), IG_NO_ATTRS);
  ig_graph_output(g, "y", op2(g, "MatMul", p, v));
  check(g, "recognise_attention", "Attention", count);
  ig_graph_destroy(g);
}

static void attention(void **state) {
  (void)state;
  attention_one((sdpa){.split_scale = true, .batched = true, .mask = true, .softmax_axis = -1}, 1);
  attention_one((sdpa){.divided = true, .mask = true, .softmax_axis = 3}, 1);
  attention_one((sdpa){.guard = true, .softmax_axis = -1}, 1);
}

/* Two heads of keys and values, each for two of the four heads of queries. */
static void attention_repeated(void **state) {
  (void)state;
  const int64_t apart[] = {2, 2, 1, 7, 8}, wide[] = {2, 2, 2, 7, 8}, heads[] = {2, 4, 7, 8}, axis = 2;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 4, 5, 8));
  ig_value *q = op2(g, "Mul", x, param(g, "q", IG_SHAPE(8)));
  ig_value *k = op2(g, "Reshape", param(g, "k", IG_SHAPE(2, 2, 7, 8)), ig_graph_const_i64s(g, 5, apart));
  ig_value *v = op2(g, "Unsqueeze", param(g, "v", IG_SHAPE(2, 2, 7, 8)), ig_graph_const_i64s(g, 1, &axis));
  k = reshape(g, op2(g, "Expand", k, ig_graph_const_i64s(g, 5, wide)), 4, heads);
  v = reshape(g, op2(g, "Expand", v, ig_graph_const_i64s(g, 5, wide)), 4, heads);
  ig_value *scores = op2(g, "MatMul", q, transpose(g, k, 4, (const int64_t[]){0, 1, 3, 2}));
  ig_graph_output(g, "y", op2(g, "MatMul", op(g, "Softmax", scores), v));
  ig_graph *after = same_numbers(&env, g, "recognise_attention", &training, 1e-5);
  ig_graph *joined = same_numbers(&env, after, "simplify", &training, 0);
  ig_graph *clean = same_numbers(&env, joined, "dce", &training, 0);
  assert_int_equal(run_count(clean, "Attention"), 1);
  same_gradients(&env, g, "recognise_attention", 1e-4);
  ig_graph_destroy(clean);
  ig_graph_destroy(joined);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void attention_declines(void **state) {
  (void)state;
  attention_one((sdpa){.softmax_axis = 2}, 0);
  attention_one((sdpa){.mask = true, .learned_mask = true, .softmax_axis = -1}, 0);
}

/* --- normalisation --------------------------------------------------------------------------- */

static ig_value *mean(ig_graph *g, ig_value *x, int64_t axis) {
  return op2(g, "ReduceMean", x, ig_graph_const_i64s(g, 1, &axis));
}

static void norm_one(bool layer, bool divides, bool bias, int64_t axis, const char *made, int count) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(6, 6));
  x = op2(g, "Add", x, param(g, "w", IG_SHAPE(6, 6)));
  ig_value *v = layer ? op2(g, "Sub", x, mean(g, x, -1)) : x;
  ig_value *square = divides ? op2(g, "Pow", v, number(g, 2)) : op2(g, "Mul", v, v);
  ig_value *root = op(g, "Sqrt", op2(g, "Add", mean(g, square, axis), number(g, 1e-3)));
  ig_value *y = divides ? op2(g, "Div", v, root) : op2(g, "Mul", v, op(g, "Reciprocal", root));
  y = op2(g, "Mul", param(g, "scale", IG_SHAPE(6)), y);
  if (bias) y = op2(g, "Add", y, param(g, "bias", IG_SHAPE(6)));
  ig_graph_output(g, "y", op(g, "Tanh", y));
  check(g, "recognise_norm", made, count);
  ig_graph_destroy(g);
}

static void normalisation(void **state) {
  (void)state;
  for (int divides = 0; divides < 2; divides++) {
    norm_one(true, divides, true, -1, "LayerNormalization", 1);
    norm_one(true, divides, false, 1, "LayerNormalization", 1);
    norm_one(false, divides, false, -1, "RMSNormalization", 1);
  }
}

static void normalisation_declines(void **state) {
  (void)state;
  norm_one(true, true, true, 0, "LayerNormalization", 0); /* variance by column */
  norm_one(false, false, false, 0, "RMSNormalization", 0);
}

/* --- gates ----------------------------------------------------------------------------------- */

typedef enum gate { SIGMOID, SCALED_SIGMOID, CLIP_DIV, CLIP_MUL, HARD_SIGMOID, GATES } gate;

static ig_value *gate_of(ig_graph *g, gate kind, ig_value *x, double three) {
  if (kind == SIGMOID) return op(g, "Sigmoid", x);
  if (kind == SCALED_SIGMOID) return op(g, "Sigmoid", op2(g, "Mul", number(g, 1.702), x));
  if (kind == HARD_SIGMOID) {
    return ig_op1(g, "HardSigmoid", NULL, IG_INS(x), IG_ATTRS(IG_FLOAT("alpha", (float)(three / 18))));
  }
  ig_value *clip = ig_op1(g, "Clip", NULL, IG_INS(op2(g, "Add", x, number(g, three)), number(g, 0), number(g, 6)),
                          IG_NO_ATTRS);
  return kind == CLIP_DIV ? op2(g, "Div", clip, number(g, 6)) : op2(g, "Mul", clip, number(g, 1.0 / 6));
}

static void gate_one(gate kind, bool left, bool late, bool other, double three, const char *made, int count) {
  ig_graph *g = fresh();
  ig_value *x = op2(g, "Add", ig_graph_input(g, "x", IG_F32, IG_SHAPE(4, 6)), param(g, "w", IG_SHAPE(4, 6)));
  ig_value *of = other ? op(g, "Tanh", x) : x, *y;
  if (late) { /* x clip(x + 3, 0, 6), and then the sixth */
    ig_value *clip = ig_op1(
        g, "Clip", NULL, IG_INS(op2(g, "Add", of, number(g, three)), number(g, 0), number(g, 6)), IG_NO_ATTRS);
    y = op2(g, "Div", op2(g, "Mul", x, clip), number(g, 6));
  } else {
    ig_value *s = gate_of(g, kind, of, three);
    y = op2(g, "Mul", left ? s : x, left ? x : s);
  }
  ig_graph_output(g, "y", y);
  check(g, "recognise_swish", made, count);
  ig_graph_destroy(g);
}

static void gates(void **state) {
  (void)state;
  for (int kind = 0; kind < GATES; kind++) {
    const char *made = kind <= SCALED_SIGMOID ? "Swish" : "HardSwish";
    gate_one((gate)kind, kind % 2, false, false, 3, made, 1);
  }
  gate_one(CLIP_DIV, false, true, false, 3, "HardSwish", 1);
  gate_one(CLIP_MUL, false, false, true, 3, "HardSigmoid", 1); /* the gate of another value */
}

static void gates_decline(void **state) {
  (void)state;
  gate_one(SIGMOID, false, false, true, 3, "Swish", 0);
  gate_one(HARD_SIGMOID, false, false, false, 2, "HardSwish", 0);
  gate_one(CLIP_DIV, true, false, false, 2, "HardSwish", 0);
  gate_one(CLIP_DIV, true, true, true, 3, "HardSwish", 0);
}

/* --- means of channels ----------------------------------------------------------------------- */

static void channel_mean(int n, const int64_t *axes, bool keep, int count) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 5, 4));
  x = op2(g, "Mul", x, param(g, "w", IG_SHAPE(3, 1, 1)));
  ig_value *y = ig_op1(g, "ReduceMean", NULL, IG_INS(x, ig_graph_const_i64s(g, n, axes)),
                       IG_ATTRS(IG_INT("keepdims", keep)));
  ig_graph_output(g, "y", op(g, "Tanh", y));
  check(g, "recognise_pool", "GlobalAveragePool", count);
  ig_graph_destroy(g);
}

static void channel_means(void **state) {
  (void)state;
  channel_mean(2, (const int64_t[]){2, 3}, true, 1);
  channel_mean(2, (const int64_t[]){-1, -2}, false, 1);
  channel_mean(2, (const int64_t[]){1, 2}, true, 0);
  channel_mean(1, (const int64_t[]){3}, true, 0);
}

/* --- rotary embedding ------------------------------------------------------------------------ */

static ig_value *last_part(ig_graph *g, ig_value *x, int64_t from, int64_t to) {
  const int64_t axis = 3;
  ig_value *in[] = {x, ig_graph_const_i64s(g, 1, &from), ig_graph_const_i64s(g, 1, &to),
                    ig_graph_const_i64s(g, 1, &axis)};
  return ig_op1(g, "Slice", NULL, 4, in, IG_NO_ATTRS);
}

/* Angles of 5 tokens and 8 elements, as numbers or as functions of the 4 angles twice. */
static ig_value *angles(ig_graph *g, const char *function, int64_t batch, bool known, bool twice) {
  float list[2 * 5 * 8];
  int64_t size = known ? 8 : 4, count = batch * 5 * size;
  for (int64_t i = 0; i < count; i++) {
    int64_t d = twice ? i % 4 : i % 8;
    float angle = 0.3F * (float)(i / size + 1) / (float)(d + 1);
    list[i] = known ? *function == 'C' ? cosf(angle) : sinf(angle) : angle;
  }
  ig_value *table = ig_graph_const(g, NULL, IG_F32, IG_SHAPE(batch, 5, size), list);
  if (!known) {
    ig_value *other = twice ? table : op(g, "Neg", table);
    table = ig_op1(g, "Concat", NULL, IG_INS(table, other), IG_ATTRS(IG_INT("axis", -1)));
    table = op2(g, "Mul", op(g, function, table), number(g, 1.25));
  }
  return reshape(g, table, 4, (const int64_t[]){batch, 1, 5, 8});
}

static void rotary_one(int64_t batch, bool known, bool twice, int64_t half, const ig_pass_options *options, int count) {
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = op2(g, "Add", ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 5, 8)), param(g, "w", IG_SHAPE(5, 8)));
  ig_value *cosines = angles(g, "Cos", batch, known, twice), *sines = angles(g, "Sin", batch, known, twice);
  ig_value *halves = ig_op1(g, "Concat", NULL,
                            IG_INS(op(g, "Neg", last_part(g, x, half, 8)), last_part(g, x, 0, half)),
                            IG_ATTRS(IG_INT("axis", 3)));
  ig_graph_output(g, "y", op2(g, "Add", op2(g, "Mul", halves, sines), op2(g, "Mul", cosines, x)));
  ig_graph *folded = same_numbers(&env, g, "fold", &inference, 1e-6); /* a table's Reshape, if it is known */
  ig_graph *after = same_numbers(&env, folded, "recognise_rotary", options, 1e-5);
  assert_int_equal(run_count(after, "RotaryEmbedding"), count);
  if (known && count) same_gradients(&env, folded, "recognise_rotary", 1e-4);
  ig_graph_destroy(after);
  ig_graph_destroy(folded);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void rotary(void **state) {
  (void)state;
  rotary_one(1, true, true, 4, &training, 1);
  rotary_one(2, true, true, 4, &inference, 1);
  rotary_one(1, false, true, 4, &inference, 1);
}

static void rotary_declines(void **state) {
  (void)state;
  rotary_one(1, true, false, 4, &inference, 0);  /* angles that differ */
  rotary_one(1, false, false, 4, &inference, 0);
  rotary_one(1, true, true, 3, &inference, 0);   /* not halves */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gelu),          cmocka_unit_test(gelu_declines),
      cmocka_unit_test(attention),     cmocka_unit_test(attention_declines),
      cmocka_unit_test(attention_repeated),
      cmocka_unit_test(normalisation), cmocka_unit_test(normalisation_declines),
      cmocka_unit_test(gates),         cmocka_unit_test(gates_decline),
      cmocka_unit_test(channel_means),
      cmocka_unit_test(rotary),        cmocka_unit_test(rotary_declines),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
