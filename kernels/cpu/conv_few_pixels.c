/* Convolutions of few pixels, whose time is that of reading the weights: batch 1 in the late layers
 * of a network. Written as the product of patches, [pixels, taps x channels], with weights packed in
 * the order in which they are read, each once. A tile is four pixels by sixty-four channels of the
 * result, in sixteen vector registers: it loads eight numbers or vectors for sixteen products.
 * The depth is cut so that a cut of patches stays in the first cache level while all channels of the
 * result pass by, and one of weights while all pixels do; sums wait in the workspace. A block is sixteen source channels of one tap, the unit in which patches are
 * copied. Every element is summed in one order, whatever the number of threads. */
#include <string.h>

#include "kernels/conv.h"
#include "kernels/cpu/parallel.h"

#define LANES IG_LAYOUT_BLOCK
#define TILE 4                 /* pixels */
#define VECTORS 4              /* of channels of the result */
#define PATCH (TILE * LANES)   /* numbers of a block for one tile */
#define SQUARE (LANES * LANES) /* weights of a block for one vector of channels */
#define CUT 4                  /* blocks: at most 16 KiB of patches and as much of weights */
#define MOST_PIXELS 64
#define LEAST_BLOCKS 64 /* fewer do not pay for what comes before and after them */

typedef float lanes __attribute__((vector_size(4 * LANES), may_alias));

/* Compilers else read a weight anew for each of its products, at twice the time. */
#ifdef __AVX512F__
#define KEEP_IN_REGISTER(vector) __asm__("" : "+v"(vector))
#else
#define KEEP_IN_REGISTER(vector) (void)(vector)
#endif

static int64_t blocks_of(const ig_conv *s) {
  return s->src[1] / LANES * s->kernel[0] * s->kernel[1];
}

static int64_t pixels_of(const ig_conv *s) {
  return s->dst[0] * s->dst[2] * s->dst[3];
}

static int64_t tiles_of(const ig_conv *s) {
  return (pixels_of(s) + TILE - 1) / TILE;
}

const char *ig_cpu_conv_few_pixels_reject(const ig_conv *s) {
#ifndef __AVX512F__
  return "a tile does not fit this processor's registers";
#endif
  if (s->dtype != IG_F32) return "not f32";
  if (s->groups != 1) return "has groups";
  if (s->src[1] % LANES || s->dst[1] % LANES) return "channels are no multiple of 16";
  if (pixels_of(s) > MOST_PIXELS) return "more pixels than pay";
  if (blocks_of(s) < LEAST_BLOCKS) return "too few products for a result";
  return pixels_of(s) > 0 && s->dst[1] > 0 ? NULL : "an operand is empty";
}

size_t ig_cpu_conv_few_pixels_workspace(const ig_conv *s) {
  int64_t sums = tiles_of(s) * TILE * s->dst[1];
  return (size_t)(blocks_of(s) * tiles_of(s) * PATCH + sums) * sizeof(float);
}

/* Channels of the result from `channel` on that one tile takes, in vectors. */
static int64_t vectors_at(const ig_conv *s, int64_t channel) {
  return IG_MIN(VECTORS, (s->dst[1] - channel) / LANES);
}

/* Where the weights of a cut from block `block` on begin, for channels from `channel` on. They are in
 * the order in which they are used: [cuts][tiles of channels][blocks of the cut][16 src channels][the
 * tile's channels]. */
static int64_t piece_offset(const ig_conv *s, int64_t block, int64_t channel) {
  int64_t count = IG_MIN(CUT, blocks_of(s) - block);
  return (block * s->dst[1] + count * channel) * LANES;
}

void ig_cpu_conv_few_pixels_pack(const ig_conv *s, const float *weights, float *packed) {
  int64_t taps = s->kernel[0] * s->kernel[1], depth = s->src[1] * taps;
  IG_PARALLEL_FOR(s->dst[1] * depth > 16 * IG_PARALLEL_FROM)
  for (int64_t o = 0; o < s->dst[1]; o++) {
    int64_t first = o / (VECTORS * LANES) * VECTORS * LANES, width = vectors_at(s, first) * LANES;
    for (int64_t i = 0; i < s->src[1]; i++) {
      for (int64_t t = 0; t < taps; t++) {
        int64_t block = i / LANES * taps + t, cut = block / CUT * CUT;
        int64_t row = (block - cut) * LANES + i % LANES;
        packed[piece_offset(s, cut, first) + row * width + o - first] =
            weights[o * depth + i * taps + t];
      }
    }
  }
}

static int64_t pixel_offset(const ig_conv *s, int64_t pixel, int64_t channel) {
  int64_t area = s->dst[2] * s->dst[3], at = pixel % area;
  return ig_layout_offset(s->dst_layout, s->dst, pixel / area, channel, at / s->dst[3],
                          at % s->dst[3]);
}

/* Elements between a channel and the next one of the same block. */
static int64_t channel_step(ig_layout layout, const int64_t dims[4]) {
  return layout == IG_LAYOUT_ROWS ? dims[2] * dims[3] : 1;
}

/* The patches of one block: [tiles][4 pixels][16 channels], zeros outside src. */
static void copy_patches(const ig_conv *s, const float *src, int64_t block, float *patches) {
  int64_t taps = s->kernel[0] * s->kernel[1], tap = block % taps, channel = block / taps * LANES;
  int64_t down = tap / s->kernel[1] * s->dilation[0] - s->pad_begin[0];
  int64_t right = tap % s->kernel[1] * s->dilation[1] - s->pad_begin[1];
  int64_t step = channel_step(s->src_layout, s->src);
  float *to = patches;
  for (int64_t n = 0; n < s->dst[0]; n++) {
    for (int64_t row = 0; row < s->dst[2]; row++) {
      for (int64_t column = 0; column < s->dst[3]; column++, to += LANES) {
        int64_t h = row * s->stride[0] + down, w = column * s->stride[1] + right;
        if (h < 0 || h >= s->src[2] || w < 0 || w >= s->src[3]) {
          memset(to, 0, LANES * sizeof *to);
          continue;
        }
        const float *from = src + ig_layout_offset(s->src_layout, s->src, n, channel, h, w);
        if (step == 1) {
          memcpy(to, from, LANES * sizeof *to);
        } else {
          for (int c = 0; c < LANES; c++) to[c] = from[c * step];
        }
      }
    }
  }
  memset(to, 0, (size_t)(patches + tiles_of(s) * PATCH - to) * sizeof *to);
}

/* sum[p] += patch[p] . weights over `blocks` blocks; `stride` numbers lie between two patches. Memory
 * from `ahead` on is wanted soon: a cache line for each row of weights. */
static inline __attribute__((always_inline)) void multiply_by(int vectors, const float *patches,
                                                              int64_t stride, const float *weights,
                                                              const float *ahead, int64_t blocks,
                                                              lanes *sums) {
  lanes sum[TILE][VECTORS];
  for (int p = 0; p < TILE; p++) {
    for (int v = 0; v < vectors; v++) sum[p][v] = sums[p * vectors + v];
  }
  for (int64_t b = 0; b < blocks; b++, patches += stride, weights += vectors * SQUARE) {
#pragma GCC unroll 16
    for (int c = 0; c < LANES; c++) {
      lanes w[VECTORS];
      __builtin_prefetch(ahead + (b * LANES + c) * LANES);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) {
        w[v] = *(const lanes *)(const void *)(weights + (c * vectors + v) * LANES);
        KEEP_IN_REGISTER(w[v]);
      }
#pragma GCC unroll 4
      for (int p = 0; p < TILE; p++) {
        float x = patches[p * LANES + c];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[p][v] += x * w[v];
      }
    }
  }
  for (int p = 0; p < TILE; p++) {
    for (int v = 0; v < vectors; v++) sums[p * vectors + v] = sum[p][v];
  }
}

static void multiply(int vectors, const float *patches, int64_t stride, const float *weights,
                     const float *ahead, int64_t blocks, lanes *sums) {
  switch (vectors) {
  case 1: multiply_by(1, patches, stride, weights, ahead, blocks, sums); break;
  case 2: multiply_by(2, patches, stride, weights, ahead, blocks, sums); break;
  case 3: multiply_by(3, patches, stride, weights, ahead, blocks, sums); break;
  default: multiply_by(VECTORS, patches, stride, weights, ahead, blocks, sums);
  }
}

/* Sums start at the bias, and what dst holds where it is added. `width` channels from `channel` on
 * are side by side. */
static void start_sums(const ig_conv *s, int64_t channel, int64_t width, const float *bias,
                       const float *dst, float *sums) {
  int64_t step = channel_step(s->dst_layout, s->dst), pixels = pixels_of(s);
  memset(sums, 0, (size_t)(tiles_of(s) * TILE * width) * sizeof *sums);
  for (int64_t p = 0; p < pixels; p++) {
    for (int64_t c = 0; c < width; c++) {
      int64_t o = channel + c, first = o / LANES * LANES;
      if (bias) sums[p * width + c] = bias[o];
      if (s->sum) sums[p * width + c] += dst[pixel_offset(s, p, first) + (o - first) * step];
    }
  }
}

static void finish_sums(const ig_conv *s, int64_t channel, int64_t width, float *sums, float *dst) {
  const ig_activation *f = &s->activation;
  int64_t step = channel_step(s->dst_layout, s->dst), pixels = pixels_of(s);
  if (f->on) ig_cpu_unary_vector(f->kind, IG_F32, sums, sums, pixels * width, f->a, f->b);
  for (int64_t p = 0; p < pixels; p++) {
    for (int64_t v = 0; v < width; v += LANES) {
      float *to = dst + pixel_offset(s, p, channel + v);
      for (int64_t c = 0; c < LANES; c++) to[c * step] = sums[p * width + v + c];
    }
  }
}

/* Channels [from, to) of the result, both where tiles begin or end. */
static void multiply_channels(const ig_conv *s, int64_t from, int64_t to, const float *patches,
                              const float *packed, const float *bias, float *dst, float *sums) {
  int64_t blocks = blocks_of(s), tiles = tiles_of(s), pixels = tiles * TILE;
  for (int64_t b = 0; b < blocks; b += CUT) {
    int64_t count = IG_MIN(CUT, blocks - b);
    for (int64_t o = from; o < to; o += VECTORS * LANES) {
      int vectors = (int)vectors_at(s, o);
      float *own = sums + o * pixels;
      const float *piece = packed + piece_offset(s, b, o), *next = piece + count * vectors * SQUARE;
      if (o + vectors * LANES >= to && b + count < blocks) {
        next = packed + piece_offset(s, b + count, from);
      }
      if (b == 0) start_sums(s, o, vectors * LANES, bias, dst, own);
      for (int64_t i = 0; i < tiles; i++) {
        multiply(vectors, patches + (b * tiles + i) * PATCH, tiles * PATCH, piece,
                 i < VECTORS ? next + i * CUT * SQUARE : own, count,
                 (lanes *)(void *)(own + i * TILE * vectors * LANES));
      }
      if (b + count == blocks) finish_sums(s, o, vectors * LANES, own, dst);
    }
  }
}

void ig_cpu_conv_few_pixels(const ig_conv *s, const float *src, const float *packed,
                            const float *bias, float *dst, void *workspace) {
  const int64_t width = VECTORS * LANES;
  float *patches = workspace;
  int64_t blocks = blocks_of(s), of_block = tiles_of(s) * PATCH;
  float *sums = patches + blocks * of_block;
  int64_t groups = (s->dst[1] + width - 1) / width, parts = IG_MIN(groups, ig_threads());
  bool team = s->dst[1] * blocks * of_block >= 16 * IG_PARALLEL_FROM;
  IG_PARALLEL_FOR(team)
  for (int64_t b = 0; b < blocks; b++) copy_patches(s, src, b, patches + b * of_block);
  IG_PARALLEL_FOR(team)
  for (int64_t part = 0; part < parts; part++) {
    int64_t from = ig_part_begin(groups, parts, part) * width;
    int64_t to = ig_part_begin(groups, parts, part + 1) * width;
    multiply_channels(s, from, IG_MIN(to, s->dst[1]), patches, packed, bias, dst, sums);
  }
}
