/* EyeLike: a matrix of the input's shape with ones on diagonal k, 0 being the main one and positive ones
 * above it. The input's numbers are not read. */
#include <string.h>

#include "engine/ops/noise.h"

typedef struct eye_like_attrs {
  int64_t dtype, k;
} eye_like_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INT(eye_like_attrs, dtype, 0),
    IG_FIELD_INT(eye_like_attrs, k, 0),
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t named = IG_ATTRS_OF(eye_like_attrs, node)->dtype;
  ig_dtype dtype = named ? ig_dtype_from_onnx(named) : x->dtype;
  IG_CHECK(x->shape.rank == 2, IG_ERR_SHAPE, "input 0 must be a matrix, found %s",
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype) || dtype == IG_BOOL, IG_ERR_SHAPE,
           "results of ONNX type %lld, expected numbers or bool", (long long)named);
  return ig_infer_set(node, 0, dtype, &x->shape);
}

static int reads(const ig_node *node) {
  IG_UNUSED(node);
  return 0;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){0, (double)ig_value_bytes(node->outputs[0])};
}

static ig_status run(const ig_call *call) {
  const ig_value *y = call->node->outputs[0];
  int64_t k = IG_ATTRS_OF(eye_like_attrs, call->node)->k;
  int64_t rows = y->shape.dims[0], columns = y->shape.dims[1];
  memset(call->out[0], 0, ig_value_bytes(y));
  if (k >= columns || k <= -rows) return IG_OK;
  for (int64_t row = k < 0 ? -k : 0; row < rows && row + k < columns; row++) {
    ig_store_f64(y->dtype, call->out[0], row * columns + row + k, 1);
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_eye_like = {
    .name = "EyeLike",
    .since = 9,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = fields,
    .attrs_size = sizeof(eye_like_attrs),
    .infer = infer,
    .grad = ig_noise_grad,
    .cost = cost,
    .reads = reads,
    .impls = impls,
};
