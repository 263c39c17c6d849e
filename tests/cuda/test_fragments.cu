/* Fragments of tensor-core products and asynchronous copies against plain products in double, on
 * whatever serves CUDA: the emulator or a GPU. */
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/mma.cuh"

extern "C" {
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
}

#define M 16
#define N 8

template <typename T> static T *on_device(const T *from, size_t count) {
  T *memory;
  assert_int_equal(cudaMalloc((void **)&memory, count * sizeof(T)), cudaSuccess);
  assert_int_equal(cudaMemcpy(memory, from, count * sizeof(T), cudaMemcpyHostToDevice),
                   cudaSuccess);
  return memory;
}

template <typename T> static void to_host(T *memory, T *to, size_t count) {
  assert_int_equal(cudaMemcpy(to, memory, count * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
  cudaFree(memory);
}

/* Small integers over 8: exact in every type and every order of sums. */
static float sample(int i) {
  return (float)((i * 7919 + 13) % 31 - 15) / 8;
}

/* d[i][j] against the product of a [M][k] and b [k][N]. */
template <typename T, typename D>
static void check_product(const T *a, const T *b, const D *d, int k) {
  for (int i = 0; i < M; i++) {
    for (int j = 0; j < N; j++) {
      double sum = 100 + i - j;
      for (int l = 0; l < k; l++) sum += (double)(float)a[i * k + l] * (double)(float)b[l * N + j];
      assert_true((double)d[i * N + j] == sum);
    }
  }
}

template <typename D> __device__ static void start(D (&d)[4]) {
  for (int e = 0; e < 4; e++) {
    int row = threadIdx.x / 4 + e / 2 * 8, col = threadIdx.x % 4 * 2 + e % 2;
    d[e] = (D)(100 + row - col);
  }
}
template <typename D> __device__ static void finish(const D (&d)[4], D *out) {
  for (int e = 0; e < 4; e++) {
    out[(threadIdx.x / 4 + e / 2 * 8) * N + threadIdx.x % 4 * 2 + e % 2] = d[e];
  }
}

/* --- 16-bit, through ldmatrix ----------------------------------------------------------------- */

/* `form` 0: b as it lies, transposed while loading; 1: from b transposed; 2: a matrix at a time. */
template <typename T> __global__ void half_kernel(int form, const T *a, const T *b, float *out) {
  IG_SHARED(T, left, [M * 16]);
  IG_SHARED(T, right, [16 * N]);
  int lane = threadIdx.x;
  for (int i = lane; i < M * 16; i += 32) left[i] = a[i];
  for (int i = lane; i < 16 * N; i += 32) right[form == 1 ? i % N * 16 + i / N : i] = b[i];
  __syncthreads();
  uint32_t x[4], y[2];
  float d[4];
  start(d);
  /* Matrices in the order of a's registers: rows 0-7 and 8-15 of the left half, then of the
   * right. */
  ig_ldmatrix(x, left + lane % 16 * 16 + lane / 16 * 8);
  if (form == 0) {
    ig_ldmatrix_transposed(y, right + lane % 16 * N);
  } else if (form == 1) {
    ig_ldmatrix(y, right + lane % 8 * 16 + lane / 8 % 2 * 8);
  } else {
    uint32_t one[1];
    for (int i = 0; i < 2; i++) {
      ig_ldmatrix_transposed(one, right + (lane % 8 + 8 * i) * N);
      y[i] = one[0];
    }
  }
  ig_mma<T>(d, x, y);
  finish(d, out);
}

template <typename T> static void check_half(void) {
  T a[M * 16], b[16 * N];
  float d[M * N];
  for (int i = 0; i < M * 16; i++) a[i] = ig_from_f32<T>(sample(i));
  for (int i = 0; i < 16 * N; i++) b[i] = ig_from_f32<T>(sample(i + 1000));
  for (int form = 0; form < 3; form++) {
    T *x = on_device(a, M * 16), *y = on_device(b, 16 * N);
    float *out = on_device(d, M * N);
    assert_int_equal(IG_LAUNCH(half_kernel<T>, 1, 32, 0, 0, form, x, y, out), IG_OK);
    to_host(out, d, M * N);
    check_product(a, b, d, 16);
    cudaFree(x);
    cudaFree(y);
  }
}

static void bf16_products(void **) {
  check_half<ig_bf16>();
}
static void f16_products(void **) {
  check_half<ig_f16>();
}

/* --- tf32 and 8-bit --------------------------------------------------------------------------- */

__global__ void tf32_kernel(const float *a, const float *b, float *out) {
  int g = threadIdx.x / 4, t = threadIdx.x % 4;
  uint32_t x[4], y[2];
  float d[4];
  start(d);
  for (int i = 0; i < 4; i++) x[i] = ig_to_tf32(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
  for (int i = 0; i < 2; i++) y[i] = ig_to_tf32(b[(t + 4 * i) * N + g]);
  ig_mma_tf32(d, x, y);
  finish(d, out);
}

static void tf32_products(void **) {
  float a[M * 8], b[8 * N], d[M * N];
  for (int i = 0; i < M * 8; i++) a[i] = sample(i);
  for (int i = 0; i < 8 * N; i++) b[i] = sample(i + 1000);
  float *x = on_device(a, M * 8), *y = on_device(b, 8 * N), *out = on_device(d, M * N);
  assert_int_equal(IG_LAUNCH(tf32_kernel, 1, 32, 0, 0, x, y, out), IG_OK);
  to_host(out, d, M * N);
  check_product(a, b, d, 8);
  cudaFree(x);
  cudaFree(y);
}

__global__ void i8_kernel(const int8_t *a, const int8_t *b, int32_t *out) {
  int g = threadIdx.x / 4, t = threadIdx.x % 4;
  uint32_t x[4] = {0}, y[2] = {0};
  int32_t d[4];
  start(d);
  for (int e = 0; e < 4; e++) {
    for (int i = 0; i < 4; i++) {
      x[i] |= (uint32_t)(uint8_t)a[(g + i % 2 * 8) * 32 + i / 2 * 16 + 4 * t + e] << (8 * e);
    }
    for (int i = 0; i < 2; i++) {
      y[i] |= (uint32_t)(uint8_t)b[(16 * i + 4 * t + e) * N + g] << (8 * e);
    }
  }
  ig_mma_i8(d, x, y);
  finish(d, out);
}

static void i8_products(void **) {
  int8_t a[M * 32], b[32 * N];
  int32_t d[M * N];
  for (int i = 0; i < M * 32; i++) a[i] = (int8_t)(i * 7919 % 256 - 128);
  for (int i = 0; i < 32 * N; i++) b[i] = (int8_t)(i * 104729 % 256 - 128);
  int8_t *x = on_device(a, M * 32), *y = on_device(b, 32 * N);
  int32_t *out = on_device(d, M * N);
  assert_int_equal(IG_LAUNCH(i8_kernel, 1, 32, 0, 0, x, y, out), IG_OK);
  to_host(out, d, M * N);
  check_product(a, b, d, 32);
  cudaFree(x);
  cudaFree(y);
}

/* tf32 keeps 10 bits of fraction; a tie goes away from zero. */
__global__ void round_kernel(const float *x, uint32_t *y) {
  y[threadIdx.x] = ig_to_tf32(x[threadIdx.x]);
}

static void tf32_rounding(void **) {
  const float x[4] = {1.0f + 0x1p-11f, -1.0f - 0x1p-11f, 1.0f + 0x1.fp-12f, 3.0f};
  const float want[4] = {1.0f + 0x1p-10f, -1.0f - 0x1p-10f, 1.0f, 3.0f};
  uint32_t bits[4] = {0};
  float *in = on_device(x, 4);
  uint32_t *out = on_device(bits, 4);
  assert_int_equal(IG_LAUNCH(round_kernel, 1, 4, 0, 0, in, out), IG_OK);
  to_host(out, bits, 4);
  for (int i = 0; i < 4; i++) {
    /* The bits below those of tf32 are not defined. */
    assert_int_equal(bits[i] & 0xffffe000u, ig_bits_of(want[i]));
  }
  cudaFree(in);
}

/* --- copies ----------------------------------------------------------------------------------- */

#define STAGES 5

/* Two buffers in turn: chunk s is read while chunk s + 1 is under way; odd threads' chunks are
 * zeros from stage 3 on. */
__global__ void copy_kernel(const float *from, float *to) {
  IG_SHARED(float, buffer, [2][32 * 4]);
  int lane = threadIdx.x;
  ig_copy16(buffer[0] + lane * 4, from + lane * 4, true);
  ig_copy_commit();
  for (int s = 0; s < STAGES; s++) {
    if (s + 1 < STAGES) {
      bool valid = s + 1 < 3 || lane % 2 == 0;
      ig_copy16(buffer[(s + 1) % 2] + lane * 4, from + ((s + 1) * 32 + lane) * 4, valid);
    }
    ig_copy_commit();
    ig_copy_wait<1>();
    __syncthreads();
    /* Of another lane, so that the barrier counts. */
    for (int i = 0; i < 4; i++) to[(s * 32 + lane) * 4 + i] = buffer[s % 2][(31 - lane) * 4 + i];
    __syncthreads();
  }
}

static void copies(void **) {
  float from[STAGES * 128], to[STAGES * 128];
  for (int i = 0; i < STAGES * 128; i++) from[i] = (float)i;
  float *x = on_device(from, STAGES * 128), *y = on_device(to, STAGES * 128);
  assert_int_equal(IG_LAUNCH(copy_kernel, 1, 32, 0, 0, x, y), IG_OK);
  to_host(y, to, STAGES * 128);
  for (int i = 0; i < STAGES * 128; i++) {
    int stage = i / 128, lane = 31 - i % 128 / 4;
    bool valid = stage < 3 || lane % 2 == 0;
    assert_true(to[i] == (valid ? from[stage * 128 + lane * 4 + i % 4] : 0.0f));
  }
  cudaFree(x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bf16_products), cmocka_unit_test(f16_products),
      cmocka_unit_test(tf32_products), cmocka_unit_test(i8_products),
      cmocka_unit_test(tf32_rounding), cmocka_unit_test(copies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
