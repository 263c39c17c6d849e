/* Functions of one element, as every kernel that applies one computes them: in f32. */
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
  default: return x == 0;
  }
}

#endif
