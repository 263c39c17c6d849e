/* TensorScatter: writes `update` into `past_cache` along `axis`, for batch entry b from
 * write_indices[b] (0 when absent). In circular mode it wraps around; in linear mode it must fit.
 * The cache is updated in place where the plan allows, so that a decoding step moves one token and
 * not the whole cache. */
#include <string.h>

#include "engine/ops/op.h"
#include "kernels/movement.h"

typedef struct tensor_scatter_attrs {
  int64_t axis;
  const char *mode;
} tensor_scatter_attrs;

static const ig_attr_field tensor_scatter_fields[] = {
    IG_FIELD_INT(tensor_scatter_attrs, axis, -2),
    IG_FIELD_STRING(tensor_scatter_attrs, mode, "linear"),
    {.name = NULL},
};

static ig_status tensor_scatter_infer(ig_node *node) {
  const ig_value *cache = node->inputs[0], *update = node->inputs[1];
  const ig_value *where = node->n_inputs > 2 ? node->inputs[2] : NULL;
  const tensor_scatter_attrs *attrs = IG_ATTRS_OF(tensor_scatter_attrs, node);
  int axis = ig_shape_axis(&cache->shape, attrs->axis);
  IG_CHECK(axis > 0, IG_ERR_SHAPE, "axis %lld of %s: must lie after the batch dimension",
           (long long)attrs->axis, IG_SHAPE_STR(&cache->shape));
  IG_CHECK(strcmp(attrs->mode, "linear") == 0 || strcmp(attrs->mode, "circular") == 0, IG_ERR_INPUT,
           "mode must be linear or circular, found '%s'", attrs->mode);
  ig_shape want = cache->shape;
  if (update->shape.rank == want.rank) want.dims[axis] = update->shape.dims[axis];
  IG_CHECK(update->dtype == cache->dtype && ig_shape_equal(&want, &update->shape) &&
               want.dims[axis] <= cache->shape.dims[axis],
           IG_ERR_SHAPE, "an update %s %s does not fit a cache %s %s along axis %d",
           ig_dtype_name(update->dtype), IG_SHAPE_STR(&update->shape), ig_dtype_name(cache->dtype),
           IG_SHAPE_STR(&cache->shape), axis);
  ig_shape batch = IG_SHAPE(cache->shape.dims[0]);
  IG_CHECK(!where || (where->dtype == IG_I64 && ig_shape_equal(&where->shape, &batch)),
           IG_ERR_SHAPE, "write_indices must be i64 %s", IG_SHAPE_STR(&batch));
  return ig_infer_set(node, 0, cache->dtype, &cache->shape);
}

/* Rows [from, from + n) of the update of batch entry b to rows [to, to + n) of the cache. */
static void scatter_rows(const ig_call *call, int axis, int64_t b, int64_t from, int64_t to,
                         int64_t n) {
  const ig_shape *cache = &call->node->inputs[0]->shape, *update = &call->node->inputs[1]->shape;
  size_t size = ig_dtype_size(call->node->inputs[0]->dtype);
  int64_t heads = ig_shape_span(cache, 1, axis);
  int64_t inner = ig_shape_span(cache, axis + 1, cache->rank);
  int64_t cache_row = cache->dims[axis] * inner, update_row = update->dims[axis] * inner;
  const char *source =
      (const char *)call->in[1] + (size_t)(b * heads * update_row + from * inner) * size;
  char *target = (char *)call->out[0] + (size_t)(b * heads * cache_row + to * inner) * size;
  ig_cpu_strided_copy(size, 2, (int64_t[]){heads, n * inner}, source, (int64_t[]){update_row, 1},
                      target, (int64_t[]){cache_row, 1});
}

static ig_status tensor_scatter_run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *cache = node->inputs[0];
  const tensor_scatter_attrs *attrs = IG_ATTRS_OF(tensor_scatter_attrs, node);
  int axis = ig_shape_axis(&cache->shape, attrs->axis);
  const int64_t *where = node->n_inputs > 2 ? call->in[2] : NULL;
  bool circular = strcmp(attrs->mode, "circular") == 0;
  int64_t rows = cache->shape.dims[axis], n = node->inputs[1]->shape.dims[axis];
  for (int64_t b = 0; b < cache->shape.dims[0]; b++) {
    int64_t first = where ? where[b] : 0;
    IG_CHECK(first >= 0 && (circular || first <= rows - n), IG_ERR_INPUT,
             "%s: %lld rows from %lld leave the cache of %lld", node->name, (long long)n,
             (long long)first, (long long)rows);
  }
  if (call->out[0] != call->in[0]) memcpy(call->out[0], call->in[0], ig_value_bytes(cache));
  for (int64_t b = 0; b < cache->shape.dims[0] && n > 0; b++) {
    int64_t first = where ? where[b] % rows : 0;
    int64_t before_wrap = IG_MIN(n, rows - first);
    scatter_rows(call, axis, b, 0, first, before_wrap);
    if (n > before_wrap) scatter_rows(call, axis, b, before_wrap, 0, n - before_wrap);
  }
  return IG_OK;
}

static const ig_impl tensor_scatter_impls[] = {
    {.name = "cpu",              .device = IG_CPU, .run = tensor_scatter_run},
    {.name = NULL},
};

const ig_op ig_op_tensor_scatter = {
    .name = "TensorScatter",
    .since = 24,
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = tensor_scatter_fields,
    .attrs_size = sizeof(tensor_scatter_attrs),
    .infer = tensor_scatter_infer,
    .cost = ig_cost_copy,
    .impls = tensor_scatter_impls,
};
