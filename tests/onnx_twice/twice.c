/* Our tables of fields and protobuf-c's descriptors are walked side by side, by field numbers, so that this
 * comparison knows no message by name. Fields newer than Debian's onnx.proto have no second opinion. */
#include "twice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/onnx_read.h"
#include "onnx.pb-c.h"

#define MOST_DEPTH 100
#define MOST_MEMORY ((size_t)512 << 20) /* of protobuf-c, which copies what it reads */

typedef struct comparison {
  size_t size_why;
  char *why;
} comparison;

static bool differ(const comparison *c, const char *message, unsigned field, const char *what) {
  snprintf(c->why, c->size_why, "%s, field %u: %s", message, field, what);
  return false;
}

/* --- what protobuf-c may be given -------------------------------------------------------------- */

static const unsigned char *varint(const unsigned char *at, const unsigned char *end, uint64_t *out) {
  *out = 0;
  for (int shift = 0; at < end && shift < 64; shift += 7) {
    *out |= (uint64_t)(*at & 127) << shift;
    if (*at++ < 128) return at;
  }
  return NULL;
}

/* Its unpacker calls itself for every message in a message, without a limit. Which bytes are messages is not
 * known here: all that could be are taken for such, so that the depth is never underestimated. */
static bool is_deep(const unsigned char *at, const unsigned char *end, int depth) {
  if (depth > MOST_DEPTH) return true;
  while (at && at < end) {
    uint64_t tag, length;
    if (!(at = varint(at, end, &tag))) return false;
    switch (tag & 7) {
    case 0: at = varint(at, end, &length); break;
    case 1: at = end - at < 8 ? NULL : at + 8; break;
    case 5: at = end - at < 4 ? NULL : at + 4; break;
    case 2:
      at = varint(at, end, &length);
      if (!at || length > (uint64_t)(end - at)) return false;
      if (is_deep(at, at + length, depth + 1)) return true;
      at += length;
      break;
    default: return false;
    }
  }
  return false;
}

/* What ours skips is no matter of comparison, and theirs must not refuse the file for it: such fields are left
 * out of what it is given. Bytes that are no fields are kept as they are, for both to refuse. */
typedef struct buffer {
  unsigned char *bytes;
  size_t size;
} buffer;

static void append(buffer *to, const void *bytes, size_t size) {
  if (size) memcpy(to->bytes + to->size, bytes, size);
  to->size += size;
}

static const ig_onnx_field *field_of(const ig_onnx_schema *schema, uint64_t number) {
  for (const ig_onnx_field *f = schema->fields; f->number; f++) {
    if (f->number == number) return f;
  }
  return NULL;
}

/* Past the field that begins at `at`; NULL where none is whole. *content is behind key and length. */
static const unsigned char *field_end(const unsigned char *at, const unsigned char *end, uint64_t *tag,
                                      const unsigned char **content) {
  uint64_t length = 0;
  at = varint(at, end, tag);
  if (!at) return NULL;
  unsigned type = *tag & 7;
  if (type == 0) at = varint(at, end, &length), length = 0;
  else if (type == 2) at = varint(at, end, &length);
  else if (type == 1 || type == 5) length = type == 1 ? 8 : 4;
  else return NULL;
  if (!at || length > (uint64_t)(end - at)) return NULL;
  *content = at;
  return at + length;
}

/* The message from `start` on, of which `kept` bytes of content stayed, under its new length. */
static void shorten(buffer *to, size_t start, size_t content, size_t kept) {
  uint64_t unused;
  size_t at = (size_t)(varint(to->bytes + start, to->bytes + content, &unused) - to->bytes);
  for (size_t left = kept;; left >>= 7) { /* no longer than the one before */
    to->bytes[at++] = (unsigned char)(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) break;
  }
  memmove(to->bytes + at, to->bytes + content, kept);
  to->size = at + kept;
}

/* `to` has room for as many bytes; whether any were left out. */
static bool keep_read(const ig_onnx_schema *schema, const ProtobufCMessageDescriptor *theirs,
                      const unsigned char *at, const unsigned char *end, buffer *to) {
  const unsigned char *content = NULL, *next;
  bool left_out = false;
  uint64_t tag;
  for (; at < end && (next = field_end(at, end, &tag, &content)); at = next) {
    const ig_onnx_field *f = field_of(schema, tag >> 3);
    const ProtobufCFieldDescriptor *d =
        tag >> 35 ? NULL : protobuf_c_message_descriptor_get_field(theirs, (unsigned)(tag >> 3));
    bool message = d && d->type == PROTOBUF_C_TYPE_MESSAGE && (tag & 7) == 2;
    if ((d && !f) || (message && !f->schema)) { /* such messages are bytes to us */
      left_out = true;
    } else if (message) {
      size_t start = to->size;
      append(to, at, (size_t)(content - at));
      size_t body = to->size;
      if (!keep_read(f->schema, d->descriptor, content, next, to)) continue;
      shorten(to, start, body, to->size - body);
      left_out = true;
    } else {
      append(to, at, (size_t)(next - at));
    }
  }
  append(to, at, (size_t)(end - at));
  return left_out;
}

typedef struct pool {
  size_t left;
  bool short_of;
} pool;

static void *take(void *context, size_t size) {
  pool *p = context;
  p->short_of = p->short_of || size > p->left;
  if (p->short_of) return NULL;
  p->left -= size;
  return malloc(size);
}

static void give(void *context, void *block) {
  (void)context;
  free(block);
}

/* --- fields ------------------------------------------------------------------------------------ */

static bool same_message(const comparison *c, const ig_onnx_schema *schema, const char *ours,
                         const ProtobufCMessage *theirs);

typedef struct place {
  const ProtobufCFieldDescriptor *field;
  const char *at, *quantifier;
} place;

static bool is_present(const place *p) {
  if (p->field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
    return *(const uint32_t *)(const void *)p->quantifier == p->field->id;
  }
  if (p->field->type == PROTOBUF_C_TYPE_STRING || p->field->type == PROTOBUF_C_TYPE_MESSAGE) {
    return *(const void *const *)(const void *)p->at != NULL;
  }
  return *(const protobuf_c_boolean *)(const void *)p->quantifier;
}

static bool is_narrow(const place *p) {
  return p->field->type == PROTOBUF_C_TYPE_INT32 || p->field->type == PROTOBUF_C_TYPE_ENUM;
}

static int64_t number_at(const place *p, const char *at) {
  int32_t narrow;
  int64_t wide;
  memcpy(&narrow, at, sizeof narrow);
  if (is_narrow(p)) return narrow;
  memcpy(&wide, at, sizeof wide);
  return wide;
}

/* An int32 of more bits has the lower ones. */
static bool same_number(const place *p, int64_t ours, int64_t theirs) {
  return is_narrow(p) ? (int32_t)ours == theirs : ours == theirs;
}

static bool same_bytes(const ig_onnx_text *ours, const ProtobufCBinaryData *theirs) {
  return ours->size == theirs->len && (theirs->len == 0 || memcmp(ours->bytes, theirs->data, theirs->len) == 0);
}

static bool same_one(const comparison *c, const ig_onnx_schema *schema, const ig_onnx_field *f,
                     const char *ours, const place *p) {
  bool present = is_present(p);
  const void *pointer = *(const void *const *)(const void *)ours;
  switch (f->kind) {
  case IG_ONNX_F_TEXT: {
    const char *text = present ? *(char *const *)(const void *)p->at : NULL;
    if (!text == !pointer && (!text || strcmp(text, pointer) == 0)) return true;
    return differ(c, schema->name, f->number, "texts differ");
  }
  case IG_ONNX_F_BYTES:
    if (p->field->type != PROTOBUF_C_TYPE_BYTES) return true; /* a message that we leave unread */
    if (!pointer == present) return differ(c, schema->name, f->number, "one has no bytes");
    return !present || same_bytes((const void *)ours, (const void *)p->at) || differ(c, schema->name, f->number, "bytes differ");
  case IG_ONNX_F_INT: {
    int64_t absent = f == schema->fields ? schema->fallback : 0;
    int64_t theirs = present ? number_at(p, p->at) : absent;
    return same_number(p, *(const int64_t *)(const void *)ours, theirs) ||
           differ(c, schema->name, f->number, "numbers differ");
  }
  case IG_ONNX_F_FLOAT: {
    static const float zero;
    return memcmp(ours, present ? p->at : (const char *)&zero, sizeof zero) == 0 ||
           differ(c, schema->name, f->number, "floats differ");
  }
  default: /* a message */
    if (!pointer == present) return differ(c, schema->name, f->number, "one has no such message");
    return !present || same_message(c, f->schema, pointer, *(ProtobufCMessage *const *)(const void *)p->at);
  }
}

static bool same_list(const comparison *c, const ig_onnx_schema *schema, const ig_onnx_field *f,
                      const char *ours, int64_t count, const place *p) {
  size_t n = *(const size_t *)(const void *)p->quantifier;
  const char *a = *(const char *const *)(const void *)ours, *b = *(const char *const *)(const void *)p->at;
  if ((size_t)count != n) return differ(c, schema->name, f->number, "lists of different lengths");
  bool same = true;
  for (size_t i = 0; i < n && same; i++) {
    switch (f->kind) {
    case IG_ONNX_F_TEXTS: same = strcmp(((const char *const *)(const void *)a)[i], ((char *const *)(const void *)b)[i]) == 0; break;
    case IG_ONNX_F_BYTES_LIST:
      same = same_bytes((const ig_onnx_text *)(const void *)a + i, (const ProtobufCBinaryData *)(const void *)b + i);
      break;
    case IG_ONNX_F_INTS:
      same = same_number(p, ((const int64_t *)(const void *)a)[i], number_at(p, b + i * (is_narrow(p) ? 4 : 8)));
      break;
    case IG_ONNX_F_FLOATS: same = memcmp(a + 4 * i, b + 4 * i, 4) == 0; break;
    case IG_ONNX_F_DOUBLES: same = memcmp(a + 8 * i, b + 8 * i, 8) == 0; break;
    default:
      if (!same_message(c, f->schema, a + i * f->schema->size, ((ProtobufCMessage *const *)(const void *)b)[i]))
        return false;
    }
  }
  return same || differ(c, schema->name, f->number, "lists of different elements");
}

static bool same_message(const comparison *c, const ig_onnx_schema *schema, const char *ours,
                         const ProtobufCMessage *theirs) {
  for (const ig_onnx_field *f = schema->fields; f->number; f++) {
    const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(theirs->descriptor, f->number);
    if (!d) continue; /* newer than their onnx.proto */
    const char *message = (const char *)theirs;
    const place p = {d, message + d->offset, message + d->quantifier_offset};
    bool list = f->kind >= IG_ONNX_F_TEXTS;
    if (!list && d->label == PROTOBUF_C_LABEL_REPEATED) continue; /* which we leave unread */
    int64_t count = list ? *(const int64_t *)(const void *)(ours + f->count) : 0;
    bool same = list ? same_list(c, schema, f, ours + f->at, count, &p) : same_one(c, schema, f, ours + f->at, &p);
    if (!same) return false;
  }
  return true;
}

/* Whether there are fields of ours that their onnx.proto is too old for, in what it could read. */
static bool has_newer(const ig_onnx_schema *schema, const ProtobufCMessage *theirs) {
  for (const ig_onnx_field *f = schema->fields; f->number; f++) {
    for (unsigned i = 0; i < theirs->n_unknown_fields; i++) {
      if (theirs->unknown_fields[i].tag == f->number) return true;
    }
    const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(theirs->descriptor, f->number);
    if (!d || !f->schema || d->type != PROTOBUF_C_TYPE_MESSAGE) continue;
    const char *message = (const char *)theirs;
    const place p = {d, message + d->offset, message + d->quantifier_offset};
    bool list = d->label == PROTOBUF_C_LABEL_REPEATED;
    const void *held = *(const void *const *)(const void *)p.at;
    size_t n = list ? *(const size_t *)(const void *)p.quantifier : is_present(&p);
    for (size_t i = 0; i < n; i++) {
      if (has_newer(f->schema, list ? ((ProtobufCMessage *const *)held)[i] : held)) return true;
    }
  }
  return false;
}

/* --- the whole ---------------------------------------------------------------------------------- */

/* Rules that protobuf has not. */
static bool is_stated_limit(const char *why) {
  static const char *const rules[] = {"needs more memory",     "nested more than", "holds a NUL",
                                      "comes again",           "more than 64 bits", "one is chosen",
                                      "field number out of range"};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    if (strstr(why, rules[i])) return true;
  }
  return false;
}

static twice_verdict compare(const comparison *c, ig_status status, const ig_onnx_message *ours,
                             const Onnx__ModelProto *theirs) {
  if (status != IG_OK) {
    snprintf(c->why, c->size_why, "%s", ig_last_error());
    if (!theirs) return TWICE_REFUSED;
    bool stricter = is_stated_limit(c->why) || has_newer(&ig_onnx_schema_model, &theirs->base);
    return stricter ? TWICE_STRICTER : TWICE_DIFFERENT;
  }
  if (!theirs) {
    snprintf(c->why, c->size_why, "protobuf-c refuses it");
    return TWICE_DIFFERENT;
  }
  return same_message(c, &ig_onnx_schema_model, (const char *)ours, &theirs->base) ? TWICE_SAME : TWICE_DIFFERENT;
}

twice_verdict twice(const void *bytes, size_t size, size_t size_why, char *why) {
  const comparison c = {size_why, why};
  const unsigned char *at = bytes;
  *why = 0;
  if (is_deep(at, at + size, 0)) {
    snprintf(why, size_why, "bytes that may be messages more than %d deep", MOST_DEPTH);
    return TWICE_STRICTER;
  }
  ig_onnx_message ours = {0};
  ig_arena *arena = ig_arena_create();
  if (!arena) abort();
  ig_clear_error();
  ig_status status = ig_onnx_read("twice", bytes, size, &ig_onnx_schema_model, arena, &ours);
  pool memory = {.left = MOST_MEMORY};
  ProtobufCAllocator allocator = {take, give, &memory};
  buffer kept = {.bytes = malloc(size + 1)};
  if (!kept.bytes) abort();
  keep_read(&ig_onnx_schema_model, &onnx__model_proto__descriptor, at, at + size, &kept);
  Onnx__ModelProto *theirs = onnx__model_proto__unpack(&allocator, kept.size, kept.bytes);
  free(kept.bytes);
  twice_verdict verdict = TWICE_STRICTER;
  if (memory.short_of) {
    snprintf(why, size_why, "protobuf-c would need more than %zu MiB", MOST_MEMORY >> 20);
  } else {
    verdict = compare(&c, status, &ours, theirs);
  }
  if (theirs) onnx__model_proto__free_unpacked(theirs, &allocator);
  ig_arena_destroy(arena);
  return verdict;
}
