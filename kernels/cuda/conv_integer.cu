/* Convolutions of 8-bit integers on tensor cores: the implicit product of conv.cu with bytes. Unsigned
 * bytes less 128 are signed ones, and their zero points p, q less 128 make up for it; what pads the
 * source is p. With R the sum of a pixel's line, W that of a channel's, over k places,
 *   sum (a - p)(w - q) = sum a w - q R - p (W - k q),
 * where W is summed as weights are packed, and R, which only zero points q of weights need, from the
 * operands as they are multiplied. Results leave as sums, or as bytes again. 2 operations a product;
 * bytes as conv.cu says, at one an element. And the same from the definition, a thread an element. */
#include "kernels/cuda/conv_walk.cuh"
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/conv_integer.h"
}

#define LINES (CONV_THREADS / IG_WARP) /* that a block packs */

/* What is done to a sum before it is stored. */
struct integer_end {
  int32_t *weight_sums; /* of packed weights, by channel */
  float *factors;       /* by channel, where sums are requantized */
  const void *src_zero, *weight_zero;
  const int32_t *bias;
  ig_conv_requantize y;          /* where `requantizes` says so */
  uint8_t src_flip, weight_flip; /* 0x80 for u8: as i8, less 128 */
  bool by_channel, requantizes;
  bool wide; /* sixteen bytes of channels are one access */
};

__device__ static inline int flipped(const void *bytes, int64_t i, uint8_t flip) {
  return (int8_t)((bytes ? ((const uint8_t *)bytes)[i] : 0) ^ flip);
}

/* What a sum of dst channel `of` (0 where one scale is for all) is multiplied by. */
__device__ static inline float factor_of(const ig_conv_requantize &y, int64_t of) {
  float src_scale = (float)ig_load_number(y.scale, y.src_scale, 0);
  float weight_scale = (float)ig_load_number(y.scale, y.weight_scale, of);
  return src_scale * weight_scale / (float)ig_load_number(y.scale, y.y_scale, 0);
}

/* How y's bytes are made, whatever their sign. */
struct bytes_of {
  int zero, least;
  __device__ inline bytes_of(const ig_conv_requantize &y) {
    zero = y.y_zero ? (int)ig_load_number(y.whole, y.y_zero, 0) : 0;
    least = y.whole == IG_I8 ? -128 : 0;
  }
  __device__ inline uint8_t make(int32_t sum, float factor) const {
    return (uint8_t)ig_quantized((float)sum * factor, 1.0f, zero, least, least + 255);
  }
};

/* --- packing ---------------------------------------------------------------------------------- */

/* A warp packs a channel's line as signed bytes, sums it and makes the channel's factor. Block 0 also writes the sixteen bytes that
 * pad the source. */
__global__ void __launch_bounds__(CONV_THREADS)
    pack_kernel(conv_map m, conv_weights w, integer_end end, const uint8_t *weights, int8_t *packed,
                uint8_t *fill, int64_t lines) {
  int64_t line = (int64_t)blockIdx.x * LINES + threadIdx.x / IG_WARP;
  int sum = 0;
  if (blockIdx.x == 0 && threadIdx.x < 16) {
    fill[threadIdx.x] = end.src_zero ? *(const uint8_t *)end.src_zero : 0;
  }
  if (line >= lines) return;
  for (int k = threadIdx.x % IG_WARP; k < m.k_padded; k += IG_WARP) {
    int value = 0;
    if (k < m.k) {
      int64_t at = conv_weight_at(m, w, line / m.out_c, line % m.out_c, k);
      value = flipped(weights, at, end.weight_flip);
    }
    packed[line * m.k_padded + k] = (int8_t)value;
    sum += value;
  }
  for (int step = IG_WARP / 2; step > 0; step /= 2) sum += __shfl_xor_sync(IG_FULL_WARP, sum, step);
  if (threadIdx.x % IG_WARP != 0) return;
  end.weight_sums[line] = sum;
  if (end.requantizes) end.factors[line] = factor_of(end.y, end.by_channel ? line : 0);
}

/* --- the product ------------------------------------------------------------------------------ */

/* One tile: as conv_core::across, with bytes made signed on the way, and summed by line where `lines`
 * are wanted. */
template <typename Core, int MT>
__device__ static inline void multiply(Core &core, const int8_t *a, const int8_t *b, uint32_t flip,
                                       bool wanted, int (&lines)[MT][2]) {
  int row = core.lane % 8, low = core.lane / 8 % 2, high = core.lane / 16;
#pragma unroll
  for (int k = 0; k < Core::BK; k += Core::STEP) {
    core.step(
        [&](uint32_t(&r)[4], int i) {
          const int8_t *from = a + (core.warp_m + i * 16 + low * 8 + row) * Core::PITCH;
          ig_ldmatrix(r, from + k + high * Core::CHUNK);
#pragma unroll
          for (int e = 0; e < 4; e++) {
            r[e] ^= flip;
            if (wanted) lines[i][e % 2] = __dp4a((int)r[e], 0x01010101, lines[i][e % 2]);
          }
        },
        [&](uint32_t(&r)[4], int j) {
          const int8_t *from = b + (core.warp_n + j * 16 + high * 8 + row) * Core::PITCH;
          ig_ldmatrix(r, from + k + low * Core::CHUNK);
        });
  }
}

template <typename Out, int BM, int BN, bool WIDE>
__global__ void __launch_bounds__(CONV_THREADS)
    product_kernel(conv_map m, const int8_t *in, const int8_t *packed, const int8_t *fill,
                   integer_end end, bool centered, Out *out) {
  typedef conv_core<int8_t, BM, BN, false> core_type;
  enum { MT = core_type::MT, PACK = 16 / (int)sizeof(Out) };
  IG_DYNAMIC_SHARED(int8_t, shared);
  IG_SHARED(int32_t, line_sums, [BM]);
  int across = (m.out_c + BN - 1) / BN, group = blockIdx.y;
  uint32_t first = blockIdx.x / across * BM;
  int column = blockIdx.x % across * BN, lines[MT][2] = {};
  core_type core;
  conv_walk<core_type, int8_t, BM, BN, WIDE>(
      m, group, first, column, in, fill, packed, shared, [&](const int8_t *a, const int8_t *b) {
        multiply(core, a, b, 0x01010101u * end.src_flip, !centered, lines);
      });
  /* A line lies in four lanes of each of two warps, which know the same. */
#pragma unroll
  for (int i = 0; i < MT; i++) {
#pragma unroll
    for (int e = 0; e < 2; e++) {
      int sum = lines[i][e];
      sum += __shfl_xor_sync(IG_FULL_WARP, sum, 1);
      sum += __shfl_xor_sync(IG_FULL_WARP, sum, 2);
      if (core.lane % 4 == 0 && core.warp_n == 0) {
        line_sums[core.warp_m + i * 16 + e * 8 + core.lane / 4] = sum;
      }
    }
  }
  int beyond = (m.k_padded + core_type::BK - 1) / core_type::BK * core_type::BK - m.k;
  unsigned p = (unsigned)flipped(end.src_zero, 0, end.src_flip);
  const bytes_of bytes(end.y);
  int32_t *staged = reinterpret_cast<int32_t *>(shared); /* [BM / 2][BN + 4] */
  for (int half = 0; half < 2; half++) {
    __syncthreads();
    core.each(half, [&](int row, int c, int32_t value) {
      staged[core_type::slot_of(row) * (BN + 4) + c] = value;
    });
    __syncthreads();
    for (int i = threadIdx.x; i < BM / 2 * (BN / PACK); i += CONV_THREADS) {
      int slot = i / (BN / PACK), c = i % (BN / PACK) * PACK;
      int row = core_type::row_of(half, slot), left = m.out_c - column - c; /* channels */
      uint32_t pixel = first + row;
      if (pixel >= m.pixels || left <= 0) continue;
      conv_pixel at = conv_pixel_of(m, pixel);
      int channel = group * m.out_c + column + c;
      int64_t to = at.n * m.out.n + at.h * m.out.h + at.w * m.out.w + channel * m.out.c;
      unsigned line = (unsigned)line_sums[row] - (unsigned)beyond * p;
      ig_pack<Out, PACK> result;
#pragma unroll
      for (int e = 0; e < PACK; e++) {
        if (e >= left) continue;
        int64_t of = end.by_channel ? channel + e : 0;
        unsigned q = centered ? (unsigned)(int8_t)end.weight_flip
                              : (unsigned)flipped(end.weight_zero, of, end.weight_flip);
        unsigned sum = (unsigned)staged[slot * (BN + 4) + c + e];
        if (!centered) sum -= q * line;
        sum -= p * ((unsigned)end.weight_sums[channel + e] - (unsigned)m.k * q);
        if (end.bias) sum += (unsigned)end.bias[channel + e];
        if constexpr (sizeof(Out) == 1) {
          result.v[e] = bytes.make((int32_t)sum, end.factors[channel + e]);
        } else {
          result.v[e] = (int32_t)sum;
        }
        if (!end.wide) out[to + e * m.out.c] = result.v[e];
      }
      if (end.wide) ig_store_pack(out + to, result);
    }
  }
}

/* --- launching -------------------------------------------------------------------------------- */

template <typename Out, int BM, int BN, bool WIDE>
static ig_status launch_tile(const conv_map *m, int64_t groups, const int8_t *in,
                             const int8_t *packed, const int8_t *fill, const integer_end *end,
                             bool centered, Out *out, void *stream) {
  typedef conv_core<int8_t, BM, BN, false> core_type;
  size_t tiles = CONV_STAGES * (size_t)(BM + BN) * core_type::PITCH;
  size_t staged = BM / 2 * (BN + 4) * sizeof(int32_t), bytes = tiles > staged ? tiles : staged;
  int64_t blocks = (m->pixels + BM - 1) / BM * ((m->out_c + BN - 1) / BN);
  if (bytes > 47 * 1024) IG_TRY(IG_ALLOW_SHARED((product_kernel<Out, BM, BN, WIDE>), bytes));
  return IG_LAUNCH((product_kernel<Out, BM, BN, WIDE>),
                   dim3(ig_blocks(blocks, 1), (unsigned)groups), CONV_THREADS, bytes, stream, *m,
                   in, packed, fill, *end, centered, out);
}

/* The larger tile where there are enough to keep a large device busy. */
template <typename Out, bool WIDE>
static ig_status launch(const conv_map *m, int64_t groups, const int8_t *in, const int8_t *packed,
                        const int8_t *fill, const integer_end *end, bool centered, void *out,
                        void *stream) {
  const int64_t enough = 200;
  int64_t tall = (m->pixels + 127) / 128 * groups;
  if (m->out_c > 64 && tall * ((m->out_c + 127) / 128) >= enough) {
    return launch_tile<Out, 128, 128, WIDE>(m, groups, in, packed, fill, end, centered, (Out *)out,
                                            stream);
  }
  return launch_tile<Out, 64, 64, WIDE>(m, groups, in, packed, fill, end, centered, (Out *)out,
                                        stream);
}

static size_t aligned(size_t bytes) {
  return (bytes + 255) / 256 * 256;
}

/* Of the workspace: packed weights, their sums, the factors, what pads the source. */
static size_t packed_bytes(const conv_map *m, int64_t groups) {
  return aligned((size_t)groups * (size_t)m->out_c * (size_t)m->k_padded);
}
static size_t sums_bytes(const ig_conv *s) {
  return aligned((size_t)s->dst[1] * sizeof(int32_t));
}

size_t ig_cuda_conv_integer_workspace(const ig_conv_integer *spec) {
  conv_map m = conv_map_of(&spec->conv, false, 0, 0);
  return packed_bytes(&m, spec->conv.groups) + 2 * sums_bytes(&spec->conv) + 256;
}

static integer_end end_of(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                          const ig_conv_requantize *y) {
  integer_end end = {};
  end.src_zero = in->src_zero;
  end.weight_zero = in->weight_zero;
  end.bias = in->bias;
  end.src_flip = spec->conv.dtype == IG_U8 ? 0x80 : 0;
  end.weight_flip = spec->weights == IG_U8 ? 0x80 : 0;
  end.by_channel = spec->by_channel;
  end.requantizes = y != NULL;
  if (y) end.y = *y;
  return end;
}

ig_status ig_cuda_conv_integer(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                               const ig_conv_requantize *y, void *out, void *workspace,
                               void *stream) {
  const ig_conv *s = &spec->conv;
  conv_map m = conv_map_of(s, false, 0, 0);
  conv_weights w = {(int)(s->dst[1] / s->groups), (int)(s->src[1] / s->groups), (int)s->kernel[0],
                    (int)s->kernel[1], false};
  if (m.pixels * m.out_c == 0) return IG_OK;
  char *room = (char *)workspace;
  int8_t *packed = (int8_t *)room;
  integer_end end = end_of(spec, in, y);
  room += packed_bytes(&m, s->groups);
  end.weight_sums = (int32_t *)room;
  end.factors = (float *)(room + sums_bytes(s));
  int8_t *fill = (int8_t *)room + 2 * sums_bytes(s);
  end.wide = m.out.c == 1 && m.out_c % (y ? 16 : 4) == 0 && ig_aligned16(out);
  /* Unsigned weights have a zero point of -128 once they are signed. */
  bool centered = spec->centered && end.weight_flip == 0;
  bool wide = m.in.c == 1 && m.in_c % 16 == 0 && ig_aligned16(in->src);
  IG_TRY(IG_LAUNCH(pack_kernel, ig_blocks(s->dst[1], LINES), CONV_THREADS, 0, stream, m, w, end,
                   (const uint8_t *)in->weights, packed, (uint8_t *)fill, s->dst[1]));
  const int8_t *from = (const int8_t *)in->src;
  if (y) {
    return (wide ? launch<uint8_t, true> : launch<uint8_t, false>)(&m, s->groups, from, packed,
                                                                   fill, &end, centered, out,
                                                                   stream);
  }
  return (wide ? launch<int32_t, true> : launch<int32_t, false>)(&m, s->groups, from, packed, fill,
                                                                 &end, centered, out, stream);
}

/* --- from the definition ---------------------------------------------------------------------- */

struct definition {
  ig_conv s;
  ig_image src;
  integer_end end;
  const uint8_t *in, *weights;
};

__global__ void __launch_bounds__(CONV_THREADS)
    reference_kernel(const definition c, void *out, int64_t count) {
  int64_t element = (int64_t)blockIdx.x * CONV_THREADS + threadIdx.x;
  if (element >= count) return;
  const ig_conv &s = c.s;
  const integer_end &end = c.end;
  ig_image_at at =
      ig_image_split(s.dst_layout, element, (int)s.dst[1], (int)s.dst[2], (int)s.dst[3]);
  int64_t per_group = s.src[1] / s.groups, first = at.c / (s.dst[1] / s.groups) * per_group;
  int64_t of = end.by_channel ? at.c : 0;
  int p = flipped(end.src_zero, 0, end.src_flip), q = flipped(end.weight_zero, of, end.weight_flip);
  unsigned sum = end.bias ? (unsigned)end.bias[at.c] : 0;
  for (int64_t ic = 0; ic < per_group; ic++) {
    for (int64_t i = 0; i < s.kernel[0]; i++) {
      int64_t h = at.h * s.stride[0] + i * s.dilation[0] - s.pad_begin[0];
      for (int64_t j = 0; j < s.kernel[1] && h >= 0 && h < s.src[2]; j++) {
        int64_t w = at.w * s.stride[1] + j * s.dilation[1] - s.pad_begin[1];
        if (w < 0 || w >= s.src[3]) continue;
        int64_t from = at.n * c.src.n + (first + ic) * c.src.c + h * c.src.h + w * c.src.w;
        int64_t weight = ((at.c * per_group + ic) * s.kernel[0] + i) * s.kernel[1] + j;
        sum += (unsigned)((flipped(c.in, from, end.src_flip) - p) *
                          (flipped(c.weights, weight, end.weight_flip) - q));
      }
    }
  }
  if (end.requantizes) {
    ((uint8_t *)out)[element] = bytes_of(end.y).make((int32_t)sum, factor_of(end.y, of));
  } else {
    ((int32_t *)out)[element] = (int32_t)sum;
  }
}

ig_status ig_cuda_conv_integer_reference(const ig_conv_integer *spec, const ig_conv_integer_in *in,
                                         const ig_conv_requantize *y, void *out, void *stream) {
  int64_t count = ig_layout_count(spec->conv.dst_layout, spec->conv.dst);
  if (count == 0) return IG_OK;
  definition c = {spec->conv, ig_image_strides(spec->conv.src_layout, spec->conv.src),
                  end_of(spec, in, y), (const uint8_t *)in->src, (const uint8_t *)in->weights};
  return IG_LAUNCH(reference_kernel, ig_blocks(count, CONV_THREADS), CONV_THREADS, 0, stream, c,
                   out, count);
}
