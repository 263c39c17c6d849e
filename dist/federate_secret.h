/* The cryptography of secure aggregation (Bonawitz et al., "Practical Secure Aggregation for
 * Privacy-Preserving Machine Learning", CCS 2017), over libsodium: key agreement by X25519, keys by
 * BLAKE2b, masks and noise from ChaCha20's key stream, sealed shares by ChaCha20-Poly1305. */
#ifndef IG_DIST_FEDERATE_SECRET_H
#define IG_DIST_FEDERATE_SECRET_H

#include "engine/base/memory.h"

#define IG_FED_KEY 32
#define IG_FED_TAG 16
/* What a client sends to another through the server: a share of its mask key, one of its self-mask. */
#define IG_FED_SEALED (2 * IG_FED_KEY + IG_FED_TAG)

/* What a key that two clients agree on is for; keys of different use are unrelated. */
typedef enum ig_fed_use { IG_FED_USE_MASK = 1, IG_FED_USE_SEAL } ig_fed_use;

/* Must succeed once before anything else here. */
ig_status ig_fed_secret_start(void);
/* Bytes of the system's generator. */
void ig_fed_random(void *out, size_t size);
void ig_fed_forget(void *secret, size_t size);
void ig_fed_keypair(uint8_t public_key[IG_FED_KEY], uint8_t secret_key[IG_FED_KEY]);
/* The public key that belongs to a secret one. */
void ig_fed_public_key(const uint8_t secret_key[IG_FED_KEY], uint8_t public_key[IG_FED_KEY]);

/* Whether key agreement with it works: it is not of small order. */
bool ig_fed_key_is_sound(const uint8_t public_key[IG_FED_KEY]);

/* The key that clients `from` and `to` share in a round. For masks both have the same whoever asks; a
 * sealing key is of one direction, so that it is used once. IG_ERR_INPUT for a public key that no
 * honest peer has (of small order). */
typedef struct ig_fed_pair {
  ig_fed_use use;
  uint32_t round;
  int from, to;
} ig_fed_pair;
ig_status ig_fed_agree(const ig_fed_pair *pair, const uint8_t own_secret[IG_FED_KEY],
                       const uint8_t peer_public[IG_FED_KEY], uint8_t key[IG_FED_KEY]);

/* Words first, first + 1, ... of the key's stream added to the vector (sign +1), or taken off (-1). */
void ig_fed_mask(const uint8_t key[IG_FED_KEY], int sign, int64_t words, uint64_t *vector);
/* Standard normals number `first` to `first + count - 1` of the key's stream (Box and Muller 1958, in
 * double precision). `first` and `count` are multiples of 8. */
void ig_fed_normals(const uint8_t key[IG_FED_KEY], int64_t first, int64_t count, double *out);

/* The pair's use is sealing, and `key` its key. */
void ig_fed_seal(const ig_fed_pair *pair, const uint8_t key[IG_FED_KEY],
                 const uint8_t shares[2 * IG_FED_KEY], uint8_t sealed[IG_FED_SEALED]);
/* IG_ERR_INPUT when what was sealed was changed, or is another pair's or round's. */
ig_status ig_fed_unseal(const ig_fed_pair *pair, const uint8_t key[IG_FED_KEY],
                        const uint8_t sealed[IG_FED_SEALED], uint8_t shares[2 * IG_FED_KEY]);

#endif
