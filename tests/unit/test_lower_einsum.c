/* Einsum as the nodes that the lower_einsum pass writes for it: the same numbers and gradients, the products
 * that each equation should need, and equations that stay. */
#include "pass_checks.h"

typedef struct lowered {
  const char *equation;
  ig_shape shapes[2];
  int n, mat_muls, transposes, sums;
} lowered;

#define S(...)                                                                                     \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {                                   \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

static const lowered cases[] = {
    {"ij,jk->ik", {S(3, 4), S(4, 5)}, 2, 1, 0, 0},
    {"bij,bjk->bik", {S(2, 3, 4), S(2, 4, 5)}, 2, 1, 0, 0},
    {"bqhd,bkhd->bhqk", {S(2, 3, 2, 4), S(2, 5, 2, 4)}, 2, 1, 2, 0},
    {"...ij,kj->...ik", {S(2, 3, 4), S(5, 4)}, 2, 1, 1, 0},
    {"ij,jk->ki", {S(3, 4), S(4, 5)}, 2, 1, 1, 0},
    {"abc,cda->bd", {S(2, 3, 4), S(4, 5, 2)}, 2, 1, 2, 0},
    {"i,i->", {S(7), S(7)}, 2, 1, 0, 0},
    {"i,j->ij", {S(3), S(4)}, 2, 0, 0, 0},
    {"bi,b->bi", {S(3, 4), S(3)}, 2, 0, 0, 0},
    {"ij,kl->k", {S(3, 4), S(5, 2)}, 2, 0, 0, 2},
    {"ijl,jk->ik", {S(3, 4, 2), S(4, 5)}, 2, 1, 0, 1},
    {"ijk->kj", {S(3, 4, 5)}, 1, 0, 1, 1},
    {"ij->ij", {S(3, 4)}, 1, 0, 0, 0},
};

static ig_graph *graph_of(const lowered *c) {
  ig_graph *g = fresh();
  ig_value *in[2];
  for (int i = 0; i < c->n; i++)
    in[i] = ig_graph_param(g, i ? "b" : "a", IG_F32, c->shapes[i], noise, false);
  ig_value *y = ig_op1(g, "Einsum", NULL, c->n, in, IG_ATTRS(IG_STRING("equation", c->equation)));
  ig_graph_output(g, "y", y);
  GOOD(ig_graph_status(g));
  return g;
}

static void same_numbers_and_gradients(void **state) {
  (void)state;
  for (int i = 0; i < IG_COUNT(cases); i++) {
    const lowered *c = &cases[i];
    run_env env = run_env_open();
    ig_graph *g = graph_of(c);
    ig_graph *after = same_numbers(&env, g, "lower_einsum", &inference, 1e-5);
    int counts[] = {run_count(after, "Einsum"), run_count(after, "MatMul"),
                    run_count(after, "Transpose"), run_count(after, "ReduceSum")};
    if (counts[0] || counts[1] != c->mat_muls || counts[2] != c->transposes || counts[3] != c->sums)
      fail_msg("%s: %d Einsum, %d MatMul, %d Transpose, %d ReduceSum", c->equation, counts[0],
               counts[1], counts[2], counts[3]);
    same_gradients(&env, g, "lower_einsum", 1e-5);
    ig_graph_destroy(after);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

static void others_stay(void **state) {
  (void)state;
  static const lowered stays[] = {
      {"ii->i", {S(3, 3)}, 1, 0, 0, 0},
      {"bij,bjk->bik", {S(1, 3, 4), S(2, 4, 5)}, 2, 0, 0, 0},
      {"ij,jk->ik", {S(3, 0), S(0, 5)}, 2, 0, 0, 0},
  };
  for (int i = 0; i < IG_COUNT(stays); i++) {
    ig_graph *g = graph_of(&stays[i]);
    pass(g, "lower_einsum", &inference);
    assert_int_equal(run_count(g, "Einsum"), 1);
    assert_int_equal(g->n_nodes, 1);
    ig_graph_destroy(g);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_numbers_and_gradients),
                                     cmocka_unit_test(others_stay)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
