/* CenterCropPad: dimensions cropped or padded with zeros about their centre to the sizes in input 1, of
 * all dimensions or of those in `axes`. Where a difference is odd, the crop is the half to the left, and
 * the padding on the right is the larger. */
#include "engine/ops/op.h"
#include "kernels/movement.h"

typedef struct center_crop_pad_attrs {
  ig_ints axes;
} center_crop_pad_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INTS(center_crop_pad_attrs, axes),
    {0},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_ints axes = IG_ATTRS_OF(center_crop_pad_attrs, node)->axes;
  int64_t sizes[IG_MAX_RANK];
  int n;
  IG_TRY(ig_value_const_ints(node->inputs[1], "shape", IG_MAX_RANK, sizes, &n));
  IG_CHECK(n == (axes.n ? axes.n : x->shape.rank), IG_ERR_SHAPE, "%d sizes for %d axes of %s", n,
           axes.n ? axes.n : x->shape.rank, IG_SHAPE_STR(&x->shape));
  ig_shape shape = x->shape;
  bool seen[IG_MAX_RANK] = {false};
  for (int k = 0; k < n; k++) {
    int axis = axes.n ? ig_shape_axis(&x->shape, axes.v[k]) : k;
    IG_CHECK(axis >= 0 && !seen[axis], IG_ERR_SHAPE, "axis %lld does not fit %s or is named twice",
             (long long)(axes.n ? axes.v[k] : k), IG_SHAPE_STR(&x->shape));
    seen[axis] = true;
    shape.dims[axis] = sizes[k];
  }
  return ig_infer_set(node, 0, x->dtype, &shape);
}

/* Elements before the first that is kept, in the input (from) and in the output (to). */
static void centre(int64_t in, int64_t out, int64_t *from, int64_t *to) {
  *from = in > out ? (in - out) / 2 : 0;
  *to = out > in ? (out - in) / 2 : 0;
}

static void grad(const ig_grad *g) {
  const ig_shape *x = &g->node->inputs[0]->shape, *y = &g->node->outputs[0]->shape;
  int64_t pads[2 * IG_MAX_RANK];
  for (int d = 0; d < x->rank; d++) {
    int64_t from, to;
    centre(x->dims[d], y->dims[d], &from, &to);
    pads[d] = from - to;
    pads[x->rank + d] = x->dims[d] - y->dims[d] - pads[d];
  }
  ig_value *list = ig_graph_const_i64s(g->graph, 2 * x->rank, pads);
  g->dx[0] = ig_op1(g->graph, "Pad", NULL, IG_INS(g->dy[0], list), IG_NO_ATTRS);
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  int64_t in[IG_MAX_RANK], out[IG_MAX_RANK], dims[IG_MAX_RANK], from = 0, to = 0;
  size_t size = ig_dtype_size(x->dtype);
  const uint64_t zero[2] = {0};
  ig_shape_strides(&x->shape, in);
  ig_shape_strides(&y->shape, out);
  for (int d = 0; d < x->shape.rank; d++) {
    int64_t skip_in, skip_out;
    centre(x->shape.dims[d], y->shape.dims[d], &skip_in, &skip_out);
    from += skip_in * in[d];
    to += skip_out * out[d];
    dims[d] = IG_MIN(x->shape.dims[d], y->shape.dims[d]);
  }
  ig_cpu_fill(size, zero, call->out[0], ig_value_count(y));
  ig_cpu_strided_copy(size, x->shape.rank, dims, (const char *)call->in[0] + (size_t)from * size,
                      in, (char *)call->out[0] + (size_t)to * size, out);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_center_crop_pad = {
    .name = "CenterCropPad",
    .since = 18,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(center_crop_pad_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
