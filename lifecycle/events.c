/* The event file writer of events.h: protocol buffers by hand, since five messages do not justify a
 * compiler for them. Nested messages are written inside out: fields go to the front of a buffer that
 * is filled from its end, so that lengths are known when they are written. */
#include "lifecycle/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "lifecycle/append.h"

#define MAX_TEXT ((size_t)16 << 20)
#define OVERHEAD 256 /* bytes of an event beside its tag and text */

struct ig_events {
  ig_append *file;
  size_t capacity;
  unsigned char *buffer; /* heap */
};

/* --- CRC32C ---------------------------------------------------------------------------------- */

uint32_t ig_crc32c(const void *bytes, size_t size) {
  const unsigned char *p = bytes;
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
  }
  return ~crc;
}

/* TFRecord masks checksums, because a checksum of data that holds checksums is weak. */
static uint32_t masked_crc(const void *bytes, size_t size) {
  uint32_t crc = ig_crc32c(bytes, size);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/* --- protocol buffers, from the end ---------------------------------------------------------- */

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 }; /* wire types */

typedef struct message {
  unsigned char *start, *at; /* what is written lies from `at` to the end */
  unsigned char *end;
} message;

static void put_bytes(message *m, const void *bytes, size_t size) {
  m->at -= size;
  memcpy(m->at, bytes, size);
}

static void put_varint(message *m, uint64_t value) {
  unsigned char bytes[10];
  int n = 0;
  do {
    bytes[n] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
    n++;
  } while (value);
  put_bytes(m, bytes, (size_t)n);
}

static void put_key(message *m, unsigned field, unsigned wire) {
  put_varint(m, (uint64_t)field << 3 | wire);
}

static void put_string(message *m, unsigned field, const char *text) {
  size_t length = strlen(text);
  put_bytes(m, text, length);
  put_varint(m, length);
  put_key(m, field, LENGTH);
}

/* Closes a nested message whose content was written since the front stood at `inside`. */
static void put_nested(message *m, unsigned field, const unsigned char *inside) {
  put_varint(m, (uint64_t)(inside - m->at));
  put_key(m, field, LENGTH);
}

/* An empty buffer with room for an event with `extra` bytes of tag and text. */
static ig_status begin(ig_events *events, size_t extra, message *m) {
  size_t needed;
  IG_CHECK(ig_add_size(extra, OVERHEAD, &needed) && needed <= MAX_TEXT, IG_ERR_USAGE,
           "an event of %zu bytes; at most %zu are possible", extra, MAX_TEXT);
  if (needed > events->capacity) {
    unsigned char *buffer = ig_alloc(needed);
    IG_CHECK_ALLOC(buffer);
    ig_free(events->buffer);
    events->buffer = buffer;
    events->capacity = needed;
  }
  m->start = events->buffer;
  m->at = m->end = events->buffer + events->capacity;
  return IG_OK;
}

/* Adds time and step in front, frames the record and writes it. */
static ig_status finish(ig_events *events, message *m, int64_t step) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
  if (step != 0) {
    put_varint(m, (uint64_t)step);
    put_key(m, 2, VARINT);
  }
  put_bytes(m, &seconds, sizeof seconds);
  put_key(m, 1, FIXED64);
  uint64_t length = (uint64_t)(m->end - m->at);
  uint32_t length_crc = masked_crc(&length, sizeof length);
  uint32_t crc = masked_crc(m->at, (size_t)length);
  put_bytes(m, &length_crc, sizeof length_crc);
  put_bytes(m, &length, sizeof length);
  IG_TRY(ig_append_write(events->file, m->at, (size_t)(m->end - m->at)));
  return ig_append_write(events->file, &crc, sizeof crc);
}

/* --- events ---------------------------------------------------------------------------------- */

static ig_status put_version(ig_events *events) {
  message m = {0};
  IG_TRY(begin(events, 0, &m));
  put_string(&m, 3, "brain.Event:2");
  return finish(events, &m, 0);
}

/* session_log {status = START}: what came later in earlier files is void. */
static ig_status put_restart(ig_events *events, int64_t step) {
  message m = {0};
  IG_TRY(begin(events, 0, &m));
  const unsigned char *inside = m.at;
  put_varint(&m, 1);
  put_key(&m, 1, VARINT);
  put_nested(&m, 7, inside);
  return finish(events, &m, step);
}

ig_status ig_events_scalar(ig_events *events, const char *tag, int64_t step, double value) {
  message m = {0};
  IG_TRY(begin(events, strlen(tag), &m));
  float number = (float)value;
  const unsigned char *inside = m.at;
  put_bytes(&m, &number, sizeof number);
  put_key(&m, 2, FIXED32); /* Value.simple_value */
  put_string(&m, 1, tag);
  put_nested(&m, 1, inside); /* Summary.value */
  put_nested(&m, 5, inside); /* Event.summary */
  return finish(events, &m, step);
}

ig_status ig_events_text(ig_events *events, const char *tag, int64_t step, const char *text) {
  message m = {0};
  size_t extra;
  IG_CHECK(ig_add_size(strlen(tag), strlen(text), &extra), IG_ERR_USAGE, "an event is too large");
  IG_TRY(begin(events, extra, &m));
  const unsigned char *value = m.at;
  /* Value.metadata {plugin_data {plugin_name = "text"}, data_class = TENSOR} */
  put_varint(&m, 2);
  put_key(&m, 4, VARINT);
  const unsigned char *plugin = m.at;
  put_string(&m, 1, "text");
  put_nested(&m, 1, plugin);
  put_nested(&m, 9, value);
  /* Value.tensor {dtype = DT_STRING, tensor_shape {} (a scalar), string_val = text} */
  const unsigned char *tensor = m.at;
  put_string(&m, 8, text);
  put_varint(&m, 0);
  put_key(&m, 2, LENGTH);
  put_varint(&m, 7);
  put_key(&m, 1, VARINT);
  put_nested(&m, 8, tensor);
  put_string(&m, 1, tag);
  put_nested(&m, 1, value);
  put_nested(&m, 5, value);
  return finish(events, &m, step);
}

ig_status ig_events_create(const char *folder, int64_t first_step, ig_events **out) {
  struct timespec now; /* in the name, so that parts of one run in one second stay apart */
  clock_gettime(CLOCK_REALTIME, &now);
  ig_events *events = ig_alloc_zero(1, sizeof *events);
  char *path = ig_format("%s/events.out.tfevents.%010lld.ingot.%ld.%09ld", folder,
                         (long long)now.tv_sec, (long)getpid(), now.tv_nsec);
  ig_status status = IG_OK;
  IG_CHECK_DONE(events && path, IG_ERR_MEMORY, "%s: out of memory", __func__);
  IG_TRY_DONE(ig_append_open(path, true, &events->file));
  IG_TRY_DONE(put_version(events));
  if (first_step > 0) IG_TRY_DONE(put_restart(events, first_step));
  IG_TRY_DONE(ig_append_flush(events->file, false));
  *out = events;
  events = NULL;
done:
  if (events) {
    ig_append_close(events->file);
    ig_free(events->buffer);
    ig_free(events);
  }
  ig_free(path);
  return status;
}

ig_status ig_events_flush(ig_events *events) {
  return ig_append_flush(events->file, false);
}

ig_status ig_events_close(ig_events *events) {
  if (!events) return IG_OK;
  ig_status status = ig_append_close(events->file);
  ig_free(events->buffer);
  ig_free(events);
  return status;
}
