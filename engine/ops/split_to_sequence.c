/* SplitToSequence: the parts of a tensor along an axis: of the sizes given, of one size (the last may be
 * smaller), or single elements, which lose the axis unless keepdims is set. */
#include "engine/base/checked.h"
#include "engine/graph/pieces.h"
#include "engine/ops/sequence.h"

typedef struct split_attrs {
  int64_t axis, keepdims;
} split_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INT(split_attrs, axis, 0),
    IG_FIELD_INT(split_attrs, keepdims, 1),
    {.name = NULL},
};

typedef struct parts {
  int64_t n;
  int64_t *sizes; /* NULL: all of `size`, but for the last */
  int64_t size;
} parts;

static ig_status listed(const ig_datum *split, int64_t length, parts *p) {
  p->n = ig_shape_count(&split->shape);
  p->sizes = ig_alloc_zero((size_t)p->n + 1, sizeof *p->sizes);
  IG_CHECK_ALLOC(p->sizes);
  ig_convert(split->dtype, split->data, IG_I64, p->sizes, p->n);
  int64_t sum = 0;
  for (int64_t i = 0; i < p->n; i++) {
    IG_CHECK(ig_add_dim(sum, p->sizes[i], &sum), IG_ERR_INPUT, "part %lld has size %lld",
             (long long)i, (long long)p->sizes[i]);
  }
  IG_CHECK(sum == length, IG_ERR_SHAPE, "the parts have %lld elements together, the axis %lld",
           (long long)sum, (long long)length);
  return IG_OK;
}

static ig_status find_parts(const ig_datum *split, int64_t length, parts *p) {
  p->size = 1;
  if (split && split->kind == IG_DATUM_TENSOR && split->shape.rank > 0) {
    IG_CHECK(ig_dtype_is_int(split->dtype) && split->shape.rank == 1, IG_ERR_SHAPE,
             "split must be an integer or a list of integers");
    return listed(split, length, p);
  }
  int count = 0;
  if (split) IG_TRY(ig_datum_ints(split, "split", 1, &p->size, &count));
  IG_CHECK(p->size > 0, IG_ERR_INPUT, "split must be positive, found %lld", (long long)p->size);
  p->n = length / p->size + (length % p->size != 0);
  return IG_OK;
}

static ig_status cut(const ig_datum *x, int axis, bool drop, const parts *p, ig_datum **items) {
  int64_t from = 0;
  for (int64_t i = 0; i < p->n; i++) {
    int64_t size = p->sizes ? p->sizes[i] : IG_MIN(p->size, x->shape.dims[axis] - from);
    IG_TRY(ig_datum_part(x, axis, from, size, drop, &items[i]));
    from += size;
  }
  return IG_OK;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const split_attrs *a = IG_ATTRS_OF(split_attrs, node);
  const ig_datum *x = in[0], *split = ig_sequence_input(node, in, 1);
  IG_CHECK(x && x->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE, "input 0 must be a tensor");
  int axis = ig_shape_axis(&x->shape, a->axis);
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "shape %s has no axis %lld", IG_SHAPE_STR(&x->shape),
           (long long)a->axis);
  parts p = {0};
  ig_datum **items = NULL;
  ig_status status = find_parts(split, x->shape.dims[axis], &p);
  if (status == IG_OK) {
    items = ig_alloc_zero((size_t)p.n + 1, sizeof *items);
    if (!items) status = ig_fail(IG_ERR_MEMORY, "out of memory: %lld parts", (long long)p.n);
  }
  if (status == IG_OK) status = cut(x, axis, !split && !a->keepdims, &p, items);
  if (status == IG_OK) status = ig_datum_sequence(x->dtype, p.n, items, &out[0]);
  for (int64_t i = 0; items && i < p.n; i++) ig_datum_release(items[i]);
  ig_free(items);
  ig_free(p.sizes);
  return status;
}

const ig_op ig_op_split_to_sequence = {
    IG_INTERPRETED("SplitToSequence", 11, 1, 2, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(split_attrs),
};
