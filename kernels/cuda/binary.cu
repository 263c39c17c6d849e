/* Functions of two elements with broadcasting, and selection. Memory-bound: every element is read and
 * written once (a repeated operand comes from the cache), 16 bytes at a time where rows allow it; the
 * kind is the same for a whole launch. */
#include "kernels/cuda/functions.cuh"
#include "kernels/cuda/index.cuh"
#include "kernels/cuda/number.cuh"

#define THREADS 256

template <int K> static ig_box<K> box_of(const ig_walk *walk) {
  ig_box<K> box = {};
  box.rank = walk->rank;
  for (int d = 0; d < walk->rank; d++) {
    box.dims[d] = walk->dims[d];
    for (int k = 0; k < K; k++) box.strides[k][d] = walk->strides[k][d];
  }
  ig_box_finish(&box);
  return box;
}

/* Whether N results in a row read each operand in a row, or one element of it. */
template <int K> static bool rows_of(const ig_box<K> &box, int n) {
  return box.rank == 1 || box.dims[box.rank - 1] % n == 0;
}

/* N elements from `offset` on, or N times the one there. */
template <typename T, int N>
__device__ static inline ig_pack<T, N> load(const T *from, int64_t offset, int64_t stride) {
  if (stride) return ig_load_pack<T, N>(from + offset);
  ig_pack<T, N> same;
  T value = from[offset];
  for (int k = 0; k < N; k++) same.v[k] = value;
  return same;
}

template <typename T, typename R> __device__ static inline R apply(ig_binary kind, T a, T b) {
  if constexpr (ig_is_real<T>::value) {
    float value = ig_binary_f32(kind, ig_to_f32(a), ig_to_f32(b));
    if constexpr (ig_is_real<R>::value)
      return ig_from_f32<R>(value);
    else
      return (R)(value != 0);
  } else {
    return (R)ig_binary_i64(kind, (int64_t)a, (int64_t)b);
  }
}

template <typename T, typename R, int N>
__global__ void binary_kernel(ig_binary kind, ig_box<2> box, const T *a, const T *b, R *y) {
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * N;
  int64_t a_step = box.strides[0][box.rank - 1], b_step = box.strides[1][box.rank - 1];
  if (i >= box.count) return;
  int64_t at[2] = {0, 0};
  ig_box_offsets(box, i, at);
  if (i + N <= box.count) {
    ig_pack<T, N> left = load<T, N>(a, at[0], a_step), right = load<T, N>(b, at[1], b_step);
    ig_pack<R, N> result;
    for (int k = 0; k < N; k++) result.v[k] = apply<T, R>(kind, left.v[k], right.v[k]);
    ig_store_pack(y + i, result);
    return;
  }
  for (int k = 0; i + k < box.count; k++) { /* the end of a single row */
    y[i + k] = apply<T, R>(kind, a[at[0] + k * a_step], b[at[1] + k * b_step]);
  }
}

/* Any exponent's type beside any base's. */
template <typename T>
__global__ void power_kernel(ig_box<2> box, const T *a, ig_dtype b_dtype, const void *b, T *y) {
  int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, at[2] = {0, 0};
  if (i >= box.count) return;
  ig_box_offsets(box, i, at);
  if constexpr (ig_is_real<T>::value) {
    float power = (float)ig_load_number(b_dtype, b, at[1]);
    y[i] = ig_from_f32<T>(ig_binary_f32(IG_BINARY_POW, ig_to_f32(a[at[0]]), power));
  } else {
    y[i] = (T)ig_power_i64((int64_t)a[at[0]], ig_load_whole(b_dtype, b, at[1]));
  }
}

template <typename T, int N>
__global__ void where_kernel(ig_box<3> box, const uint8_t *condition, const T *a, const T *b,
                             T *y) {
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * N;
  int last = box.rank - 1;
  if (i >= box.count) return;
  int64_t at[3] = {0, 0, 0};
  ig_box_offsets(box, i, at);
  if (i + N <= box.count) {
    ig_pack<uint8_t, N> which = load<uint8_t, N>(condition, at[0], box.strides[0][last]);
    ig_pack<T, N> yes = load<T, N>(a, at[1], box.strides[1][last]);
    ig_pack<T, N> no = load<T, N>(b, at[2], box.strides[2][last]), result;
    for (int k = 0; k < N; k++) result.v[k] = which.v[k] ? yes.v[k] : no.v[k];
    ig_store_pack(y + i, result);
    return;
  }
  for (int k = 0; i + k < box.count; k++) {
    bool which = condition[at[0] + k * box.strides[0][last]] != 0;
    y[i + k] = which ? a[at[1] + k * box.strides[1][last]] : b[at[2] + k * box.strides[2][last]];
  }
}

template <typename T, typename R>
static ig_status binary(ig_binary kind, const ig_box<2> &box, const void *a, const void *b, void *y,
                        void *stream) {
  const int wide = IG_PACK(T);
  if (rows_of(box, wide)) {
    return IG_LAUNCH((binary_kernel<T, R, IG_PACK(T)>), ig_blocks(box.count, THREADS * wide),
                     THREADS, 0, stream, kind, box, (const T *)a, (const T *)b, (R *)y);
  }
  return IG_LAUNCH((binary_kernel<T, R, 1>), ig_blocks(box.count, THREADS), THREADS, 0, stream,
                   kind, box, (const T *)a, (const T *)b, (R *)y);
}

template <typename T>
static ig_status binary_of(ig_binary kind, ig_dtype dtype, ig_dtype b_dtype, const ig_box<2> &box,
                           const void *a, const void *b, void *y, void *stream) {
  if (dtype != b_dtype) {
    return IG_LAUNCH(power_kernel<T>, ig_blocks(box.count, THREADS), THREADS, 0, stream, box,
                     (const T *)a, b_dtype, b, (T *)y);
  }
  if (kind >= IG_BINARY_EQUAL) return binary<T, uint8_t>(kind, box, a, b, y, stream);
  return binary<T, T>(kind, box, a, b, y, stream);
}

ig_status ig_cuda_binary(ig_binary kind, ig_dtype dtype, ig_dtype b_dtype, const ig_walk *walk,
                         const void *a, const void *b, void *y, void *stream) {
  ig_box<2> box = box_of<2>(walk);
  if (box.count == 0) return IG_OK;
  if (dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16) {
    IG_FOR_FLOAT(dtype, "binary",
                 { return binary_of<T>(kind, dtype, b_dtype, box, a, b, y, stream); })
  }
  IG_FOR_WHOLE(dtype, "binary",
               { return binary_of<T>(kind, dtype, b_dtype, box, a, b, y, stream); })
}

ig_status ig_cuda_where(size_t size, const ig_walk *walk, const uint8_t *condition, const void *a,
                        const void *b, void *y, void *stream) {
  ig_box<3> box = box_of<3>(walk);
  if (box.count == 0) return IG_OK;
  IG_FOR_WORD(size, {
    if (rows_of(box, IG_PACK(T))) {
      return IG_LAUNCH((where_kernel<T, IG_PACK(T)>), ig_blocks(box.count, THREADS * IG_PACK(T)),
                       THREADS, 0, stream, box, condition, (const T *)a, (const T *)b, (T *)y);
    }
    return IG_LAUNCH((where_kernel<T, 1>), ig_blocks(box.count, THREADS), THREADS, 0, stream, box,
                     condition, (const T *)a, (const T *)b, (T *)y);
  })
}
