/* Loop: a sum that grows by a capture and the turn's number, and is stacked as it was before. */
#include "case_tools.h"

/* sum' = sum + step * turn, and goes on while the sum of a second carried scalar stays below its limit. */
static ig_graph *loop_body(const ig_op_case *sample, const char *name) {
  ig_graph *g = NULL;
  if (ig_graph_create(name, &g) != IG_OK) return NULL;
  g->deferred = true;
  ig_value *turn = ig_graph_input_any(g, "turn", IG_I64);
  ig_value *goes_on = ig_graph_input_any(g, "goes_on", IG_BOOL);
  ig_value *sum = ig_graph_input_any(g, "sum", IG_NONE), *step = ig_graph_input_any(g, "step", IG_NONE);
  ig_value *number = ig_op1(g, "Cast", NULL, IG_INS(turn),
                            IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  ig_value *more = ig_op1(g, "Mul", NULL, IG_INS(step, number), IG_NO_ATTRS);
  ig_value *next = ig_op1(g, "Add", NULL, IG_INS(sum, more), IG_NO_ATTRS);
  ig_value *limit = ig_graph_const(g, NULL, IG_I64, IG_SCALAR, &(int64_t){2});
  bool ends = strcmp(sample->name, "ended by its body") == 0;
  ig_graph_output(g, NULL, ends ? ig_op1(g, "Less", NULL, IG_INS(turn, limit), IG_NO_ATTRS)
                                : ig_op1(g, "Identity", NULL, IG_INS(goes_on), IG_NO_ATTRS));
  ig_graph_output(g, NULL, next);
  if (sample->n_outputs > 1) ig_graph_output(g, NULL, sum);
  return g;
}

static void loop_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t n = count_of(&in[2]), turns = in[0].data ? (int64_t)in[0].data[0] : INT64_MAX;
  if (in[1].data && in[1].data[0] == 0) turns = 0;
  if (node->n_outputs == 1 && turns > 3) turns = 3; /* only the body ends these */
  for (int64_t i = 0; i < n; i++) {
    double sum = in[2].data[i];
    for (int64_t t = 0; t < turns; t++) {
      if (node->n_outputs > 1 && out[1].data) out[1].data[t * n + i] = sum;
      sum += in[3].data[i] * (double)t;
    }
    out[0].data[i] = sum;
  }
}

#define NUMBER(value)                                                                              \
  {                                                                                                \
    .dtype = IG_I64, .shape = {.rank = 0}, .fill = IG_FILL_INT, .low = (value), .high = (value),   \
    .constant = true                                                                               \
  }
#define CONDITION(value)                                                                           \
  {                                                                                                \
    .dtype = IG_BOOL, .shape = {.rank = 0}, .fill = IG_FILL_INT, .low = (value), .high = (value),  \
    .constant = true                                                                               \
  }
#define ABSENT                                                                                     \
  { .fill = IG_FILL_ABSENT }
#define CASE(name_, outputs, most, condition, ...)                                                 \
  {                                                                                                \
    .name = name_,                                                                                 \
    .inputs = {most, condition, NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__)},         \
    .n_attrs = 1, .attrs = {A_INT("captured", 1)}, .n_outputs = outputs, .no_grad_check = true,      \
    .why = "the unroll pass comes before gradients"                                               \
  }

static const ig_op_case cases[] = {
    CASE("stacked", 2, NUMBER(5), CONDITION(1), 2, 3),
    CASE("without a condition", 2, NUMBER(3), ABSENT, 2),
    CASE("never", 2, NUMBER(4), CONDITION(0), 2, 3),
    CASE("no turns", 2, NUMBER(0), CONDITION(1), 4),
    CASE("ended by its body", 1, ABSENT, CONDITION(1), 4),
};

const ig_op_cases ig_cases_loop = {
    .op = "Loop",
    .reference = loop_reference,
    .n_cases = IG_COUNT(cases),
    .cases = cases,
    .body = loop_body,
};
