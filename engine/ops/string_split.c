/* StringSplit: each text cut at a delimiter, or at runs of white space (ASCII's) without one, into rows that
 * are padded with empty texts; and how many parts each has. After `maxsplit` cuts the rest stays whole. */
#include <string.h>

#include "engine/ops/sequence.h"
#include "engine/ops/text.h"

typedef struct split_attrs {
  const char *delimiter;
  int64_t maxsplit;
} split_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_STRING(split_attrs, delimiter, ""),
    IG_FIELD_INT(split_attrs, maxsplit, INT64_MAX),
    {.name = NULL},
};

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Called once for each part, in order; `row` is NULL when they are only counted. */
static void put(const char *from, const char *to, ig_string *row, int64_t *n) {
  if (row) row[*n] = (ig_string){from, (size_t)(to - from)};
  ++*n;
}

static int64_t split_at_spaces(const ig_string *text, int64_t most, ig_string *row) {
  const char *at = text->bytes, *end = at + text->size;
  for (int64_t n = 0;;) {
    while (at < end && is_space(*at)) at++;
    if (at == end) return n;
    const char *to = n >= most ? end : at;
    while (to < end && !is_space(*to)) to++;
    put(at, to, row, &n);
    at = to;
  }
}

static int64_t split_at(const ig_string *text, const ig_string *delimiter, int64_t most,
                        ig_string *row) {
  if (delimiter->size == 0) return split_at_spaces(text, most, row);
  const char *at = text->bytes, *end = at + text->size;
  for (int64_t n = 0;;) {
    const char *to = n >= most ? NULL : memmem(at, (size_t)(end - at), delimiter->bytes, delimiter->size);
    put(at, to ? to : end, row, &n);
    if (!to) return n;
    at = to + delimiter->size;
  }
}

static ig_status fill(const ig_datum *x, const split_attrs *a, int64_t width, ig_datum **out) {
  ig_string delimiter = ig_text_of(a->delimiter);
  int64_t count = ig_shape_count(&x->shape);
  ig_shape shape = x->shape;
  shape.dims[shape.rank++] = width;
  IG_TRY(ig_shape_check(&shape, IG_STRING));
  ig_string *rows = ig_alloc_zero((size_t)ig_shape_count(&shape) + 1, sizeof *rows);
  IG_CHECK_ALLOC(rows);
  for (int64_t i = 0; i < count; i++) {
    split_at(&ig_texts_of(x)[i], &delimiter, a->maxsplit, rows + i * width);
  }
  ig_status status = ig_datum_strings(&shape, rows, out);
  ig_free(rows);
  return status;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const split_attrs *a = IG_ATTRS_OF(split_attrs, node);
  IG_TRY(ig_texts_check(in, 0));
  IG_CHECK(in[0]->shape.rank < IG_MAX_RANK, IG_ERR_SHAPE, "more than %d dimensions", IG_MAX_RANK);
  IG_CHECK(a->maxsplit >= 0, IG_ERR_INPUT, "maxsplit is %lld", (long long)a->maxsplit);
  ig_string delimiter = ig_text_of(a->delimiter);
  int64_t width = 0;
  IG_TRY(ig_datum_tensor(IG_I64, &in[0]->shape, &out[1]));
  int64_t *counts = out[1]->data;
  for (int64_t i = 0; i < ig_shape_count(&in[0]->shape); i++) {
    counts[i] = split_at(&ig_texts_of(in[0])[i], &delimiter, a->maxsplit, NULL);
    width = IG_MAX(width, counts[i]);
  }
  return fill(in[0], a, width, &out[0]);
}

const ig_op ig_op_string_split = {
    IG_INTERPRETED("StringSplit", 20, 1, 1, 2, interpret),
    .attrs = fields,
    .attrs_size = sizeof(split_attrs),
};
