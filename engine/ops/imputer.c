/* ai.onnx.ml.Imputer: numbers equal to replaced_value, which may be NaN, become imputed_value: one for all, or one for
 * each feature, the last dimension. Floats go by the float attributes, integers by the others. */
#include <math.h>

#include "engine/ops/elementwise.h"

typedef struct imputer_attrs {
  ig_floats imputed_value_floats;
  ig_ints imputed_value_int64s;
  float replaced_value_float;
  int64_t replaced_value_int64;
} imputer_attrs;

static const ig_attr_field fields[] = {
    {.name = "imputed_value_floats", .type = IG_ATTR_FLOATS, .offset = offsetof(imputer_attrs, imputed_value_floats)},
    IG_FIELD_INTS(imputer_attrs, imputed_value_int64s),
    IG_FIELD_FLOAT(imputer_attrs, replaced_value_float, 0),
    IG_FIELD_INT(imputer_attrs, replaced_value_int64, 0),
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  const imputer_attrs *a = IG_ATTRS_OF(imputer_attrs, node);
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_require_number(node, 0));
  bool real = ig_dtype_is_float(x->dtype);
  int n = real ? a->imputed_value_floats.n : a->imputed_value_int64s.n;
  int64_t features = x->shape.rank ? x->shape.dims[x->shape.rank - 1] : 1;
  IG_CHECK(n >= 1 && (n == 1 || n == features), IG_ERR_SHAPE,
           "attribute %s has %d numbers, expected one or %lld",
           real ? "imputed_value_floats" : "imputed_value_int64s", n, (long long)features);
  return ig_infer_same(node);
}

static void impute_floats(const ig_call *call, const imputer_attrs *a, ig_dtype dtype, int64_t n) {
  const ig_floats *imputed = &a->imputed_value_floats;
  double replaced = (double)a->replaced_value_float;
  for (int64_t i = 0; i < n; i++) {
    double x = ig_load_f64(dtype, call->in[0], i);
    bool missing = isnan(replaced) ? isnan(x) : x == replaced;
    ig_store_f64(dtype, call->out[0], i, missing ? (double)imputed->v[i % imputed->n] : x);
  }
}

static ig_status run(const ig_call *call) {
  const imputer_attrs *a = IG_ATTRS_OF(imputer_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  int64_t n = ig_value_count(x);
  if (ig_dtype_is_float(x->dtype)) {
    impute_floats(call, a, x->dtype, n);
    return IG_OK;
  }
  const ig_ints *imputed = &a->imputed_value_int64s;
  for (int64_t i = 0; i < n; i++) {
    int64_t value = ig_load_i64(x->dtype, call->in[0], i);
    bool missing = value == a->replaced_value_int64;
    ig_store_i64(x->dtype, call->out[0], i, missing ? imputed->v[i % imputed->n] : value);
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_imputer = {
    .name = "ai.onnx.ml.Imputer",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = fields,
    .attrs_size = sizeof(imputer_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
