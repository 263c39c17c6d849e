/* Trees of elementwise functions become one ingot.FusedElementwise, so that what lies between them
 * never reaches memory; for devices where a launch and a pass over memory cost more than interpreting
 * a short program. Runs last: what a matrix product, a convolution or a norm takes in is gone by then,
 * and so are the gradients' builders, who would not know the operator. A node is taken in when the
 * tree alone uses its result, which has the shape of the tree's. */
#include <math.h>
#include <string.h>

#include "engine/ops/elementwise.h"
#include "engine/ops/fused_elementwise.h"
#include "engine/passes/rewrite.h"

#define MOST_NODES (IG_FUSED_STEPS + 8) /* conversions are no steps */

typedef struct tree {
  const ig_graph *graph;
  int n, n_inputs, n_steps;
  ig_node *nodes[MOST_NODES]; /* the root first, each after its user */
  ig_value *inputs[IG_FUSED_INPUTS];
} tree;

/* --- one node as a step ------------------------------------------------------------------------ */

static const struct {
  const char *op;
  ig_step_family family;
  int kind;
} functions[] = {
    {"Neg", IG_STEP_UNARY, IG_UNARY_NEG},
    {"Abs", IG_STEP_UNARY, IG_UNARY_ABS},
    {"Sign", IG_STEP_UNARY, IG_UNARY_SIGN},
    {"Sqrt", IG_STEP_UNARY, IG_UNARY_SQRT},
    {"Exp", IG_STEP_UNARY, IG_UNARY_EXP},
    {"Log", IG_STEP_UNARY, IG_UNARY_LOG},
    {"Erf", IG_STEP_UNARY, IG_UNARY_ERF},
    {"Tanh", IG_STEP_UNARY, IG_UNARY_TANH},
    {"Sigmoid", IG_STEP_UNARY, IG_UNARY_SIGMOID},
    {"Relu", IG_STEP_UNARY, IG_UNARY_RELU},
    {"LeakyRelu", IG_STEP_UNARY, IG_UNARY_LEAKY_RELU},
    {"Clip", IG_STEP_UNARY, IG_UNARY_CLIP},
    {"Gelu", IG_STEP_UNARY, IG_UNARY_GELU},
    {"HardSwish", IG_STEP_UNARY, IG_UNARY_HARD_SWISH},
    {"Softplus", IG_STEP_UNARY, IG_UNARY_SOFTPLUS},
    {"ingot.UnaryGrad", IG_STEP_UNARY_GRAD, 0},
    {"Add", IG_STEP_BINARY, IG_BINARY_ADD},
    {"Sub", IG_STEP_BINARY, IG_BINARY_SUB},
    {"Mul", IG_STEP_BINARY, IG_BINARY_MUL},
    {"Div", IG_STEP_BINARY, IG_BINARY_DIV},
    {"Pow", IG_STEP_BINARY, IG_BINARY_POW},
};

static bool is_cast(const ig_node *node) {
  return ig_node_is(node, "Cast");
}

static int operands_of(const ig_node *node) {
  return is_cast(node) || node->n_inputs < 2 || ig_node_is(node, "Clip") ? 1 : 2;
}

/* One known number, which a step holds instead of reading it. */
static bool is_number(const ig_value *value) {
  return ig_value_is_const(value) && ig_value_count(value) == 1;
}

static bool bound(const ig_node *node, int input, float fallback, float *out) {
  double value;
  *out = fallback;
  if (node->n_inputs <= input || !node->inputs[input]) return true;
  if (!ig_const_splat(node->inputs[input], &value)) return false;
  *out = (float)value;
  return true;
}

/* The numbers of a function, and its kind where attributes choose it. False where chains lack it. */
static bool read_numbers(const ig_node *node, ig_step *step) {
  if (step->family == IG_STEP_UNARY_GRAD) {
    ig_unary kind = ig_unary_grad_kind(ig_attr_string_of(node, "of", ""));
    if (kind >= IG_UNARY_NOT) return false;
    step->kind = (uint8_t)kind;
    step->x = ig_attr_float_of(node, "alpha", 0);
  } else if (step->kind == IG_UNARY_LEAKY_RELU) {
    step->x = ig_attr_float_of(node, "alpha", 0.01f);
  } else if (step->kind == IG_UNARY_GELU &&
             strcmp(ig_attr_string_of(node, "approximate", ""), "tanh") == 0) {
    step->kind = IG_UNARY_GELU_TANH;
  }
  if (step->kind != IG_UNARY_CLIP) return true;
  int first = step->family == IG_STEP_UNARY_GRAD ? 2 : 1;
  return bound(node, first, -INFINITY, &step->x) && bound(node, first + 1, INFINITY, &step->y);
}

/* False when the node is no function of the table, or its bounds are not known. Casts are none. */
static bool read_step(const ig_node *node, ig_step *step) {
  double number;
  for (int i = 0; i < IG_COUNT(functions); i++) {
    if (!ig_node_is(node, functions[i].op)) continue;
    *step = (ig_step){.family = (uint8_t)functions[i].family, .kind = (uint8_t)functions[i].kind};
    if (step->family != IG_STEP_BINARY) return read_numbers(node, step);
    bool left = is_number(node->inputs[0]), right = is_number(node->inputs[1]);
    if (left && right) return false;
    if ((left || right) && ig_const_splat(node->inputs[right], &number)) step->x = (float)number;
    return true;
  }
  return false;
}

static bool is_vector(const ig_value *value) {
  return value->dtype == IG_F32 || value->dtype == IG_BF16 || value->dtype == IG_F16;
}

/* Whether the node may be in the tree of a result like `result`. */
static bool fits(const ig_node *node, const ig_value *result) {
  ig_step step;
  const ig_value *y = node->outputs[0];
  if (!ig_node_is_live(node) || (!is_cast(node) && !read_step(node, &step))) return false;
  if (!is_vector(y) || !ig_shape_equal(&y->shape, &result->shape) || y->layout != result->layout) {
    return false;
  }
  for (int i = 0; i < operands_of(node); i++) {
    const ig_value *x = node->inputs[i];
    if (operands_of(node) == 2 && is_number(x)) continue;
    if (!is_vector(x) || ig_fused_period(x, result) < 0) return false;
  }
  return true;
}

/* --- the tree ---------------------------------------------------------------------------------- */

static int index_of(const tree *t, const ig_node *node) {
  int i = 0;
  while (i < t->n && t->nodes[i] != node) i++;
  return i < t->n ? i : -1;
}

static bool is_inner(const tree *t, const ig_value *value) {
  return value->kind == IG_VALUE_RESULT && index_of(t, value->producer) >= 0;
}

/* Counts steps and lists inputs; false when they are too many. */
static bool measure(tree *t) {
  t->n_inputs = t->n_steps = 0;
  for (int i = 0; i < t->n; i++) {
    const ig_node *node = t->nodes[i];
    t->n_steps += !is_cast(node);
    for (int k = 0; k < operands_of(node); k++) {
      ig_value *x = node->inputs[k];
      int at = 0;
      if ((operands_of(node) == 2 && is_number(x)) || is_inner(t, x)) continue;
      while (at < t->n_inputs && t->inputs[at] != x) at++;
      if (at == IG_FUSED_INPUTS) return false;
      if (at == t->n_inputs) t->inputs[t->n_inputs++] = x;
    }
  }
  return t->n_steps <= IG_FUSED_STEPS;
}

/* Takes in the producers of inputs, and theirs, as long as they fit. */
static void grow(tree *t) {
  const ig_value *result = t->nodes[0]->outputs[0];
  for (int i = 0; i < t->n; i++) { /* grows meanwhile */
    const ig_node *node = t->nodes[i];
    for (int k = 0; k < operands_of(node) && t->n < MOST_NODES; k++) {
      const ig_value *x = node->inputs[k];
      if (x->kind != IG_VALUE_RESULT || ig_value_use_count(t->graph, x) != 1) continue;
      if (!fits(x->producer, result)) continue;
      t->nodes[t->n++] = x->producer;
      if (!measure(t)) t->n--;
    }
  }
}

/* The program, with operands naming values: inputs, then steps from the leaves to the root. */
static void write_program(const tree *t, ig_program *program) {
  int8_t value[MOST_NODES];
  *program = (ig_program){.n_inputs = t->n_inputs};
  for (int i = t->n - 1; i >= 0; i--) {
    const ig_node *node = t->nodes[i];
    int8_t operand[2] = {-1, -1};
    for (int k = 0; k < operands_of(node); k++) {
      const ig_value *x = node->inputs[k];
      if (operands_of(node) == 2 && is_number(x)) continue;
      int at = 0;
      if (is_inner(t, x)) {
        operand[k] = value[index_of(t, x->producer)];
      } else {
        while (t->inputs[at] != x) at++;
        operand[k] = (int8_t)at;
      }
    }
    value[i] = operand[0];
    if (is_cast(node)) continue;
    ig_step *step = &program->steps[program->n_steps];
    read_step(node, step);
    step->a = operand[0];
    step->b = operand[1];
    value[i] = step->to = (int8_t)(t->n_inputs + program->n_steps++);
  }
}

/* Whether an input has the whole shape, which inference then finds. */
static bool has_whole(const tree *t) {
  for (int i = 0; i < t->n_inputs; i++) {
    if (ig_fused_period(t->inputs[i], t->nodes[0]->outputs[0]) == 0) return true;
  }
  return false;
}

static ig_status replace(ig_graph *graph, const tree *t, const ig_program *program) {
  int64_t code[4 * IG_FUSED_STEPS];
  float numbers[2 * IG_FUSED_STEPS];
  for (int i = 0; i < program->n_steps; i++) {
    const ig_step *step = &program->steps[i];
    const int64_t row[4] = {step->family, step->kind, step->a, step->b};
    memcpy(code + 4 * i, row, sizeof row);
    numbers[2 * i] = step->x;
    numbers[2 * i + 1] = step->y;
  }
  ig_node *root = t->nodes[0];
  const ig_value *y = root->outputs[0];
  ig_attr given = {.name = "numbers",
                   .type = IG_ATTR_FLOATS,
                   .floats = {.n = 2 * program->n_steps, .v = numbers}};
  graph->forward = root->forward;
  ig_node *fused =
      ig_graph_node(graph, "ingot.FusedElementwise", root->name, t->n_inputs, t->inputs,
                    IG_ATTRS(IG_INTS("code", 4 * program->n_steps, code), given,
                             IG_INT("to", ig_dtype_to_onnx(y->dtype))),
                    1);
  graph->forward = NULL;
  IG_TRY(ig_graph_status(graph));
  fused->outputs[0]->layout = y->layout;
  IG_TRY(ig_node_replace(graph, root, fused, 1));
  for (int i = 1; i < t->n; i++) ig_node_remove(graph, t->nodes[i]); /* users before producers */
  return IG_OK;
}

static ig_status fuse_elementwise_run(ig_graph *graph, const ig_pass_options *options,
                                      int *changes) {
  if (options->device != IG_CUDA) return IG_OK;
  for (int32_t i = graph->n_nodes - 1; i >= 0; i--) { /* roots before what they take in */
    ig_node *root = graph->nodes[i];
    if (!ig_node_is_live(root) || root->n_outputs != 1 || !fits(root, root->outputs[0])) continue;
    tree t = {.graph = graph, .n = 1, .nodes = {root}};
    ig_program program, registers;
    if (!measure(&t)) continue;
    grow(&t);
    for (;; t.n--) { /* what was taken in last leaves where registers are short */
      measure(&t);
      write_program(&t, &program);
      registers = program;
      if (t.n < 2 || ig_fused_allocate(&registers)) break;
    }
    if (t.n < 2 || t.n_steps < 1 || !has_whole(&t)) continue;
    IG_TRY(replace(graph, &t, &program));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_fuse_elementwise = {
    .name = "fuse_elementwise",
    .what = "trees of elementwise functions as one operator",
    .run = fuse_elementwise_run,
};
