/* Inference, memory walks and execution of the elementwise operators. */
#include "engine/ops/elementwise.h"

#include <string.h>

/* --- inference ------------------------------------------------------------------------------- */

ig_status ig_infer_unary_float(ig_node *node) {
  IG_TRY(ig_require_float(node, 0));
  return ig_infer_same(node);
}

ig_status ig_require_number(const ig_node *node, int i) {
  ig_dtype dtype = node->inputs[i]->dtype;
  IG_CHECK(ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype), IG_ERR_SHAPE,
           "input %d must be numbers, found %s", i, ig_dtype_name(dtype));
  return IG_OK;
}

ig_status ig_infer_unary_number(ig_node *node) {
  IG_TRY(ig_require_number(node, 0));
  return ig_infer_same(node);
}

ig_status ig_infer_binary_number(ig_node *node) {
  IG_TRY(ig_require_number(node, 0));
  return ig_infer_broadcast(node);
}

ig_status ig_infer_binary_int(ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  IG_CHECK(ig_dtype_is_int(dtype), IG_ERR_SHAPE, "input 0 must be integers, found %s",
           ig_dtype_name(dtype));
  return ig_infer_broadcast(node);
}

ig_status ig_infer_compare(ig_node *node) {
  if (node->inputs[0]->dtype != IG_BOOL) IG_TRY(ig_require_number(node, 0));
  IG_TRY(ig_infer_broadcast(node));
  ig_shape shape = node->outputs[0]->shape;
  return ig_infer_set(node, 0, IG_BOOL, &shape);
}

ig_status ig_infer_logic(ig_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    IG_CHECK(node->inputs[i]->dtype == IG_BOOL, IG_ERR_SHAPE, "input %d must be bool, found %s", i,
             ig_dtype_name(node->inputs[i]->dtype));
  }
  return ig_infer_broadcast(node);
}

ig_status ig_infer_special(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_CHECK(ig_dtype_is_float(x->dtype) || ig_dtype_is_small_float(x->dtype), IG_ERR_SHAPE,
           "input 0 must be floats, found %s", ig_dtype_name(x->dtype));
  return ig_infer_set(node, 0, IG_BOOL, &x->shape);
}

/* --- memory ---------------------------------------------------------------------------------- */

int64_t ig_storage_count(const ig_value *value) {
  return (int64_t)(ig_value_storage(value) / ig_dtype_size(value->dtype));
}

void ig_zero_padding(const ig_value *value, void *data) {
  if (value->layout != IG_LAYOUT_BLOCK16 || value->shape.dims[1] % 16 == 0) return;
  size_t size = ig_dtype_size(value->dtype), used = (size_t)(value->shape.dims[1] % 16) * size;
  int64_t blocks = value->shape.dims[1] / 16 + 1;
  int64_t area = value->shape.dims[2] * value->shape.dims[3];
  for (int64_t n = 0; n < value->shape.dims[0]; n++) {
    char *last = (char *)data + (size_t)((n * blocks + blocks - 1) * area) * 16 * size;
    for (int64_t p = 0; p < area; p++)
      memset(last + (size_t)p * 16 * size + used, 0, 16 * size - used);
  }
}

/* Dimensions in the order in which NHWC memory has them. */
static ig_shape channels_last(const ig_shape *shape) {
  ig_shape four = {.rank = 4, .dims = {1, 1, 1, 1}};
  for (int i = 1; i <= shape->rank; i++) four.dims[4 - i] = shape->dims[shape->rank - i];
  return IG_SHAPE(four.dims[0], four.dims[2], four.dims[3], four.dims[1]);
}

/* Drops dimensions of one element and merges those that every operand walks as one. */
static void collapse(ig_walk *walk) {
  int rank = 0;
  for (int d = 0; d < walk->rank; d++) {
    if (walk->dims[d] == 1) continue;
    bool merges = rank > 0;
    for (int k = 0; k < IG_WALK_OPERANDS && merges; k++)
      merges = walk->strides[k][rank - 1] == walk->strides[k][d] * walk->dims[d];
    int to = merges ? rank - 1 : rank++;
    walk->dims[to] = merges ? walk->dims[to] * walk->dims[d] : walk->dims[d];
    for (int k = 0; k < IG_WALK_OPERANDS; k++) walk->strides[k][to] = walk->strides[k][d];
  }
  if (rank == 0) {
    walk->dims[rank++] = 1;
    for (int k = 0; k < IG_WALK_OPERANDS; k++) walk->strides[k][0] = 0;
  }
  walk->rank = rank;
}

static bool is_single(const ig_value *value) {
  return ig_value_count(value) == 1;
}

const char *ig_walk_of(const ig_node *node, int n, ig_walk *walk) {
  return ig_walk_between((const ig_value *const *)node->inputs, n, node->outputs[0], walk);
}

const char *ig_walk_between(const ig_value *const *operands, int n, const ig_value *out,
                            ig_walk *walk) {
  memset(walk, 0, sizeof *walk);
  bool equal = true; /* shapes, apart from operands of one element */
  for (int k = 0; k < n; k++) {
    const ig_value *v = operands[k];
    if (is_single(v)) continue;
    bool same = ig_shape_equal(&v->shape, &out->shape);
    equal = equal && same;
    if (same ? v->layout != out->layout : v->layout != IG_LAYOUT_ROWS)
      return "operands differ in memory layout";
  }
  if (equal) { /* memory order does not matter */
    walk->rank = 1;
    walk->dims[0] = ig_storage_count(out);
    for (int k = 0; k < n; k++) walk->strides[k][0] = !is_single(operands[k]);
    return NULL;
  }
  if (out->layout == IG_LAYOUT_BLOCK16) return "broadcasting over a blocked layout";
  bool last = out->layout == IG_LAYOUT_NHWC;
  ig_shape shape = last ? channels_last(&out->shape) : out->shape;
  walk->rank = shape.rank;
  memcpy(walk->dims, shape.dims, sizeof walk->dims);
  for (int k = 0; k < n; k++) {
    const ig_shape *own = &operands[k]->shape;
    ig_shape in = last ? channels_last(own) : *own;
    /* A small operand in rows is in this order too when only C or only H x W is spread out. */
    bool rows = last && operands[k]->layout == IG_LAYOUT_ROWS;
    if (rows && in.dims[3] != 1 && in.dims[1] * in.dims[2] != 1)
      return "a broadcast operand is not channels last";
    ig_shape_broadcast_strides(&in, &shape, walk->strides[k]);
  }
  collapse(walk);
  return NULL;
}

int ig_inplace_binary(const ig_node *node, int output) {
  const ig_value *out = node->outputs[output];
  int best = -1;
  for (int i = 0; i < node->n_inputs && output == 0; i++) {
    const ig_value *in = node->inputs[i];
    if (in->dtype != out->dtype || !ig_shape_equal(&in->shape, &out->shape) ||
        in->layout != out->layout)
      continue;
    if (best < 0 || in->n_uses < node->inputs[best]->n_uses) best = i;
  }
  return best;
}

/* --- execution ------------------------------------------------------------------------------- */

double ig_call_scalar(const ig_call *call, int i, double fallback) {
  if (i >= call->node->n_inputs || !call->in[i]) return fallback;
  return ig_load_f64(call->node->inputs[i]->dtype, call->in[i], 0);
}

static bool has_vector_dtype(const ig_value *value) {
  return value->dtype == IG_F32 || value->dtype == IG_BF16 || value->dtype == IG_F16;
}

const char *ig_reject_unary_reference(const ig_node *node) {
  return node->inputs[0]->layout == node->outputs[0]->layout ? NULL
                                                             : "operands differ in memory layout";
}

const char *ig_reject_unary_vector(const ig_node *node) {
  if (!has_vector_dtype(node->inputs[0])) return "the dtype is not f32, bf16 or f16";
  return ig_reject_unary_reference(node);
}

const char *ig_reject_binary_reference(const ig_node *node) {
  ig_walk walk;
  return ig_walk_of(node, 2, &walk);
}

const char *ig_reject_binary_vector(const ig_node *node) {
  if (!has_vector_dtype(node->inputs[0])) return "the dtype is not f32, bf16 or f16";
  if (node->inputs[1]->dtype != node->inputs[0]->dtype) return "the operands differ in dtype";
  return ig_reject_binary_reference(node);
}

ig_status ig_unary_vector(const ig_call *call, ig_unary kind, double a, double b) {
  const ig_value *y = call->node->outputs[0];
  ig_cpu_unary_vector(kind, y->dtype, call->in[0], call->out[0], ig_storage_count(y), (float)a,
                      (float)b);
  ig_zero_padding(y, call->out[0]);
  return IG_OK;
}

ig_status ig_unary_reference(const ig_call *call, ig_unary kind, double a, double b) {
  const ig_value *y = call->node->outputs[0];
  ig_cpu_unary_reference(kind, y->dtype, call->in[0], call->out[0], ig_storage_count(y), a, b);
  ig_zero_padding(y, call->out[0]);
  return IG_OK;
}

ig_status ig_binary_vector(const ig_call *call, ig_binary kind) {
  ig_walk walk;
  ig_walk_of(call->node, 2, &walk);
  ig_cpu_binary_vector(kind, call->node->inputs[0]->dtype, &walk, call->in[0], call->in[1],
                       call->out[0]);
  ig_zero_padding(call->node->outputs[0], call->out[0]);
  return IG_OK;
}

ig_status ig_binary_reference(const ig_call *call, ig_binary kind) {
  ig_walk walk;
  ig_walk_of(call->node, 2, &walk);
  ig_cpu_binary_reference(kind, call->node->inputs[0]->dtype, call->node->inputs[1]->dtype, &walk,
                          call->in[0], call->in[1], call->out[0]);
  ig_zero_padding(call->node->outputs[0], call->out[0]);
  return IG_OK;
}
