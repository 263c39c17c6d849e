/* ingot.PadGrad: the gradient of a Pad that repeats elements of its input: each gets the sum over its
 * copies. `pads` are begins then ends of all dimensions. */
#include "engine/ops/pad.h"

typedef struct pad_grad_attrs {
  const char *mode;
  ig_ints pads;
} pad_grad_attrs;

static const ig_attr_field pad_grad_fields[] = {
    IG_FIELD_STRING(pad_grad_attrs, mode, "reflect"),
    IG_FIELD_INTS(pad_grad_attrs, pads),
    {.name = NULL},
};

static ig_status pad_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0];
  const pad_grad_attrs *attrs = IG_ATTRS_OF(pad_grad_attrs, node);
  int rank = dy->shape.rank;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(attrs->pads.n == 2 * rank && rank > 0, IG_ERR_SHAPE, "%d pads for %s", attrs->pads.n,
           IG_SHAPE_STR(&dy->shape));
  ig_pad_mode mode = IG_PAD_CONSTANT;
  IG_TRY(ig_pad_mode_parse(attrs->mode, &mode));
  ig_shape dx = {.rank = rank}, back;
  for (int d = 0; d < rank; d++) {
    int64_t dim = dy->shape.dims[d];
    bool fits = !__builtin_sub_overflow(dim, attrs->pads.v[d], &dim) &&
                !__builtin_sub_overflow(dim, attrs->pads.v[rank + d], &dim) && dim >= 0;
    IG_CHECK(fits, IG_ERR_SHAPE, "pads of dimension %d do not fit dy %s", d,
             IG_SHAPE_STR(&dy->shape));
    dx.dims[d] = dim;
  }
  IG_TRY(ig_shape_check(&dx, dy->dtype));
  IG_TRY(ig_pad_shape(&dx, mode, attrs->pads.v, &back));
  return ig_infer_set(node, 0, dy->dtype, &dx);
}

static size_t pad_grad_scratch(const ig_node *node) {
  return ig_pad_workspace(&node->inputs[0]->shape);
}

static ig_status pad_grad_run(const ig_call *call) {
  const ig_value *dy = call->node->inputs[0], *dx = call->node->outputs[0];
  const pad_grad_attrs *attrs = IG_ATTRS_OF(pad_grad_attrs, call->node);
  ig_pad_mode mode = IG_PAD_CONSTANT;
  ig_pad_axis axes[IG_MAX_RANK];
  IG_TRY(ig_pad_mode_parse(attrs->mode, &mode));
  ig_pad_axes(&dx->shape, &dy->shape, mode, attrs->pads.v, call->workspace, axes);
  if (ig_value_count(dy)) {
    ig_cpu_pad_grad(dy->dtype, dy->shape.rank, axes, call->in[0], call->out[0]);
  } else {
    const uint64_t zero = 0;
    ig_cpu_fill(ig_dtype_size(dx->dtype), &zero, call->out[0], ig_value_count(dx));
  }
  return IG_OK;
}

static const ig_impl pad_grad_impls[] = {
    {.name = "cpu",
     .device = IG_CPU,
     .workspace = pad_grad_scratch,
     .run = pad_grad_run},
    {.name = NULL},
};

const ig_op ig_op_pad_grad = {
    .name = "ingot.PadGrad",
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = pad_grad_fields,
    .attrs_size = sizeof(pad_grad_attrs),
    .infer = pad_grad_infer,
    .cost = ig_cost_elementwise,
    .impls = pad_grad_impls,
};
