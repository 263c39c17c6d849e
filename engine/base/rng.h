/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random
 * Numbers: As Easy as 1, 2, 3", SC 2011). A number is a pure function of (seed, purpose, step,
 * sample, index), so any thread, rank or device draws the same one, and resuming needs no state. */
#ifndef IG_BASE_RNG_H
#define IG_BASE_RNG_H

#include <stdint.h>

/* What a stream is for; streams of different purpose never share a number. */
typedef enum ig_purpose {
  IG_RNG_INIT = 1,    /* initial weights; the sample is a hash of the parameter's name */
  IG_RNG_SHUFFLE = 2, /* order of samples; the step is the epoch */
  IG_RNG_AUGMENT = 3, /* crop, flip, cutout; the step is the epoch, the sample its index */
  IG_RNG_DROPOUT = 4, /* masks; the index counts within the node's tensor */
  IG_RNG_SPLIT = 5,   /* choice of held-out samples */
  IG_RNG_SAMPLE = 6,  /* text generation */
  IG_RNG_ROUND = 7,   /* stochastic rounding */
  IG_RNG_TEST = 8,
  IG_RNG_NOISE = 9 /* random tensors of models; the index counts within a sample */
} ig_purpose;

typedef struct ig_rng {
  uint32_t key[2];
  uint32_t counter[4]; /* counter[0] is the block index */
} ig_rng;

/* The stream of that purpose; `step` and `sample` are mixed by Philox itself, not added. */
ig_rng ig_rng_stream(uint64_t seed, ig_purpose purpose, uint64_t step, uint64_t sample);
/* Four 32-bit numbers of block `index`. */
void ig_rng_block(const ig_rng *rng, uint32_t index, uint32_t out[4]);
/* The numbers of blocks first, first + 1, ..., 4 to a block: out[4 * b + k] is number k of block
 * first + b. The same numbers as ig_rng_u32, many at once. */
void ig_rng_blocks(const ig_rng *rng, uint64_t first, int64_t blocks, uint32_t *out);
/* The index-th 32-bit number of the stream. */
uint32_t ig_rng_u32(const ig_rng *rng, uint64_t index);
/* Uniform in [0, 1) with 24 bits. */
float ig_rng_uniform(const ig_rng *rng, uint64_t index);
/* Uniform in [0, bound), bound >= 1, by multiplication of 64 random bits (bias below 2^-32). */
uint64_t ig_rng_below(const ig_rng *rng, uint64_t index, uint64_t bound);
/* Standard normals number `first` to `first + count - 1` of the stream (Box-Muller, four a block). */
void ig_rng_normals(const ig_rng *rng, uint64_t first, int64_t count, float *out);
float ig_rng_normal(const ig_rng *rng, uint64_t index);
/* A 64-bit hash of a name (FNV-1a), for streams keyed by one. */
uint64_t ig_hash_name(const char *name);
/* Element `index` of a pseudo-random permutation of [0, count): a Feistel network walked until it
 * lands inside the range, so an order of any length needs no memory. */
uint64_t ig_rng_permute(const ig_rng *rng, uint64_t index, uint64_t count);

#endif
