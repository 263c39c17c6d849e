/* Padding, rows of a cache, and series. A thread makes an element; each is read and written once but
 * for the gradient of padding, which is rare: there a thread looks through a padded dimension for the
 * copies of its element. */
#include "kernels/cuda/index.cuh"
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/movement.h"
}

#define THREADS 256

/* --- padding ----------------------------------------------------------------------------------- */

/* The input coordinate at `i`, which may lie outside [0, dim); -1 for the constant. */
__device__ static inline int64_t pad_source(int64_t i, int64_t dim, ig_pad_mode mode) {
  if (i >= 0 && i < dim) return i;
  if (mode == IG_PAD_CONSTANT) return -1;
  if (mode == IG_PAD_EDGE) return i < 0 ? 0 : dim - 1;
  int64_t period = mode == IG_PAD_WRAP ? dim : 2 * (dim - 1);
  if (period == 0) return 0;
  i %= period;
  if (i < 0) i += period;
  return i < dim ? i : period - i;
}

template <typename T>
__global__ void pad_kernel(ig_box<1> out, ig_pad_box box, const T *value, const T *from, T *to) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, rest = i, at = 0, stride = 1;
  if (i >= out.count) return;
  bool outside = false;
  for (int d = box.rank - 1; d >= 0; d--) {
    int64_t next = out.small ? (int64_t)ig_divide((uint32_t)rest, out.by[d]) : rest / box.out[d];
    int64_t source = pad_source(rest - next * box.out[d] - box.shift[d], box.in[d], box.mode);
    outside = outside || source < 0;
    at += source * stride;
    stride *= box.in[d];
    rest = next;
  }
  to[i] = !outside ? from[at] : value ? *value : (T)0;
}

/* The first padded coordinate after `i` that coordinate `of` was copied to; box.out[d] when there is
 * none. */
__device__ static inline int64_t next_copy(const ig_pad_box &box, int d, int64_t of, int64_t i) {
  if (box.in[d] == box.out[d] && box.shift[d] == 0) return i < of ? of : box.out[d];
  for (i++; i < box.out[d]; i++) {
    if (pad_source(i - box.shift[d], box.in[d], box.mode) == of) break;
  }
  return i;
}

template <typename T>
__global__ void pad_grad_kernel(ig_box<1> in, ig_pad_box box, const T *dy, T *dx) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, rest = i;
  int64_t of[IG_BOX_RANK], copy[IG_BOX_RANK];
  if (i >= in.count) return;
  for (int d = box.rank - 1; d >= 0; d--) {
    of[d] = rest % box.in[d];
    rest /= box.in[d];
  }
  /* Every combination of copies, like the digits of a counter. */
  float sum = 0;
  int d = 0;
  copy[0] = -1;
  while (d >= 0) {
    copy[d] = next_copy(box, d, of[d], copy[d]);
    if (copy[d] >= box.out[d]) {
      d--;
    } else if (d + 1 < box.rank) {
      copy[++d] = -1;
    } else {
      int64_t at = 0;
      for (int k = 0; k < box.rank; k++) at = at * box.out[k] + copy[k];
      sum += ig_to_f32(dy[at]);
    }
  }
  dx[i] = ig_from_f32<T>(sum);
}

/* A box of these dimensions, for its divisors. */
static ig_box<1> dims_of(int rank, const int64_t *dims) {
  ig_box<1> box = {};
  box.rank = rank;
  for (int d = 0; d < rank; d++) box.dims[d] = dims[d];
  ig_box_finish(&box);
  return box;
}

ig_status ig_cuda_pad(size_t size, const ig_pad_box *box, const void *value, const void *source,
                      void *target, void *stream) {
  ig_box<1> out = dims_of(box->rank, box->out);
  if (out.count == 0) return IG_OK;
  IG_FOR_WORD(size, {
    return IG_LAUNCH(pad_kernel<T>, ig_blocks(out.count, THREADS), THREADS, 0, stream, out, *box,
                     (const T *)value, (const T *)source, (T *)target);
  })
}

ig_status ig_cuda_pad_grad(ig_dtype dtype, const ig_pad_box *box, const void *dy, void *dx,
                           void *stream) {
  ig_box<1> in = dims_of(box->rank, box->in);
  if (in.count == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "pad gradient", {
    return IG_LAUNCH(pad_grad_kernel<T>, ig_blocks(in.count, THREADS), THREADS, 0, stream, in, *box,
                     (const T *)dy, (T *)dx);
  })
}

/* --- rows of a cache --------------------------------------------------------------------------- */

/* The box is the update's [batch, heads, n, inner]; its operands: the update, the cache apart from the
 * row, batch entries, rows. */
template <typename T>
__global__ void scatter_kernel(ig_box<4> box, int64_t rows, int64_t row_stride,
                               const int64_t *first, bool circular, const T *update, T *cache) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, at[4] = {0, 0, 0, 0};
  if (i >= box.count) return;
  ig_box_offsets(box, i, at);
  int64_t start = first ? first[at[2]] : 0;
  if (start < 0 || (!circular && start > rows)) return;
  int64_t row = (circular ? start % rows : start) + at[3];
  if (circular && row >= rows) row -= rows;
  if (row < rows) cache[at[1] + row * row_stride] = update[at[0]];
}

ig_status ig_cuda_scatter_rows(size_t size, const int64_t batch_heads_rows_inner[4], int64_t n,
                               const int64_t *first, bool circular, const void *update, void *cache,
                               void *stream) {
  const int64_t *of = batch_heads_rows_inner;
  int64_t words = of[3];
  while (size < 8 && words % 2 == 0) {
    words /= 2;
    size *= 2;
  }
  ig_box<4> box = {};
  box.rank = 4;
  const int64_t dims[4] = {of[0], of[1], n, words};
  const int64_t to_update[4] = {of[1] * n * words, n * words, words, 1};
  const int64_t to_cache[4] = {of[1] * of[2] * words, of[2] * words, 0, 1};
  for (int d = 0; d < 4; d++) {
    box.dims[d] = dims[d];
    box.strides[0][d] = to_update[d];
    box.strides[1][d] = to_cache[d];
  }
  box.strides[2][0] = box.strides[3][2] = 1;
  ig_box_finish(&box);
  if (box.count == 0) return IG_OK;
  IG_FOR_WORD(size, {
    return IG_LAUNCH(scatter_kernel<T>, ig_blocks(box.count, THREADS), THREADS, 0, stream, box,
                     of[2], words, first, circular, (const T *)update, (T *)cache);
  })
}

/* --- series ------------------------------------------------------------------------------------ */

template <typename T> __global__ void range_kernel(ig_arithmetic series, T *to, int64_t n) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i >= n) return;
  if constexpr (ig_is_real<T>::value) {
    to[i] = ig_from_f32<T>((float)(series.start + (double)i * series.delta));
  } else {
    to[i] = (T)((uint64_t)series.whole_start + (uint64_t)i * (uint64_t)series.whole_delta);
  }
}

ig_status ig_cuda_range(ig_dtype dtype, const ig_arithmetic *series, void *target, int64_t count,
                        void *stream) {
  if (count == 0) return IG_OK;
  if (ig_dtype_is_float(dtype)) {
    IG_FOR_FLOAT(dtype, "range", {
      return IG_LAUNCH(range_kernel<T>, ig_blocks(count, THREADS), THREADS, 0, stream, *series,
                       (T *)target, count);
    })
  }
  IG_FOR_WHOLE(dtype, "range", {
    return IG_LAUNCH(range_kernel<T>, ig_blocks(count, THREADS), THREADS, 0, stream, *series,
                     (T *)target, count);
  })
}
