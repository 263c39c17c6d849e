/* Copies or conversions of many tensors by few launches: a launch takes a table of up to SEGMENTS by
 * value, and each of its blocks a piece of one of them. Memory-bound: an element is read and written
 * once, up to 32 bytes at a time. */
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/convert.h"
}

#define THREADS 256
#define PIECE ((int64_t)8192) /* elements of a block */
#define SEGMENTS 64           /* keeps a kernel's arguments under 4 KiB */

struct table {
  ig_segment segment[SEGMENTS];
  int first[SEGMENTS + 1]; /* block of the segment's first piece */
  int n;
};

/* The segment that block `block` works on. */
__device__ static inline int segment_of(const table &t, int block) {
  int low = 0, high = t.n;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (t.first[middle] <= block) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

template <typename From, typename To>
__global__ void __launch_bounds__(THREADS) segments_kernel(table t) {
  int which = segment_of(t, (int)blockIdx.x);
  const ig_segment s = t.segment[which];
  const From *x = (const From *)s.from;
  To *y = (To *)s.to;
  int64_t begin = ((int64_t)blockIdx.x - t.first[which]) * PIECE;
  int64_t end = begin + PIECE < s.count ? begin + PIECE : s.count;
  if (!x) {
    for (int64_t i = begin + threadIdx.x; i < end; i += THREADS) y[i] = ig_from_f32<To>(0.0f);
    return;
  }
  for (int64_t i = begin + (int64_t)threadIdx.x * 8; i < end; i += THREADS * 8) {
    if (i + 8 <= end) {
      ig_pack<From, 8> in = ig_load_pack<From, 8>(x + i);
      ig_pack<To, 8> out;
      for (int k = 0; k < 8; k++) out.v[k] = ig_convert_element<To, From>(in.v[k]);
      ig_store_pack(y + i, out);
      continue;
    }
    for (int64_t k = i; k < end; k++) y[k] = ig_convert_element<To, From>(x[k]);
  }
}

template <typename From, typename To>
static ig_status copy(const ig_segment *segments, int n, void *stream) {
  for (int done = 0; done < n;) {
    table t = {};
    for (; t.n < SEGMENTS && done < n; done++) {
      t.segment[t.n] = segments[done];
      t.first[t.n + 1] = t.first[t.n] + (int)((segments[done].count + PIECE - 1) / PIECE);
      t.n++;
    }
    if (t.first[t.n] == 0) continue;
    IG_TRY(IG_LAUNCH((segments_kernel<From, To>), t.first[t.n], THREADS, 0, stream, t));
  }
  return IG_OK;
}

template <typename From>
static ig_status copy_from(ig_dtype to, const ig_segment *segments, int n, void *stream) {
  switch (to) {
  case IG_F32: return copy<From, float>(segments, n, stream);
  case IG_BF16: return copy<From, ig_bf16>(segments, n, stream);
  case IG_F16: return copy<From, ig_f16>(segments, n, stream);
  default: return ig_fail(IG_ERR_UNSUPPORTED, "copies to %s: no kernel", ig_dtype_name(to));
  }
}

ig_status ig_cuda_copy_segments(ig_dtype from, ig_dtype to, const ig_segment *segments, int n,
                                void *stream) {
  switch (from) {
  case IG_F32: return copy_from<float>(to, segments, n, stream);
  case IG_BF16: return copy_from<ig_bf16>(to, segments, n, stream);
  case IG_F16: return copy_from<ig_f16>(to, segments, n, stream);
  default: return ig_fail(IG_ERR_UNSUPPORTED, "copies from %s: no kernel", ig_dtype_name(from));
  }
}
