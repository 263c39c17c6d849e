/* The generator of engine/base/rng.h on a device: the same numbers, bit for bit. */
#ifndef IG_KERNELS_CUDA_PHILOX_CUH
#define IG_KERNELS_CUDA_PHILOX_CUH

#include "kernels/cuda/device.cuh"
extern "C" {
#include "engine/base/rng.h"
}

/* Philox4x32-10; see engine/base/rng.h for the source. */
__device__ static inline void ig_philox(uint32_t c[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c[1] = (uint32_t)p1;
    c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c[3] = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* As ig_rng_stream. */
__device__ static inline ig_rng ig_device_rng_stream(uint64_t seed, ig_purpose purpose,
                                                     uint64_t step, uint64_t sample) {
  uint32_t a[4] = {(uint32_t)step, (uint32_t)(step >> 32), (uint32_t)purpose, 0x696e676fu};
  ig_philox(a, (uint32_t)seed, (uint32_t)(seed >> 32));
  uint32_t b[4] = {(uint32_t)sample, (uint32_t)(sample >> 32), a[2], a[3]};
  ig_philox(b, a[0], a[1]);
  return {{b[0], b[1]}, {0, b[2], b[3], a[0]}};
}

/* Numbers 4 * block to 4 * block + 3 of the stream, as ig_rng_blocks. */
__device__ static inline void ig_device_rng_block(const ig_rng &rng, uint64_t block,
                                                  uint32_t out[4]) {
  out[0] = rng.counter[0] + (uint32_t)block;
  out[1] = rng.counter[1];
  out[2] = rng.counter[2];
  out[3] = rng.counter[3];
  ig_philox(out, rng.key[0], rng.key[1] ^ (uint32_t)(block >> 32));
}

#endif
