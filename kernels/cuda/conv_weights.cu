/* The gradients of weights and bias. Weights: the matrix product of dst's gradient [pixels, dst
 * channels], transposed, and gathered src [pixels, taps * src channels], whose sum over all pixels is
 * cut into parts that the shapes alone decide; a second kernel adds the parts in order. Tiles as in
 * conv.cu, but with channels innermost, as both lie in memory. Compute-bound: 2 flops for each
 * product. The bias' gradient is a sum over pixels of its own, read once. */
#include "kernels/cuda/conv_core.cuh"
#include "kernels/cuda/conv_map.cuh"
#include "kernels/cuda/copy.cuh"

#define STAGES 3
#define ENOUGH 264 /* blocks that keep a large device busy */

struct conv_split {
  int64_t parts, per_part; /* pixels */
};

/* Columns of one tile, for lines of a thread: chunk `chunk` of PER_LINE, ROWS lines. */
template <typename T, int WIDTH> struct conv_lines {
  enum {
    CHUNK = 16 / (int)sizeof(T),
    PER_LINE = WIDTH / CHUNK,
    APART = CONV_THREADS / PER_LINE,
    ROWS = CONV_CHUNKS * CHUNK / APART
  };
};

template <typename T, int BM, int BN, bool WIDE, bool TF32>
__global__ void __launch_bounds__(CONV_THREADS)
    conv_weights_kernel(conv_map m, conv_split split, const T *src, const T *dst_grad,
                        float *partial) {
  typedef conv_core<T, BM, BN, TF32> core_type;
  typedef conv_lines<T, BM> left;
  typedef conv_lines<T, BN> right;
  enum {
    CHUNK = core_type::CHUNK,
    BK = core_type::BK,
    PITCH_M = core_type::PITCH_M,
    PITCH_N = core_type::PITCH_N,
    STAGE = BK * (PITCH_M + PITCH_N)
  };
  IG_DYNAMIC_SHARED(T, shared);
  int across = (m.k + BN - 1) / BN, group = blockIdx.z;
  int row = blockIdx.x / across * BM, column = blockIdx.x % across * BN;
  int64_t begin = blockIdx.y * split.per_part;
  int64_t end = begin + split.per_part < m.pixels ? begin + split.per_part : m.pixels;
  int tiles = begin < end ? (int)((end - begin + BK - 1) / BK) : 0;
  core_type core;

  int left_chunk = threadIdx.x % left::PER_LINE * CHUNK, left_line = threadIdx.x / left::PER_LINE;
  int right_chunk = threadIdx.x % right::PER_LINE * CHUNK;
  int right_line = threadIdx.x / right::PER_LINE;
  conv_place place = {0, 0, 0};
  conv_advance(m, place, column + right_chunk);

  auto fetch = [&](int tile) {
    T *to = shared + tile % STAGES * STAGE;
    uint32_t pixel = (uint32_t)(begin + (int64_t)tile * BK);
#pragma unroll 1
    for (int r = 0; r < left::ROWS; r++) {
      int line = left_line + r * left::APART, channel = row + left_chunk;
      conv_pixel p = conv_pixel_of(m, pixel + line);
      T *at = to + line * PITCH_M + left_chunk;
      const T *from = dst_grad + (p.n * (int)m.out.n + p.h * (int)m.out.h + p.w * (int)m.out.w +
                                  (group * m.out_c + channel) * (int)m.out.c);
      bool valid = pixel + line < end;
      if (WIDE) {
        valid = valid && channel < m.out_c;
        ig_copy16(at, valid ? from : dst_grad, valid);
      } else {
        for (int e = 0; e < CHUNK; e++) {
          at[e] = valid && channel + e < m.out_c ? from[e * m.out.c] : ig_from_f32<T>(0);
        }
      }
    }
    to += BK * PITCH_M;
#pragma unroll 1
    for (int r = 0; r < right::ROWS; r++) {
      int line = right_line + r * right::APART;
      conv_pixel p = conv_pixel_of(m, pixel + line);
      T *at = to + line * PITCH_N + right_chunk;
      bool valid = pixel + line < end;
      conv_place q = place;
      for (int e = 0; e < (WIDE ? 1 : (int)CHUNK); e++) {
        int h = p.h * m.h.step + q.h * m.h.tap + m.h.first;
        int w = p.w * m.w.step + q.w * m.w.tap + m.w.first;
        bool inside = valid && q.h < m.h.taps && (unsigned)h < (unsigned)m.h.source &&
                      (unsigned)w < (unsigned)m.w.source;
        const T *from = src + (p.n * (int)m.in.n + h * (int)m.in.h + w * (int)m.in.w +
                               (group * m.in_c + q.c) * (int)m.in.c);
        if (WIDE) {
          ig_copy16(at, inside ? from : src, inside);
        } else {
          at[e] = inside ? *from : ig_from_f32<T>(0);
          conv_advance(m, q, 1);
        }
      }
    }
  };
  for (int tile = 0; tile < STAGES - 1; tile++) {
    if (tile < tiles) fetch(tile);
    ig_copy_commit();
  }
  for (int tile = 0; tile < tiles; tile++) {
    ig_copy_wait<STAGES - 2>();
    __syncthreads(); /* all have this tile, and are done with the one that is overwritten next */
    if (tile + STAGES - 1 < tiles) fetch(tile + STAGES - 1);
    ig_copy_commit();
    const T *stage = shared + tile % STAGES * STAGE;
    core.along(stage, stage + BK * PITCH_M);
  }
  float *to = partial + ((int64_t)blockIdx.y * gridDim.z + group) * m.out_c * m.k;
#pragma unroll /* as a loop it would hold all addresses at once, for which registers do not suffice */
  for (int half = 0; half < 2; half++) {
    core.each(half, [&](int r, int c, float value) {
      if (row + r < m.out_c && column + c < m.k) {
        to[(int64_t)(row + r) * m.k + column + c] = value;
      }
    });
  }
}

/* Adds the parts of [dst, taps, src / groups] into weights [dst, src / groups, taps]. */
template <typename T>
__global__ void add_weights_kernel(const float *partial, int64_t parts, int64_t count, int taps,
                                   int channels, T *weights) {
  int64_t element = (int64_t)blockIdx.x * CONV_THREADS + threadIdx.x;
  if (element >= count) return;
  float sum = 0;
  for (int64_t i = 0; i < parts; i++) sum += partial[i * count + element];
  int64_t line = element / channels, c = element % channels;
  weights[(line / taps * channels + c) * taps + line % taps] = ig_from_f32<T>(sum);
}

/* --- the bias --------------------------------------------------------------------------------- */

/* A warp is 32 channels side by side, or 32 pixels where those lie together; block (x, y) sums the
 * pixels of part y for channels 32 x ... */
template <typename T>
__global__ void bias_kernel(const T *dst_grad, ig_image stride, int64_t area, int64_t pixels,
                            int channels, int64_t per_part, float *partial) {
  IG_SHARED(float, sums, [CONV_THREADS / IG_WARP][IG_WARP]);
  int lane = threadIdx.x % IG_WARP, warp = threadIdx.x / IG_WARP;
  int channel = blockIdx.x * IG_WARP + lane;
  int64_t end = (blockIdx.y + 1) * per_part < pixels ? (blockIdx.y + 1) * per_part : pixels;
  float sum = 0;
  for (int64_t p = blockIdx.y * per_part + warp; p < end && channel < channels;
       p += CONV_THREADS / IG_WARP) {
    uint32_t n = (uint32_t)p / (uint32_t)area;
    sum += ig_to_f32(dst_grad[n * stride.n + (p - n * area) * stride.w + channel * stride.c]);
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || channel >= channels) return;
  for (int i = 1; i < CONV_THREADS / IG_WARP; i++) sum += sums[i][lane];
  partial[(int64_t)blockIdx.y * channels + channel] = sum;
}

template <typename T>
__global__ void add_bias_kernel(const float *partial, int64_t parts, int64_t channels, T *bias) {
  int64_t channel = (int64_t)blockIdx.x * CONV_THREADS + threadIdx.x;
  if (channel >= channels) return;
  float sum = 0;
  for (int64_t i = 0; i < parts; i++) sum += partial[i * channels + channel];
  bias[channel] = ig_from_f32<T>(sum);
}

/* --- launching -------------------------------------------------------------------------------- */

static int64_t divide_up(int64_t n, int64_t by) {
  return (n + by - 1) / by;
}

/* Parts of at least `least` pixels each, so many that `tiles` times as many blocks are enough. */
static conv_split split_of(int64_t pixels, int64_t tiles, int64_t least) {
  int64_t parts = divide_up(ENOUGH, tiles ? tiles : 1), most = divide_up(pixels, least);
  if (parts > most) parts = most;
  if (parts < 1) parts = 1;
  int64_t per_part = divide_up(divide_up(pixels, parts), 32) * 32;
  if (per_part < 32) per_part = 32;
  parts = divide_up(pixels, per_part);
  return {parts ? parts : 1, per_part};
}

/* 128 by 128 would take more registers than there are. */
static int tile_m(const conv_map *m) {
  return m->out_c > 64 ? 128 : 64;
}

static int tile_n(const conv_map *m) {
  return m->out_c <= 64 && m->k > 64 ? 128 : 64;
}

static conv_split weights_split(const ig_conv *s, const conv_map *m) {
  int64_t tiles = divide_up(m->out_c, tile_m(m)) * divide_up(m->k, tile_n(m)) * s->groups;
  return split_of(m->pixels, tiles, 128);
}

static conv_split bias_split(const ig_conv *s, const conv_map *m) {
  return split_of(m->pixels, divide_up(s->dst[1], IG_WARP), 64);
}

static size_t weights_bytes(const ig_conv *s, const conv_map *m) {
  size_t count = (size_t)s->dst[1] * (size_t)m->k * sizeof(float);
  return (count * (size_t)weights_split(s, m).parts + 255) / 256 * 256;
}

size_t ig_cuda_conv_weights_workspace(const ig_conv *s) {
  conv_map m = conv_map_of(s, false, 0, 0);
  size_t bias = s->bias ? (size_t)bias_split(s, &m).parts * (size_t)s->dst[1] * sizeof(float) : 0;
  return weights_bytes(s, &m) + bias;
}

template <typename T, int BM, int BN, bool WIDE, bool TF32>
static ig_status launch_tile(const conv_map *m, int64_t groups, conv_split split, const T *src,
                             const T *dst_grad, float *partial, void *stream) {
  typedef conv_core<T, BM, BN, TF32> core_type;
  size_t line = core_type::PITCH_M + core_type::PITCH_N;
  size_t bytes = STAGES * core_type::BK * line * sizeof(T);
  unsigned tiles = ig_blocks(divide_up(m->out_c, BM) * divide_up(m->k, BN), 1);
  if (bytes > 48 * 1024) IG_TRY(IG_ALLOW_SHARED((conv_weights_kernel<T, BM, BN, WIDE, TF32>), bytes));
  return IG_LAUNCH((conv_weights_kernel<T, BM, BN, WIDE, TF32>),
                   dim3(tiles, (unsigned)split.parts, (unsigned)groups), CONV_THREADS, bytes,
                   stream, *m, split, src, dst_grad, partial);
}

template <typename T, bool WIDE, bool TF32 = false>
static ig_status launch(const conv_map *m, int64_t groups, conv_split split, const T *src,
                        const T *dst_grad, float *partial, void *stream) {
  if (tile_m(m) == 128) {
    return launch_tile<T, 128, 64, WIDE, TF32>(m, groups, split, src, dst_grad, partial, stream);
  }
  if (tile_n(m) == 128) {
    return launch_tile<T, 64, 128, WIDE, TF32>(m, groups, split, src, dst_grad, partial, stream);
  }
  return launch_tile<T, 64, 64, WIDE, TF32>(m, groups, split, src, dst_grad, partial, stream);
}

template <typename T>
static ig_status run_product(const ig_conv *s, const conv_map *m, bool wide, conv_split split,
                             const T *src, const T *dst_grad, float *partial, void *stream) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (s->tf32) {
      return (wide ? launch<T, true, true> : launch<T, false, true>)(m, s->groups, split, src,
                                                                     dst_grad, partial, stream);
    }
  }
  return (wide ? launch<T, true> : launch<T, false>)(m, s->groups, split, src, dst_grad, partial,
                                                     stream);
}

template <typename T>
static ig_status run_bias(const ig_conv *s, const conv_map *m, const T *dst_grad, T *bias_grad,
                          float *partial, void *stream) {
  conv_split split = bias_split(s, m);
  int64_t channels = s->dst[1];
  if (channels == 0) return IG_OK;
  IG_TRY(IG_LAUNCH(bias_kernel<T>, dim3(ig_blocks(channels, IG_WARP), (unsigned)split.parts),
                   CONV_THREADS, 0, stream, dst_grad, m->out, s->dst[2] * s->dst[3], m->pixels,
                   (int)channels, split.per_part, partial));
  return IG_LAUNCH(add_bias_kernel<T>, ig_blocks(channels, CONV_THREADS), CONV_THREADS, 0, stream,
                   partial, split.parts, channels, bias_grad);
}

ig_status ig_cuda_conv_weights(const ig_conv *s, const void *src, const void *dst_grad,
                               void *weights_grad, void *bias_grad, void *workspace,
                               void *stream) {
  conv_map m = conv_map_of(s, false, 0, 0);
  conv_split split = weights_split(s, &m);
  float *partial = (float *)workspace;
  float *bias_partial = (float *)((char *)workspace + weights_bytes(s, &m));
  int64_t count = s->dst[1] * m.k;
  IG_FOR_FLOAT(s->dtype, "convolution", {
    const T *x = (const T *)src, *dy = (const T *)dst_grad;
    bool wide = m.in.c == 1 && m.out.c == 1 && m.in_c % IG_PACK(T) == 0 &&
                m.out_c % IG_PACK(T) == 0 && ig_aligned16(x) && ig_aligned16(dy);
    if (count > 0) {
      IG_TRY(run_product<T>(s, &m, wide, split, x, dy, partial, stream));
      IG_TRY(IG_LAUNCH(add_weights_kernel<T>, ig_blocks(count, CONV_THREADS), CONV_THREADS, 0,
                       stream, partial, split.parts, count, m.h.taps * m.w.taps, m.in_c,
                       (T *)weights_grad));
    }
    return s->bias ? run_bias<T>(s, &m, dy, (T *)bias_grad, bias_partial, stream) : IG_OK;
  })
}
