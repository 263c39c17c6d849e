/* Functions of one element over a tensor. Memory-bound: an element is read and written once, 16 bytes
 * at a time; at most 40 flops an element. */
#include "kernels/cuda/functions.cuh"

#define THREADS 256

template <typename T>
__global__ void unary_kernel(ig_unary kind, const T *x, T *y, int64_t n, float a, float b) {
  const int wide = IG_PACK(T);
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * wide;
  if (i + wide <= n) {
    ig_pack<T, IG_PACK(T)> in = ig_load_pack<T, IG_PACK(T)>(x + i), out;
    for (int k = 0; k < wide; k++) {
      out.v[k] = ig_from_f32<T>(ig_unary_f32(kind, ig_to_f32(in.v[k]), a, b));
    }
    ig_store_pack(y + i, out);
    return;
  }
  for (; i < n; i++) y[i] = ig_from_f32<T>(ig_unary_f32(kind, ig_to_f32(x[i]), a, b));
}

ig_status ig_cuda_unary(ig_unary kind, ig_dtype dtype, const void *x, void *y, int64_t n, float a,
                        float b, void *stream) {
  if (n == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "unary", {
    return IG_LAUNCH(unary_kernel<T>, ig_blocks(n, THREADS * IG_PACK(T)), THREADS, 0, stream, kind,
                     (const T *)x, (T *)y, n, a, b);
  })
}
