/* Headers of token files, and writing them: ids as they come, the header last. */
#include "formats/token_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/memory.h"
#include "formats/checkpoint_files.h"

static void put(unsigned char *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

void ig_token_header_encode(const ig_token_header *header,
                            unsigned char out[IG_TOKEN_HEADER_BYTES]) {
  memset(out, 0, IG_TOKEN_HEADER_BYTES);
  memcpy(out, IG_TOKEN_MAGIC, 8);
  put(out + 8, 1, 4);
  put(out + 12, (uint64_t)header->width, 4);
  put(out + 16, (uint64_t)header->count, 8);
  put(out + 24, (uint64_t)header->vocabulary, 8);
  put(out + 32, header->digest, 8);
}

ig_status ig_token_header_decode(const char *name, const unsigned char *data, size_t size,
                                 ig_token_header *out) {
  IG_CHECK(size >= IG_TOKEN_HEADER_BYTES && memcmp(data, IG_TOKEN_MAGIC, 8) == 0, IG_ERR_INPUT,
           "%s: the token file's header is cut short: expected %d bytes, found %zu", name,
           IG_TOKEN_HEADER_BYTES, size);
  uint64_t version = get(data + 8, 4), width = get(data + 12, 4);
  uint64_t count = get(data + 16, 8), vocabulary = get(data + 24, 8);
  IG_CHECK(version == 1, IG_ERR_INPUT, "%s: token file version %llu; expected 1", name,
           (unsigned long long)version);
  IG_CHECK(width == 2 || width == 4, IG_ERR_INPUT,
           "%s: token file with ids of %llu bytes; expected 2 or 4", name,
           (unsigned long long)width);
  IG_CHECK(vocabulary >= 1 && vocabulary <= (uint64_t)1 << (8 * width), IG_ERR_INPUT,
           "%s: token file with a vocabulary of %llu; expected 1 to %llu", name,
           (unsigned long long)vocabulary, 1ull << (8 * width));
  uint64_t bytes = size - IG_TOKEN_HEADER_BYTES;
  IG_CHECK(bytes % width == 0 && bytes / width == count, IG_ERR_INPUT,
           "%s: token file of %llu ids of %llu bytes; found %llu bytes of them", name,
           (unsigned long long)count, (unsigned long long)width, (unsigned long long)bytes);
  *out = (ig_token_header){.width = (int)width,
                           .count = (int64_t)count,
                           .vocabulary = (int64_t)vocabulary,
                           .digest = get(data + 32, 8)};
  return IG_OK;
}

/* ---- writing ---- */

#define BUFFER_BYTES 65536

struct ig_token_writer {
  ig_partial partial;
  ig_token_header header;
  XXH3_state_t *digest;
  size_t used;
  unsigned char buffer[BUFFER_BYTES];
};

static ig_status write_at(const ig_token_writer *writer, const unsigned char *bytes, size_t size,
                          uint64_t offset) {
  while (size > 0) {
    ssize_t wrote = pwrite(writer->partial.fd, bytes, size, (off_t)offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote == 0) errno = ENOSPC;
    if (wrote <= 0) return ig_fail_errno("write", writer->partial.target);
    bytes += wrote;
    offset += (uint64_t)wrote;
    size -= (size_t)wrote;
  }
  return IG_OK;
}

/* Writes the buffered ids, which are the last of header.count. */
static ig_status flush(ig_token_writer *writer) {
  uint64_t end =
      IG_TOKEN_HEADER_BYTES + (uint64_t)writer->header.count * (uint64_t)writer->header.width;
  XXH3_64bits_update(writer->digest, writer->buffer, writer->used);
  size_t size = writer->used;
  writer->used = 0;
  return write_at(writer, writer->buffer, size, end - size);
}

ig_status ig_token_writer_open(const char *path, int64_t vocabulary, ig_token_writer **out) {
  IG_CHECK(vocabulary >= 1 && vocabulary <= (int64_t)1 << 32, IG_ERR_INPUT,
           "%s: a vocabulary of %lld tokens; expected 1 to 2^32", path, (long long)vocabulary);
  ig_token_writer *writer = ig_alloc_zero(1, sizeof *writer);
  XXH3_state_t *digest = XXH3_createState();
  ig_status status = writer && digest ? ig_partial_open(path, &writer->partial)
                                      : ig_fail(IG_ERR_MEMORY, "%s: out of memory", path);
  if (status != IG_OK) {
    XXH3_freeState(digest);
    ig_free(writer);
    return status;
  }
  XXH3_64bits_reset(digest);
  writer->digest = digest;
  writer->header =
      (ig_token_header){.width = vocabulary <= 65536 ? 2 : 4, .vocabulary = vocabulary};
  *out = writer;
  return IG_OK;
}

ig_status ig_token_writer_append(ig_token_writer *writer, const int64_t *ids, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    IG_CHECK(ids[i] >= 0 && ids[i] < writer->header.vocabulary, IG_ERR_INPUT,
             "%s: token %lld; expected 0 to %lld", writer->partial.target, (long long)ids[i],
             (long long)writer->header.vocabulary - 1);
    put(writer->buffer + writer->used, (uint64_t)ids[i], writer->header.width);
    writer->used += (size_t)writer->header.width;
    writer->header.count++;
    if (writer->used == BUFFER_BYTES) IG_TRY(flush(writer));
  }
  return IG_OK;
}

ig_status ig_token_writer_close(ig_token_writer *writer, ig_status status) {
  unsigned char header[IG_TOKEN_HEADER_BYTES];
  if (status == IG_OK) status = flush(writer);
  if (status == IG_OK) {
    writer->header.digest = XXH3_64bits_digest(writer->digest);
    ig_token_header_encode(&writer->header, header);
    status = write_at(writer, header, sizeof header, 0);
  }
  while (status == IG_OK && fsync(writer->partial.fd) != 0) {
    if (errno != EINTR) status = ig_fail_errno("write to disk", writer->partial.target);
  }
  status = ig_partial_close(&writer->partial, status);
  XXH3_freeState(writer->digest);
  ig_free(writer);
  return status;
}
