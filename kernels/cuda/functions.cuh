/* Functions of one and two elements and their derivatives, as every kernel that applies one computes
 * them: in f32, or for integer types in 64-bit integers that wrap. */
#ifndef IG_KERNELS_CUDA_FUNCTIONS_CUH
#define IG_KERNELS_CUDA_FUNCTIONS_CUH

#include "kernels/cuda/device.cuh"
extern "C" {
#include "kernels/elementwise.h"
}

/* The kind is the same for a whole launch: the branches cost nothing beside the memory access. */
__device__ static inline float ig_unary_f32(ig_unary kind, float x, float a, float b) {
  switch (kind) {
  case IG_UNARY_NEG: return -x;
  case IG_UNARY_ABS: return fabsf(x);
  case IG_UNARY_SIGN: return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
  case IG_UNARY_SQRT: return sqrtf(x);
  case IG_UNARY_EXP: return expf(x);
  case IG_UNARY_LOG: return logf(x);
  case IG_UNARY_ERF: return erff(x);
  case IG_UNARY_TANH: return tanhf(x);
  case IG_UNARY_SIGMOID: return 1.0f / (1.0f + expf(-x));
  case IG_UNARY_RELU: return x < 0 ? 0.0f : x; /* NaN stays */
  case IG_UNARY_LEAKY_RELU: return x < 0 ? a * x : x;
  case IG_UNARY_CLIP: return x < a ? fminf(a, b) : x > b ? b : x;
  case IG_UNARY_GELU: return x * 0.5f * erfcf(-x * 0.70710678f);
  case IG_UNARY_GELU_TANH:
    return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
  case IG_UNARY_HARD_SWISH: return x * fminf(fmaxf(x / 6.0f + 0.5f, 0.0f), 1.0f);
  case IG_UNARY_SOFTPLUS: return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
  case IG_UNARY_SWISH: return x / (1.0f + expf(-a * x));
  default: return x == 0;
  }
}

/* f'(x), in terms of the result where ig_unary_grad_reads_result says so. */
__device__ static inline float ig_unary_slope_f32(ig_unary kind, float x, float a, float b) {
  switch (kind) {
  case IG_UNARY_ABS: return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
  case IG_UNARY_SQRT: return 0.5f / x;
  case IG_UNARY_EXP: return x;
  case IG_UNARY_LOG: return 1.0f / x;
  case IG_UNARY_ERF: return 1.1283792f * expf(-x * x);
  case IG_UNARY_TANH: return 1.0f - x * x;
  case IG_UNARY_SIGMOID: return x * (1.0f - x);
  case IG_UNARY_RELU: return x > 0 ? 1.0f : 0.0f;
  case IG_UNARY_LEAKY_RELU: return x < 0 ? a : 1.0f;
  case IG_UNARY_CLIP: return x >= a && x <= b ? 1.0f : 0.0f;
  case IG_UNARY_GELU: {
    float density = 0.39894228f * expf(-0.5f * x * x), product = x * density;
    return 0.5f * erfcf(-x * 0.70710678f) + (density > 0 ? product : 0.0f);
  }
  case IG_UNARY_GELU_TANH: {
    float square = x * x, t = tanhf(0.79788456f * x * (1.0f + 0.044715f * square));
    float inner = 0.79788456f * x * (1.0f + 3 * 0.044715f * square);
    return 0.5f * (1.0f + t) + (t * t < 1.0f ? 0.5f * (1.0f - t * t) * inner : 0.0f);
  }
  case IG_UNARY_HARD_SWISH: return x <= -3 ? 0.0f : x >= 3 ? 1.0f : x / 3.0f + 0.5f;
  case IG_UNARY_SOFTPLUS: return 1.0f / (1.0f + expf(-x));
  default: return 0.0f;
  }
}

/* Comparisons give 0 or 1. */
__device__ static inline float ig_binary_f32(ig_binary kind, float a, float b) {
  switch (kind) {
  case IG_BINARY_ADD: return a + b;
  case IG_BINARY_SUB: return a - b;
  case IG_BINARY_MUL: return a * b;
  case IG_BINARY_DIV: return a / b;
  case IG_BINARY_POW: return b == 2.0f ? a * a : powf(a, b);
  case IG_BINARY_EQUAL: return a == b;
  case IG_BINARY_GREATER: return a > b;
  case IG_BINARY_LESS: return a < b;
  case IG_BINARY_GREATER_OR_EQUAL: return a >= b;
  default: return a <= b;
  }
}

/* The functions that integers have. */
__device__ static inline int64_t ig_unary_i64(ig_unary kind, int64_t x, int64_t a, int64_t b) {
  switch (kind) {
  case IG_UNARY_NEG: return (int64_t)(0 - (uint64_t)x);
  case IG_UNARY_ABS: return x < 0 ? (int64_t)(0 - (uint64_t)x) : x;
  case IG_UNARY_SIGN: return (x > 0) - (x < 0);
  case IG_UNARY_RELU: return x < 0 ? 0 : x;
  case IG_UNARY_CLIP: return x > b || a > b ? b : x < a ? a : x;
  default: return x == 0;
  }
}

__device__ static inline int64_t ig_power_i64(int64_t a, int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  uint64_t power = 1, square = (uint64_t)a;
  for (; b; b >>= 1, square *= square) {
    if (b & 1) power *= square;
  }
  return (int64_t)power;
}

__device__ static inline int64_t ig_binary_i64(ig_binary kind, int64_t a, int64_t b) {
  switch (kind) {
  case IG_BINARY_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
  case IG_BINARY_SUB: return (int64_t)((uint64_t)a - (uint64_t)b);
  case IG_BINARY_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
  case IG_BINARY_DIV: return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
  case IG_BINARY_POW: return ig_power_i64(a, b);
  case IG_BINARY_EQUAL: return a == b;
  case IG_BINARY_GREATER: return a > b;
  case IG_BINARY_LESS: return a < b;
  case IG_BINARY_GREATER_OR_EQUAL: return a >= b;
  case IG_BINARY_LESS_OR_EQUAL: return a <= b;
  case IG_BINARY_AND: return a && b;
  case IG_BINARY_OR: return a || b;
  default: return !a != !b;
  }
}

#endif
