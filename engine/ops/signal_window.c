/* Windows of signals, made of cosines. */
#include "engine/ops/signal_window.h"

#include <inttypes.h>
#include <math.h>

#define PI 3.14159265358979323846

const ig_attr_field ig_signal_window_fields[] = {
    IG_FIELD_INT(ig_signal_window_attrs, output_datatype, 1), IG_FIELD_INT(ig_signal_window_attrs, periodic, 1), {0}};

ig_status ig_signal_window_infer(ig_node *node) {
  const ig_signal_window_attrs *a = IG_ATTRS_OF(ig_signal_window_attrs, node);
  ig_dtype dtype = ig_dtype_from_onnx(a->output_datatype);
  int64_t size;
  int n;
  IG_CHECK(ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype), IG_ERR_USAGE,
           "attribute output_datatype is %" PRId64 ", expected a type of numbers",
           a->output_datatype);
  IG_TRY(ig_value_const_ints(node->inputs[0], "size", 1, &size, &n));
  IG_CHECK(n == 1 && size >= 0, IG_ERR_SHAPE, "a window needs one size of at least 0");
  ig_shape y = IG_SHAPE(size);
  return ig_infer_set(node, 0, dtype, &y);
}

ig_status ig_signal_window_run(const ig_call *call, double a, double b, double c) {
  const ig_value *y = call->node->outputs[0];
  int64_t n = ig_value_count(y);
  bool periodic = IG_ATTRS_OF(ig_signal_window_attrs, call->node)->periodic != 0;
  double period = (double)IG_MAX(periodic ? n : n - 1, 1);
  for (int64_t i = 0; i < n; i++) {
    double x = 2 * PI * (double)i / period;
    double value = n == 1 ? 1 : a - b * cos(x) + c * cos(2 * x);
    ig_store_f64(y->dtype, call->out[0], i, value);
  }
  return IG_OK;
}
