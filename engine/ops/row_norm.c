/* Shared parts of the operators that normalise rows. */
#include "engine/ops/row_norm.h"

ig_dtype ig_row_norm_stats(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? IG_F64 : IG_F32;
}

ig_status ig_row_norm_shape(const ig_value *x, int64_t axis, bool center, float epsilon,
                            ig_row_norm *out, ig_shape *stats) {
  int from = ig_shape_axis(&x->shape, axis), rank = x->shape.rank;
  IG_CHECK(from >= 0, IG_ERR_SHAPE, "axis %lld does not fit %s", (long long)axis,
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(ig_dtype_is_float(x->dtype), IG_ERR_SHAPE, "the input must have a float type, found %s",
           ig_dtype_name(x->dtype));
  *out = (ig_row_norm){.rows = ig_shape_span(&x->shape, 0, from),
                       .columns = ig_shape_span(&x->shape, from, rank),
                       .center = center,
                       .epsilon = (double)epsilon};
  if (!stats) return IG_OK;
  *stats = x->shape;
  for (int d = from; d < rank; d++) stats->dims[d] = 1;
  return IG_OK;
}

ig_status ig_row_norm_check(const ig_node *node, const ig_value *x, int i, const char *what,
                            int64_t columns) {
  const ig_value *v = i < node->n_inputs ? node->inputs[i] : NULL;
  IG_CHECK(!v || (v->dtype == x->dtype && ig_value_count(v) == columns), IG_ERR_SHAPE,
           "%s must be %lld elements of %s, found %s %s", what, (long long)columns,
           ig_dtype_name(x->dtype), ig_dtype_name(v ? v->dtype : IG_NONE),
           v ? IG_SHAPE_STR(&v->shape) : "");
  return IG_OK;
}

ig_status ig_row_norm_check_stats(const ig_node *node, int i, const ig_shape *shape) {
  const ig_value *v = i < node->n_inputs ? node->inputs[i] : NULL;
  ig_dtype want = ig_row_norm_stats(node);
  IG_CHECK(!v || (v->dtype == want && ig_shape_equal(&v->shape, shape)), IG_ERR_SHAPE,
           "input %d must be statistics %s %s, found %s %s", i, ig_dtype_name(want),
           IG_SHAPE_STR(shape), ig_dtype_name(v ? v->dtype : IG_NONE),
           v ? IG_SHAPE_STR(&v->shape) : "");
  return IG_OK;
}

const void *ig_row_norm_in(const ig_call *call, int i) {
  return i < call->node->n_inputs ? call->in[i] : NULL;
}

void *ig_row_norm_out(const ig_call *call, int i) {
  return i < call->node->n_outputs ? call->out[i] : NULL;
}
