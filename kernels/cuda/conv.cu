/* Convolutions forward, and backward to their source, as implicit matrix products: BM pixels by BN
 * channels a block. Tiles of gathered pixels and packed weights go to shared memory by asynchronous
 * copies three tiles deep; bias, sum and activation are applied on the way out, from shared memory
 * again, so that results leave sixteen bytes at a time. Compute-bound: 2 flops for each product; each
 * pixel is read once for every tap and every BN channels (from L2 mostly), weights once for every BM
 * pixels. Where channels do not make whole chunks of sixteen bytes, or lie apart in row-major memory,
 * pixels are read one element at a time. */
#include "kernels/cuda/conv_walk.cuh"
#include "kernels/cuda/functions.cuh"

/* What is done to a sum before it is stored. Channels count from the first group's. */
template <typename T> struct conv_end {
  const T *bias, *sum; /* may be NULL; sum lies as the output does */
  ig_activation activation;
  bool wide; /* sixteen bytes of channels are one access */
};

/* --- packing ---------------------------------------------------------------------------------- */

template <typename T>
__global__ void pack_kernel(conv_map m, conv_weights w, const T *weights, T *packed,
                            int64_t count) {
  int64_t element = (int64_t)blockIdx.x * CONV_THREADS + threadIdx.x;
  if (element >= count) return;
  int k = (int)(element % m.k_padded);
  int64_t line = element / m.k_padded, group = line / m.out_c, o = line % m.out_c;
  packed[element] = k < m.k ? weights[conv_weight_at(m, w, group, o, k)] : conv_zero<T>();
}

/* --- the product ------------------------------------------------------------------------------ */

template <typename T, int BM, int BN, bool WIDE, bool TF32>
__global__ void __launch_bounds__(CONV_THREADS)
    conv_kernel(conv_map m, const T *in, const T *packed, conv_end<T> end, T *out) {
  typedef conv_core<T, BM, BN, TF32> core_type;
  enum { CHUNK = core_type::CHUNK };
  IG_DYNAMIC_SHARED(T, shared);
  int across = (m.out_c + BN - 1) / BN, group = blockIdx.y;
  uint32_t first = blockIdx.x / across * BM;
  int column = blockIdx.x % across * BN;
  core_type core;
  conv_walk<core_type, T, BM, BN, WIDE>(m, group, first, column, in, (const T *)NULL, packed,
                                        shared, [&](const T *a, const T *b) { core.across(a, b); });
  float *staged = reinterpret_cast<float *>(shared); /* [BM / 2][BN + 4] */
  for (int half = 0; half < 2; half++) {
    __syncthreads();
    core.each(half, [&](int row, int c, float value) {
      staged[core_type::slot_of(row) * (BN + 4) + c] = value;
    });
    __syncthreads();
    for (int i = threadIdx.x; i < BM / 2 * (BN / CHUNK); i += CONV_THREADS) {
      int slot = i / (BN / CHUNK), c = i % (BN / CHUNK) * CHUNK;
      uint32_t pixel = first + core_type::row_of(half, slot);
      int left = m.out_c - column - c; /* channels */
      if (pixel >= m.pixels || left <= 0) continue;
      conv_pixel p = conv_pixel_of(m, pixel);
      int channel = group * m.out_c + column + c;
      int64_t to = p.n * m.out.n + (m.h.begin + (int64_t)p.h * m.h.by) * m.out.h +
                   (m.w.begin + (int64_t)p.w * m.w.by) * m.out.w + channel * m.out.c;
      const float *from = staged + slot * (BN + 4) + c;
      ig_pack<T, CHUNK> sum, result;
      if (end.sum && end.wide) sum = ig_load_pack<T, CHUNK>(end.sum + to);
#pragma unroll
      for (int e = 0; e < CHUNK; e++) {
        if (e >= left) continue;
        float value = from[e];
        if (end.bias) value += ig_to_f32(end.bias[channel + e]);
        if (end.sum) value += ig_to_f32(end.wide ? sum.v[e] : end.sum[to + e * m.out.c]);
        if (end.activation.on) {
          value = ig_unary_f32(end.activation.kind, value, end.activation.a, end.activation.b);
        }
        result.v[e] = ig_from_f32<T>(value);
        if (!end.wide) out[to + e * m.out.c] = result.v[e];
      }
      if (end.wide) ig_store_pack(out + to, result);
    }
  }
}

/* --- launching -------------------------------------------------------------------------------- */

template <typename T, int BM, int BN, bool WIDE, bool TF32>
static ig_status launch_tile(const conv_map *m, int64_t groups, const T *in, const T *packed,
                             const conv_end<T> *end, T *out, void *stream) {
  typedef conv_core<T, BM, BN, TF32> core_type;
  size_t tiles = CONV_STAGES * (size_t)(BM + BN) * core_type::PITCH * sizeof(T);
  size_t staged = BM / 2 * (BN + 4) * sizeof(float), bytes = tiles > staged ? tiles : staged;
  int64_t blocks = (m->pixels + BM - 1) / BM * ((m->out_c + BN - 1) / BN);
  if (bytes > 48 * 1024) IG_TRY(IG_ALLOW_SHARED((conv_kernel<T, BM, BN, WIDE, TF32>), bytes));
  return IG_LAUNCH((conv_kernel<T, BM, BN, WIDE, TF32>),
                   dim3(ig_blocks(blocks, 1), (unsigned)groups), CONV_THREADS, bytes, stream, *m,
                   in, packed, *end, out);
}

/* The largest tile of which there are enough to keep a large device busy. */
template <typename T, bool WIDE, bool TF32 = false>
static ig_status launch(const conv_map *m, int64_t groups, const T *in, const T *packed,
                        const conv_end<T> *end, T *out, void *stream) {
  const int64_t enough = 200;
  int64_t tall = (m->pixels + 127) / 128 * groups;
  if (m->out_c > 64 && tall * ((m->out_c + 127) / 128) >= enough) {
    return launch_tile<T, 128, 128, WIDE, TF32>(m, groups, in, packed, end, out, stream);
  }
  if (tall * ((m->out_c + 63) / 64) >= enough) {
    return launch_tile<T, 128, 64, WIDE, TF32>(m, groups, in, packed, end, out, stream);
  }
  return launch_tile<T, 64, 64, WIDE, TF32>(m, groups, in, packed, end, out, stream);
}

static size_t packed_bytes(const conv_map *m, int64_t groups, ig_dtype dtype) {
  size_t bytes = (size_t)groups * (size_t)m->out_c * (size_t)m->k_padded * ig_dtype_size(dtype);
  return (bytes + 255) / 256 * 256;
}

/* The residues of an axis, of which every one is a launch. */
static int64_t residues(const ig_conv *s, bool backward, int axis) {
  return backward ? s->stride[axis] : 1;
}

const char *ig_cuda_conv_declines(const ig_conv *s, bool backward) {
  const int64_t most = 1 << 13;
  for (int i = 0; i < 2; i++) {
    int64_t reach = (s->kernel[i] - 1) * s->dilation[i];
    if (s->src[2 + i] >= most || s->dst[2 + i] >= most || s->pad_begin[i] >= most ||
        s->kernel[i] >= most || s->dilation[i] >= most || reach >= most || s->stride[i] >= most) {
      return "an extent of 2^13 or more";
    }
  }
  if (residues(s, backward, 0) * residues(s, backward, 1) > 16) return "more than 16 residues";
  if (s->groups > 65535) return "more than 65535 groups";
  if (ig_layout_count(IG_LAYOUT_ROWS, s->src) >= INT32_MAX ||
      ig_layout_count(IG_LAYOUT_ROWS, s->dst) >= INT32_MAX ||
      s->src[1] / s->groups * s->kernel[0] * s->kernel[1] >= 1 << 30 ||
      s->dst[1] / s->groups * s->kernel[0] * s->kernel[1] >= 1 << 30) {
    return "a tensor of 2^31 elements or more";
  }
  return NULL;
}

size_t ig_cuda_conv_workspace(const ig_conv *s, bool backward) {
  size_t bytes = 0;
  for (int64_t h = 0; h < residues(s, backward, 0); h++) {
    for (int64_t w = 0; w < residues(s, backward, 1); w++) {
      conv_map m = conv_map_of(s, backward, h, w);
      bytes += packed_bytes(&m, s->groups, s->dtype);
    }
  }
  return bytes;
}

template <typename T>
static ig_status run_residue(const ig_conv *s, const conv_map *m, bool backward, const T *in,
                             const T *weights, const conv_end<T> *end, T *out, T *packed,
                             void *stream) {
  conv_weights w = {(int)(s->dst[1] / s->groups), (int)(s->src[1] / s->groups), (int)s->kernel[0],
                    (int)s->kernel[1], backward};
  int64_t count = s->groups * m->out_c * m->k_padded;
  bool wide = m->in.c == 1 && m->in_c % IG_PACK(T) == 0 && ig_aligned16(in);
  bool packed_already = wide && !backward && m->h.taps * m->w.taps == 1 && ig_aligned16(weights);
  if (!packed_already && count > 0) {
    IG_TRY(IG_LAUNCH(pack_kernel<T>, ig_blocks(count, CONV_THREADS), CONV_THREADS, 0, stream, *m, w,
                     weights, packed, count));
  }
  if (packed_already) packed = (T *)weights;
  if constexpr (sizeof(T) == sizeof(float)) {
    if (s->tf32) {
      return (wide ? launch<T, true, true> : launch<T, false, true>)(m, s->groups, in, packed, end,
                                                                     out, stream);
    }
  }
  return wide ? launch<T, true>(m, s->groups, in, packed, end, out, stream)
              : launch<T, false>(m, s->groups, in, packed, end, out, stream);
}

ig_status ig_cuda_conv_product(const ig_conv *s, bool backward, const void *in, const void *weights,
                               const void *bias, const void *sum, void *out, void *workspace,
                               void *stream) {
  IG_FOR_FLOAT(s->dtype, "convolution", {
    char *packed = (char *)workspace;
    conv_end<T> end = {(const T *)bias, (const T *)sum, {}, false};
    if (!backward) end.activation = s->activation;
    for (int64_t h = 0; h < residues(s, backward, 0); h++) {
      for (int64_t w = 0; w < residues(s, backward, 1); w++) {
        conv_map m = conv_map_of(s, backward, h, w);
        if (m.pixels * m.out_c == 0) continue;
        end.wide =
            m.out.c == 1 && m.out_c % IG_PACK(T) == 0 && ig_aligned16(out) && ig_aligned16(sum);
        IG_TRY(run_residue<T>(s, &m, backward, (const T *)in, (const T *)weights, &end, (T *)out,
                              (T *)packed, stream));
        packed += packed_bytes(&m, s->groups, s->dtype);
      }
    }
    return IG_OK;
  })
}
