/* The first bytes on every connection, of fixed size and little-endian, so that a stranger is told from
 * a peer before anything it says is believed: a hello from the side that connects, a welcome or a
 * refusal from the side that listens. */
#ifndef IG_DIST_HANDSHAKE_H
#define IG_DIST_HANDSHAKE_H

#include "engine/base/status.h"

#define IG_PROTOCOL 1 /* to be raised whenever a message changes */
#define IG_MAX_RANKS 4096
#define IG_HELLO_BYTES 256
#define IG_WELCOME_BYTES 256
#define IG_NAME_BYTES 64  /* of a host or job, with its zero byte */
#define IG_TOKEN_BYTES 16 /* random, known to the ranks of a job alone */
#define IG_REASON_BYTES 192

typedef enum ig_connection_kind {
  IG_CONTROL_CONNECTION = 1,
  IG_LINK_CONNECTION = 2,
  IG_FEDERATION_CONNECTION = 3 /* of a client of federated averaging */
} ig_connection_kind;

typedef struct ig_hello {
  ig_connection_kind kind;
  int rank, ranks;                     /* control: -1 and 0 for "tell me"; link: own rank, and whom it calls */
  char job[IG_NAME_BYTES];             /* what tells this job from others; may be empty */
  char host[IG_NAME_BYTES];            /* for messages */
  unsigned char token[IG_TOKEN_BYTES]; /* link: the job's; zero before it is known */
} ig_hello;

typedef struct ig_welcome {
  bool accepted;
  int rank, ranks;
  unsigned char token[IG_TOKEN_BYTES];
  char reason[IG_REASON_BYTES]; /* of a refusal */
} ig_welcome;

void ig_hello_encode(const ig_hello *hello, unsigned char out[IG_HELLO_BYTES]);
/* False, with a reason to be told to people, for what is no hello of this protocol and build. */
bool ig_hello_decode(const unsigned char in[IG_HELLO_BYTES], ig_hello *out,
                     char reason[IG_REASON_BYTES]);
void ig_welcome_encode(const ig_welcome *welcome, unsigned char out[IG_WELCOME_BYTES]);
bool ig_welcome_decode(const unsigned char in[IG_WELCOME_BYTES], ig_welcome *out);

/* Little-endian integers, for all messages. */
static inline void ig_put32(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (8 * i));
}
static inline void ig_put64(unsigned char *at, uint64_t value) {
  for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> (8 * i));
}
static inline uint32_t ig_get32(const unsigned char *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}
static inline uint64_t ig_get64(const unsigned char *at) {
  return (uint64_t)ig_get32(at) | (uint64_t)ig_get32(at + 4) << 32;
}

#endif
