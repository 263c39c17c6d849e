/* Unique: the different slices along `axis`, or the different elements without one: sorted, or by where
 * they first stand; where that is, which of them each slice is, and how often each is there. How many
 * there are depends on the elements, which are to be known. */
#include <string.h>

#include "engine/ops/softmax.h"
#include "kernels/unique.h"

#define NO_AXIS INT64_MIN

typedef struct unique_attrs {
  int64_t axis, sorted;
} unique_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(unique_attrs, axis, NO_AXIS),
    IG_FIELD_INT(unique_attrs, sorted, 1),
    {0},
};

static ig_rows rows_of(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t axis = IG_ATTRS_OF(unique_attrs, node)->axis;
  return axis == NO_AXIS ? (ig_rows){1, ig_value_count(x), 1} : ig_rows_around(x, axis);
}

/* Sorts slices of a known tensor in memory of its own, to count them. */
static ig_status count_unique(const ig_value *x, const ig_rows *rows, int64_t *found) {
  size_t list = (size_t)rows->n * sizeof(int64_t);
  int64_t *memory = ig_alloc(list + ig_cpu_unique_workspace(rows->n));
  IG_CHECK_ALLOC(memory);
  *found = ig_cpu_unique(x->dtype, rows, x->data, true, memory, NULL, NULL, memory + rows->n);
  ig_free(memory);
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t given = IG_ATTRS_OF(unique_attrs, node)->axis, found = 0;
  int axis = given == NO_AXIS ? 0 : ig_shape_axis(&x->shape, given);
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld does not fit %s", (long long)given,
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(ig_value_is_const(x), IG_ERR_UNSUPPORTED, "the elements must be known before running");
  ig_rows rows = rows_of(node);
  IG_TRY(count_unique(x, &rows, &found));
  ig_shape shape = given == NO_AXIS ? IG_SHAPE(found) : x->shape;
  shape.dims[axis] = found;
  ig_shape one_each = IG_SHAPE(found), all = IG_SHAPE(rows.n);
  IG_TRY(ig_infer_set(node, 0, x->dtype, &shape));
  IG_TRY(ig_infer_set(node, 1, IG_I64, &one_each));
  IG_TRY(ig_infer_set(node, 2, IG_I64, &all));
  return ig_infer_set(node, 3, IG_I64, &one_each);
}

static void *output(const ig_call *call, int i) {
  return i < call->node->n_outputs ? call->out[i] : NULL;
}

static size_t workspace(const ig_node *node) {
  int64_t n = rows_of(node).n;
  return 2 * (size_t)n * sizeof(int64_t) + ig_cpu_unique_workspace(n);
}

static ig_status run(const ig_call *call) {
  ig_rows rows = rows_of(call->node);
  bool sorted = IG_ATTRS_OF(unique_attrs, call->node)->sorted != 0;
  int64_t *first = call->workspace, *counts = first + rows.n, *inverse = output(call, 2);
  ig_dtype dtype = call->node->inputs[0]->dtype;
  int64_t found =
      ig_cpu_unique(dtype, &rows, call->in[0], sorted, first, inverse, counts, counts + rows.n);
  size_t list = (size_t)found * sizeof(int64_t);
  if (list && output(call, 1)) memcpy(output(call, 1), first, list);
  if (list && output(call, 3)) memcpy(output(call, 3), counts, list);
  char *to = call->out[0];
  size_t bytes = (size_t)rows.inner * ig_dtype_size(dtype);
  for (int64_t o = 0; o < rows.outer && to; o++) {
    for (int64_t k = 0; k < found; k++, to += bytes)
      memcpy(to, (const char *)call->in[0] + (size_t)(o * rows.n + first[k]) * bytes, bytes);
  }
  return IG_OK;
}

/* A comparison for each of log n rounds. */
static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  double n = 1;
  for (int64_t left = rows_of(node).n; left > 1; left /= 2) n++;
  total.flops = n * (double)ig_value_count(node->inputs[0]);
  return total;
}

static const ig_impl impls[] = {{.name = "cpu", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_unique = {
    .name = "Unique",
    .since = 11,
    .n_in = {1, 1},
    .n_out = {1, 4},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(unique_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
