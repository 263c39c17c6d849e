/* The head of a link's message as bytes. */
#include "dist/link.h"

void ig_head_encode(const ig_head *head, unsigned char out[IG_HEAD_BYTES]) {
  ig_put32(out, head->type);
  ig_put32(out + 4, head->bytes);
  ig_put64(out + 8, head->number);
  ig_put64(out + 16, head->offset);
  ig_put64(out + 24, (uint64_t)head->words[0]);
  ig_put64(out + 32, (uint64_t)head->words[1]);
}

void ig_head_decode(const unsigned char in[IG_HEAD_BYTES], ig_head *out) {
  *out = (ig_head){ig_get32(in),
                   ig_get32(in + 4),
                   ig_get64(in + 8),
                   ig_get64(in + 16),
                   {(int64_t)ig_get64(in + 24), (int64_t)ig_get64(in + 32)}};
}
