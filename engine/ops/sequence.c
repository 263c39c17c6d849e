/* See sequence.h. */
#include "engine/ops/sequence.h"

ig_status ig_sequence_check(const ig_datum *datum) {
  IG_CHECK(datum && datum->kind == IG_DATUM_SEQUENCE, IG_ERR_SHAPE, "a sequence is expected, found %s",
           datum && datum->kind == IG_DATUM_TENSOR ? "a tensor" : "nothing");
  return IG_OK;
}

ig_status ig_sequence_position(const ig_datum *position, int64_t n, int64_t most, int64_t missing,
                               int64_t *out) {
  int count = 0;
  *out = missing;
  if (!position) return IG_OK;
  IG_TRY(ig_datum_ints(position, "the position", 1, out, &count));
  IG_CHECK(count == 1, IG_ERR_SHAPE, "the position must be one integer");
  int64_t given = *out;
  if (given < 0 && given >= -n) *out += n;
  IG_CHECK(*out >= 0 && *out <= most, IG_ERR_INPUT,
           "position %lld is outside of a sequence of %lld", (long long)given, (long long)n);
  return IG_OK;
}

ig_status ig_sequence_edit(const ig_datum *sequence, int64_t drop, ig_datum *more, int64_t at,
                           ig_datum **out) {
  ig_datum **items = ig_alloc(((size_t)sequence->n + 1) * sizeof *items);
  IG_CHECK_ALLOC(items);
  int64_t n = 0;
  for (int64_t i = 0; i <= sequence->n; i++) {
    if (more && i == at) items[n++] = more;
    if (i < sequence->n && i != drop) items[n++] = sequence->items[i];
  }
  ig_dtype dtype = sequence->dtype == IG_NONE && more ? more->dtype : sequence->dtype;
  ig_status status = ig_datum_sequence(dtype, n, items, out);
  ig_free(items);
  return status;
}
