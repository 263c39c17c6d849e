/* Pad: elements around a tensor: a constant, the reflection without the border, the border repeated,
 * or the tensor repeated. */
#include "engine/ops/pad.h"

#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/view.h"

typedef struct pad_attrs {
  const char *mode;
} pad_attrs;

static const ig_attr_field pad_fields[] = {
    IG_FIELD_STRING(pad_attrs, mode, "constant"),
    {.name = NULL},
};

ig_status ig_pad_mode_parse(const char *text, ig_pad_mode *out) {
  static const char *const names[] = {"constant", "reflect", "edge", "wrap"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *out = (ig_pad_mode)i;
    return IG_OK;
  }
  return ig_fail(IG_ERR_INPUT, "mode must be constant, reflect, edge or wrap, found '%s'", text);
}

ig_status ig_pad_shape(const ig_shape *in, ig_pad_mode mode, const int64_t *pads, ig_shape *out) {
  *out = (ig_shape){.rank = in->rank};
  for (int d = 0; d < in->rank; d++) {
    int64_t dim = in->dims[d];
    bool fits = !__builtin_add_overflow(dim, pads[d], &dim) &&
                !__builtin_add_overflow(dim, pads[in->rank + d], &dim) && dim >= 0;
    IG_CHECK(fits, IG_ERR_SHAPE, "pads %lld and %lld do not fit dimension %d of %s",
             (long long)pads[d], (long long)pads[in->rank + d], d, IG_SHAPE_STR(in));
    IG_CHECK(mode == IG_PAD_CONSTANT || in->dims[d] > 0 || dim == 0, IG_ERR_SHAPE,
             "dimension %d of %s is empty: only a constant can pad it", d, IG_SHAPE_STR(in));
    out->dims[d] = dim;
  }
  return IG_OK;
}

/* The input coordinate at `i`, which may lie outside [0, dim); -1 for the constant. */
static int64_t pad_source(int64_t i, int64_t dim, ig_pad_mode mode) {
  if (i >= 0 && i < dim) return i;
  if (mode == IG_PAD_CONSTANT) return -1;
  if (mode == IG_PAD_EDGE) return i < 0 ? 0 : dim - 1;
  int64_t period = mode == IG_PAD_WRAP ? dim : 2 * (dim - 1);
  if (period == 0) return 0;
  i %= period;
  if (i < 0) i += period;
  return i < dim ? i : period - i;
}

size_t ig_pad_workspace(const ig_shape *padded) {
  size_t entries = 0;
  for (int d = 0; d < padded->rank; d++) entries += (size_t)padded->dims[d];
  return entries * sizeof(int64_t);
}

void ig_pad_axes(const ig_shape *in, const ig_shape *padded, ig_pad_mode mode, const int64_t *pads,
                 void *workspace, ig_pad_axis axes[IG_MAX_RANK]) {
  int64_t *table = workspace;
  for (int d = 0; d < in->rank; d++) {
    int64_t dim = in->dims[d], out = padded->dims[d], shift = pads[d];
    axes[d] = (ig_pad_axis){.in = dim,
                            .out = out,
                            .first = IG_MIN(IG_MAX(shift, 0), out),
                            .last = IG_MIN(IG_MAX(dim + shift, 0), out),
                            .shift = shift,
                            .source = table};
    for (int64_t i = 0; i < out; i++) *table++ = pad_source(i - shift, dim, mode);
  }
}

ig_status ig_pad_list(const ig_node *node, int64_t pads[2 * IG_MAX_RANK]) {
  int rank = node->inputs[0]->shape.rank, n;
  int64_t given[2 * IG_MAX_RANK], axes[IG_MAX_RANK];
  IG_TRY(ig_value_const_ints(node->inputs[1], "pads", 2 * IG_MAX_RANK, given, &n));
  int n_axes = rank;
  for (int d = 0; d < rank; d++) axes[d] = d;
  if (node->n_inputs > 3 && node->inputs[3]) {
    bool seen[IG_MAX_RANK];
    IG_TRY(ig_const_axes(node, 3, rank, seen, &n_axes));
    IG_TRY(ig_value_const_ints(node->inputs[3], "axes", IG_MAX_RANK, axes, &n_axes));
  }
  IG_CHECK(n == 2 * n_axes, IG_ERR_SHAPE, "%d pads for %d axes", n, n_axes);
  memset(pads, 0, 2 * IG_MAX_RANK * sizeof *pads);
  for (int k = 0; k < n_axes; k++) {
    int64_t axis = axes[k] < 0 ? axes[k] + rank : axes[k];
    pads[axis] = given[k];
    pads[rank + axis] = given[n_axes + k];
  }
  return IG_OK;
}

static ig_status pad_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  const ig_value *value = node->n_inputs > 2 ? node->inputs[2] : NULL;
  IG_CHECK(!value || (value->dtype == x->dtype && ig_value_count(value) == 1), IG_ERR_SHAPE,
           "the constant must be one %s", ig_dtype_name(x->dtype));
  int64_t pads[2 * IG_MAX_RANK];
  ig_pad_mode mode = IG_PAD_CONSTANT;
  ig_shape out;
  IG_TRY(ig_pad_mode_parse(IG_ATTRS_OF(pad_attrs, node)->mode, &mode));
  IG_TRY(ig_pad_list(node, pads));
  IG_TRY(ig_pad_shape(&x->shape, mode, pads, &out));
  return ig_infer_set(node, 0, x->dtype, &out);
}

static void pad_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  ig_graph *graph = grad->graph;
  int rank = node->inputs[0]->shape.rank;
  int64_t pads[2 * IG_MAX_RANK];
  ig_status status = ig_pad_list(node, pads);
  if (status == IG_OK && node->n_inputs > 2 && grad->need[2])
    status = ig_fail(IG_ERR_UNSUPPORTED, "Pad: no gradient for the constant");
  if (status != IG_OK) {
    ig_graph_fail(graph, status);
    return;
  }
  const char *mode = IG_ATTRS_OF(pad_attrs, node)->mode;
  if (strcmp(mode, "constant") == 0) { /* what was added is cropped, what was cropped is zero */
    for (int d = 0; d < 2 * rank; d++) pads[d] = -pads[d];
    grad->dx[0] =
        ig_op1(graph, "Pad", NULL, IG_INS(grad->dy[0], ig_graph_const_i64s(graph, 2 * rank, pads)),
               IG_NO_ATTRS);
  } else {
    grad->dx[0] = ig_op1(graph, "ingot.PadGrad", NULL, IG_INS(grad->dy[0]),
                         IG_ATTRS(IG_STRING("mode", mode), IG_INTS("pads", 2 * rank, pads)));
  }
}

static size_t pad_scratch(const ig_node *node) {
  return ig_pad_workspace(&node->outputs[0]->shape);
}

static ig_status pad_run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *x = node->inputs[0], *y = node->outputs[0];
  int64_t pads[2 * IG_MAX_RANK];
  ig_pad_mode mode = IG_PAD_CONSTANT;
  ig_pad_axis axes[IG_MAX_RANK];
  IG_TRY(ig_pad_mode_parse(IG_ATTRS_OF(pad_attrs, node)->mode, &mode));
  IG_TRY(ig_pad_list(node, pads));
  ig_pad_axes(&x->shape, &y->shape, mode, pads, call->workspace, axes);
  const uint64_t zero[2] = {0};
  const void *value = node->n_inputs > 2 && call->in[2] ? call->in[2] : zero;
  ig_cpu_pad(ig_dtype_size(x->dtype), x->shape.rank, axes, value, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl pad_impls[] = {
    {.name = "cpu", .device = IG_CPU, .workspace = pad_scratch, .run = pad_run},
    {.name = NULL},
};

const ig_op ig_op_pad = {
    .name = "Pad",
    .since = 19,
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = pad_fields,
    .attrs_size = sizeof(pad_attrs),
    .infer = pad_infer,
    .grad = pad_grad,
    .cost = ig_cost_copy,
    .settings = 1 << 2,
    .impls = pad_impls,
};
