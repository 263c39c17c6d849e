/* The wire format, written. Each message goes through the same walk twice: first counting, since a length
 * stands before what it measures, then writing. Lengths are kept in the order of the walk, so that deep
 * messages are counted once. What is large (weights) goes from where it lies straight to the file. */
#include "formats/onnx_write.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "formats/checkpoint_files.h"

enum { VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5 };

#define BUFFER ((size_t)1 << 16)
#define AT_ONCE ((size_t)16 << 20) /* written before pages of the source go */

typedef struct writer {
  ig_status status; /* of the first failure */
  bool counting;
  size_t total; /* counted or written */
  int64_t n_lengths, length_capacity, next_length;
  size_t *lengths;
  const char *path;
  const ig_onnx_model *from; /* whose bytes are let go; or NULL */
  int fd;
  size_t used; /* of the buffer */
  unsigned char *buffer;
} writer;

/* --- bytes ------------------------------------------------------------------------------------- */

static void write_all(writer *w, const void *bytes, size_t size) {
  const char *at = bytes;
  while (size > 0 && w->status == IG_OK) {
    ssize_t n = write(w->fd, at, IG_MIN(size, AT_ONCE));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      w->status = ig_fail_errno("write", w->path);
      return;
    }
    if (w->from && (size_t)n > BUFFER) ig_onnx_model_forget(w->from, at, (size_t)n);
    at += n;
    size -= (size_t)n;
  }
}

static void flush(writer *w) {
  write_all(w, w->buffer, w->used);
  w->used = 0;
}

static void put(writer *w, const void *bytes, size_t size) {
  w->total += size;
  if (w->counting || size == 0) return;
  if (w->used + size > BUFFER) flush(w);
  if (size > BUFFER) {
    write_all(w, bytes, size);
    return;
  }
  memcpy(w->buffer + w->used, bytes, size);
  w->used += size;
}

static size_t varint_size(uint64_t value) {
  size_t n = 1;
  while (value >>= 7) n++;
  return n;
}

static void put_varint(writer *w, uint64_t value) {
  unsigned char bytes[10];
  size_t n = 0;
  do {
    bytes[n] = (unsigned char)(value & 127);
    value >>= 7;
    if (value) bytes[n] |= 128;
    n++;
  } while (value);
  put(w, bytes, n);
}

static void put_key(writer *w, const ig_onnx_field *field, unsigned wire) {
  put_varint(w, (uint64_t)field->number << 3 | wire);
}

static void put_delimited(writer *w, const ig_onnx_field *field, const void *bytes, size_t size) {
  put_key(w, field, DELIMITED);
  put_varint(w, size);
  put(w, bytes, size);
}

/* --- fields ------------------------------------------------------------------------------------ */

static void put_message(writer *w, const ig_onnx_schema *schema, const void *message);

static void put_part(writer *w, const ig_onnx_field *field, const void *part) {
  if (w->counting) {
    int64_t slot = w->n_lengths;
    if (!ig_grow((void **)&w->lengths, &w->length_capacity, slot + 1, sizeof *w->lengths)) {
      w->status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", w->path);
      return;
    }
    w->n_lengths++;
    size_t before = w->total;
    put_message(w, field->schema, part);
    w->lengths[slot] = w->total - before;
    put_key(w, field, DELIMITED);
    put_varint(w, w->lengths[slot]);
    return;
  }
  put_key(w, field, DELIMITED);
  put_varint(w, w->lengths[w->next_length++]);
  put_message(w, field->schema, part);
}

/* Lists of numbers are packed: readers of either version of protobuf take them so. */
static void put_list(writer *w, const ig_onnx_field *field, const void *list, int64_t n) {
  const int64_t *ints = list;
  size_t size = 0;
  if (field->kind == IG_ONNX_F_FLOATS || field->kind == IG_ONNX_F_DOUBLES) {
    size = (size_t)n * (field->kind == IG_ONNX_F_FLOATS ? sizeof(float) : sizeof(double));
    put_delimited(w, field, list, size);
    return;
  }
  for (int64_t i = 0; i < n; i++) size += varint_size((uint64_t)ints[i]);
  put_key(w, field, DELIMITED);
  put_varint(w, size);
  for (int64_t i = 0; i < n; i++) put_varint(w, (uint64_t)ints[i]);
}

static void put_many(writer *w, const ig_onnx_field *field, const void *list, int64_t n) {
  for (int64_t i = 0; i < n && w->status == IG_OK; i++) {
    if (field->kind == IG_ONNX_F_TEXTS) {
      const char *text = ((const char *const *)list)[i];
      put_delimited(w, field, text, strlen(text));
    } else if (field->kind == IG_ONNX_F_BYTES_LIST) {
      const ig_onnx_text *text = (const ig_onnx_text *)list + i;
      put_delimited(w, field, text->bytes, text->size);
    } else {
      put_part(w, field, (const char *)list + (size_t)i * field->schema->size);
    }
  }
}

static bool is_kind(const ig_onnx_field *field, const void *message) {
  return field->kind_value && *(const int64_t *)((const char *)message + field->kind_at) == field->kind_value;
}

static void put_field(writer *w, const ig_onnx_schema *schema, const ig_onnx_field *field,
                      const void *message) {
  const char *at = (const char *)message + field->at;
  int64_t n = field->kind >= IG_ONNX_F_TEXTS ? *(const int64_t *)((const char *)message + field->count) : 0;
  switch (field->kind) {
  case IG_ONNX_F_TEXT: {
    const char *text = *(const char *const *)at;
    if (text) put_delimited(w, field, text, strlen(text));
    break;
  }
  case IG_ONNX_F_BYTES: {
    const ig_onnx_text *text = (const ig_onnx_text *)at;
    if (text->bytes) put_delimited(w, field, text->bytes, text->size);
    break;
  }
  case IG_ONNX_F_INT: {
    int64_t value = *(const int64_t *)at;
    if (value == schema->fallback && !is_kind(field, message)) break;
    put_key(w, field, VARINT);
    put_varint(w, (uint64_t)value);
    break;
  }
  case IG_ONNX_F_FLOAT:
    if (*(const float *)at == 0 && !is_kind(field, message)) break;
    put_key(w, field, FIXED32);
    put(w, at, sizeof(float));
    break;
  case IG_ONNX_F_MESSAGE: {
    const void *part = *(const void *const *)at;
    if (part) put_part(w, field, part);
    break;
  }
  case IG_ONNX_F_INTS:
  case IG_ONNX_F_FLOATS:
  case IG_ONNX_F_DOUBLES:
    if (n) put_list(w, field, *(const void *const *)at, n);
    break;
  case IG_ONNX_F_TEXTS:
  case IG_ONNX_F_BYTES_LIST:
  case IG_ONNX_F_MESSAGES: put_many(w, field, *(const void *const *)at, n); break;
  }
}

static void put_message(writer *w, const ig_onnx_schema *schema, const void *message) {
  for (const ig_onnx_field *f = schema->fields; f->number && w->status == IG_OK; f++) {
    put_field(w, schema, f, message);
  }
}

static ig_status count(writer *w, const ig_onnx_schema *schema, const void *message) {
  w->counting = true;
  put_message(w, schema, message);
  w->counting = false;
  return w->status;
}

ig_status ig_onnx_measure(const ig_onnx_schema *schema, const void *message, size_t *size) {
  writer w = {.path = "an ONNX message"};
  ig_status status = count(&w, schema, message);
  ig_free(w.lengths);
  if (status == IG_OK) *size = w.total;
  return status;
}

/* --- files ------------------------------------------------------------------------------------- */

static void put_zeros(writer *w, uint64_t until) {
  static const unsigned char zeros[4096];
  while (w->total < until && w->status == IG_OK) {
    put(w, zeros, IG_MIN((size_t)(until - w->total), sizeof zeros));
  }
}

static ig_status finish(writer *w) {
  flush(w);
  if (w->status == IG_OK && fsync(w->fd) != 0) w->status = ig_fail_errno("write to disk", w->path);
  return w->status;
}

static ig_status write_outside(const ig_partial *file, unsigned char *buffer,
                               const ig_onnx_outside *outside, const ig_onnx_model *from) {
  writer w = {.path = file->target, .fd = file->fd, .buffer = buffer, .from = from};
  for (int64_t i = 0; i < outside->n && w.status == IG_OK; i++) {
    put_zeros(&w, outside->pieces[i].offset);
    put(&w, outside->pieces[i].data, outside->pieces[i].size);
  }
  return finish(&w);
}

static ig_status write_model(const ig_partial *file, unsigned char *buffer, const ig_onnx_message *model,
                             const ig_onnx_model *from) {
  writer w = {.path = file->target, .fd = file->fd, .buffer = buffer, .from = from};
  ig_status status = count(&w, &ig_onnx_schema_model, model);
  if (status == IG_OK && w.total > IG_ONNX_LARGEST) {
    status = ig_fail(IG_ERR_UNSUPPORTED, "%s: an ONNX file holds at most 2 GiB, this one needs %zu bytes",
                     w.path, w.total);
  }
  if (status == IG_OK) {
    w.total = 0;
    put_message(&w, &ig_onnx_schema_model, model);
    status = finish(&w);
  }
  ig_free(w.lengths);
  return status;
}

/* The weights take their place first: a model never names a file that is not there. */
static ig_status write_both(const char *path, const char *weights, unsigned char *buffer,
                            const ig_onnx_message *model, const ig_onnx_outside *outside,
                            const ig_onnx_model *from) {
  ig_partial file, data;
  IG_TRY(ig_partial_open(path, &file));
  ig_status status = write_model(&file, buffer, model, from);
  if (status == IG_OK && weights) {
    status = ig_partial_open(weights, &data);
    if (status == IG_OK) status = ig_partial_close(&data, write_outside(&data, buffer, outside, from));
  }
  return ig_partial_close(&file, status);
}

ig_status ig_onnx_write(const char *path, const ig_onnx_message *model, const ig_onnx_outside *outside,
                        const ig_onnx_model *from) {
  const char *slash = strrchr(path, '/');
  bool both = outside && outside->n;
  int folder = slash ? (int)(slash - path + 1) : 0;
  char *weights = both ? ig_format("%.*s%s", folder, path, outside->location) : NULL;
  unsigned char *buffer = ig_alloc(BUFFER);
  ig_status status = buffer && (weights || !both) ? write_both(path, weights, buffer, model, outside, from)
                                                  : ig_fail(IG_ERR_MEMORY, "%s: out of memory", path);
  ig_free(buffer);
  ig_free(weights);
  return status;
}
