/* MaxUnpool: puts the results of a MaxPool back to where its indices say that they came from; all else is
 * 0. Indices count in the shape that kernel, strides and pads give; a larger `output_shape` holds that
 * shape in its first corner. */
#include "engine/ops/max_unpool.h"

#include <inttypes.h>

#include "engine/base/checked.h"

#define WINDOW_INTS(member)                                                                        \
  {.name = #member, .type = IG_ATTR_INTS, .offset = offsetof(ig_max_unpool_attrs, window.member)}

const ig_attr_field ig_max_unpool_fields[] = {
    WINDOW_INTS(kernel_shape), WINDOW_INTS(pads), WINDOW_INTS(strides), {0}};

const ig_twin ig_max_unpool_twin = {.op = "ingot.MaxUnpoolGrad", .n_in = 3, .n_out = 1, .wrt = 1};

ig_status ig_max_unpool_shapes(const ig_node *node, ig_shape *counted, ig_shape *result) {
  const ig_value *x = node->inputs[0], *index = node->inputs[1];
  const ig_value *wanted = ig_input_or_null(node, 2);
  ig_window w;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank >= 3 && index->dtype == IG_I64 && ig_shape_equal(&x->shape, &index->shape),
           IG_ERR_SHAPE, "indices are %s%s for an input of %s", ig_dtype_name(index->dtype),
           IG_SHAPE_STR(&index->shape), IG_SHAPE_STR(&x->shape));
  IG_TRY(ig_window_read(&IG_ATTRS_OF(ig_max_unpool_attrs, node)->window, x->shape.rank - 2, NULL, &w));
  *counted = x->shape;
  for (int i = 0; i < w.spatial; i++) {
    int axis = IG_WINDOW_AXES - w.spatial + i;
    int64_t in = x->shape.dims[2 + i];
    IG_CHECK(in >= 1 && in <= INT32_MAX && w.stride[axis] <= INT32_MAX / in, IG_ERR_SHAPE,
             "an extent of %" PRId64 " with stride %" PRId64 " is empty or too large", in,
             w.stride[axis]);
    counted->dims[2 + i] =
        (in - 1) * w.stride[axis] + w.kernel[axis] - w.begin[axis] - w.end[axis];
    IG_CHECK(counted->dims[2 + i] >= 1, IG_ERR_SHAPE, "pads leave nothing of dimension %d", 2 + i);
  }
  *result = *counted;
  if (!wanted) return IG_OK;
  int n;
  int64_t dims[IG_MAX_RANK];
  IG_TRY(ig_value_const_ints(wanted, "output_shape", IG_MAX_RANK, dims, &n));
  IG_CHECK(n == result->rank, IG_ERR_SHAPE, "output_shape has %d numbers for %s", n,
           IG_SHAPE_STR(&x->shape));
  for (int d = 0; d < n; d++) {
    bool fits = d < 2 ? dims[d] == x->shape.dims[d] : dims[d] >= counted->dims[d];
    IG_CHECK(fits, IG_ERR_SHAPE, "output_shape has %" PRId64 " where the result has %" PRId64,
             dims[d], counted->dims[d]);
    result->dims[d] = dims[d];
  }
  return IG_OK;
}

int64_t ig_max_unpool_place(const ig_shape *counted, const ig_shape *result, double index) {
  if (!(index >= 0 && index < (double)ig_shape_count(counted))) return -1;
  int64_t rest = (int64_t)index, place = 0, stride = 1;
  for (int d = counted->rank - 1; d >= 0; d--) {
    place += rest % counted->dims[d] * stride;
    rest /= counted->dims[d];
    stride *= result->dims[d];
  }
  return place;
}

static ig_status infer(ig_node *node) {
  ig_shape counted, result;
  IG_TRY(ig_max_unpool_shapes(node, &counted, &result));
  IG_TRY(ig_shape_check(&counted, IG_F64));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &result);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_max_unpool_twin, g);
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  ig_shape counted, result;
  IG_TRY(ig_max_unpool_shapes(node, &counted, &result));
  for (int64_t i = 0; i < ig_value_count(node->inputs[0]); i++) {
    int64_t place = ig_max_unpool_place(&counted, &result, d->in[1][i]);
    IG_CHECK(place >= 0, IG_ERR_INPUT, "index %g is outside %s", d->in[1][i],
             IG_SHAPE_STR(&counted));
    d->out[0][place] = d->in[0][i];
  }
  return IG_OK;
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_max_unpool = {
    .name = "MaxUnpool",
    .since = 11,
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_max_unpool_fields,
    .attrs_size = sizeof(ig_max_unpool_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
