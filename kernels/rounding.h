/* Stochastic rounding of f32 to 16 bits (Gupta, Agrawal, Gopalakrishnan, Narayanan, "Deep Learning with
 * Limited Numerical Precision", ICML 2015, section 4): a number becomes one of its two neighbours, the
 * nearer the likelier, so that its expectation is the number itself and steps smaller than half a unit in
 * the last place are not lost. Element i uses number i of the stream (seed, IG_RNG_ROUND, step, key): the
 * same bits on any device, thread or rank. */
#ifndef IG_KERNELS_ROUNDING_H
#define IG_KERNELS_ROUNDING_H

#include <stdbool.h>
#include <string.h>

#include "engine/base/dtype.h"

#ifdef __cplusplus /* CUDA's sources: one definition for host and device */
#define IG_EVERYWHERE __host__ __device__ static inline
#else
#define IG_EVERYWHERE static inline
#endif

/* bf16 is the upper half of f32: the lower half carries into it as often as it is large. From the largest
 * finite number on, as to nearest: nothing finite lies beyond. */
IG_EVERYWHERE uint16_t ig_round_to_bf16(uint32_t bits, uint32_t draw) {
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return (uint16_t)((bits >> 16) | 0x40);
  if (magnitude >= 0x7f7f0000u) return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  return (uint16_t)((bits + (draw & 0xffff)) >> 16);
}

/* As above. Below 2^-14 units are 2^-24, of which a number has `shift` binary places; what lies beyond 31
 * of them is cut off. */
IG_EVERYWHERE uint16_t ig_round_to_f16(uint32_t bits, uint32_t draw) {
  uint32_t magnitude = bits & 0x7fffffffu, sign = (bits >> 16) & 0x8000u;
  uint32_t exponent = magnitude >> 23, half = 0x7bff; /* 65504 */
  if (magnitude >= 0x477fe000u) {
    if (magnitude >= 0x477ff000u) half = magnitude > 0x7f800000u ? 0x7e00 : 0x7c00;
  } else if (exponent >= 113) {
    half = ((magnitude + (draw & 0x1fff)) >> 13) - (112u << 10);
  } else {
    uint32_t digits = (magnitude & 0x7fffffu) | (exponent ? 0x800000u : 0);
    uint32_t shift = 126 - (exponent ? exponent : 1);
    if (shift > 31) {
      digits = shift - 31 < 24 ? digits >> (shift - 31) : 0;
      shift = 31;
    }
    half = (digits + (draw & ((1u << shift) - 1))) >> shift;
  }
  return (uint16_t)(sign | half);
}

/* The bits of x in `to`, bf16 or f16, by a random number of 32 bits. */
IG_EVERYWHERE uint16_t ig_round_by(ig_dtype to, float x, uint32_t draw) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return to == IG_BF16 ? ig_round_to_bf16(bits, draw) : ig_round_to_f16(bits, draw);
}

/* How a tensor is narrowed. */
typedef struct ig_rounding {
  bool stochastic; /* otherwise to nearest, ties to even */
  uint64_t seed, step;
  uint64_t key; /* of the tensor: ig_hash_name of its parameter's name */
} ig_rounding;

/* Elements first to first + count - 1 of a tensor: x and out point to the first of them. `first` is a
 * multiple of 4. */
void ig_cpu_narrow(const ig_rounding *rounding, const float *x, int64_t first, int64_t count,
                   ig_dtype to, void *out);

#endif
