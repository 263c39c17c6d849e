/* Chains of elementwise functions on a GPU. */
#include "engine/ops/fused_elementwise.h"

#include "engine/ops/elementwise.h"

static bool is_vector(const ig_value *value) {
  return value->dtype == IG_F32 || value->dtype == IG_BF16 || value->dtype == IG_F16;
}

static const char *reject(const ig_node *node) {
  const ig_value *y = node->outputs[0];
  ig_program program;
  if (!is_vector(y)) return "not f32, bf16 or f16";
  if (y->layout == IG_LAYOUT_BLOCK16) return "blocked layouts are the CPU's";
  for (int i = 0; i < node->n_inputs; i++) {
    if (!is_vector(node->inputs[i])) return "not f32, bf16 or f16";
    if (ig_fused_period(node->inputs[i], y) < 0) return "an input does not repeat";
  }
  bool fits = ig_fused_program(node, &program) == IG_OK && ig_fused_allocate(&program);
  return fits ? NULL : "too many values at a time";
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *y = node->outputs[0];
  ig_program program;
  ig_fused_operand operands[IG_FUSED_INPUTS];
  IG_TRY(ig_fused_program(node, &program));
  ig_fused_allocate(&program);
  for (int i = 0; i < node->n_inputs; i++) {
    operands[i] = (ig_fused_operand){.data = call->in[i],
                                     .dtype = node->inputs[i]->dtype,
                                     .period = ig_fused_period(node->inputs[i], y)};
  }
  return ig_cuda_fused(&program, operands, y->dtype, call->out[0], ig_storage_count(y),
                       call->stream);
}

static const ig_impl impls[] = {
    {.name = "interpreter", .device = IG_CUDA, .reject = reject, .run = run}, {0}};

static const struct ig_op_impls ops[] = {{"ingot.FusedElementwise", impls}, {0}};

const ig_device_ops ig_cuda_ops_fused_elementwise = {.ops = ops};
