/* libsodium behind federate_secret.h. Every key is derived for one use, round and pair, so nonces are
 * zero: no key ever encrypts twice. */
#include "dist/federate_secret.h"

#include <endian.h>
#include <math.h>
#include <string.h>

#include <sodium.h>

#define CHUNK_WORDS 2048
#define BLOCK_WORDS 8 /* of ChaCha20 */

_Static_assert(IG_FED_KEY == crypto_scalarmult_BYTES, "X25519's keys");
_Static_assert(IG_FED_KEY == crypto_stream_chacha20_KEYBYTES, "ChaCha20's keys");
_Static_assert(IG_FED_TAG == crypto_aead_chacha20poly1305_ietf_ABYTES, "Poly1305's tag");

ig_status ig_fed_secret_start(void) {
  IG_CHECK(sodium_init() >= 0, IG_ERR_UNSUPPORTED, "libsodium did not start");
  return IG_OK;
}

void ig_fed_random(void *out, size_t size) {
  randombytes_buf(out, size);
}

void ig_fed_forget(void *secret, size_t size) {
  sodium_memzero(secret, size);
}

void ig_fed_public_key(const uint8_t secret_key[IG_FED_KEY], uint8_t public_key[IG_FED_KEY]) {
  crypto_scalarmult_base(public_key, secret_key);
}

void ig_fed_keypair(uint8_t public_key[IG_FED_KEY], uint8_t secret_key[IG_FED_KEY]) {
  ig_fed_random(secret_key, IG_FED_KEY);
  ig_fed_public_key(secret_key, public_key);
}

bool ig_fed_key_is_sound(const uint8_t public_key[IG_FED_KEY]) {
  uint8_t any[IG_FED_KEY], point[IG_FED_KEY];
  ig_fed_random(any, sizeof any);
  return crypto_scalarmult(point, any, public_key) == 0;
}

/* What is hashed besides the agreed point: both public keys and the context, in an order that both
 * sides know. */
typedef struct context {
  uint8_t keys[2][IG_FED_KEY];
  uint32_t use, round, from, to;
} context;

ig_status ig_fed_agree(const ig_fed_pair *pair, const uint8_t own_secret[IG_FED_KEY],
                       const uint8_t peer_public[IG_FED_KEY], uint8_t key[IG_FED_KEY]) {
  uint8_t point[IG_FED_KEY], own_public[IG_FED_KEY];
  IG_CHECK(crypto_scalarmult(point, own_secret, peer_public) == 0, IG_ERR_INPUT,
           "key agreement: a public key is none");
  ig_fed_public_key(own_secret, own_public);
  int order = memcmp(own_public, peer_public, IG_FED_KEY) < 0 ? 0 : 1;
  bool swap = pair->use == IG_FED_USE_MASK && pair->from > pair->to;
  context c = {.use = htole32((uint32_t)pair->use),
               .round = htole32(pair->round),
               .from = htole32((uint32_t)(swap ? pair->to : pair->from)),
               .to = htole32((uint32_t)(swap ? pair->from : pair->to))};
  memcpy(c.keys[order], own_public, IG_FED_KEY);
  memcpy(c.keys[1 - order], peer_public, IG_FED_KEY);
  crypto_generichash(key, IG_FED_KEY, (const uint8_t *)&c, sizeof c, point, sizeof point);
  ig_fed_forget(point, sizeof point);
  return IG_OK;
}

/* Words of the key stream; `first` is a multiple of BLOCK_WORDS. */
static void expand(const uint8_t *key, int64_t first, int64_t count, uint64_t *out) {
  static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
  size_t bytes = (size_t)count * sizeof *out;
  memset(out, 0, bytes);
  crypto_stream_chacha20_xor_ic((uint8_t *)out, (const uint8_t *)out, bytes, nonce,
                                (uint64_t)(first / BLOCK_WORDS), key);
  for (int64_t i = 0; i < count; i++) out[i] = le64toh(out[i]);
}

void ig_fed_mask(const uint8_t key[IG_FED_KEY], int sign, int64_t words, uint64_t *vector) {
  uint64_t mask[CHUNK_WORDS];
  for (int64_t first = 0; first < words; first += CHUNK_WORDS) {
    int64_t count = IG_MIN(words - first, CHUNK_WORDS);
    expand(key, first, count, mask);
    for (int64_t i = 0; i < count; i++) {
      vector[first + i] += sign > 0 ? mask[i] : (uint64_t)0 - mask[i];
    }
  }
  ig_fed_forget(mask, sizeof mask);
}

void ig_fed_normals(const uint8_t key[IG_FED_KEY], int64_t first, int64_t count, double *out) {
  uint64_t words[CHUNK_WORDS];
  const double unit = 0x1p-53, turn = 6.283185307179586476925;
  for (int64_t done = 0; done < count; done += CHUNK_WORDS) {
    int64_t n = IG_MIN(count - done, CHUNK_WORDS);
    expand(key, first + done, n, words);
    for (int64_t i = 0; i + 1 < n; i += 2) {
      double radius = sqrt(-2 * log((double)((words[i] >> 11) + 1) * unit));
      double angle = turn * ((double)(words[i + 1] >> 11) * unit);
      out[done + i] = radius * cos(angle);
      out[done + i + 1] = radius * sin(angle);
    }
  }
  ig_fed_forget(words, sizeof words);
}

typedef struct associated {
  uint32_t round, from, to;
} associated;

static associated associated_of(const ig_fed_pair *pair) {
  return (associated){.round = htole32(pair->round),
                      .from = htole32((uint32_t)pair->from),
                      .to = htole32((uint32_t)pair->to)};
}

void ig_fed_seal(const ig_fed_pair *pair, const uint8_t key[IG_FED_KEY],
                 const uint8_t shares[2 * IG_FED_KEY], uint8_t sealed[IG_FED_SEALED]) {
  static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
  associated data = associated_of(pair);
  unsigned long long length;
  crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &length, shares, 2 * IG_FED_KEY,
                                            (const uint8_t *)&data, sizeof data, NULL, nonce, key);
}

ig_status ig_fed_unseal(const ig_fed_pair *pair, const uint8_t key[IG_FED_KEY],
                        const uint8_t sealed[IG_FED_SEALED], uint8_t shares[2 * IG_FED_KEY]) {
  static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
  associated data = associated_of(pair);
  unsigned long long length;
  IG_CHECK(crypto_aead_chacha20poly1305_ietf_decrypt(shares, &length, NULL, sealed, IG_FED_SEALED,
                                                     (const uint8_t *)&data, sizeof data, nonce,
                                                     key) == 0,
           IG_ERR_INPUT, "the shares of client %d for client %d in round %u were changed",
           pair->from, pair->to, pair->round);
  return IG_OK;
}
