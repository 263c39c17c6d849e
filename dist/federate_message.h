/* The messages of a federation: what is inside a frame of a connection between the server (rank 0) and
 * a client (a rank above 0). Little-endian; a head of 8 bytes, then the body that the kind says. Every
 * message comes from another machine: sizes and counts are checked here, meaning by who receives it. */
#ifndef IG_DIST_FEDERATE_MESSAGE_H
#define IG_DIST_FEDERATE_MESSAGE_H

#include "dist/federate_secret.h"

/* Shamir's points are client numbers. */
#define IG_FED_MOST_CLIENTS 255

typedef enum ig_fed_kind {
  IG_FED_WELCOME = 1, /* server: what the client must know to take part, not interpreted here */
  IG_FED_READY,       /* client: elements of an update (u64), digest of the model's layout (u64) */
  IG_FED_ROUND,       /* server: clients asked (u32), 0 (u32), parameters (f32 each) */
  IG_FED_KEYS,        /* client: public keys for sealing and for masks */
  IG_FED_ROSTER,      /* server: threshold (u32), then ig_fed_roster records */
  IG_FED_SHARES,      /* client: ig_fed_parcel records, one to each other client of the roster */
  IG_FED_BUNDLE,      /* server: ig_fed_parcel records, one from each other client that sent some */
  IG_FED_UPDATE,      /* client: its vector (u64 each), masked when sums are secure */
  IG_FED_SURVIVORS,   /* server: numbers (u32) of the clients whose vectors arrived */
  IG_FED_REVEAL, /* client: ig_fed_opened records, one about each client of the bundle and itself */
  IG_FED_FAILED, /* client: cannot take part in this round; text */
  IG_FED_END,    /* server: the federation is over; text, empty when all went well */
  IG_FED_KINDS
} ig_fed_kind;

typedef struct ig_fed_roster {
  uint32_t client;
  uint8_t seal_key[IG_FED_KEY], mask_key[IG_FED_KEY];
} ig_fed_roster;

typedef struct ig_fed_parcel {
  uint32_t client; /* the other end */
  uint8_t sealed[IG_FED_SEALED];
} ig_fed_parcel;

/* A share of what a client's mask is made of: of its self-mask where its vector arrived, of its mask
 * key where it did not. */
typedef struct ig_fed_opened {
  uint32_t client, lost; /* lost is 0 or 1 */
  uint8_t share[IG_FED_KEY];
} ig_fed_opened;

#define IG_FED_HEAD 8

typedef struct ig_fed_message {
  ig_fed_kind kind;
  uint32_t round;
  const uint8_t *body; /* in the frame */
  size_t size;
} ig_fed_message;

/* The frame is 8-byte aligned. IG_ERR_INPUT when it is too short or of no known kind. */
ig_status ig_fed_parse(const void *frame, size_t size, ig_fed_message *out);
/* A body that is `fixed` bytes and then records of `record` bytes, `least` to `most` of them. */
ig_status ig_fed_records(const ig_fed_message *message, size_t fixed, size_t record, int64_t least,
                         int64_t most, int64_t *count);
/* The name of a kind, for messages. */
const char *ig_fed_kind_name(ig_fed_kind kind);

/* A frame with room for `size` bytes of body, at IG_FED_HEAD. It has owners that count, so that a frame
 * for all clients is one: the first is the caller. NULL when memory is short. */
uint8_t *ig_fed_frame(ig_fed_kind kind, uint32_t round, size_t size);
/* One more owner; not for two threads at once. */
void ig_fed_hold(const void *frame);
void ig_fed_release(const void *frame); /* NULL is allowed */
/* Bytes of the longest frame that either side sends when updates have `count` elements. */
size_t ig_fed_longest(int64_t count);

#endif
