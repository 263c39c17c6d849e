/* A value at run time outside of plans: a tensor, a sequence of values, or the absence of one (an empty
 * optional). Counted, and never changed once others hold it, so that it is shared instead of copied. */
#ifndef IG_GRAPH_DATUM_H
#define IG_GRAPH_DATUM_H

#include "engine/base/dtype.h"
#include "engine/base/shape.h"

typedef enum ig_datum_kind {
  IG_DATUM_TENSOR,
  IG_DATUM_SEQUENCE,
  IG_DATUM_NONE /* an optional that holds nothing */
} ig_datum_kind;

typedef struct ig_datum ig_datum;
struct ig_datum {
  int32_t holders; /* of one thread */
  ig_datum_kind kind;
  /* A tensor, row-major; an empty sequence has the dtype of its elements. `data` may be written by
   * whoever made the datum, until it is handed on. */
  ig_dtype dtype;
  ig_shape shape;
  void *data;
  bool owned;    /* data is released with the datum */
  size_t bytes;  /* of what is owned */
  ig_datum *of;  /* whose bytes a view shares; held */
  int64_t n;  /* a sequence's elements */
  ig_datum **items;
};

/* Zeroed memory of its own; 64-byte aligned. Not for IG_STRING. */
ig_status ig_datum_tensor(ig_dtype dtype, const ig_shape *shape, ig_datum **out);
/* The caller's bytes, which outlive it. Not for IG_STRING. */
ig_status ig_datum_borrow(ig_dtype dtype, const ig_shape *shape, const void *data, ig_datum **out);
/* The bytes of another tensor under another shape, as many elements; holds it once more. */
ig_status ig_datum_view(ig_datum *datum, const ig_shape *shape, ig_datum **out);
/* Texts, copied. */
ig_status ig_datum_strings(const ig_shape *shape, const ig_string *texts, ig_datum **out);
/* Holds each of the items once more. `dtype` is that of their elements. */
ig_status ig_datum_sequence(ig_dtype dtype, int64_t n, ig_datum *const *items, ig_datum **out);
ig_status ig_datum_none(ig_datum **out);
ig_datum *ig_datum_hold(ig_datum *datum); /* the same one, held once more */
void ig_datum_release(ig_datum *datum);   /* NULL is allowed */
/* Bytes that the data of this thread own now, for those who limit them. */
size_t ig_datum_live_bytes(void);
/* Integers (any integer type, or bool) of a tensor of at most `capacity` elements; `what` names it in
 * messages. */
ig_status ig_datum_ints(const ig_datum *datum, const char *what, int capacity, int64_t *out, int *n);

#endif
