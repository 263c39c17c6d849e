/* Narrowing of f32 to 16 bits, to nearest or at random. Random numbers are made for a short run of
 * elements at once, while the parameters are in the cache. */
#include "kernels/rounding.h"

#include "engine/base/rng.h"

#define RUN 256

void ig_cpu_narrow(const ig_rounding *rounding, const float *x, int64_t first, int64_t count,
                   ig_dtype to, void *out) {
  if (!rounding->stochastic) {
    ig_convert(IG_F32, x, to, out, count);
    return;
  }
  ig_rng rng = ig_rng_stream(rounding->seed, IG_RNG_ROUND, rounding->step, rounding->key);
  uint32_t draws[RUN];
  uint16_t *narrow = out;
  for (int64_t begin = 0; begin < count; begin += RUN) {
    int64_t n = count - begin < RUN ? count - begin : RUN;
    ig_rng_blocks(&rng, (uint64_t)(first + begin) / 4, (n + 3) / 4, draws);
    for (int64_t i = 0; i < n; i++) {
      narrow[begin + i] = ig_round_by(to, x[begin + i], draws[i]);
    }
  }
}
