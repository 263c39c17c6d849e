/* Fixed point modulo 2^64. Rounding is to the nearest multiple of 2^-30, once for each client, before
 * weights multiply; everything after it is exact integer arithmetic. */
#include "dist/federate_fixed.h"

#include <math.h>

#include "dist/federate_secret.h"

#define ONE ((double)((int64_t)1 << IG_FED_FRACTION_BITS))
#define NOISE_CHUNK 1024

static uint64_t weighted(double value, int64_t weight) {
  return (uint64_t)((int64_t)nearbyint(value * ONE) * weight);
}

static double clamped_loss(double loss) {
  double most = IG_FED_ELEMENT_LIMIT / 2;
  return isfinite(loss) ? IG_MIN(IG_MAX(loss, -most), most) : 0;
}

ig_status ig_fed_encode(const ig_fed_update *u, uint64_t *out) {
  IG_CHECK(u->weight >= 1 && u->weight <= u->most_weight, IG_ERR_USAGE,
           "update: its weight of %lld samples is outside 1 to %lld; --weights equal has no limit",
           (long long)u->weight, (long long)u->most_weight);
  IG_CHECK(u->noise == 0 || u->weight == 1, IG_ERR_INTERNAL, "update: noise with a weight");
  double noise[NOISE_CHUNK];
  out[0] = (uint64_t)u->weight;
  out[1] = weighted(clamped_loss(u->loss), u->weight);
  for (int64_t i = 0; i < u->count; i++) {
    int64_t at = i % NOISE_CHUNK;
    double value = u->elements[i];
    if (u->noise > 0) {
      if (at == 0) ig_fed_normals(u->noise_key, i, NOISE_CHUNK, noise);
      value += u->noise * noise[at];
    }
    /* Negated, so that NaN fails too. */
    IG_CHECK(fabs(value) < IG_FED_ELEMENT_LIMIT, IG_ERR_NUMERIC,
             "update: element %lld is %g, outside +-%g", (long long)i, value, IG_FED_ELEMENT_LIMIT);
    out[IG_FED_HEADER + i] = weighted(value, u->weight);
  }
  return IG_OK;
}

void ig_fed_add(int64_t words, const uint64_t *vector, uint64_t *sum) {
  for (int64_t i = 0; i < words; i++) sum[i] += vector[i];
}

ig_status ig_fed_check(int64_t count, const uint64_t *vector, int64_t most) {
  IG_CHECK(vector[0] >= 1 && vector[0] <= (uint64_t)most, IG_ERR_INPUT,
           "an update of weight %llu, expected 1 to %lld", (unsigned long long)vector[0],
           (long long)most);
  int64_t limit = (int64_t)(IG_FED_ELEMENT_LIMIT * ONE) * (int64_t)vector[0];
  for (int64_t i = 1; i < IG_FED_HEADER + count; i++) {
    int64_t value = (int64_t)vector[i];
    IG_CHECK(value >= -limit && value <= limit, IG_ERR_INPUT,
             "an update with element %lld out of range", (long long)(i - IG_FED_HEADER));
  }
  return IG_OK;
}

ig_status ig_fed_decode(int64_t count, const uint64_t *sum, int64_t *weight, double *loss,
                        float *mean) {
  int64_t total = (int64_t)sum[0];
  IG_CHECK(total >= 1 && total <= IG_FED_WEIGHT_LIMIT, IG_ERR_PEER,
           "the sum of updates is spoilt: its weight is %lld, expected 1 to %lld", (long long)total,
           (long long)IG_FED_WEIGHT_LIMIT);
  double unit = 1 / (ONE * (double)total);
  *weight = total;
  *loss = (double)(int64_t)sum[1] * unit;
  for (int64_t i = 0; i < count; i++) {
    mean[i] = (float)((double)(int64_t)sum[IG_FED_HEADER + i] * unit);
  }
  return IG_OK;
}

double ig_fed_clip(int64_t count, float *elements, double limit) {
  double squares = 0;
  for (int64_t i = 0; i < count; i++) squares += (double)elements[i] * (double)elements[i];
  double norm = sqrt(squares);
  if (!(norm > limit)) return norm;
  double factor = limit / norm;
  for (int64_t i = 0; i < count; i++) elements[i] = (float)(factor * (double)elements[i]);
  return norm;
}

double ig_fed_noise_part(double total, int sharers) {
  return total / sqrt((double)sharers);
}
