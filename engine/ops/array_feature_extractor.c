/* ai.onnx.ml.ArrayFeatureExtractor: elements of the last axis by index; a vector gives one row. */
#include "engine/graph/pieces.h"
#include "engine/ops/sequence.h"

static ig_status pick(const ig_datum *x, const ig_datum *indices, ig_datum **parts, ig_datum **out) {
  int axis = x->shape.rank - 1;
  int64_t n = ig_shape_count(&indices->shape), size = x->shape.dims[axis];
  for (int64_t i = 0; i < n; i++) {
    int64_t at = ((const int64_t *)indices->data)[i];
    IG_CHECK(at >= 0 && at < size, IG_ERR_INPUT, "index %lld is outside of %lld elements",
             (long long)at, (long long)size);
    IG_TRY(ig_datum_part(x, axis, at, 1, false, &parts[i]));
  }
  ig_datum *joined = NULL;
  IG_TRY(ig_datum_join(n, parts, axis, false, &joined));
  if (axis > 0) {
    *out = joined;
    return IG_OK;
  }
  ig_shape row = IG_SHAPE(1, n);
  ig_status status = ig_datum_view(joined, &row, out);
  ig_datum_release(joined);
  return status;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  IG_UNUSED(node);
  for (int i = 0; i < 2; i++) {
    IG_CHECK(in[i]->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE, "input %d must be a tensor", i);
  }
  int64_t n = ig_shape_count(&in[1]->shape);
  IG_CHECK(in[0]->shape.rank > 0 && in[1]->dtype == IG_I64 && n > 0, IG_ERR_SHAPE,
           "%s by %lld indices of %s", IG_SHAPE_STR(&in[0]->shape), (long long)n,
           ig_dtype_name(in[1]->dtype));
  ig_datum **parts = ig_alloc_zero((size_t)n, sizeof *parts);
  IG_CHECK_ALLOC(parts);
  ig_status status = pick(in[0], in[1], parts, &out[0]);
  for (int64_t i = 0; i < n; i++) ig_datum_release(parts[i]);
  ig_free(parts);
  return status;
}

const ig_op ig_op_array_feature_extractor = {
    IG_INTERPRETED("ai.onnx.ml.ArrayFeatureExtractor", 1, 2, 2, 1, interpret),
};
