/* Checks, index maps and gradients of the gathering and scattering operators. */
#include "engine/ops/scatter.h"

#include <string.h>

#include "engine/ops/view.h"

ig_status ig_scatter_parse(const char *text, ig_scatter *out) {
  static const char *const names[] = {"none", "add", "mul", "min", "max"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *out = (ig_scatter)i;
    return IG_OK;
  }
  return ig_fail(IG_ERR_INPUT, "reduction must be none, add, mul, min or max, found '%s'", text);
}

ig_status ig_scatter_check(ig_scatter how, ig_dtype dtype) {
  bool number = ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype) || dtype == IG_BOOL;
  IG_CHECK(how == IG_SCATTER_SET || number, IG_ERR_SHAPE, "no reduction is defined for %s",
           ig_dtype_name(dtype));
  return IG_OK;
}

/* --- elements -------------------------------------------------------------------------------- */

ig_status ig_elements_check(const ig_node *node, int64_t axis) {
  const ig_value *x = node->inputs[0], *indices = node->inputs[1];
  int along = ig_shape_axis(&x->shape, axis);
  IG_CHECK(along >= 0, IG_ERR_SHAPE, "axis %lld does not fit %s", (long long)axis,
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(indices->dtype == IG_I64 || indices->dtype == IG_I32, IG_ERR_SHAPE,
           "indices must be i64 or i32, not %s", ig_dtype_name(indices->dtype));
  bool fits = indices->shape.rank == x->shape.rank;
  for (int d = 0; fits && d < x->shape.rank; d++)
    fits = d == along || indices->shape.dims[d] <= x->shape.dims[d];
  IG_CHECK(fits, IG_ERR_SHAPE, "indices %s do not fit data %s along axis %d",
           IG_SHAPE_STR(&indices->shape), IG_SHAPE_STR(&x->shape), along);
  return IG_OK;
}

ig_elements ig_elements_of(const ig_node *node, int64_t axis) {
  const ig_shape *x = &node->inputs[0]->shape, *indices = &node->inputs[1]->shape;
  ig_elements e = {.rank = x->rank, .axis = ig_shape_axis(x, axis)};
  e.rows = x->dims[e.axis];
  for (int d = 0; d < x->rank; d++) e.dims[d] = indices->dims[d];
  ig_shape_strides(x, e.strides);
  return e;
}

static ig_status outside(const ig_call *call, int64_t position, int64_t rows) {
  return ig_fail(IG_ERR_INPUT, "%s: index %.0f at position %lld is outside [-%lld, %lld)",
                 call->node->name, ig_load_f64(call->node->inputs[1]->dtype, call->in[1], position),
                 (long long)position, (long long)rows, (long long)rows);
}

ig_status ig_elements_inside(const ig_call *call, const ig_elements *e) {
  const ig_value *indices = call->node->inputs[1];
  int64_t at =
      ig_cpu_find_outside(call->in[1], indices->dtype == IG_I64, ig_value_count(indices), e->rows);
  return at < 0 ? IG_OK : outside(call, at, e->rows);
}

/* --- slices ---------------------------------------------------------------------------------- */

ig_status ig_slices_check(const ig_node *node, int64_t batch_dims) {
  const ig_value *x = node->inputs[0], *indices = node->inputs[1];
  const ig_shape *tuples = &indices->shape;
  IG_CHECK(
      indices->dtype == IG_I64 && tuples->rank > 0 && x->shape.rank > 0, IG_ERR_SHAPE,
      "indices must be i64 of rank 1 at least into data of rank 1 at least, found %s%s into %s",
      ig_dtype_name(indices->dtype), IG_SHAPE_STR(tuples), IG_SHAPE_STR(&x->shape));
  IG_CHECK(batch_dims >= 0 && batch_dims < IG_MIN(tuples->rank, x->shape.rank), IG_ERR_SHAPE,
           "batch_dims %lld does not fit data %s and indices %s", (long long)batch_dims,
           IG_SHAPE_STR(&x->shape), IG_SHAPE_STR(tuples));
  for (int d = 0; d < (int)batch_dims; d++) {
    IG_CHECK(x->shape.dims[d] == tuples->dims[d], IG_ERR_SHAPE,
             "data %s and indices %s differ in batch dimension %d", IG_SHAPE_STR(&x->shape),
             IG_SHAPE_STR(tuples), d);
  }
  int64_t depth = tuples->dims[tuples->rank - 1];
  IG_CHECK(depth >= 1 && depth <= x->shape.rank - batch_dims, IG_ERR_SHAPE,
           "tuples of %lld indices do not fit data %s beyond %lld batch dimensions",
           (long long)depth, IG_SHAPE_STR(&x->shape), (long long)batch_dims);
  return IG_OK;
}

ig_slices ig_slices_of(const ig_node *node, int batch_dims) {
  const ig_shape *x = &node->inputs[0]->shape, *tuples = &node->inputs[1]->shape;
  int64_t strides[IG_MAX_RANK];
  ig_shape_strides(x, strides);
  ig_slices s = {.depth = (int)tuples->dims[tuples->rank - 1]};
  s.batches = ig_shape_span(x, 0, batch_dims);
  s.batch_stride = ig_shape_span(x, batch_dims, x->rank);
  s.count = ig_shape_span(tuples, batch_dims, tuples->rank - 1);
  s.inner = ig_shape_span(x, batch_dims + s.depth, x->rank);
  for (int d = 0; d < s.depth; d++) {
    s.dims[d] = x->dims[batch_dims + d];
    s.strides[d] = strides[batch_dims + d];
  }
  return s;
}

ig_status ig_slices_inside(const ig_call *call, const ig_slices *s) {
  int64_t at = ig_cpu_find_outside_slices(s, call->in[1]);
  return at < 0 ? IG_OK : outside(call, at, s->dims[at % s->depth]);
}

ig_status ig_slices_shape(const ig_node *node, int batch_dims, ig_shape *out) {
  const ig_shape *x = &node->inputs[0]->shape, *tuples = &node->inputs[1]->shape;
  int kept = batch_dims + (int)tuples->dims[tuples->rank - 1];
  int rank = tuples->rank - 1 + x->rank - kept;
  IG_CHECK(rank <= IG_MAX_RANK, IG_ERR_SHAPE, "rank %d is beyond %d", rank, IG_MAX_RANK);
  *out = (ig_shape){.rank = 0};
  for (int d = 0; d < tuples->rank - 1; d++) out->dims[out->rank++] = tuples->dims[d];
  for (int d = kept; d < x->rank; d++) out->dims[out->rank++] = x->dims[d];
  return IG_OK;
}

/* --- gradients ------------------------------------------------------------------------------- */

typedef struct form {
  ig_graph *graph;
  const char *scatter, *gather;
  ig_value *indices;
  int n_attrs;
  const ig_attr *attrs;
} form;

static ig_value *take(const form *f, ig_value *from) {
  return ig_op1(f->graph, f->gather, NULL, IG_INS(from, f->indices), f->n_attrs, f->attrs);
}

static ig_value *put(const form *f, ig_value *base, ig_value *updates, const char *reduction) {
  ig_attr attrs[2] = {IG_STRING("reduction", reduction)};
  for (int i = 0; i < f->n_attrs; i++) attrs[1 + i] = f->attrs[i];
  return ig_op1(f->graph, f->scatter, NULL, IG_INS(base, f->indices, updates), 1 + f->n_attrs,
                attrs);
}

static ig_value *binary(const form *f, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(f->graph, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

static ig_value *equal_flags(const form *f, ig_value *a, ig_value *b) {
  return a ? ig_cast(f->graph, binary(f, "Equal", a, b), a->dtype) : NULL;
}

static void product_grad(const ig_grad *g, const form *f) {
  ig_value *data = g->node->inputs[0], *updates = g->node->inputs[2];
  ig_value *zeros = ig_zeros_like(f->graph, data);
  ig_value *ones =
      ig_op1(f->graph, "Add", NULL, IG_INS(zeros, ig_scalar_like(f->graph, data, 1)), IG_NO_ATTRS);
  if (g->need[0]) g->dx[0] = binary(f, "Mul", g->dy[0], put(f, ones, updates, "mul"));
  if (!g->need[2]) return;
  ig_value *whole = binary(f, "Mul", g->dy[0], g->node->outputs[0]);
  g->dx[2] = binary(f, "Div", take(f, whole), updates);
}

static void extreme_grad(const ig_grad *g, const form *f) {
  ig_value *data = g->node->inputs[0], *updates = g->node->inputs[2], *y = g->node->outputs[0];
  ig_value *kept = equal_flags(f, data, y), *chosen = equal_flags(f, updates, take(f, y));
  ig_value *share = binary(f, "Div", g->dy[0], put(f, kept, chosen, "add"));
  if (g->need[0]) g->dx[0] = binary(f, "Mul", share, kept);
  if (g->need[2]) g->dx[2] = binary(f, "Mul", take(f, share), chosen);
}

void ig_scatter_grad(const ig_grad *g, const char *reduction, const char *gather, int n_attrs,
                     const ig_attr *attrs) {
  form f = {g->graph, g->node->op->name, gather, g->node->inputs[1], n_attrs, attrs};
  if (strcmp(reduction, "mul") == 0) {
    product_grad(g, &f);
  } else if (strcmp(reduction, "min") == 0 || strcmp(reduction, "max") == 0) {
    extreme_grad(g, &f);
  } else {
    bool add = strcmp(reduction, "add") == 0;
    ig_value *nothing = add ? NULL : ig_zeros_like(g->graph, g->node->inputs[2]);
    if (g->need[0]) g->dx[0] = add ? g->dy[0] : put(&f, g->dy[0], nothing, "none");
    if (g->need[2]) g->dx[2] = take(&f, g->dy[0]);
  }
}
