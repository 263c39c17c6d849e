/* How batch normalisation cuts its work, shared by its two directions. A unit is a group of channels
 * that one thread takes through all passes, so that the later ones read from a cache: 16 channels
 * side by side where channels are innermost, otherwise as many channels as make 4 KiB in a row. A
 * unit's elements come in pieces, summed in f32, and its pieces in segments of about a quarter of the
 * second cache level, whose sums are kept in f64 and combined in order. */
#ifndef IG_KERNELS_CPU_BATCH_NORM_CUT_H
#define IG_KERNELS_CPU_BATCH_NORM_CUT_H

#include <math.h>
#include <string.h>

#include "kernels/batch_norm.h"
#include "kernels/cpu/parallel.h"

#define LANES 16
#define MAX_WIDTH 64
#define SEGMENT_BYTES ((int64_t)1 << 18)
#define PIECE 4096

/* Inlined with constants (16 lanes, the kind of mask), so that the loops have none to ask about. */
#define INLINE static inline __attribute__((always_inline))

typedef struct cut {
  int64_t width, units;
  int64_t pieces, segments;
  int64_t piece_rows; /* of one outer index, when that is longer than a piece or lanes are used */
  int64_t piece_outer; /* outer indices of a piece otherwise */
  int64_t pieces_per_outer;
} cut;

static inline cut cut_of(const ig_channels *at) {
  cut c = {.width = LANES, .piece_rows = PIECE / LANES, .piece_outer = 1};
  if (at->block == 1) {
    int64_t fit = at->inner > 0 ? 1024 / at->inner : 1;
    c.width = fit < 1 ? 1 : fit > MAX_WIDTH ? MAX_WIDTH : fit;
    c.piece_rows = PIECE;
    if (at->inner > 0 && at->inner < PIECE) c.piece_outer = PIECE / at->inner;
  }
  c.units = (at->channels + c.width - 1) / c.width;
  c.pieces_per_outer = (at->inner + c.piece_rows - 1) / c.piece_rows;
  c.pieces = (at->outer + c.piece_outer - 1) / c.piece_outer * c.pieces_per_outer;
  int64_t bytes = at->outer * at->inner * c.width * (int64_t)sizeof(float);
  c.segments = ig_parts(bytes, SEGMENT_BYTES, c.pieces > 0 ? c.pieces : 1);
  return c;
}

/* A piece of a unit: the offset of its first element, its outer indices, and its rows of each. */
typedef struct piece {
  int64_t from, outer, rows;
} piece;

static inline piece piece_at(const ig_channels *at, const cut *c, int64_t unit, int64_t index) {
  int64_t n = index / c->pieces_per_outer * c->piece_outer;
  int64_t row = index % c->pieces_per_outer * c->piece_rows;
  int64_t outer = at->outer - n, rows = at->inner - row;
  return (piece){.from = n * at->outer_stride + unit * c->width / at->block * at->block_stride +
                         row * at->row_stride,
                 .outer = outer < c->piece_outer ? outer : c->piece_outer,
                 .rows = rows < c->piece_rows ? rows : c->piece_rows};
}

/* The loop over the pieces of a segment. */
#define FOR_PIECES(c, segment, index)                                                              \
  for (int64_t index = ig_part_begin((c)->pieces, (c)->segments, segment),                         \
               end_ = ig_part_begin((c)->pieces, (c)->segments, (segment) + 1);                    \
       index < end_; index++)

/* Channels of a unit, and lanes of it that exist in memory. */
static inline int64_t channels_in(const ig_channels *at, const cut *c, int64_t unit) {
  int64_t left = at->channels - unit * c->width;
  return left < c->width ? left : c->width;
}

static inline int64_t lanes_in(const ig_channels *at, const cut *c, int64_t unit) {
  return at->padded ? c->width : channels_in(at, c, unit);
}

/* Sums of one segment by channel: forward the mean and the centred squares, backward those of dy and
 * of dy * (x - mean). */
typedef struct segment_sums {
  double a[MAX_WIDTH], b[MAX_WIDTH];
} segment_sums;

/* What an element is normalised with, by channel of a unit; zero in padding lanes, which so stay
 * zero. */
typedef struct unit_factors {
  float mean[MAX_WIDTH], gain[MAX_WIDTH], bias[MAX_WIDTH];
} unit_factors;

static inline void factors_of(const ig_batch_norm *norm, const cut *c, int64_t unit,
                              const float *mean, const float *variance, const float *scale,
                              const float *bias, unit_factors *out) {
  memset(out, 0, sizeof *out);
  for (int64_t l = 0; l < channels_in(&norm->at, c, unit); l++) {
    int64_t channel = unit * c->width + l;
    double invstd = 1 / sqrt((double)variance[channel] + norm->epsilon);
    out->mean[l] = mean[channel];
    out->gain[l] = (float)((double)scale[channel] * invstd);
    out->bias[l] = bias ? bias[channel] : 0;
  }
}

/* Sixteen partial sums and what did not fill a vector. */
static inline double total_of(const float sum[LANES], float rest) {
  float half[8];
  for (int l = 0; l < 8; l++) half[l] = sum[l] + sum[l + 8];
  return (double)(((half[0] + half[4]) + (half[1] + half[5])) +
                  ((half[2] + half[6]) + (half[3] + half[7])) + rest);
}

/* Whether units are spread over threads, or the segments within each. It decides who works, not what
 * is computed. */
static inline bool spread_units(const cut *c) {
  int64_t threads = ig_threads();
  return c->segments == 1 || c->units >= 4 * threads || c->units % threads == 0;
}

static inline bool batch_norm_team(const ig_channels *at, int64_t operands) {
  return ig_worth_team(at->outer * at->channels * at->inner * operands * (int64_t)sizeof(float));
}

#endif
