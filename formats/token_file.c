/* Headers of token files, and writing them. */
#include "formats/token_file.h"

#include <string.h>

#include "engine/base/checked.h"

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
