/* Token files: a text that was tokenized once, mapped instead of tokenized at every start. 64 bytes
 * of header, then `count` little-endian ids:
 *
 *     0  89 "IGTOK" 0d 0a    16  count, u64             40  zeros
 *     8  version 1, u32      24  vocabulary, u64
 *    12  width 2 or 4, u32   32  XXH3 of the ids, u64
 */
#ifndef IG_FORMATS_TOKEN_FILE_H
#define IG_FORMATS_TOKEN_FILE_H

#include "engine/base/status.h"

/* Begins like no text, so that a file cut short is not taken for one. */
#define IG_TOKEN_MAGIC "\x89IGTOK\r\n"
#define IG_TOKEN_HEADER_BYTES 64

typedef struct ig_token_header {
  int width;
  int64_t count, vocabulary;
  uint64_t digest;
} ig_token_header;

void ig_token_header_encode(const ig_token_header *header,
                            unsigned char out[IG_TOKEN_HEADER_BYTES]);
/* `size`: bytes of the whole file at `data`. */
ig_status ig_token_header_decode(const char *name, const unsigned char *data, size_t size,
                                 ig_token_header *out);
/* Writes a token file in the place of `path`, whole or not at all. */
ig_status ig_token_file_write(const char *path, const int32_t *ids, int64_t count,
                              int64_t vocabulary);

#endif
