/* Concat: tensors side by side along `axis`. Where channels lie in blocks, blocks go side by side: only the last
 * input may end in a block that is not full. */
#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/op.h"
#include "kernels/movement.h"

typedef struct concat_attrs {
  int64_t axis;
} concat_attrs;

static const ig_attr_field concat_fields[] = {
    {.name = "axis",                   .type = IG_ATTR_INT, .offset = offsetof(concat_attrs, axis), .required = true},
    {.name = NULL},
};

static ig_status concat_infer(ig_node *node) {
  const ig_value *first = node->inputs[0];
  int axis = ig_shape_axis(&first->shape, IG_ATTRS_OF(concat_attrs, node)->axis);
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld does not fit %s",
           (long long)IG_ATTRS_OF(concat_attrs, node)->axis, IG_SHAPE_STR(&first->shape));
  ig_shape out = first->shape;
  for (int i = 1; i < node->n_inputs; i++) {
    const ig_value *x = node->inputs[i];
    IG_CHECK(x->dtype == first->dtype, IG_ERR_SHAPE, "input %d is %s, input 0 is %s", i,
             ig_dtype_name(x->dtype), ig_dtype_name(first->dtype));
    ig_shape want = first->shape;
    if (x->shape.rank == want.rank) want.dims[axis] = x->shape.dims[axis];
    IG_CHECK(ig_shape_equal(&want, &x->shape), IG_ERR_SHAPE,
             "input %d %s differs from input 0 %s beyond axis %d", i, IG_SHAPE_STR(&x->shape),
             IG_SHAPE_STR(&first->shape), axis);
    IG_CHECK(ig_add_dim(out.dims[axis], x->shape.dims[axis], &out.dims[axis]), IG_ERR_SHAPE,
             "the sum of dimensions along axis %d overflows", axis);
  }
  return ig_infer_set(node, 0, first->dtype, &out);
}

static void concat_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  ig_graph *graph = grad->graph;
  int n = node->n_inputs;
  int axis = ig_shape_axis(&node->inputs[0]->shape, IG_ATTRS_OF(concat_attrs, node)->axis);
  int64_t *sizes = ig_arena_alloc(graph->arena, (size_t)n * sizeof *sizes);
  if (!sizes) {
    ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "Concat: out of memory"));
    return;
  }
  for (int i = 0; i < n; i++) sizes[i] = node->inputs[i]->shape.dims[axis];
  ig_node *split =
      ig_graph_node(graph, "Split", NULL, IG_INS(grad->dy[0], ig_graph_const_i64s(graph, n, sizes)),
                    IG_ATTRS(IG_INT("axis", axis)), n);
  for (int i = 0; split && i < n; i++) grad->dx[i] = split->outputs[i];
}

static bool in_blocks(const ig_value *value) { return value->layout == IG_LAYOUT_BLOCK16; }

static const char *concat_reject(const ig_node *node) {
  const ig_value *y = node->outputs[0];
  bool channels = ig_shape_axis(&y->shape, IG_ATTRS_OF(concat_attrs, node)->axis) == 1;
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i]->layout != y->layout) return "layouts that differ";
    bool full = node->inputs[i]->shape.rank < 2 || node->inputs[i]->shape.dims[1] % IG_LAYOUT_BLOCK == 0;
    if (in_blocks(y) && channels && !full && i + 1 < node->n_inputs) return "a block within is not full";
  }
  return NULL;
}

/* Dimensions as memory has them, a block's channels within the last. */
static ig_shape extents(const ig_value *value) {
  ig_shape shape = value->shape;
  const int64_t *d = value->shape.dims;
  if (value->layout == IG_LAYOUT_NHWC) return IG_SHAPE(d[0], d[2], d[3], d[1]);
  if (!in_blocks(value)) return shape;
  shape.dims[1] = (shape.dims[1] + IG_LAYOUT_BLOCK - 1) / IG_LAYOUT_BLOCK;
  shape.dims[3] *= IG_LAYOUT_BLOCK;
  return shape;
}

static ig_status concat_run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_shape whole = extents(node->outputs[0]), *out = &whole;
  int axis = ig_shape_axis(&node->outputs[0]->shape, IG_ATTRS_OF(concat_attrs, node)->axis);
  static const int last[] = {0, 3, 1, 2}; /* where N, C, H, W are with channels last */
  if (node->outputs[0]->layout == IG_LAYOUT_NHWC) axis = last[axis];
  size_t size = ig_dtype_size(node->outputs[0]->dtype);
  int64_t outer = ig_shape_span(out, 0, axis), inner = ig_shape_span(out, axis + 1, out->rank);
  int64_t row = out->dims[axis] * inner, at = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    int64_t mine = extents(node->inputs[i]).dims[axis] * inner;
    ig_cpu_strided_copy(size, 2, (int64_t[]){outer, mine}, call->in[i], (int64_t[]){mine, 1},
                        (char *)call->out[0] + (size_t)at * size, (int64_t[]){row, 1});
    at += mine;
  }
  return IG_OK;
}

static const ig_impl concat_impls[] = {
    {.name = "cpu", .device = IG_CPU, .reject = concat_reject, .run = concat_run},
    {.name = NULL},
};

const ig_op ig_op_concat = {
    .name = "Concat",
    .since = 13,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1          },
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .attrs = concat_fields,
    .attrs_size = sizeof(concat_attrs),
    .infer = concat_infer,
    .grad = concat_grad,
    .cost = ig_cost_copy,
    .impls = concat_impls,
};
