/* Protocol buffers' wire format into the structs of the tables (onnx_schema.h). Each message is walked
 * twice: to count, so that every list is one array, and to fill. Texts are copied for their NUL; bytes and
 * numbers of fixed width stay where they are in the file. */
#include <string.h>

#include "engine/base/checked.h"
#include "formats/onnx_read.h"

/* Bodies of loops in bodies of loops are four messages a level. */
#define MOST_DEPTH 100
/* Structs are larger than the shortest bytes that make them; a file may not ask for much more. */
#define BUDGET_BASE ((size_t)64 << 20)
#define BUDGET_FACTOR 24

typedef struct span {
  const unsigned char *at, *end;
} span;

typedef struct reader {
  const char *path;
  const unsigned char *file;
  ig_arena *arena;
  size_t budget;
} reader;

typedef struct wire_field {
  uint32_t number;
  int type; /* 0 varint, 1 eight bytes, 2 a length and bytes, 5 four bytes */
  uint64_t value;
  span bytes;
} wire_field;

static ig_status malformed(const reader *r, const unsigned char *at, const char *what) {
  return ig_fail(IG_ERR_INPUT, "%s: not an ONNX model: byte %lld: %s", r->path,
                 (long long)(at - r->file), what);
}

static void *take(reader *r, size_t count, size_t size) {
  size_t bytes;
  if (!ig_mul_size(count, size, &bytes) || bytes > r->budget) return NULL;
  r->budget -= bytes;
  return ig_arena_alloc(r->arena, bytes ? bytes : 1);
}

static ig_status short_of_memory(const reader *r) {
  return ig_fail(IG_ERR_MEMORY, "%s: its structure needs more memory than a file of its size may",
                 r->path);
}

static ig_status read_varint(const reader *r, span *s, uint64_t *out) {
  uint64_t value = 0;
  const unsigned char *start = s->at;
  for (int shift = 0; shift < 70 && s->at < s->end; shift += 7) {
    unsigned char byte = *s->at++;
    if (shift == 63 && byte > 1) return malformed(r, start, "a number of more than 64 bits");
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = value;
      return IG_OK;
    }
  }
  return malformed(r, start, "a number that does not end");
}

/* A key or a length: no more bytes than 32 bits need, as all readers of protobuf have it. */
static ig_status read_short_varint(const reader *r, span *s, uint64_t *out) {
  const unsigned char *start = s->at;
  IG_TRY(read_varint(r, s, out));
  return s->at - start <= 5 ? IG_OK : malformed(r, start, "a key or length of more than 5 bytes");
}

static ig_status read_field(const reader *r, span *s, wire_field *f) {
  const unsigned char *start = s->at;
  uint64_t tag = 0;
  IG_TRY(read_short_varint(r, s, &tag));
  f->number = (uint32_t)(tag >> 3);
  f->type = (int)(tag & 7);
  if (tag >> 32 || f->number == 0) return malformed(r, start, "a field number out of range");
  size_t left = (size_t)(s->end - s->at), size = f->type == 1 ? 8 : 4;
  switch (f->type) {
  case 0: return read_varint(r, s, &f->value);
  case 2:
    IG_TRY(read_short_varint(r, s, &f->value));
    left = (size_t)(s->end - s->at);
    if (f->value > left) return malformed(r, start, "a field that is longer than its message");
    size = (size_t)f->value;
    break;
  case 1:
  case 5:
    if (size > left) return malformed(r, start, "a field that is longer than its message");
    break;
  default: return malformed(r, start, "an unknown wire type");
  }
  f->bytes = (span){s->at, s->at + size};
  s->at += size;
  return IG_OK;
}

/* The wire type of one element; lists of numbers may also come packed, as 2. */
static int wire_type(ig_onnx_field_kind kind) {
  switch (kind) {
  case IG_ONNX_F_INT:
  case IG_ONNX_F_INTS: return 0;
  case IG_ONNX_F_DOUBLES: return 1;
  case IG_ONNX_F_FLOAT:
  case IG_ONNX_F_FLOATS: return 5;
  default: return 2;
  }
}

static bool is_list(ig_onnx_field_kind kind) {
  return kind >= IG_ONNX_F_TEXTS;
}

static size_t element_size(const ig_onnx_field *field) {
  switch (field->kind) {
  case IG_ONNX_F_TEXTS: return sizeof(const char *);
  case IG_ONNX_F_BYTES_LIST: return sizeof(ig_onnx_text);
  case IG_ONNX_F_FLOATS: return sizeof(float);
  case IG_ONNX_F_MESSAGES: return field->schema->size;
  default: return 8;
  }
}

static const ig_onnx_field *find_field(const ig_onnx_schema *schema, uint32_t number) {
  for (const ig_onnx_field *f = schema->fields; f->number; f++) {
    if (f->number == number) return f;
  }
  return NULL;
}

/* --- counting --------------------------------------------------------------------------------- */

static ig_status count_packed(const reader *r, const ig_onnx_field *field, span bytes,
                              int64_t *count) {
  size_t size = (size_t)(bytes.end - bytes.at);
  if (field->kind != IG_ONNX_F_INTS) {
    if (size % element_size(field)) return malformed(r, bytes.at, "a list of numbers that is cut");
    *count += (int64_t)(size / element_size(field));
    return IG_OK;
  }
  for (const unsigned char *at = bytes.at; at < bytes.end; at++) *count += *at < 0x80;
  return IG_OK;
}

/* Counts list elements into the struct, and checks wire types. */
static ig_status count_fields(const reader *r, const ig_onnx_schema *schema, span s, char *out) {
  while (s.at < s.end) {
    const unsigned char *start = s.at;
    wire_field f;
    IG_TRY(read_field(r, &s, &f));
    const ig_onnx_field *field = find_field(schema, f.number);
    if (!field) continue;
    bool numbers = field->kind >= IG_ONNX_F_INTS && field->kind <= IG_ONNX_F_DOUBLES;
    bool packed = numbers && f.type == 2;
    if (f.type != wire_type(field->kind) && !packed) {
      return ig_fail(IG_ERR_INPUT, "%s: not an ONNX model: byte %lld: %s has no field %u of wire type %d",
                     r->path, (long long)(start - r->file), schema->name, f.number, f.type);
    }
    if (packed) {
      IG_TRY(count_packed(r, field, f.bytes, (int64_t *)(void *)(out + field->count)));
    } else if (is_list(field->kind)) {
      ++*(int64_t *)(void *)(out + field->count);
    }
  }
  return IG_OK;
}

static ig_status make_lists(reader *r, const ig_onnx_schema *schema, char *out) {
  for (const ig_onnx_field *f = schema->fields; f->number; f++) {
    if (!is_list(f->kind)) continue;
    int64_t *count = (int64_t *)(void *)(out + f->count);
    if (*count) {
      void *list = take(r, (size_t)*count, element_size(f));
      if (!list) return short_of_memory(r);
      memcpy(out + f->at, &list, sizeof list);
    }
    *count = 0; /* counted again while filling */
  }
  return IG_OK;
}

/* --- filling ---------------------------------------------------------------------------------- */

static ig_status read_message(reader *r, const ig_onnx_schema *schema, span s, int depth, void *out);

static ig_status read_text(reader *r, span bytes, const char **out) {
  size_t size = (size_t)(bytes.end - bytes.at);
  if (memchr(bytes.at, 0, size)) return malformed(r, bytes.at, "a name that holds a NUL");
  char *text = take(r, size + 1, 1);
  if (!text) return short_of_memory(r);
  memcpy(text, bytes.at, size);
  *out = text;
  return IG_OK;
}

static ig_status append_numbers(const reader *r, const ig_onnx_field *field, const wire_field *f,
                                char *list, int64_t *count) {
  size_t size = element_size(field);
  /* Without an array there is no whole number: nothing at all, or one that does not end. */
  char *at = list ? list + (size_t)*count * size : NULL;
  if (f->type == 2 && f->bytes.at == f->bytes.end) return IG_OK;
  if (field->kind != IG_ONNX_F_INTS) {
    size_t bytes = (size_t)(f->bytes.end - f->bytes.at);
    memcpy(at, f->bytes.at, bytes);
    *count += (int64_t)(bytes / size);
    return IG_OK;
  }
  if (f->type == 0) {
    memcpy(at, &f->value, size);
    ++*count;
    return IG_OK;
  }
  span s = f->bytes;
  for (; s.at < s.end; at += size, ++*count) {
    uint64_t value = 0;
    IG_TRY(read_varint(r, &s, &value));
    memcpy(at, &value, size);
  }
  return IG_OK;
}

static ig_status read_part(reader *r, const ig_onnx_field *field, span bytes, int depth, char *at) {
  void *part;
  memcpy(&part, at, sizeof part);
  if (part) return malformed(r, bytes.at, "a field that may come once comes again");
  part = take(r, 1, field->schema->size);
  if (!part) return short_of_memory(r);
  memcpy(at, &part, sizeof part);
  return read_message(r, field->schema, bytes, depth, part);
}

static ig_status fill(reader *r, const ig_onnx_field *field, const wire_field *f, int depth,
                      char *out) {
  char *at = out + field->at, *list = NULL;
  int64_t *count = (int64_t *)(void *)(out + field->count);
  if (is_list(field->kind)) memcpy(&list, at, sizeof list);
  ig_onnx_text bytes = {(const char *)f->bytes.at, (size_t)(f->bytes.end - f->bytes.at)};
  switch (field->kind) {
  case IG_ONNX_F_TEXT: return read_text(r, f->bytes, (const char **)(void *)at);
  case IG_ONNX_F_BYTES: memcpy(at, &bytes, sizeof bytes); return IG_OK;
  case IG_ONNX_F_INT: memcpy(at, &f->value, sizeof f->value); return IG_OK;
  case IG_ONNX_F_FLOAT: memcpy(at, f->bytes.at, sizeof(float)); return IG_OK;
  case IG_ONNX_F_MESSAGE: return read_part(r, field, f->bytes, depth, at);
  case IG_ONNX_F_TEXTS: return read_text(r, f->bytes, (const char **)(void *)list + (*count)++);
  case IG_ONNX_F_BYTES_LIST: ((ig_onnx_text *)(void *)list)[(*count)++] = bytes; return IG_OK;
  case IG_ONNX_F_MESSAGES:
    list += (size_t)(*count)++ * field->schema->size;
    return read_message(r, field->schema, f->bytes, depth, list);
  default: return append_numbers(r, field, f, list, count);
  }
}

static ig_status read_message(reader *r, const ig_onnx_schema *schema, span s, int depth,
                              void *out) {
  if (depth > MOST_DEPTH) return malformed(r, s.at, "messages nested more than 100 deep");
  IG_TRY(count_fields(r, schema, s, out));
  IG_TRY(make_lists(r, schema, out));
  if (schema->fallback) { /* the one such field comes first */
    memcpy((char *)out + schema->fields[0].at, &schema->fallback, sizeof schema->fallback);
  }
  const ig_onnx_field *chosen = NULL;
  while (s.at < s.end) {
    wire_field f;
    const unsigned char *start = s.at;
    IG_TRY(read_field(r, &s, &f));
    const ig_onnx_field *field = find_field(schema, f.number);
    if (!field) continue;
    if (schema->choice && chosen && chosen != field) return malformed(r, start, "two fields of which one is chosen");
    chosen = field;
    IG_TRY(fill(r, field, &f, depth + 1, out));
  }
  return IG_OK;
}

ig_status ig_onnx_read(const char *path, const void *bytes, size_t size,
                       const ig_onnx_schema *schema, ig_arena *arena, void *out) {
  size_t budget;
  if (!ig_mul_size(size, BUDGET_FACTOR, &budget) || !ig_add_size(budget, BUDGET_BASE, &budget)) {
    budget = SIZE_MAX;
  }
  reader r = {.path = path, .file = bytes, .arena = arena, .budget = budget};
  span all = {r.file, r.file + size};
  return read_message(&r, schema, all, 0, out);
}
