/* The emulator's device side: barriers, what warps do together, shared memory, atomics, orders, and
 * what is told of kernels that go wrong. Run with several seeds by IG_EMU_SEED. */
#include "test_emulator.h"

#include "kernels/cuda/reduce.cuh"

#include <cuda_fp8.h>

/* The launch failed, the report has these words, every call fails until the failure is forgiven. */
static void assert_reported(ig_status status, std::initializer_list<const char *> words) {
  assert_int_equal(status, IG_ERR_DEVICE);
  for (const char *word : words) {
    if (!strstr(ig_emu_report(), word)) fail_msg("no \"%s\" in: %s", word, ig_emu_report());
    assert_non_null(strstr(ig_last_error(), word));
  }
  assert_int_not_equal(cudaDeviceSynchronize(), cudaSuccess);
  ig_emu_forgive();
  assert_ok(cudaDeviceSynchronize());
}

/* --- barriers and shared memory --------------------------------------------------------------- */

__global__ static void reverse_kernel(const int *x, int *y) {
  IG_SHARED(int, tile, [1024]);
  IG_DYNAMIC_SHARED(int, more);
  int i = threadIdx.x, n = blockDim.x, base = blockIdx.x * n;
  for (int round = 0; round < 3; round++) {
    tile[i] = round ? tile[i] : x[base + i];
    __syncthreads();
    more[i] = tile[n - 1 - i];
    __syncthreads();
    tile[i] = more[i];
  }
  y[base + i] = tile[i];
}

static void barriers_order_shared_memory(void **state) {
  (void)state;
  for (int threads = 1; threads <= 1024; threads = threads * 3 + 2) {
    const int blocks = 5, n = threads * blocks;
    int *x = device<int>(n), *y = device<int>(n), *seen = host<int>(n);
    for (int i = 0; i < n; i++) seen[i] = i;
    assert_ok(cudaMemcpy(x, seen, n * sizeof(int), cudaMemcpyHostToDevice));
    assert_int_equal(IG_LAUNCH(reverse_kernel, blocks, threads, threads * 4, NULL, x, y), IG_OK);
    assert_ok(cudaMemcpy(seen, y, n * sizeof(int), cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) {
      assert_int_equal(seen[i], i / threads * threads + threads - 1 - i % threads);
    }
    release(x, y, seen);
  }
}

__global__ static void missing_barrier_kernel(float *y, int with) {
  IG_SHARED(float, tile, [64]);
  tile[threadIdx.x] = 1.0f;
  if (with) __syncthreads();
  float sum = 0;
  for (int i = 0; i < 64; i++) sum += tile[i];
  y[threadIdx.x] = sum;
}

/* Where accesses are instrumented the race is reported, otherwise values are wrong. */
static void a_missing_barrier_shows(void **state) {
  (void)state;
  float *y = device<float>(64), seen[64];
  for (int with = 0; with < 2; with++) {
    ig_status status = IG_LAUNCH(missing_barrier_kernel, 1, 64, 0, NULL, y, with);
    if (!with && status) {
      assert_non_null(strstr(ig_emu_report(), "of shared memory \"tile\", which"));
      ig_emu_forgive();
      continue;
    }
    assert_int_equal(status, IG_OK);
    assert_ok(cudaMemcpy(seen, y, sizeof seen, cudaMemcpyDeviceToHost));
    int wrong = 0;
    for (int i = 0; i < 64; i++) wrong += seen[i] != 64.0f;
    if (with)
      assert_int_equal(wrong, 0);
    else
      assert_true(wrong > 0);
  }
  release(y);
}

#ifdef IG_EMU_TESTS_RACES
/* Two threads, or all lanes of a warp, use one word; in between is nothing, or what orders it or
 * not. The values are the same whatever the order. */
__global__ static void race_kernel(int first, int second, int between, int *y) {
  IG_SHARED(int, word, );
  if (threadIdx.x == 0) word = 0;
  __syncthreads();
  int i = threadIdx.x, seen = 0;
  if (i == 0) word = 0;
  if (i != first && i != 0) seen += word;
  if (between == 1) __syncthreads();
  if (between == 2) __syncwarp();
  if (between == 3) seen += __shfl_sync(IG_FULL_WARP, 0, 0);
  if (i == second) word = 0;
  y[i] = seen;
}
__global__ static void no_race_kernel(int *y) {
  IG_SHARED(int, sum, );
  IG_SHARED(signed char, narrow, [64]);
  if (threadIdx.x == 0) sum = 0;
  narrow[threadIdx.x] = 1; /* neighbours in one word */
  __syncthreads();
  atomicAdd(&sum, narrow[63 - threadIdx.x]);
  __syncthreads();
  y[threadIdx.x] = sum + sum;
}

static void races_are_reported(void **state) {
  (void)state;
  int *y = device<int>(64), seen[64];
  struct {
    int threads, first, second, between;
    bool race;
  } cases[] = {{64, 1, -1, 0, true}, /* written by 0, read by all but 1 at once */
               {2, 1, 1, 0, true},   /* written by both */
               {2, 1, 1, 1, false},
               {2, 1, 1, 2, false},
               {2, 1, 1, 3, true}};
  for (auto &c : cases) {
    ig_status status =
        IG_LAUNCH(race_kernel, 1, c.threads, 0, NULL, c.first, c.second, c.between, y);
    if (c.race)
      assert_reported(status, {"race_kernel", "byte 0 of shared memory \"word\", which"});
    else
      assert_int_equal(status, IG_OK);
  }
  assert_int_equal(IG_LAUNCH(no_race_kernel, 1, 64, 0, NULL, y), IG_OK);
  assert_ok(cudaMemcpy(seen, y, sizeof seen, cudaMemcpyDeviceToHost));
  assert_int_equal(seen[5], 128);
  release(y);
}
#endif

__global__ static void votes_of_block_kernel(int *y) {
  int i = threadIdx.x;
  if (i == 95) return; /* a thread that has ended is not waited for */
  int r[4] = {__syncthreads_and(i < 96), __syncthreads_and(i != 7), __syncthreads_or(i == 7),
              __syncthreads_count(i % 2)};
  for (int k = 0; k < 4; k++) y[4 * i + k] = r[k];
}

static void blocks_vote(void **state) {
  (void)state;
  int *y = device<int>(4 * 96), seen[4 * 96];
  assert_int_equal(IG_LAUNCH(votes_of_block_kernel, 1, 96, 0, NULL, y), IG_OK);
  assert_ok(cudaMemcpy(seen, y, sizeof seen, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 95; i++) {
    assert_int_equal(seen[4 * i], 1);
    assert_int_equal(seen[4 * i + 1], 0);
    assert_int_equal(seen[4 * i + 2], 1);
    assert_int_equal(seen[4 * i + 3], 47);
  }
  release(y);
}

/* --- warps ------------------------------------------------------------------------------------ */

__global__ static void shuffles_kernel(int *ok) {
  int lane = threadIdx.x % 32, bad = 0;
  double x = lane * 1.5;
  bad |= __shfl_sync(IG_FULL_WARP, x, 5) != 7.5;
  bad |= __shfl_sync(IG_FULL_WARP, lane, lane + 1, 8) != (lane & 24) + (lane + 1) % 8;
  bad |= __shfl_up_sync(IG_FULL_WARP, lane, 3) != (lane < 3 ? lane : lane - 3);
  bad |= __shfl_down_sync(IG_FULL_WARP, lane, 2, 4) != (lane % 4 < 2 ? lane + 2 : lane);
  bad |= __shfl_xor_sync(IG_FULL_WARP, (long long)lane << 40, 9) != (long long)(lane ^ 9) << 40;
  bad |= __ballot_sync(IG_FULL_WARP, lane % 3 == 0) != 0x49249249u;
  bad |= __any_sync(IG_FULL_WARP, lane == 31) != 1 || __all_sync(IG_FULL_WARP, lane != 31) != 0;
  bad |= __reduce_add_sync(IG_FULL_WARP, lane) != 496;
  bad |=
      __reduce_max_sync(IG_FULL_WARP, -lane) != 0 || __reduce_min_sync(IG_FULL_WARP, -lane) != -31;
  bad |= __match_any_sync(IG_FULL_WARP, lane / 4) != 0xfu << (lane & ~3);
  unsigned group = lane < 16 ? 0xffffu : 0xffff0000u; /* both halves on their own */
  for (int i = 0; i < (lane < 16 ? 3 : 5); i++) {
    bad |= __reduce_add_sync(group, 1u) != 16;
  }
  int all[32];
  ig_warp_all(lane * lane, all);
  for (int i = 0; i < 32; i++) bad |= all[i] != i * i;
  ok[threadIdx.x] = !bad;
}

static void warps_exchange(void **state) {
  (void)state;
  int *ok = device<int>(128), seen[128];
  assert_int_equal(IG_LAUNCH(shuffles_kernel, 1, 128, 0, NULL, ok), IG_OK);
  assert_ok(cudaMemcpy(seen, ok, sizeof seen, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 128; i++) assert_int_equal(seen[i], 1);
  release(ok);
}

__global__ static void ended_lanes_kernel(float *y) {
  int lane = threadIdx.x;
  if (lane >= 20) return;
  y[lane] = __shfl_xor_sync(IG_FULL_WARP, 1.0f, 16);
}

static void what_ended_lanes_give_is_nan(void **state) {
  (void)state;
  float *y = device<float>(20), seen[20];
  assert_int_equal(IG_LAUNCH(ended_lanes_kernel, 1, 32, 0, NULL, y), IG_OK);
  assert_ok(cudaMemcpy(seen, y, sizeof seen, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 20; i++) {
    if (i < 4 || i >= 16)
      assert_true(seen[i] == 1.0f);
    else
      assert_true(isnan(seen[i]));
  }
  release(y);
}

__global__ static void reduce_kernel(const float *x, float *sums, float *most, int n) {
  IG_SHARED(float, partial, [32]);
  float sum = 0, largest = -INFINITY;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    float v = x[(size_t)blockIdx.x * n + i];
    sum += v;
    largest = fmaxf(largest, v);
  }
  sum = ig_block_reduce<ig_sum>(sum, partial);
  __syncthreads();
  largest = ig_block_reduce<ig_most>(largest, partial);
  sums[blockIdx.x * blockDim.x + threadIdx.x] = sum;
  most[blockIdx.x * blockDim.x + threadIdx.x] = largest;
}

static void block_reductions_match_float64(void **state) {
  (void)state;
  const int rows = 7, n = 1003;
  float *x = device<float>(rows * n), *from = host<float>(rows * n);
  for (int i = 0; i < rows * n; i++) from[i] = sinf((float)i * 0.7f) * (float)(1 + i % 5);
  assert_ok(cudaMemcpy(x, from, rows * n * sizeof(float), cudaMemcpyHostToDevice));
  for (int threads = 32; threads <= 1024; threads *= 2) {
    float *y = device<float>(2 * rows * threads), *seen = host<float>(2 * rows * threads);
    assert_int_equal(IG_LAUNCH(reduce_kernel, rows, threads, 0, NULL, x, y, y + rows * threads, n),
                     IG_OK);
    assert_ok(cudaMemcpy(seen, y, 2 * rows * threads * sizeof(float), cudaMemcpyDeviceToHost));
    for (int i = 0; i < rows * threads; i++) {
      double sum = 0, largest = -INFINITY;
      for (int k = 0; k < n; k++) {
        double v = from[i / threads * n + k];
        sum += v;
        largest = v > largest ? v : largest;
      }
      assert_true(fabs(seen[i] - sum) < 2e-4);
      assert_true(seen[rows * threads + i] == largest);
    }
    release(y, seen);
  }
  release(x, from);
}

/* --- atomics, numbers ------------------------------------------------------------------------- */

__global__ static void atomics_kernel(int *count, float *sum, unsigned *most, int *first) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(count, 1);
  atomicAdd(sum, 0.5f);
  atomicMax(most, (unsigned)i);
  atomicCAS(first, -1, i);
}

static void atomics_and_shuffled_order(void **state) {
  (void)state;
  struct {
    int count;
    float sum;
    unsigned most;
    int first;
  } seen = {0, 0, 0, -1}, *on;
  assert_ok(cudaMalloc(&on, sizeof seen));
  assert_ok(cudaMemcpy(on, &seen, sizeof seen, cudaMemcpyHostToDevice));
  assert_int_equal(
      IG_LAUNCH(atomics_kernel, 20, 50, 0, NULL, &on->count, &on->sum, &on->most, &on->first),
      IG_OK);
  assert_ok(cudaMemcpy(&seen, on, sizeof seen, cudaMemcpyDeviceToHost));
  assert_int_equal(seen.count, 1000);
  assert_true(seen.sum == 500.0f);
  assert_int_equal(seen.most, 999);
  if (ig_emu_get_seed() == 0)
    assert_int_equal(seen.first, 0);
  else
    assert_true(seen.first > 0); /* of 1,000, chosen by the seeds of the suite */
  release(on);
}

static void narrow_numbers_round_to_nearest(void **state) {
  (void)state;
  for (unsigned bits = 0; bits < 65536; bits++) { /* what widens comes back, but for NaN */
    float b = __bfloat162float(__ushort_as_bfloat16((unsigned short)bits));
    float h = __half2float(__ushort_as_half((unsigned short)bits));
    if (b == b) {
      assert_int_equal(__bfloat16_as_ushort(__float2bfloat16(b)), bits);
      assert_int_equal(__bfloat16_as_ushort(__nv_bfloat16((double)b)), bits);
    }
    if (h == h) {
      assert_int_equal(__half_as_ushort(__float2half(h)), bits);
      assert_int_equal(__half_as_ushort(__half((double)h)), bits);
      assert_true(h == (ig_emu_widen<5, 10>(bits)));
    }
    uint32_t word = bits << 16 | 0x8000; /* halfway, and half a step on either side */
    for (int around = -1; around <= 1; around++) {
      float x = __uint_as_float(word + around);
      if (x != x) continue;
      assert_int_equal(__bfloat16_as_ushort(__float2bfloat16(x)), (ig_emu_narrow<8, 7>(x)));
      assert_int_equal(__half_as_ushort(__float2half(x)), (ig_emu_narrow<5, 10>(x)));
    }
  }
  for (unsigned bits = 0; bits < 256; bits++) {
    float m = ig_emu_from_fp8((unsigned char)bits, __NV_E4M3);
    float w = ig_emu_from_fp8((unsigned char)bits, __NV_E5M2);
    if (m == m) assert_int_equal(__nv_cvt_float_to_fp8(m, __NV_SATFINITE, __NV_E4M3), bits);
    if (w == w && !isinf(w)) {
      assert_int_equal(__nv_cvt_float_to_fp8(w, __NV_SATFINITE, __NV_E5M2), bits);
    }
  }
  assert_true((float)__nv_fp8_e4m3(1e9f) == 448.0f && (float)__nv_fp8_e5m2(-1e9f) == -57344.0f);
  assert_true((float)__nv_fp8_e4m3(17.0f) == 16.0f && (float)__nv_fp8_e4m3(19.0f) == 20.0f);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

__global__ static void divergent_kernel() {
  if (threadIdx.x == 3)
    __syncwarp(0xff);
  else
    __syncthreads();
}
__global__ static void two_places_kernel() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}
__global__ static void half_a_warp_kernel(int *y) {
  if (threadIdx.x < 16)
    y[threadIdx.x] = __shfl_sync(IG_FULL_WARP, 1, 0);
  else
    __syncthreads();
}
__global__ static void not_in_mask_kernel() {
  __syncwarp(1);
}
__global__ static void throwing_kernel() {
  if (threadIdx.x == 5) throw std::runtime_error("five");
}
__global__ static void beyond_shared_kernel(int by) {
  IG_SHARED(float, tile, [8]);
  IG_SHARED(int, other, [8]);
  other[0] = 1;
  (tile + other[0])[7 + by] = 2.0f;
}
__global__ static void beyond_memory_kernel(float *x, int n) {
  x[n] = 1.0f;
}
__global__ static void fault_kernel(float *x) {
  x[threadIdx.x == 9 ? (size_t)1 << 40 : 0] = 1.0f;
}
__global__ static void too_much_shared_kernel() {
  IG_SHARED(float, tile, [20000]);
  tile[threadIdx.x] = 0;
}

static void deadlocks_are_reported(void **state) {
  (void)state;
  int *y = device<int>(32);
  assert_reported(IG_LAUNCH(divergent_kernel, dim3(2, 2), 64, 0, NULL),
                  {"divergent_kernel", "block (", "deadlock", "63 threads (0-2, 4-63) wait in",
                   "__syncthreads", "1 thread (3) waits in __syncwarp, mask 0xff",
                   "test_emulator.cu:"});
  assert_reported(IG_LAUNCH(half_a_warp_kernel, 1, 32, 0, NULL, y),
                  {"16 threads (0-15) wait in __shfl_sync, mask 0xffffffff", "16 threads (16-31)"});
  assert_reported(IG_LAUNCH(two_places_kernel, 1, 64, 0, NULL), {"one barrier was reached at two"});
  assert_reported(IG_LAUNCH(not_in_mask_kernel, 1, 2, 0, NULL), {"lane 1 is not in its own mask"});
  release(y);
}

static void kernels_that_throw_are_named(void **state) {
  (void)state;
  assert_reported(IG_LAUNCH(throwing_kernel, 1, 8, 0, NULL),
                  {"throwing_kernel", "thread (5, 0, 0)", "threw five"});
  assert_reported(IG_LAUNCH(too_much_shared_kernel, 1, 8, 0, NULL), {"48 KiB"});
}

#ifndef IG_EMU_TESTS_ASAN /* where the sanitizer ends the process instead */
static void wild_writes_are_reported(void **state) {
  (void)state;
  float *x = device<float>(100);
  assert_reported(IG_LAUNCH(beyond_shared_kernel, 1, 1, 0, NULL, 0),
                  {"beyond_shared_kernel", "\"tile\""});
  assert_int_equal(IG_LAUNCH(beyond_shared_kernel, 1, 1, 0, NULL, -1), IG_OK);
  assert_reported(IG_LAUNCH(beyond_memory_kernel, 1, 1, 0, NULL, x, 100),
                  {"beyond_memory_kernel", "outside an allocation of 400 bytes"});
  assert_reported(IG_LAUNCH(beyond_memory_kernel, 1, 1, 0, NULL, x, -1), {"outside an allocation"});
  assert_reported(IG_LAUNCH(fault_kernel, 1, 32, 0, NULL, x), {"fault_kernel", "thread (9, 0, 0)"});
  assert_int_equal(IG_LAUNCH(beyond_memory_kernel, 1, 1, 0, NULL, x, 99), IG_OK);
  release(x);
}
#endif

__global__ static void nothing_kernel() {}
__global__ static void dynamic_kernel(float *y) {
  IG_DYNAMIC_SHARED(float, more);
  y[threadIdx.x] = more[threadIdx.x];
}

static void launches_are_checked(void **state) {
  (void)state;
  struct {
    dim3 grid, block;
    size_t shared;
    cudaError_t error;
  } cases[] = {{1, 1024, 0, cudaSuccess},
               {1, 1025, 0, cudaErrorInvalidConfiguration},
               {1, dim3(32, 32, 2), 0, cudaErrorInvalidConfiguration},
               {1, dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration},
               {0, 1, 0, cudaErrorInvalidConfiguration},
               {dim3(1, 65536), 1, 0, cudaErrorInvalidConfiguration},
               {1, 1, 48 << 10, cudaSuccess},
               {1, 1, (48 << 10) + 1, cudaErrorInvalidValue}};
  for (auto &c : cases) {
    assert_int_equal(ig_emu_configure("k", nothing_kernel, c.grid, c.block, c.shared, NULL)(),
                     c.error);
    assert_int_equal(cudaGetLastError(), c.error);
  }
  assert_int_equal(IG_ALLOW_SHARED(nothing_kernel, 227 << 10), IG_OK);
  assert_int_equal(IG_LAUNCH(nothing_kernel, 1, 1, 227 << 10, NULL), IG_OK);
  assert_int_equal(IG_ALLOW_SHARED(nothing_kernel, (227 << 10) + 1), IG_ERR_DEVICE);
  float *y = device<float>(64), seen[64]; /* shared memory starts as NaN, also in a second block */
  assert_int_equal(IG_LAUNCH(dynamic_kernel, 2, 64, 256, NULL, y), IG_OK);
  assert_ok(cudaMemcpy(seen, y, sizeof seen, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 64; i++) assert_true(isnan(seen[i]));
  release(y);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(barriers_order_shared_memory),
                                     cmocka_unit_test(a_missing_barrier_shows),
#ifdef IG_EMU_TESTS_RACES
                                     cmocka_unit_test(races_are_reported),
#endif

                                     cmocka_unit_test(blocks_vote),
                                     cmocka_unit_test(warps_exchange),
                                     cmocka_unit_test(what_ended_lanes_give_is_nan),
                                     cmocka_unit_test(block_reductions_match_float64),
                                     cmocka_unit_test(atomics_and_shuffled_order),
                                     cmocka_unit_test(narrow_numbers_round_to_nearest),
                                     cmocka_unit_test(deadlocks_are_reported),
                                     cmocka_unit_test(kernels_that_throw_are_named),
#ifndef IG_EMU_TESTS_ASAN
                                     cmocka_unit_test(wild_writes_are_reported),
#endif
                                     cmocka_unit_test(launches_are_checked)};
  int failed = cmocka_run_group_tests_name("emulator: kernels", tests, NULL, NULL);
  return failed + run_runtime_tests();
}
