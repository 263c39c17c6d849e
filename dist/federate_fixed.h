/* Updates in fixed point modulo 2^64, so that sums are exact in any order and masks cancel to the bit.
 * A client's vector is its weight, its loss and its update, the last two times the weight: what the
 * server learns of a sum is the sum of weights and the weighted sums, nothing for one client. */
#ifndef IG_DIST_FEDERATE_FIXED_H
#define IG_DIST_FEDERATE_FIXED_H

#include "engine/base/memory.h"

/* An element is a multiple of 2^-30 and below 2^8 in magnitude; with a sum of weights of at most 2^25,
 * sums stay below 2^63. */
#define IG_FED_FRACTION_BITS 30
#define IG_FED_ELEMENT_LIMIT 256.0
#define IG_FED_WEIGHT_LIMIT ((int64_t)1 << 25)
/* Words in front of the update's elements: weight, and loss times weight. */
#define IG_FED_HEADER 2
/* Longest vector: an upper bound on memory, not a limit that models meet. */
#define IG_FED_MOST_ELEMENTS ((int64_t)1 << 32)

/* What the update is made of: f32 elements and what else goes into the sum. */
typedef struct ig_fed_update {
  int64_t count;
  const float *elements;
  int64_t weight, most_weight; /* 1 to most_weight, which is IG_FED_WEIGHT_LIMIT / clients */
  double loss;                 /* brought into the range of an element */
  /* Standard deviation of Gaussian noise added to each element before it is rounded, expanded from a
   * secret key of 32 bytes; 0 for none. Needs weight 1. */
  double noise;
  const uint8_t *noise_key;
} ig_fed_update;

/* IG_FED_HEADER + count words. IG_ERR_NUMERIC for an element that is not finite or out of range. */
ig_status ig_fed_encode(const ig_fed_update *update, uint64_t *out);

/* sum += vector, or -=, modulo 2^64. */
void ig_fed_add(int64_t words, const uint64_t *vector, uint64_t *sum);

/* IG_ERR_INPUT for a vector that ig_fed_encode does not make: a weight outside 1 to `most`, an element out
 * of range. What is masked cannot be looked at like this. */
ig_status ig_fed_check(int64_t count, const uint64_t *vector, int64_t most);

/* The weighted means of a sum of vectors. IG_ERR_PEER when the sum of weights is outside 1 to
 * IG_FED_WEIGHT_LIMIT, as it is when a client spoilt its mask. */
ig_status ig_fed_decode(int64_t count, const uint64_t *sum, int64_t *weight, double *loss,
                        float *mean);

/* Scales `elements` so that their L2 norm is at most `limit`; returns the norm before. */
double ig_fed_clip(int64_t count, float *elements, double limit);
/* Deviation of each client's noise so that that of `sharers` clients' sum is `total`: variances add. */
double ig_fed_noise_part(double total, int sharers);

#endif
