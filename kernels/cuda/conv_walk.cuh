/* How a block of an implicit product walks along k: tiles of gathered pixels and packed weights go to
 * shared memory by asynchronous copies three tiles deep, while others are multiplied. Where channels do
 * not make whole chunks of sixteen bytes, or lie apart in row-major memory, pixels are read one element
 * at a time. */
#ifndef IG_KERNELS_CUDA_CONV_WALK_CUH
#define IG_KERNELS_CUDA_CONV_WALK_CUH

#include "kernels/cuda/conv_core.cuh"
#include "kernels/cuda/conv_map.cuh"
#include "kernels/cuda/copy.cuh"

#define CONV_STAGES 3
#define CONV_FAR (-(1 << 14)) /* no tap reaches the image from here */

template <typename T> __device__ static inline T conv_zero(void) {
  T zero;
  memset(static_cast<void *>(&zero), 0, sizeof zero);
  return zero;
}

/* Where place k of the packed weights of a group's channel o comes from. */
__device__ static inline int64_t conv_weight_at(const conv_map &m, const conv_weights &w,
                                                int64_t group, int64_t o, int k) {
  int c = k % m.in_c, tap = k / m.in_c;
  int i = m.h.index0 + tap / m.w.taps * m.h.index_step;
  int j = m.w.index0 + tap % m.w.taps * m.w.index_step;
  int64_t dst = group * w.dst_per_group + (w.backward ? c : o), src = w.backward ? o : c;
  return ((dst * w.src_per_group + src) * w.kernel_h + i) * w.kernel_w + j;
}

/* The pixels that a thread fetches: four lines of chunks each are a thread's, ROWS of them. */
template <typename T, int ROWS> struct conv_gather {
  enum { CHUNK = 16 / (int)sizeof(T), APART = CONV_THREADS / CONV_CHUNKS };
  int offset[ROWS], h[ROWS], w[ROWS]; /* of tap 0 and channel 0 */
  conv_place at;                      /* of the thread's chunk in the next tile */

  __device__ inline conv_gather(const conv_map &m, uint32_t first, int channel) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      uint32_t pixel = first + threadIdx.x / CONV_CHUNKS + r * APART;
      conv_pixel p = conv_pixel_of(m, pixel);
      h[r] = pixel < m.pixels ? p.h * m.h.step + m.h.first : CONV_FAR;
      w[r] = p.w * m.w.step + m.w.first;
      offset[r] = (int)(p.n * m.in.n + h[r] * m.in.h + w[r] * m.in.w + channel * m.in.c);
    }
    at = {0, 0, 0};
    if (m.k) conv_advance(m, at, threadIdx.x % CONV_CHUNKS * CHUNK);
  }

  __device__ inline bool inside(const conv_map &m, const conv_place &p, int r) const {
    return p.h < m.h.taps && (unsigned)(h[r] + p.h * m.h.tap) < (unsigned)m.h.source &&
           (unsigned)(w[r] + p.w * m.w.tap) < (unsigned)m.w.source;
  }

  __device__ inline int from(const conv_map &m, const conv_place &p, int r) const {
    return offset[r] + (int)(p.h * m.h.tap * m.in.h + p.w * m.w.tap * m.in.w + p.c * m.in.c);
  }

  /* What lies outside is zero, or sixteen bytes at `fill`, all alike. */
  template <bool WIDE, int PITCH>
  __device__ inline void fetch(const conv_map &m, const T *in, const T *fill, T *to) {
    T *line = to + threadIdx.x / CONV_CHUNKS * PITCH + threadIdx.x % CONV_CHUNKS * CHUNK;
    if (WIDE) {
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        bool valid = inside(m, at, r);
        const T *source = valid ? in + from(m, at, r) : fill ? fill : in;
        ig_copy16(line + r * APART * PITCH, source, valid || fill);
      }
    } else {
      conv_place p = at;
      const T outside = fill ? fill[0] : conv_zero<T>();
      for (int e = 0; e < CHUNK; e++) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
          line[r * APART * PITCH + e] = inside(m, p, r) ? in[from(m, p, r)] : outside;
        }
        conv_advance(m, p, 1);
      }
    }
    conv_advance(m, at, CONV_CHUNKS * CHUNK);
  }
};

/* Calls multiply(a, b) for every tile, a being [BM][PITCH] pixels from `first`, b [BN][PITCH] channels from
 * `column` on. Nothing is under way afterwards, but threads may still read the last tile. */
template <typename Core, typename T, int BM, int BN, bool WIDE, typename Multiply>
__device__ static inline void conv_walk(const conv_map &m, int group, uint32_t first, int column,
                                        const T *in, const T *fill, const T *packed, T *shared,
                                        const Multiply &multiply) {
  enum {
    CHUNK = Core::CHUNK,
    PITCH = Core::PITCH,
    STAGE = (BM + BN) * PITCH,
    APART = CONV_THREADS / CONV_CHUNKS
  };
  int tiles = (m.k_padded + Core::BK - 1) / Core::BK;
  conv_gather<T, BM / APART> pixels(m, first, group * m.in_c);
  const T *weights = packed + ((int64_t)group * m.out_c + column) * m.k_padded;

  auto fetch = [&](int tile) {
    T *to = shared + tile % CONV_STAGES * STAGE;
    pixels.template fetch<WIDE, PITCH>(m, in, fill, to);
    int line = threadIdx.x / CONV_CHUNKS, chunk = threadIdx.x % CONV_CHUNKS;
    int k = tile * Core::BK + chunk * CHUNK;
    to += BM * PITCH + line * PITCH + chunk * CHUNK;
#pragma unroll
    for (int r = 0; r < BN / APART; r++) {
      bool valid = column + line + r * APART < m.out_c && k < m.k_padded;
      const T *from = weights + (int64_t)(line + r * APART) * m.k_padded + k;
      ig_copy16(to + r * APART * PITCH, valid ? from : packed, valid);
    }
  };
  for (int tile = 0; tile < CONV_STAGES - 1; tile++) {
    if (tile < tiles) fetch(tile);
    ig_copy_commit();
  }
  for (int tile = 0; tile < tiles; tile++) {
    ig_copy_wait<CONV_STAGES - 2>();
    __syncthreads(); /* all have this tile, and are done with the one that is overwritten next */
    if (tile + CONV_STAGES - 1 < tiles) fetch(tile + CONV_STAGES - 1);
    ig_copy_commit();
    const T *stage = shared + tile % CONV_STAGES * STAGE;
    multiply(stage, stage + BM * PITCH);
  }
  ig_copy_wait<0>();
}

#endif
