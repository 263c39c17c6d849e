/* ai.onnx.ml.Normalizer: rows of [N, C], or one of [C], divided by their largest magnitude (MAX), the sum of their
 * magnitudes (L1) or their length (L2), as f32. A row of which that is 0 stays as it is. */
#include <math.h>
#include <string.h>

#include "engine/ops/elementwise.h"

typedef struct normalizer_attrs {
  const char *norm;
} normalizer_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_STRING(normalizer_attrs, norm, "MAX"),
    {.name = NULL},
};

typedef enum norm { NORM_MAX, NORM_L1, NORM_L2, NORM_COUNT } norm;
static const char *const norms[] = {"MAX", "L1", "L2"};

static norm norm_of(const ig_node *node) {
  int i = 0;
  while (i < NORM_COUNT && strcmp(norms[i], IG_ATTRS_OF(normalizer_attrs, node)->norm) != 0) i++;
  return (norm)i;
}

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_require_number(node, 0));
  IG_CHECK(norm_of(node) != NORM_COUNT, IG_ERR_USAGE,
           "attribute norm is '%s', expected MAX, L1 or L2",
           IG_ATTRS_OF(normalizer_attrs, node)->norm);
  IG_CHECK(x->shape.rank == 1 || x->shape.rank == 2, IG_ERR_SHAPE,
           "input 0 must be [C] or [N, C], found %s", IG_SHAPE_STR(&x->shape));
  return ig_infer_set(node, 0, IG_F32, &x->shape);
}

static double divisor_of(norm kind, ig_dtype dtype, const void *x, int64_t first, int64_t n) {
  double total = 0;
  for (int64_t i = first; i < first + n; i++) {
    double value = fabs(ig_load_f64(dtype, x, i));
    if (kind == NORM_MAX) total = fmax(total, value);
    else total += kind == NORM_L1 ? value : value * value;
  }
  double divisor = kind == NORM_L2 ? sqrt(total) : total;
  return divisor > 0 ? divisor : 1;
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  int64_t columns = x->shape.dims[x->shape.rank - 1], count = ig_value_count(x);
  for (int64_t first = 0; first < count; first += columns) {
    double divisor = divisor_of(norm_of(call->node), x->dtype, call->in[0], first, columns);
    for (int64_t i = first; i < first + columns; i++)
      ((float *)call->out[0])[i] = (float)(ig_load_f64(x->dtype, call->in[0], i) / divisor);
  }
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_normalizer = {
    .name = "ai.onnx.ml.Normalizer",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = fields,
    .attrs_size = sizeof(normalizer_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
