/* Split: consecutive pieces along `axis`, of the sizes that input `split` lists, or of equal size
 * with a smaller last one. */
#include "engine/ops/view.h"
#include "kernels/movement.h"

typedef struct split_attrs {
  int64_t axis, num_outputs;
} split_attrs;

static const ig_attr_field split_fields[] = {
    IG_FIELD_INT(split_attrs, axis, 0),
    IG_FIELD_INT(split_attrs, num_outputs, 0),
    {.name = NULL},
};

/* Sizes are read one by one: there may be more outputs than a fixed array would hold. */
static ig_status listed_size(const ig_value *sizes, int i, int64_t *out) {
  IG_CHECK(ig_value_is_const(sizes), IG_ERR_UNSUPPORTED, "the sizes must be known before running");
  IG_CHECK(sizes->dtype == IG_I64, IG_ERR_SHAPE, "the sizes must be i64, not %s",
           ig_dtype_name(sizes->dtype));
  *out = ((const int64_t *)sizes->data)[i];
  return IG_OK;
}

static ig_status split_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  const split_attrs *attrs = IG_ATTRS_OF(split_attrs, node);
  const ig_value *sizes = node->n_inputs > 1 ? node->inputs[1] : NULL;
  int axis = ig_shape_axis(&x->shape, attrs->axis), n = node->n_outputs;
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld does not fit %s", (long long)attrs->axis,
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(!sizes || ig_value_count(sizes) == n, IG_ERR_SHAPE, "%lld sizes for %d outputs",
           (long long)(sizes ? ig_value_count(sizes) : 0), n);
  IG_CHECK(attrs->num_outputs == 0 || attrs->num_outputs == n, IG_ERR_SHAPE,
           "num_outputs is %lld, but there are %d", (long long)attrs->num_outputs, n);
  int64_t left = x->shape.dims[axis], chunk = (left + n - 1) / n;
  for (int i = 0; i < n; i++) {
    ig_shape out = x->shape;
    out.dims[axis] = IG_MIN(chunk, left);
    if (sizes) IG_TRY(listed_size(sizes, i, &out.dims[axis]));
    IG_CHECK(out.dims[axis] >= 0 && out.dims[axis] <= left, IG_ERR_SHAPE,
             "output %d takes %lld along axis %d, where %lld of %lld are left", i,
             (long long)out.dims[axis], axis, (long long)left, (long long)x->shape.dims[axis]);
    left -= out.dims[axis];
    IG_TRY(ig_infer_set(node, i, x->dtype, &out));
  }
  IG_CHECK(left == 0, IG_ERR_SHAPE, "the sizes leave %lld of %lld along axis %d", (long long)left,
           (long long)x->shape.dims[axis], axis);
  return IG_OK;
}

static void split_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  int n = node->n_outputs;
  ig_value **pieces = ig_arena_alloc(grad->graph->arena, (size_t)n * sizeof *pieces);
  if (!pieces) {
    ig_graph_fail(grad->graph, ig_fail(IG_ERR_MEMORY, "Split: out of memory"));
    return;
  }
  for (int i = 0; i < n; i++)
    pieces[i] = grad->dy[i] ? grad->dy[i] : ig_zeros_like(grad->graph, node->outputs[i]);
  grad->dx[0] = ig_op1(grad->graph, "Concat", NULL, n, pieces,
                       IG_ATTRS(IG_INT("axis", IG_ATTRS_OF(split_attrs, node)->axis)));
}

static ig_status split_run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_shape *in = &node->inputs[0]->shape;
  int axis = ig_shape_axis(in, IG_ATTRS_OF(split_attrs, node)->axis);
  size_t size = ig_dtype_size(node->inputs[0]->dtype);
  int64_t outer = ig_shape_span(in, 0, axis), inner = ig_shape_span(in, axis + 1, in->rank);
  int64_t row = in->dims[axis] * inner, at = 0;
  for (int i = 0; i < node->n_outputs; i++) {
    int64_t mine = node->outputs[i]->shape.dims[axis] * inner;
    if (call->out[i])
      ig_cpu_strided_copy(size, 2, (int64_t[]){outer, mine},
                          (const char *)call->in[0] + (size_t)at * size, (int64_t[]){row, 1},
                          call->out[i], (int64_t[]){mine, 1});
    at += mine;
  }
  return IG_OK;
}

static const ig_impl split_impls[] = {
    {.name = "cpu",     .device = IG_CPU, .run = split_run},
    {.name = NULL},
};

const ig_op ig_op_split = {
    .name = "Split",
    .since = 18,
    .n_in = {1, 2          },
    .n_out = {1, IG_VARIADIC},
    .flags = IG_OP_PURE,
    .attrs = split_fields,
    .attrs_size = sizeof(split_attrs),
    .infer = split_infer,
    .grad = split_grad,
    .cost = ig_cost_copy,
    .impls = split_impls,
};
