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
/* Writes a token file piece by piece: open, append, close. */
typedef struct ig_token_writer ig_token_writer;

ig_status ig_token_writer_open(const char *path, int64_t vocabulary, ig_token_writer **out);
/* IG_ERR_INPUT for an id outside the vocabulary. */
ig_status ig_token_writer_append(ig_token_writer *writer, const int64_t *ids, int64_t count);
/* With `status` IG_OK the file takes its place, whole; otherwise nothing is left of it. Returns
 * `status` or the first failure. Releases the writer. */
ig_status ig_token_writer_close(ig_token_writer *writer, ig_status status);

#endif
