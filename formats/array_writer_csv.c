/* .csv (RFC 4180): a header, then a line a row with every array's numbers side by side. Numbers have
 * the digits that bring back the same value. */
#include "formats/array_writer_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/dtype.h"
#include "engine/base/memory.h"
#include "formats/number_text.h"

#define BUFFER_BYTES 65536

typedef struct csv_state {
  uint64_t offset;
  size_t used;
  char buffer[BUFFER_BYTES];
} csv_state;

static ig_status flush(ig_array_writer *w) {
  csv_state *s = w->state;
  IG_TRY(ig_array_write_at(w, s->buffer, s->used, s->offset));
  s->offset += s->used;
  s->used = 0;
  return IG_OK;
}

static ig_status put(ig_array_writer *w, const char *text, size_t length) {
  csv_state *s = w->state;
  while (length > 0) {
    size_t part = IG_MIN(length, BUFFER_BYTES - s->used);
    memcpy(s->buffer + s->used, text, part);
    s->used += part;
    text += part;
    length -= part;
    if (s->used == BUFFER_BYTES) IG_TRY(flush(w));
  }
  return IG_OK;
}

/* Quoted where a comma, a quote or a line break would be misread. */
static ig_status put_word(ig_array_writer *w, const char *word) {
  if (!strpbrk(word, ",\"\r\n")) return put(w, word, strlen(word));
  IG_TRY(put(w, "\"", 1));
  for (; *word; word++) IG_TRY(put(w, *word == '"' ? "\"\"" : word, *word == '"' ? 2 : 1));
  return put(w, "\"", 1);
}

static ig_status put_header(ig_array_writer *w) {
  for (int i = 0; i < w->n; i++) {
    const ig_array *array = &w->arrays[i];
    int64_t count = ig_shape_count(&array->shape);
    for (int64_t k = 0; k < count; k++) {
      char name[512];
      if (array->columns) {
        snprintf(name, sizeof name, "%s", array->columns[k]);
      } else if (count == 1) {
        snprintf(name, sizeof name, "%s", array->name);
      } else {
        snprintf(name, sizeof name, "%s_%" PRId64, array->name, k);
      }
      if (i > 0 || k > 0) IG_TRY(put(w, ",", 1));
      IG_TRY(put_word(w, name));
    }
  }
  return put(w, "\n", 1);
}

static ig_status csv_open(ig_array_writer *w) {
  w->state = ig_alloc_zero(1, sizeof(csv_state));
  IG_CHECK(w->state, IG_ERR_MEMORY, "%s: out of memory", w->partial.target);
  return put_header(w);
}

static ig_status put_value(ig_array_writer *w, const ig_array *array, const void *data, int64_t i) {
  char text[IG_NUMBER_BYTES];
  size_t length;
  if (array->dtype == IG_F32) {
    length = ig_number_write_float(((const float *)data)[i], text);
  } else if (array->dtype == IG_F64) {
    length = (size_t)snprintf(text, sizeof text, "%.17g", ((const double *)data)[i]);
  } else if (ig_dtype_is_float(array->dtype)) {
    length = ig_number_write_float((float)ig_load_f64(array->dtype, data, i), text);
  } else {
    int64_t value;
    ig_convert(array->dtype, (const char *)data + (size_t)i * ig_dtype_size(array->dtype), IG_I64,
               &value, 1);
    if (array->labels && value >= 0 && value < array->n_labels) {
      return put_word(w, array->labels[value]);
    }
    length = ig_number_write_int(value, text);
  }
  return put(w, text, length);
}

static ig_status csv_append(ig_array_writer *w, const void *const *data, int64_t rows) {
  for (int64_t row = 0; row < rows; row++) {
    for (int i = 0; i < w->n; i++) {
      int64_t count = (int64_t)w->row_bytes[i] / (int64_t)ig_dtype_size(w->arrays[i].dtype);
      for (int64_t k = 0; k < count; k++) {
        if (i > 0 || k > 0) IG_TRY(put(w, ",", 1));
        IG_TRY(put_value(w, &w->arrays[i], data[i], row * count + k));
      }
    }
    IG_TRY(put(w, "\n", 1));
  }
  return IG_OK;
}

static void csv_release(ig_array_writer *w) {
  ig_free(w->state);
}

const ig_array_format ig_array_format_csv = {
    .extension = ".csv",
    .open = csv_open,
    .append = csv_append,
    .finish = flush,
    .release = csv_release,
};
