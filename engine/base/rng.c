/* Philox4x32-10 and what is drawn from it. */
#include "engine/base/rng.h"

#include <math.h>

static void philox_round(uint32_t c[4], const uint32_t k[2]) {
  uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
  uint32_t c1 = c[1], c3 = c[3];
  c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k[0];
  c[1] = (uint32_t)p1;
  c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k[1];
  c[3] = (uint32_t)p0;
}

static void philox(uint32_t c[4], uint32_t k0, uint32_t k1) {
  uint32_t k[2] = {k0, k1};
  for (int round = 0; round < 10; round++) {
    philox_round(c, k);
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
}

/* The 256 bits of (seed, purpose, step, sample) are folded into key and counter by two Philox
 * calls; what is left free is counter[0], the block index. */
ig_rng ig_rng_stream(uint64_t seed, ig_purpose purpose, uint64_t step, uint64_t sample) {
  uint32_t a[4] = {(uint32_t)step, (uint32_t)(step >> 32), (uint32_t)purpose, 0x696e676fu};
  philox(a, (uint32_t)seed, (uint32_t)(seed >> 32));
  uint32_t b[4] = {(uint32_t)sample, (uint32_t)(sample >> 32), a[2], a[3]};
  philox(b, a[0], a[1]);
  return (ig_rng){.key = {b[0], b[1]}, .counter = {0, b[2], b[3], a[0]}};
}

void ig_rng_block(const ig_rng *rng, uint32_t index, uint32_t out[4]) {
  out[0] = rng->counter[0] + index;
  out[1] = rng->counter[1];
  out[2] = rng->counter[2];
  out[3] = rng->counter[3];
  philox(out, rng->key[0], rng->key[1]);
}

/* Streams longer than 2^34 numbers go on in the key's second word. */
static void block_of(const ig_rng *rng, uint64_t block, uint32_t out[4]) {
  ig_rng far = *rng;
  far.key[1] ^= (uint32_t)(block >> 32);
  ig_rng_block(&far, (uint32_t)block, out);
}

/* Blocks side by side, one a vector lane. */
#define LANES 16

static void philox_lanes(const ig_rng *rng, uint64_t first, uint32_t *out) {
  uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES], k0[LANES], k1[LANES];
  for (int l = 0; l < LANES; l++) {
    uint64_t block = first + (uint64_t)l;
    c0[l] = rng->counter[0] + (uint32_t)block;
    c1[l] = rng->counter[1];
    c2[l] = rng->counter[2];
    c3[l] = rng->counter[3];
    k0[l] = rng->key[0];
    k1[l] = rng->key[1] ^ (uint32_t)(block >> 32);
  }
  for (int round = 0; round < 10; round++) {
    for (int l = 0; l < LANES; l++) {
      uint64_t p0 = (uint64_t)0xD2511F53u * c0[l], p1 = (uint64_t)0xCD9E8D57u * c2[l];
      c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ k0[l];
      c1[l] = (uint32_t)p1;
      c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ k1[l];
      c3[l] = (uint32_t)p0;
      k0[l] += 0x9E3779B9u;
      k1[l] += 0xBB67AE85u;
    }
  }
  for (int l = 0; l < LANES; l++) {
    out[4 * l] = c0[l];
    out[4 * l + 1] = c1[l];
    out[4 * l + 2] = c2[l];
    out[4 * l + 3] = c3[l];
  }
}

void ig_rng_blocks(const ig_rng *rng, uint64_t first, int64_t blocks, uint32_t *out) {
  int64_t b = 0;
  for (; b + LANES <= blocks; b += LANES) philox_lanes(rng, first + (uint64_t)b, out + 4 * b);
  for (; b < blocks; b++) block_of(rng, first + (uint64_t)b, out + 4 * b);
}

uint32_t ig_rng_u32(const ig_rng *rng, uint64_t index) {
  uint32_t out[4];
  block_of(rng, index >> 2, out);
  return out[index & 3];
}

float ig_rng_uniform(const ig_rng *rng, uint64_t index) {
  return (float)(ig_rng_u32(rng, index) >> 8) * 0x1p-24f;
}

uint64_t ig_rng_below(const ig_rng *rng, uint64_t index, uint64_t bound) {
  uint32_t out[4];
  block_of(rng, index, out);
  uint64_t bits = (uint64_t)out[0] << 32 | out[1];
  return (uint64_t)(((unsigned __int128)bits * bound) >> 64);
}

/* Two uniform numbers give two normals; the radius' number is kept away from 0. */
static void box_muller(uint32_t a, uint32_t b, float out[2]) {
  float radius = sqrtf(-2.0f * logf(((float)a + 1.0f) * 0x1p-32f));
  float angle = 6.2831853f * ((float)(b >> 8) * 0x1p-24f);
  out[0] = radius * cosf(angle);
  out[1] = radius * sinf(angle);
}

static void normal_block(const ig_rng *rng, uint64_t block, float out[4]) {
  uint32_t bits[4];
  block_of(rng, block, bits);
  box_muller(bits[0], bits[1], out);
  box_muller(bits[2], bits[3], out + 2);
}

void ig_rng_normals(const ig_rng *rng, uint64_t first, int64_t count, float *out) {
  float block[4];
  uint64_t end = first + (uint64_t)count;
  for (uint64_t i = first; i < end;) {
    normal_block(rng, i >> 2, block);
    do *out++ = block[i & 3];
    while (++i < end && (i & 3));
  }
}

float ig_rng_normal(const ig_rng *rng, uint64_t index) {
  float number;
  ig_rng_normals(rng, index, 1, &number);
  return number;
}

uint64_t ig_hash_name(const char *name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
    hash = (hash ^ *c) * 0x100000001b3u;
  }
  return hash;
}

uint64_t ig_rng_permute(const ig_rng *rng, uint64_t index, uint64_t count) {
  if (count < 2) return 0;
  int bits = 64 - __builtin_clzll(count - 1);
  int half = (bits + 1) / 2;
  uint64_t mask = ((uint64_t)1 << half) - 1;
  do { /* the domain is at most four times count: a few turns on average */
    uint64_t left = index >> half, right = index & mask;
    for (uint32_t round = 0; round < 6; round++) {
      uint32_t c[4] = {(uint32_t)right, (uint32_t)(right >> 32), round, rng->counter[1]};
      philox(c, rng->key[0], rng->key[1]);
      uint64_t mixed = ((uint64_t)c[0] << 32 | c[1]) & mask;
      uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    index = left << half | right;
  } while (index >= count);
  return index;
}
