/* Chains of elementwise functions as one kernel: an interpreter, whose registers hold a pack of
 * elements each. All threads run the same program, so its branches are taken together; they name
 * registers by constants, for an array indexed at run time would live in memory. Memory-bound for a
 * dozen steps: every input is read and the result written once, against about ten instructions a step
 * and element. */
#include "kernels/cuda/functions.cuh"

#define THREADS 256
#define REGISTERS IG_FUSED_REGISTERS

struct operands {
  ig_fused_operand of[IG_FUSED_INPUTS];
};

template <typename T, int N>
__device__ static inline void load_of(const ig_fused_operand &from, int64_t i, int64_t n,
                                      float to[N]) {
  const T *x = (const T *)from.data;
  if (i + N <= n && (from.period == 0 || from.period % N == 0)) {
    int64_t at = i;
    if (from.period) at = n <= 0x7fffffff ? (uint32_t)i % (uint32_t)from.period : i % from.period;
    ig_pack<T, N> v = ig_load_pack<T, N>(x + at);
    for (int k = 0; k < N; k++) to[k] = ig_to_f32(v.v[k]);
    return;
  }
  for (int k = 0; k < N; k++) {
    int64_t at = i + k;
    if (at < n) to[k] = ig_to_f32(x[from.period ? at % from.period : at]);
  }
}

template <int N>
__device__ static inline void load(const ig_fused_operand &from, int64_t i, int64_t n,
                                   float to[N]) {
  for (int k = 0; k < N; k++) to[k] = 0;
  switch (from.dtype) {
  case IG_F32: load_of<float, N>(from, i, n, to); break;
  case IG_BF16: load_of<ig_bf16, N>(from, i, n, to); break;
  default: load_of<ig_f16, N>(from, i, n, to);
  }
}

template <int N>
__device__ static inline void read(const float file[REGISTERS][N], int r, float number,
                                   float to[N]) {
  for (int k = 0; k < N; k++) to[k] = number;
#pragma unroll
  for (int at = 0; at < REGISTERS; at++) {
    if (r == at) {
      for (int k = 0; k < N; k++) to[k] = file[at][k];
    }
  }
}

template <int N>
__device__ static inline void write(float file[REGISTERS][N], int r, const float from[N]) {
#pragma unroll
  for (int at = 0; at < REGISTERS; at++) {
    if (r == at) {
      for (int k = 0; k < N; k++) file[at][k] = from[k];
    }
  }
}

/* The kind is chosen once for a pack: with a constant, the functions become the branch taken. */
#define EACH(kind_, formula)                                                                       \
  case kind_:                                                                                      \
    for (int k = 0; k < N; k++) a[k] = (formula(kind_));                                           \
    break;
#define UNARY(kind) ig_unary_f32(kind, a[k], x, y)
#define SLOPE(kind) a[k] * ig_unary_slope_f32(kind, b[k], x, y)
#define BINARY(kind) ig_binary_f32(kind, a[k], b[k])

template <int N> __device__ static inline void unary(int kind, float a[N], float x, float y) {
  switch (kind) {
    EACH(IG_UNARY_NEG, UNARY)
    EACH(IG_UNARY_ABS, UNARY)
    EACH(IG_UNARY_SIGN, UNARY)
    EACH(IG_UNARY_SQRT, UNARY)
    EACH(IG_UNARY_EXP, UNARY)
    EACH(IG_UNARY_LOG, UNARY)
    EACH(IG_UNARY_ERF, UNARY)
    EACH(IG_UNARY_TANH, UNARY)
    EACH(IG_UNARY_SIGMOID, UNARY)
    EACH(IG_UNARY_RELU, UNARY)
    EACH(IG_UNARY_LEAKY_RELU, UNARY)
    EACH(IG_UNARY_CLIP, UNARY)
    EACH(IG_UNARY_GELU, UNARY)
    EACH(IG_UNARY_GELU_TANH, UNARY)
    EACH(IG_UNARY_HARD_SWISH, UNARY)
    EACH(IG_UNARY_SOFTPLUS, UNARY)
  }
}

template <int N>
__device__ static inline void unary_grad(int kind, float a[N], const float b[N], float x, float y) {
  switch (kind) {
    EACH(IG_UNARY_ABS, SLOPE)
    EACH(IG_UNARY_SQRT, SLOPE)
    EACH(IG_UNARY_EXP, SLOPE)
    EACH(IG_UNARY_LOG, SLOPE)
    EACH(IG_UNARY_ERF, SLOPE)
    EACH(IG_UNARY_TANH, SLOPE)
    EACH(IG_UNARY_SIGMOID, SLOPE)
    EACH(IG_UNARY_RELU, SLOPE)
    EACH(IG_UNARY_LEAKY_RELU, SLOPE)
    EACH(IG_UNARY_CLIP, SLOPE)
    EACH(IG_UNARY_GELU, SLOPE)
    EACH(IG_UNARY_GELU_TANH, SLOPE)
    EACH(IG_UNARY_HARD_SWISH, SLOPE)
    EACH(IG_UNARY_SOFTPLUS, SLOPE)
  }
}

template <int N> __device__ static inline void binary(int kind, float a[N], const float b[N]) {
  switch (kind) {
    EACH(IG_BINARY_ADD, BINARY)
    EACH(IG_BINARY_SUB, BINARY)
    EACH(IG_BINARY_MUL, BINARY)
    EACH(IG_BINARY_DIV, BINARY)
    EACH(IG_BINARY_POW, BINARY)
  }
}

template <typename T, int N>
__global__ void fused_kernel(ig_program program, operands in, T *to, int64_t n) {
  int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * N;
  if (i >= n) return;
  float file[REGISTERS][N], a[N], b[N];
#pragma unroll
  for (int r = 0; r < REGISTERS; r++) {
    if (r < program.n_inputs) load<N>(in.of[r], i, n, file[r]);
  }
  for (int s = 0; s < program.n_steps; s++) {
    const ig_step &step = program.steps[s];
    read<N>(file, step.a, step.x, a);
    if (step.family == IG_STEP_UNARY) {
      unary<N>(step.kind, a, step.x, step.y);
    } else {
      read<N>(file, step.b, step.x, b);
      if (step.family == IG_STEP_BINARY)
        binary<N>(step.kind, a, b);
      else
        unary_grad<N>(step.kind, a, b, step.x, step.y);
    }
    write<N>(file, step.to, a);
  }
  ig_pack<T, N> out;
  for (int k = 0; k < N; k++) out.v[k] = ig_from_f32<T>(a[k]);
  if (i + N <= n) {
    ig_store_pack(to + i, out);
    return;
  }
  for (int k = 0; k < N; k++) {
    if (i + k < n) to[i + k] = out.v[k];
  }
}

ig_status ig_cuda_fused(const ig_program *program, const ig_fused_operand *given, ig_dtype dtype,
                        void *y, int64_t n, void *stream) {
  operands in = {};
  bool narrow = dtype != IG_F32;
  for (int i = 0; i < program->n_inputs; i++) {
    in.of[i] = given[i];
    narrow = narrow && (given[i].dtype != IG_F32 || given[i].period);
  }
  if (n == 0) return IG_OK;
  IG_FOR_FLOAT(dtype, "fused elementwise", {
    if (narrow) {
      return IG_LAUNCH((fused_kernel<T, 8>), ig_blocks(n, THREADS * 8), THREADS, 0, stream,
                       *program, in, (T *)y, n);
    }
    return IG_LAUNCH((fused_kernel<T, 4>), ig_blocks(n, THREADS * 4), THREADS, 0, stream, *program,
                     in, (T *)y, n);
  })
}
