/* Conversion between element types. Memory-bound: an element is read and written once, up to 32 bytes
 * at a time. */
#include "kernels/cuda/number.cuh"
extern "C" {
#include "kernels/convert.h"
}

#define THREADS 256

template <typename From, typename To, int N>
__global__ void convert_kernel(const From *x, To *y, int64_t n) {
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * N;
  if (i + N <= n) {
    ig_pack<From, N> in = ig_load_pack<From, N>(x + i);
    ig_pack<To, N> out;
    for (int k = 0; k < N; k++) out.v[k] = ig_convert_element<To, From>(in.v[k]);
    ig_store_pack(y + i, out);
    return;
  }
  for (; i < n; i++) y[i] = ig_convert_element<To, From>(x[i]);
}

template <typename From, typename To>
static ig_status convert(const void *x, void *y, int64_t n, void *stream) {
  const int wide = sizeof(From) == 8 || sizeof(To) == 8 ? 4 : 8;
  return IG_LAUNCH((convert_kernel<From, To, wide>), ig_blocks(n, THREADS * wide), THREADS, 0,
                   stream, (const From *)x, (To *)y, n);
}

template <typename From>
static ig_status convert_from(const void *x, ig_dtype to, void *y, int64_t n, void *stream) {
  switch (to) {
  case IG_F32: return convert<From, float>(x, y, n, stream);
  case IG_BF16: return convert<From, ig_bf16>(x, y, n, stream);
  case IG_F16: return convert<From, ig_f16>(x, y, n, stream);
  case IG_I64: return convert<From, int64_t>(x, y, n, stream);
  case IG_I32: return convert<From, int32_t>(x, y, n, stream);
  case IG_I8: return convert<From, int8_t>(x, y, n, stream);
  case IG_U8: return convert<From, uint8_t>(x, y, n, stream);
  case IG_BOOL: return convert<From, ig_flag>(x, y, n, stream);
  default: return ig_fail(IG_ERR_UNSUPPORTED, "conversion to %s: no kernel", ig_dtype_name(to));
  }
}

ig_status ig_cuda_convert(ig_dtype from, const void *x, ig_dtype to, void *y, int64_t n,
                          void *stream) {
  if (n == 0) return IG_OK;
  switch (from) {
  case IG_F32: return convert_from<float>(x, to, y, n, stream);
  case IG_BF16: return convert_from<ig_bf16>(x, to, y, n, stream);
  case IG_F16: return convert_from<ig_f16>(x, to, y, n, stream);
  case IG_I64: return convert_from<int64_t>(x, to, y, n, stream);
  case IG_I32: return convert_from<int32_t>(x, to, y, n, stream);
  case IG_I8: return convert_from<int8_t>(x, to, y, n, stream);
  case IG_U8: return convert_from<uint8_t>(x, to, y, n, stream);
  case IG_BOOL: return convert_from<ig_flag>(x, to, y, n, stream);
  default: return ig_fail(IG_ERR_UNSUPPORTED, "conversion from %s: no kernel", ig_dtype_name(from));
  }
}
