/* If: the sum of two captures, or their product. */
#include "case_tools.h"

static ig_graph *if_body(const ig_op_case *sample, const char *name) {
  ig_graph *g = NULL;
  if (ig_graph_create(name, &g) != IG_OK) return NULL;
  g->deferred = true;
  ig_value *in[2];
  for (int i = 0; i < 2; i++) in[i] = ig_graph_input_any(g, NULL, sample->inputs[1 + i].dtype);
  const char *op = strcmp(name, "then_branch") == 0 ? "Add" : "Mul";
  ig_graph_output(g, NULL, ig_op1(g, op, NULL, 2, in, IG_NO_ATTRS));
  ig_graph_output(g, NULL, in[1]);
  return g;
}

static void if_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  (void)node;
  bool sum = in[0].data[0] != 0;
  for (int64_t i = 0; i < count_of(&in[1]); i++) {
    double a = in[1].data[i], b = in[2].data[i];
    out[0].data[i] = sum ? a + b : a * b;
    if (out[1].data) out[1].data[i] = b;
  }
}

#define CONDITION(value)                                                                           \
  { .dtype = IG_BOOL, .shape = {.rank = 0}, .fill = IG_FILL_INT, .low = (value), .high = (value) }
#define CASE(name_, value, ...)                                                                    \
  {                                                                                                \
    .name = name_,                                                                                 \
    .inputs = {CONDITION(value), NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__)},        \
    .n_attrs = 1, .attrs = {A_INT("captured", 2)}, .n_outputs = 2, .no_grad_check = true,            \
    .why = "the body takes the place of the node before gradients are made"                       \
  }

static const ig_op_case cases[] = {
    CASE("then", 1, 3, 4),
    CASE("else", 0, 3, 4),
    CASE("empty", 0, 0, 4),
};

const ig_op_cases ig_cases_if = {
    .op = "If",
    .reference = if_reference,
    .n_cases = IG_COUNT(cases),
    .cases = cases,
    .body = if_body,
};
