/* Mixed precision (Micikevicius et al., ICLR 2018): matrix products, convolutions and attention run
 * in the 16-bit type; parameters stay f32 and are cast where they are read, so gradients reach f32
 * masters through the casts. Operators that only move or gate numbers follow their inputs, as far as
 * the device has an implementation; all others (losses, sums) stay in f32. Normalisation and softmax
 * do so on the CPU; on a GPU, where memory is what they wait for, they read and write 16 bits and
 * compute in f32 inside, and a sum of a residual with a 16-bit branch is 16-bit as well.
 * Runs before autodiff, in one sweep in execution order. Graph outputs and assignments keep their
 * types. */
#include <string.h>

#include "engine/passes/rewrite.h"
#include "kernels/lib/onednn.h"

/* Each value's casts, made on first use: by the value's id when the pass began. */
typedef struct casts {
  ig_graph *graph;
  const ig_pass_options *options;
  ig_value **low, **high;
  int32_t count;
  int *changes;
} casts;

static const char *const low_ops[] = {
    "MatMul", "Gemm", "Conv", "ConvTranspose", "Attention", "ingot.FusedMatMul", "ingot.FusedConv"};
static const char *const following_ops[] = {
    "Relu",     "LeakyRelu", "Clip",  "Gelu",      "HardSwish",
    "Dropout",  "Add",       "Mul",   "Transpose", "Split",
    "Pad",      "Concat",    "Slice", "MaxPool",   "Reshape",
    "Flatten",  "Where",     "Neg",   "Squeeze",   "GlobalAveragePool",
    "Unsqueeze"};
static const char *const following_on_gpu[] = {"BatchNormalization",
                                               "ingot.FusedBatchNormalization",
                                               "LayerNormalization",
                                               "ingot.AddLayerNormalization",
                                               "RMSNormalization",
                                               "GroupNormalization",
                                               "InstanceNormalization",
                                               "Softmax",
                                               "AveragePool",
                                               "Resize",
                                               "RotaryEmbedding",
                                               "Sub",
                                               "Div",
                                               "Tanh",
                                               "Sigmoid",
                                               "Erf",
                                               "Softplus"};

/* Inputs that are tensors of numbers to compute with; others (a ratio, scales, running statistics) keep
 * their types. The residual of a batch normalisation is its sixth. */
static const struct {
  const char *op;
  unsigned inputs;
} narrowed[] = {{"Dropout", 1},
                {"Resize", 1},
                {"BatchNormalization", 1},
                {"ingot.FusedBatchNormalization", 1 | 1 << 5}};

static bool is_narrowed(const ig_node *node, int input) {
  for (int i = 0; i < IG_COUNT(narrowed); i++) {
    if (ig_node_is(node, narrowed[i].op)) return narrowed[i].inputs >> input & 1;
  }
  return true;
}

static bool among(const ig_node *node, const char *const *names, int count) {
  for (int i = 0; i < count; i++) {
    if (ig_node_is(node, names[i])) return true;
  }
  return false;
}

static ig_value *convert_const(ig_graph *graph, const ig_value *value, ig_dtype dtype) {
  void *bytes = ig_arena_alloc(graph->arena, ig_shape_bytes(&value->shape, dtype));
  if (!bytes)
    return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "'%s': out of memory", value->name));
  ig_convert(value->dtype, value->data, dtype, bytes, ig_value_count(value));
  return ig_graph_const(graph, value->name, dtype, value->shape, bytes);
}

/* `value` as `dtype`; the cast is remembered for values that were there when the pass began. */
static ig_value *cast_to(casts *c, ig_value *value, ig_dtype dtype) {
  if (value->dtype == dtype) return value;
  ig_value **kept = dtype == IG_F32 ? c->high : c->low;
  bool keeps = value->id < c->count;
  if (keeps && kept[value->id]) return kept[value->id];
  ig_value *cast = ig_value_is_const(value)
                       ? convert_const(c->graph, value, dtype)
                       : ig_op1(c->graph, "Cast", NULL, IG_INS(value),
                                IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(dtype))));
  if (keeps) kept[value->id] = cast;
  (*c->changes)++;
  return cast;
}

static bool is_kind(const ig_value *value, ig_dtype dtype) {
  return value && value->dtype == dtype;
}

static ig_status set_inputs(casts *c, ig_node *node, ig_dtype from, ig_dtype to) {
  for (int i = 0; i < node->n_inputs; i++) {
    if (!is_kind(node->inputs[i], from) || !is_narrowed(node, i)) continue;
    ig_value *cast = cast_to(c, node->inputs[i], to);
    IG_TRY(ig_graph_status(c->graph));
    IG_TRY(ig_node_set_input(c->graph, node, i, cast));
  }
  return ig_node_infer(node);
}

/* An implementation meant for use: the readable reference would cost more than 16 bits save. */
static ig_status choose_fast(const ig_node *node, ig_device device) {
  const ig_impl *impl;
  if (node->op->flags & IG_OP_VIEW) return IG_OK; /* runs nothing, and has nothing that runs */
  IG_TRY(ig_op_choose(node, device, &impl));
  IG_CHECK(strcmp(impl->name, "reference") != 0, IG_ERR_UNSUPPORTED,
           "node '%s': only a reference in 16 bits", node->name);
  return IG_OK;
}

/* Lowers the node's inputs when the device then has an implementation; otherwise all are f32. */
static ig_status try_low(casts *c, ig_node *node) {
  size_t bytes = (size_t)node->n_inputs * sizeof *node->inputs;
  ig_value **before = ig_arena_copy(c->graph->arena, node->inputs, bytes);
  IG_CHECK(before, IG_ERR_MEMORY, "node '%s': out of memory", node->name);
  ig_status status = set_inputs(c, node, IG_F32, c->options->compute);
  IG_TRY(ig_graph_status(c->graph));
  if (status == IG_OK) status = choose_fast(node, c->options->device);
  if (status == IG_OK) return IG_OK;
  IG_CHECK(status != IG_ERR_MEMORY, status, "node '%s': out of memory", node->name);
  ig_clear_error();
  for (int i = 0; i < node->n_inputs; i++) {
    IG_TRY(ig_node_set_input(c->graph, node, i, before[i]));
  }
  return set_inputs(c, node, c->options->compute, IG_F32);
}

static bool may_follow(const casts *c, const ig_node *node) {
  bool on_gpu = c->options->device != IG_CPU;
  return among(node, following_ops, IG_COUNT(following_ops)) ||
         (on_gpu && among(node, following_on_gpu, IG_COUNT(following_on_gpu)));
}

/* Follows when every computed float input is 16-bit already: constants and parameters are cast. A
 * residual is, too, on a GPU, so that what it is added to need not be widened. */
static bool follows(const casts *c, const ig_node *node) {
  bool any = false, wide = false, residual = c->options->device != IG_CPU;
  residual = residual && (ig_node_is(node, "Add") || ig_node_is(node, "ingot.AddLayerNormalization"));
  if (!may_follow(c, node)) return false;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *in = node->inputs[i];
    if (!in || !is_narrowed(node, i)) continue;
    wide = wide || (in->dtype == IG_F32 && in->kind == IG_VALUE_RESULT && !residual) ||
           (in->dtype == IG_F32 && in->kind == IG_VALUE_INPUT);
    any = any || is_kind(in, c->options->compute);
  }
  return any && !wide;
}

/* Outputs and assignment sources that became 16-bit are cast back to what they were. */
static ig_status restore_types(casts *c, const ig_dtype *output_types) {
  ig_graph *g = c->graph;
  for (int32_t i = 0; i < g->n_outputs; i++) {
    if (output_types[i] == IG_F32) g->outputs[i] = cast_to(c, g->outputs[i], IG_F32);
    IG_TRY(ig_graph_status(g));
  }
  for (int32_t i = 0; i < g->n_assigns; i++) {
    ig_assign *assign = &g->assigns[i];
    if (assign->target->dtype == IG_F32) assign->source = cast_to(c, assign->source, IG_F32);
    IG_TRY(ig_graph_status(g));
  }
  return IG_OK;
}

static ig_status lower(casts *c, const ig_dtype *output_types) {
  int32_t n_nodes = c->graph->n_nodes; /* the casts that are appended are right already */
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = c->graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    bool low = among(node, low_ops, IG_COUNT(low_ops)) || follows(c, node);
    IG_TRY(low ? try_low(c, node) : set_inputs(c, node, c->options->compute, IG_F32));
  }
  return restore_types(c, output_types);
}

bool ig_mixed_precision_pays(ig_device device, ig_dtype compute) {
  return compute == IG_F32 || device != IG_CPU || ig_dnn_supports(compute);
}

static ig_status mixed_precision_run(ig_graph *graph, const ig_pass_options *options,
                                     int *changes) {
  if (options->compute != IG_BF16 && options->compute != IG_F16) return IG_OK;
  size_t n = (size_t)graph->n_values + 1;
  casts c = {.graph = graph,
             .options = options,
             .low = ig_alloc_zero(n, sizeof *c.low),
             .high = ig_alloc_zero(n, sizeof *c.high),
             .count = graph->n_values,
             .changes = changes};
  ig_dtype *output_types = ig_alloc_zero((size_t)graph->n_outputs + 1, sizeof *output_types);
  ig_status status = IG_OK;
  if (c.low && c.high && output_types) {
    for (int32_t i = 0; i < graph->n_outputs; i++) output_types[i] = graph->outputs[i]->dtype;
    status = lower(&c, output_types);
  } else {
    status = ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  }
  ig_free(c.low);
  ig_free(c.high);
  ig_free(output_types);
  return status;
}

const ig_pass ig_pass_mixed_precision = {
    .name = "mixed_precision",
    .what = "matrix products, convolutions and attention in 16 bits, parameters in f32",
    .run = mixed_precision_run,
};
