/* ingot.FusedElementwise: a tree of elementwise functions over float tensors as one operator, whose
 * intermediate results never reach memory. Inputs have the result's shape, or one element, or repeat
 * along leading dimensions. Attribute `code` holds four integers a step (family, kind, operands a and
 * b; see ig_step), `numbers` two floats a step, `to` the result's type as Cast has it. Made by a pass
 * after the gradients are. */
#include "engine/ops/fused_elementwise.h"

#include <string.h>

#include "engine/ops/elementwise.h"

typedef struct fused_attrs {
  ig_ints code;
  ig_floats numbers;
  int64_t to;
} fused_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INTS(fused_attrs, code),
    {.name = "numbers", .type = IG_ATTR_FLOATS, .offset = offsetof(fused_attrs, numbers)},
    IG_FIELD_INT(fused_attrs, to, 1),
    {0},
};

ig_status ig_fused_program(const ig_node *node, ig_program *out) {
  const fused_attrs *given = IG_ATTRS_OF(fused_attrs, node);
  int steps = given->code.n / 4;
  IG_CHECK(given->code.n % 4 == 0 && steps >= 1 && steps <= IG_FUSED_STEPS &&
               given->numbers.n == 2 * steps,
           IG_ERR_USAGE, "code and numbers have %d and %d entries: not 1 to %d steps of 4 and 2",
           given->code.n, given->numbers.n, IG_FUSED_STEPS);
  *out = (ig_program){.n_inputs = node->n_inputs, .n_steps = steps};
  for (int i = 0; i < steps; i++) {
    const int64_t *step = given->code.v + 4 * i, known = node->n_inputs + i;
    bool unary = step[0] == IG_STEP_UNARY, binary = step[0] == IG_STEP_BINARY;
    int64_t kinds = binary ? IG_BINARY_PRELU : IG_UNARY_NOT;
    IG_CHECK((unary || binary || step[0] == IG_STEP_UNARY_GRAD) && step[1] >= 0 &&
                 step[1] < kinds && step[2] >= -1 && step[2] < known && step[3] >= -1 &&
                 step[3] < known,
             IG_ERR_USAGE, "step %d is %lld %lld %lld %lld: no such function or operand", i,
             (long long)step[0], (long long)step[1], (long long)step[2], (long long)step[3]);
    out->steps[i] = (ig_step){.family = (uint8_t)step[0],
                              .kind = (uint8_t)step[1],
                              .a = (int8_t)step[2],
                              .b = (int8_t)step[3],
                              .to = (int8_t)known,
                              .x = given->numbers.v[2 * i],
                              .y = given->numbers.v[2 * i + 1]};
  }
  return IG_OK;
}

int64_t ig_fused_period(const ig_value *input, const ig_value *result) {
  const ig_shape *in = &input->shape, *out = &result->shape;
  if (ig_shape_equal(in, out)) return input->layout == result->layout ? 0 : -1;
  if (ig_value_count(input) == 1) return 1;
  if (input->layout != IG_LAYOUT_ROWS || result->layout != IG_LAYOUT_ROWS) return -1;
  int lead = 0; /* the input's leading ones repeat */
  while (lead < in->rank && in->dims[lead] == 1) lead++;
  int rank = in->rank - lead;
  if (rank > out->rank) return -1;
  for (int d = 0; d < rank; d++) {
    if (in->dims[lead + d] != out->dims[out->rank - rank + d]) return -1;
  }
  return ig_value_count(input);
}

bool ig_fused_allocate(ig_program *program) {
  int last_use[IG_FUSED_INPUTS + IG_FUSED_STEPS], place[IG_FUSED_INPUTS + IG_FUSED_STEPS];
  bool taken[IG_FUSED_REGISTERS] = {false};
  for (int v = 0; v < IG_COUNT(last_use); v++) last_use[v] = -1;
  for (int i = 0; i < program->n_steps; i++) {
    const ig_step *step = &program->steps[i];
    if (step->a >= 0) last_use[step->a] = i;
    if (step->b >= 0) last_use[step->b] = i;
  }
  for (int v = 0; v < program->n_inputs; v++) {
    place[v] = v;
    taken[v] = last_use[v] >= 0;
  }
  for (int i = 0; i < program->n_steps; i++) {
    ig_step *step = &program->steps[i];
    int operands[2] = {step->a, step->b}, free = 0;
    for (int k = 0; k < 2; k++) {
      if (operands[k] >= 0 && last_use[operands[k]] == i) taken[place[operands[k]]] = false;
    }
    while (free < IG_FUSED_REGISTERS && taken[free]) free++;
    if (free == IG_FUSED_REGISTERS) return false;
    if (step->a >= 0) step->a = (int8_t)place[step->a];
    if (step->b >= 0) step->b = (int8_t)place[step->b];
    place[program->n_inputs + i] = free;
    taken[free] = true;
    step->to = (int8_t)free;
  }
  return true;
}

static ig_status infer(ig_node *node) {
  ig_program program;
  IG_TRY(ig_fused_program(node, &program));
  ig_dtype dtype = ig_dtype_from_onnx(IG_ATTRS_OF(fused_attrs, node)->to);
  IG_CHECK(ig_dtype_is_float(dtype), IG_ERR_USAGE, "attribute to is %lld, expected a float type",
           (long long)IG_ATTRS_OF(fused_attrs, node)->to);
  ig_shape shape = node->inputs[0]->shape;
  for (int i = 0; i < node->n_inputs; i++) {
    IG_TRY(ig_require_float(node, i));
    IG_CHECK(ig_shape_broadcast(&shape, &node->inputs[i]->shape, &shape), IG_ERR_SHAPE,
             "input %d of shape %s does not fit %s", i, IG_SHAPE_STR(&node->inputs[i]->shape),
             IG_SHAPE_STR(&shape));
  }
  return ig_infer_set(node, 0, dtype, &shape);
}

static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  int steps = IG_ATTRS_OF(fused_attrs, node)->code.n / 4;
  total.flops = (double)ig_value_count(node->outputs[0]) * steps;
  return total;
}

static const char *reject(const ig_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    if (ig_fused_period(node->inputs[i], node->outputs[0]) < 0) return "an input does not repeat";
  }
  return NULL;
}

/* --- on the CPU: the definition, in f64, by blocks of elements ---------------------------------- */

#define BLOCK 64

static void run_step(const ig_step *step, double values[][BLOCK], int64_t n) {
  const double *operands[2];
  double number[BLOCK];
  for (int i = 0; i < BLOCK; i++) number[i] = (double)step->x;
  operands[0] = step->a < 0 ? number : values[step->a];
  operands[1] = step->b < 0 ? number : values[step->b];
  double *to = values[step->to], x = (double)step->x, y = (double)step->y;
  if (step->family == IG_STEP_UNARY) {
    ig_cpu_unary_reference((ig_unary)step->kind, IG_F64, operands[0], to, n, x, y);
  } else if (step->family == IG_STEP_UNARY_GRAD) {
    ig_cpu_unary_grad_reference((ig_unary)step->kind, IG_F64, operands[0], operands[1], to, n, x,
                                y);
  } else {
    ig_walk walk = {.rank = 1, .dims = {n}, .strides = {{1}, {1}}};
    ig_cpu_binary_reference((ig_binary)step->kind, IG_F64, IG_F64, &walk, operands[0], operands[1],
                            to);
  }
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *y = node->outputs[0];
  ig_program program;
  double values[IG_FUSED_INPUTS + IG_FUSED_STEPS][BLOCK];
  IG_TRY(ig_fused_program(node, &program));
  int64_t count = ig_storage_count(y);
  for (int64_t at = 0; at < count; at += BLOCK) {
    int64_t n = IG_MIN(BLOCK, count - at);
    for (int i = 0; i < node->n_inputs; i++) {
      const ig_value *in = node->inputs[i];
      int64_t period = ig_fused_period(in, y);
      for (int64_t k = 0; k < n; k++) {
        values[i][k] = ig_load_f64(in->dtype, call->in[i], period ? (at + k) % period : at + k);
      }
    }
    for (int i = 0; i < program.n_steps; i++) run_step(&program.steps[i], values, n);
    const double *result = values[program.n_inputs + program.n_steps - 1];
    for (int64_t k = 0; k < n; k++) ig_store_f64(y->dtype, call->out[0], at + k, result[k]);
  }
  ig_zero_padding(y, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "reference", .reject = reject, .run = run}, {0}};

const ig_op ig_op_fused_elementwise = {
    .name = "ingot.FusedElementwise",
    .n_in = {1, IG_FUSED_INPUTS},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(fused_attrs),
    .infer = infer,
    .cost = cost,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
