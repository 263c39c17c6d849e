/* .npy, and .npz as a ZIP archive of stored (not compressed) .npy members. Sizes are known from the
 * start, so every member has its place and rows of all arrays are written as they come; checksums are
 * put in at the end. Members of 4 GiB and more would need ZIP64: .h5 takes those. */
#include "formats/array_writer_format.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/npy.h"

#define LOCAL_HEADER 30
#define CENTRAL_HEADER 46
#define END_RECORD 22
#define MEMBER_NAME 256

typedef struct member {
  char name[MEMBER_NAME]; /* "y.npy" */
  uint64_t start;         /* of its local header, 0 in a .npy */
  uint64_t data;          /* where the next row goes */
  uint64_t size;          /* header and elements */
  uint32_t crc;
} member;

typedef struct npy_state {
  member members[IG_MOST_ARRAYS];
  uint64_t end;
} npy_state;

/* --- members ----------------------------------------------------------------------------------- */

/* Writes the .npy header of array i at the member's place and lays out what follows. */
static ig_status open_member(ig_array_writer *w, int i, uint64_t at) {
  member *m = &((npy_state *)w->state)->members[i];
  char header[IG_NPY_HEADER_BYTES];
  ig_shape shape = ig_array_whole_shape(w, i);
  size_t length = ig_npy_header(w->arrays[i].texts ? IG_STRING : w->arrays[i].dtype, &shape, header);
  m->crc = (uint32_t)crc32(0, (const unsigned char *)header, (uInt)length);
  m->data = at + length;
  m->size = length + ig_shape_bytes(&shape, w->arrays[i].dtype);
  return ig_array_write_at(w, header, length, at);
}

static ig_status append_rows(ig_array_writer *w, const void *const *data, int64_t rows) {
  npy_state *state = w->state;
  for (int i = 0; i < w->n; i++) {
    member *m = &state->members[i];
    size_t bytes = (size_t)rows * w->row_bytes[i];
    m->crc = (uint32_t)crc32_z(m->crc, data[i], bytes);
    IG_TRY(ig_array_write_at(w, data[i], bytes, m->data));
    m->data += bytes;
  }
  return IG_OK;
}

static ig_status make_state(ig_array_writer *w) {
  w->state = ig_alloc_zero(1, sizeof(npy_state));
  IG_CHECK(w->state, IG_ERR_MEMORY, "%s: out of memory", w->partial.target);
  return IG_OK;
}

static void release(ig_array_writer *w) {
  ig_free(w->state);
}

static ig_status npy_open(ig_array_writer *w) {
  IG_TRY(make_state(w));
  return open_member(w, 0, 0);
}

static ig_status npy_finish(ig_array_writer *w) {
  IG_UNUSED(w);
  return IG_OK;
}

const ig_array_format ig_array_format_npy = {
    .extension = ".npy",
    .open = npy_open,
    .append = append_rows,
    .finish = npy_finish,
    .release = release,
};

/* --- the archive (PKWARE APPNOTE 4.3) ---------------------------------------------------------- */

static unsigned char *put16(unsigned char *at, unsigned value) {
  at[0] = (unsigned char)value;
  at[1] = (unsigned char)(value >> 8);
  return at + 2;
}

static unsigned char *put32(unsigned char *at, uint32_t value) {
  return put16(put16(at, value & 0xffff), value >> 16);
}

/* Version, flags (UTF-8 names), method 0, 1 January 1980, checksum, sizes, lengths: both headers have
 * these in a row. */
static unsigned char *put_common(unsigned char *at, const member *m) {
  at = put16(put16(put16(at, 20), 1 << 11), 0);
  at = put16(put16(at, 0), 0x21);
  at = put32(put32(put32(at, m->crc), (uint32_t)m->size), (uint32_t)m->size);
  return put16(put16(at, (unsigned)strlen(m->name)), 0);
}

static ig_status write_local(const ig_array_writer *w, const member *m) {
  unsigned char header[LOCAL_HEADER];
  put_common(put32(header, 0x04034b50), m);
  IG_TRY(ig_array_write_at(w, header, sizeof header, m->start));
  return ig_array_write_at(w, m->name, strlen(m->name), m->start + LOCAL_HEADER);
}

static ig_status write_central(const ig_array_writer *w, const member *m, uint64_t *at) {
  unsigned char header[CENTRAL_HEADER] = {0};
  put_common(put16(put32(header, 0x02014b50), 20), m);
  put32(header + CENTRAL_HEADER - 4, (uint32_t)m->start);
  IG_TRY(ig_array_write_at(w, header, sizeof header, *at));
  IG_TRY(ig_array_write_at(w, m->name, strlen(m->name), *at + CENTRAL_HEADER));
  *at += CENTRAL_HEADER + strlen(m->name);
  return IG_OK;
}

static ig_status npz_open(ig_array_writer *w) {
  IG_TRY(make_state(w));
  npy_state *state = w->state;
  for (int i = 0; i < w->n; i++) {
    member *m = &state->members[i];
    int length = snprintf(m->name, sizeof m->name, "%s.npy", w->arrays[i].name);
    IG_CHECK(length > 0 && length < MEMBER_NAME, IG_ERR_INPUT,
             "%s: array name '%.40s...' is too long", w->partial.target, w->arrays[i].name);
    m->start = state->end;
    IG_TRY(open_member(w, i, m->start + LOCAL_HEADER + (uint64_t)length));
    state->end = m->start + LOCAL_HEADER + (uint64_t)length + m->size;
    IG_CHECK(m->size < UINT32_MAX && state->end < UINT32_MAX, IG_ERR_UNSUPPORTED,
             "%s: 4 GiB and more do not fit into a .npz; write .h5", w->partial.target);
  }
  return IG_OK;
}

static ig_status npz_finish(ig_array_writer *w) {
  npy_state *state = w->state;
  uint64_t at = state->end;
  for (int i = 0; i < w->n; i++) IG_TRY(write_local(w, &state->members[i]));
  for (int i = 0; i < w->n; i++) IG_TRY(write_central(w, &state->members[i], &at));
  unsigned char record[END_RECORD] = {0};
  unsigned char *next = put32(put32(record, 0x06054b50), 0);
  next = put16(put16(next, (unsigned)w->n), (unsigned)w->n);
  put32(put32(next, (uint32_t)(at - state->end)), (uint32_t)state->end);
  return ig_array_write_at(w, record, sizeof record, at);
}

const ig_array_format ig_array_format_npz = {
    .extension = ".npz",
    .open = npz_open,
    .append = append_rows,
    .finish = npz_finish,
    .release = release,
};
