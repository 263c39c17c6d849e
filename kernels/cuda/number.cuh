/* Element types beyond floats: conversion between any two of them, and numbers whose type is known
 * only when running. */
#ifndef IG_KERNELS_CUDA_NUMBER_CUH
#define IG_KERNELS_CUDA_NUMBER_CUH

#include <limits>
#include <type_traits>

#include "kernels/cuda/device.cuh"

/* A bool, which as a type must differ from u8: it takes no value but 0 and 1. */
struct ig_flag {
  uint8_t v;
};

template <typename T> struct ig_is_real {
  static const bool value = std::is_same<T, float>::value || std::is_same<T, ig_bf16>::value ||
                            std::is_same<T, ig_f16>::value;
};

template <typename T> struct ig_range {
  static constexpr T least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
};

/* Truncated and saturated; NaN is 0. */
template <typename To> __device__ static inline To ig_saturate(float x) {
  const To most = ig_range<To>::most, least = ig_range<To>::least;
  if (x != x) return 0;
  return x >= (float)most ? most : x <= (float)least ? least : (To)x;
}

/* As ig_convert. */
template <typename To, typename From> __device__ static inline To ig_convert_element(From x) {
  if constexpr (std::is_same<From, ig_flag>::value) {
    return ig_convert_element<To, uint8_t>(x.v);
  } else if constexpr (std::is_same<To, ig_flag>::value) {
    if constexpr (ig_is_real<From>::value)
      return ig_flag{(uint8_t)(ig_to_f32(x) != 0)};
    else
      return ig_flag{(uint8_t)(x != 0)};
  } else if constexpr (ig_is_real<From>::value) {
    if constexpr (ig_is_real<To>::value)
      return ig_from_f32<To>(ig_to_f32(x));
    else
      return ig_saturate<To>(ig_to_f32(x));
  } else {
    if constexpr (ig_is_real<To>::value)
      return ig_from_f32<To>((float)x);
    else
      return (To)(uint64_t)x;
  }
}

/* Element i of an array of any number type. */
__device__ static inline double ig_load_number(ig_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case IG_F64: return ((const double *)data)[i];
  case IG_F32: return ((const float *)data)[i];
  case IG_F16: return ig_to_f32(((const ig_f16 *)data)[i]);
  case IG_BF16: return ig_to_f32(((const ig_bf16 *)data)[i]);
  case IG_I64: return (double)((const int64_t *)data)[i];
  case IG_I32: return ((const int32_t *)data)[i];
  case IG_I8: return ((const int8_t *)data)[i];
  default: return ((const uint8_t *)data)[i];
  }
}
__device__ static inline int64_t ig_load_whole(ig_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case IG_I64: return ((const int64_t *)data)[i];
  case IG_I32: return ((const int32_t *)data)[i];
  case IG_I8: return ((const int8_t *)data)[i];
  default: return ((const uint8_t *)data)[i];
  }
}

/* What moves as one access of 16 bytes. */
struct alignas(16) ig_word16 {
  uint64_t v[2];
};

/* Runs the statements with T as the integer type of `dtype` (bools as u8); others are an error. */
#define IG_FOR_WHOLE(dtype, what, ...)                                                             \
  switch (dtype) {                                                                                 \
  case IG_I64: {                                                                                   \
    typedef int64_t T;                                                                             \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  case IG_I32: {                                                                                   \
    typedef int32_t T;                                                                             \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  case IG_I8: {                                                                                    \
    typedef int8_t T;                                                                              \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  case IG_U8:                                                                                      \
  case IG_BOOL: {                                                                                  \
    typedef uint8_t T;                                                                             \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  default: return ig_fail(IG_ERR_UNSUPPORTED, "%s: no kernel for %s", what, ig_dtype_name(dtype)); \
  }

/* The same with a word of `size` bytes. */
#define IG_FOR_WORD(size, ...)                                                                     \
  switch (size) {                                                                                  \
  case 1: {                                                                                        \
    typedef uint8_t T;                                                                             \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  case 2: {                                                                                        \
    typedef uint16_t T;                                                                            \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  case 4: {                                                                                        \
    typedef uint32_t T;                                                                            \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  default: {                                                                                       \
    typedef uint64_t T;                                                                            \
    __VA_ARGS__                                                                                    \
  } break;                                                                                         \
  }

/* The whole number of x / scale from a zero point, least to most. Saturates before it rounds, to the
 * same end, since the bounds are whole. */
__device__ static inline int ig_quantized(float x, float scale, int zero, int least, int most) {
  const float low = (float)(least - zero), high = (float)(most - zero);
  float v = x / scale;
  v = v == v ? v : 0.0f;
  v = v > low ? v : low;
  v = v < high ? v : high;
  return (int)rintf(v) + zero;
}
template <typename Whole>
__device__ static inline Whole ig_quantized(float x, float scale, int zero) {
  return (Whole)ig_quantized(x, scale, zero, ig_range<Whole>::least, ig_range<Whole>::most);
}

#endif
