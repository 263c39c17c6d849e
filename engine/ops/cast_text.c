/* See cast_text.h. Texts are plain or scientific decimals, NaN, INF and -INF; numbers are written with the
 * fewest digits that give them back. */
#include "engine/ops/cast_text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ops/text.h"
#include "engine/plan/interpret.h"

/* --- to texts -------------------------------------------------------------------------------- */

static ig_status put_float(ig_texts *texts, int64_t i, ig_dtype dtype, double value) {
  char text[40];
  if (isnan(value)) return ig_texts_put(texts, i, "NaN", 3);
  if (isinf(value)) return ig_texts_put(texts, i, value > 0 ? "INF" : "-INF", value > 0 ? 3 : 4);
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    double back = 0, read = strtod(text, NULL);
    uint64_t stored = 0;
    ig_store_f64(dtype, &stored, 0, read);
    back = ig_load_f64(dtype, &stored, 0);
    if (back == value) break;
  }
  return ig_texts_put(texts, i, text, strlen(text));
}

static ig_status put_number(ig_texts *texts, int64_t i, const ig_datum *x) {
  if (!ig_dtype_is_int(x->dtype) && x->dtype != IG_BOOL) {
    return put_float(texts, i, x->dtype, ig_load_f64(x->dtype, x->data, i));
  }
  char text[32];
  if (x->dtype == IG_U64) {
    snprintf(text, sizeof text, "%" PRIu64, ((const uint64_t *)x->data)[i]);
  } else {
    int64_t value;
    ig_convert(x->dtype, (const char *)x->data + (size_t)i * ig_dtype_size(x->dtype), IG_I64, &value,
               1);
    snprintf(text, sizeof text, "%" PRId64, value);
  }
  return ig_texts_put(texts, i, text, strlen(text));
}

static ig_status to_texts(const ig_datum *x, ig_datum **out) {
  ig_texts texts;
  int64_t n = ig_shape_count(&x->shape);
  IG_TRY(ig_texts_begin(n, &texts));
  ig_status status = IG_OK;
  for (int64_t i = 0; i < n && status == IG_OK; i++) status = put_number(&texts, i, x);
  if (status == IG_OK) status = ig_datum_strings(&x->shape, texts.at, out);
  ig_texts_end(&texts);
  return status;
}

/* --- to numbers ------------------------------------------------------------------------------ */

/* Integers that a double would round are read as such. */
static bool read_number(const char *text, ig_dtype to, void *data, int64_t i) {
  char *end;
  if (ig_dtype_is_int(to)) {
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && errno == 0) {
      int64_t value = whole;
      ig_convert(IG_I64, &value, to, (char *)data + (size_t)i * ig_dtype_size(to), 1);
      return true;
    }
  }
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || strpbrk(text, "xX")) return false;
  ig_store_f64(to, data, i, value);
  return true;
}

static ig_status to_numbers(const ig_datum *x, ig_dtype to, ig_datum **out) {
  IG_TRY(ig_datum_tensor(to, &x->shape, out));
  for (int64_t i = 0; i < ig_shape_count(&x->shape); i++) {
    const ig_string *given = &ig_texts_of(x)[i];
    char text[400]; /* the longest exact double has some 340 characters in decimals */
    bool fits = given->size < sizeof text && !(given->size && memchr(given->bytes, 0, given->size));
    size_t size = fits ? given->size : 0;
    if (size) memcpy(text, given->bytes, size);
    text[size] = '\0';
    IG_CHECK(fits && read_number(text, to, (*out)->data, i), IG_ERR_INPUT,
             "element %lld, '%.60s', is no number", (long long)i, text);
  }
  return IG_OK;
}

ig_status ig_cast_interpret(ig_interpreter *interpreter, const ig_node *node, ig_dtype to,
                            ig_datum *const *in, ig_datum **out) {
  const ig_datum *x = in[0];
  bool tensor = x->kind == IG_DATUM_TENSOR, from_texts = tensor && x->dtype == IG_STRING;
  if (!tensor || (!from_texts && to != IG_STRING)) {
    return ig_interpret_node(interpreter, node, in, out);
  }
  if (to == IG_STRING) {
    if (!from_texts) return to_texts(x, &out[0]);
    out[0] = ig_datum_hold(in[0]);
    return IG_OK;
  }
  IG_CHECK(to != IG_NONE, IG_ERR_UNSUPPORTED, "no such element type");
  return to_numbers(x, to, &out[0]);
}
