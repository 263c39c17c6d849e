/* The emulator's host side: memory and its limit, streams, events, capture and replay. */
#include "test_emulator.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

__global__ static void scale_add_kernel(float *y, const float *x, float scale, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = y[i] * scale + x[i];
}
__global__ static void set_kernel(float *y, float value) {
  y[threadIdx.x] = value;
}

static void memory_is_poisoned_and_checked(void **state) {
  (void)state;
  float *x = device<float>(100), *pinned = host<float>(100), pageable[100];
  assert_true(isnan(pinned[50]));
  assert_ok(cudaMemcpy(pageable, x, sizeof pageable, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 100; i++) assert_true(isnan(pageable[i]));
  const cudaError_t bad = cudaErrorInvalidValue;
  assert_int_equal(cudaMemcpy(pageable, x, sizeof pageable, cudaMemcpyHostToDevice), bad);
  assert_int_equal(cudaMemcpy(x + 1, pageable, sizeof pageable, cudaMemcpyHostToDevice), bad);
  assert_int_equal(cudaMemcpy(pinned, pageable, sizeof pageable, cudaMemcpyHostToDevice), bad);
  assert_int_equal(cudaMemset(pageable, 0, 4), bad);
  assert_int_equal(cudaFree(x + 1), bad);
  assert_int_equal(cudaFree(pinned), bad);
  assert_int_equal(cudaGetLastError(), bad);
  assert_ok(cudaGetLastError());
  cudaPointerAttributes attributes;
  assert_ok(cudaPointerGetAttributes(&attributes, x + 99));
  assert_int_equal(attributes.type, cudaMemoryTypeDevice);
  assert_ok(cudaPointerGetAttributes(&attributes, x + 100));
  assert_int_equal(attributes.type, cudaMemoryTypeUnregistered);
  release(x, pinned);
  assert_ok(cudaFree(NULL));
}

static void memory_runs_out(void **state) {
  (void)state;
  size_t held = ig_emu_get_counts().device_bytes, available, total;
  ig_emu_set_memory(held + 1000);
  void *a, *b;
  assert_ok(cudaMalloc(&a, 600));
  assert_ok(cudaMemGetInfo(&available, &total));
  assert_int_equal(available, 400);
  assert_int_equal(cudaMalloc(&b, 401), cudaErrorMemoryAllocation);
  assert_null(b);
  assert_int_equal(ig_cuda_status(cudaGetLastError(), "x"), IG_ERR_MEMORY);
  cudaStream_t s;
  assert_ok(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  assert_ok(cudaFreeAsync(a, s));
  assert_ok(cudaMallocAsync(&b, 1000, s)); /* after the memory that this stream gives back */
  assert_ok(cudaFreeAsync(b, s));
  assert_ok(cudaStreamDestroy(s));
  ig_emu_set_memory((size_t)4 << 30);
  assert_int_equal(ig_emu_get_counts().device_bytes, held);
}

/* Across streams only events order work: with them the result is right with any seed, and without
 * them a seed shows a wrong one sooner or later. */
static void events_order_streams(void **state) {
  (void)state;
  for (int with = 0; with < 2; with++) {
    int wrong = 0;
    for (int round = 0; round < 20; round++) {
      float *x = device<float>(32), *seen = host<float>(32);
      cudaStream_t a, b;
      cudaEvent_t set, copied;
      assert_ok(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
      assert_ok(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
      assert_ok(cudaEventCreateWithFlags(&set, cudaEventDisableTiming));
      assert_ok(cudaEventCreate(&copied));
      assert_int_equal(IG_LAUNCH(set_kernel, 1, 32, 0, a, x, 7.0f), IG_OK);
      assert_ok(cudaEventRecord(set, a));
      if (with) assert_ok(cudaStreamWaitEvent(b, set, 0));
      assert_ok(cudaMemcpyAsync(seen, x, 32 * sizeof(float), cudaMemcpyDeviceToHost, b));
      assert_ok(cudaEventRecord(copied, b));
      assert_ok(cudaEventDestroy(set));
      while (cudaEventQuery(copied) == cudaErrorNotReady) {
      }
      for (int i = 0; i < 32; i++) wrong += seen[i] != 7.0f;
      assert_ok(cudaEventDestroy(copied));
      assert_ok(cudaStreamDestroy(a));
      assert_ok(cudaStreamDestroy(b));
      release(x, seen);
    }
    if (with || ig_emu_get_seed() == 0)
      assert_int_equal(wrong, 0);
    else
      assert_true(wrong > 0);
  }
}

static void the_host_must_wait(void **state) {
  (void)state;
  float *x = device<float>(32), *seen = host<float>(32);
  cudaStream_t s;
  assert_ok(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  int early = 0;
  for (int round = 1; round <= 20; round++) {
    assert_int_equal(IG_LAUNCH(set_kernel, 1, 32, 0, s, x, (float)round), IG_OK);
    assert_ok(cudaMemcpyAsync(seen, x, 32 * sizeof(float), cudaMemcpyDeviceToHost, s));
    early += seen[0] != (float)round;
    assert_ok(cudaStreamSynchronize(s));
    assert_true(seen[0] == (float)round);
  }
  assert_int_equal(early > 0, ig_emu_get_seed() != 0);
  float pageable = 3; /* read during the call */
  assert_ok(cudaMemcpyAsync(x, &pageable, 4, cudaMemcpyHostToDevice, s));
  pageable = 4;
  assert_ok(
      cudaMemcpyAsync(&pageable, x, 4, cudaMemcpyDeviceToHost, s)); /* and written by its end */
  assert_true(pageable == 3);
  assert_ok(cudaStreamDestroy(s));
  release(x, seen);
}

static void capture_replays(void **state) {
  (void)state;
  const int n = 1000;
  float *x = device<float>(n), *y = device<float>(n), *in = host<float>(n), *out = host<float>(n);
  cudaStream_t main_stream, side;
  cudaEvent_t fork, join;
  assert_ok(cudaStreamCreateWithFlags(&main_stream, cudaStreamNonBlocking));
  assert_ok(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking));
  assert_ok(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  assert_ok(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  assert_ok(cudaStreamBeginCapture(main_stream, cudaStreamCaptureModeGlobal));
  assert_ok(cudaEventRecord(fork, main_stream));
  assert_ok(cudaStreamWaitEvent(side, fork, 0));
  assert_ok(cudaMemcpyAsync(x, in, n * sizeof(float), cudaMemcpyHostToDevice, side));
  cudaStreamCaptureStatus status;
  assert_ok(cudaStreamIsCapturing(side, &status));
  assert_int_equal(status, cudaStreamCaptureStatusActive);
  assert_ok(cudaMemsetAsync(y, 0, n * sizeof(float), main_stream));
  assert_ok(cudaEventRecord(join, side));
  assert_ok(cudaStreamWaitEvent(main_stream, join, 0));
  float scale = 2; /* copied by the capture */
  for (int i = 0; i < 3; i++) {
    assert_int_equal(IG_LAUNCH(scale_add_kernel, 8, 128, 0, main_stream, y, x, scale, n), IG_OK);
  }
  scale = 100;
  assert_ok(cudaMemcpyAsync(out, y, n * sizeof(float), cudaMemcpyDeviceToHost, main_stream));
  cudaGraph_t graph;
  assert_ok(cudaStreamEndCapture(main_stream, &graph));
  assert_ok(cudaStreamIsCapturing(side, &status));
  assert_int_equal(status, cudaStreamCaptureStatusNone);
  size_t nodes;
  assert_ok(cudaGraphGetNodes(graph, NULL, &nodes));
  assert_int_equal(nodes, 6);
  assert_true(isnan(out[0])); /* nothing has run */
  cudaGraphExec_t replay;
  assert_ok(cudaGraphInstantiate(&replay, graph, 0));
  assert_ok(cudaGraphDestroy(graph));
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < n; i++) in[i] = (float)(i + round);
    assert_ok(cudaGraphLaunch(replay, main_stream));
    assert_ok(cudaStreamSynchronize(main_stream));
    for (int i = 0; i < n; i++) assert_true(out[i] == 7.0f * (float)(i + round));
  }
  assert_ok(cudaGraphExecDestroy(replay));
  assert_ok(cudaEventDestroy(fork));
  assert_ok(cudaEventDestroy(join));
  assert_ok(cudaStreamDestroy(side));
  assert_ok(cudaStreamDestroy(main_stream));
  release(x, y, in, out);
}

static void captures_forbid(void **state) {
  (void)state;
  cudaStream_t s, other;
  cudaEvent_t event;
  cudaGraph_t graph;
  void *memory;
  float value = 0, *x = device<float>(32);
  assert_ok(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  assert_ok(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  assert_ok(cudaEventCreate(&event));
  for (int what = 0; what < 6; what++) {
    assert_ok(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    cudaError_t error = what == 0   ? cudaMalloc(&memory, 4)
                        : what == 1 ? cudaStreamSynchronize(s)
                        : what == 2 ? cudaDeviceSynchronize()
                        : what == 3 ? cudaMemcpy(x, &value, 4, cudaMemcpyHostToDevice)
                        : what == 4 ? cudaStreamQuery(s)
                                    : cudaFree(x);
    assert_int_equal(error, cudaErrorStreamCaptureUnsupported);
    assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
    assert_null(graph);
  }
  assert_ok(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
  assert_ok(cudaMalloc(&memory, 4)); /* which relaxed captures allow */
  assert_ok(cudaEventRecord(event, s));
  assert_ok(cudaStreamWaitEvent(other, event, 0));
  assert_int_equal(IG_LAUNCH(set_kernel, 1, 32, 0, other, x, 1.0f), IG_OK);
  assert_int_equal(cudaStreamEndCapture(other, &graph), cudaErrorStreamCaptureUnmatched);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureUnjoined);
  assert_ok(cudaFree(memory));
  assert_ok(cudaEventRecord(event, other));
  assert_ok(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  assert_int_equal(cudaStreamWaitEvent(s, event, 0), cudaErrorStreamCaptureIsolation);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
  assert_int_equal(cudaStreamBeginCapture(NULL, cudaStreamCaptureModeGlobal),
                   cudaErrorStreamCaptureUnsupported);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorIllegalState);
  assert_ok(cudaStreamDestroy(s));
  assert_ok(cudaStreamDestroy(other));
  assert_ok(cudaEventDestroy(event));
  release(x);
}

static void a_failed_launch_ends_what_is_queued(void **state) {
  (void)state;
  float *x = device<float>(32);
  cudaStream_t s;
  assert_ok(cudaStreamCreate(&s));
  IG_LAUNCH(
      +[](int) {
        __syncthreads();
        if (threadIdx.x) __trap();
      },
      1, 2, 0, s, 0);
  IG_LAUNCH(set_kernel, 1, 32, 0, s, x, 1.0f);
  assert_int_equal(cudaStreamSynchronize(s), cudaErrorAssert);
  assert_int_equal(cudaStreamSynchronize(s), cudaErrorAssert);
  assert_non_null(strstr(cudaGetErrorString(cudaErrorAssert), "thread (1, 0, 0)"));
  ig_emu_forgive();
  float seen;
  assert_ok(cudaMemcpy(&seen, x, 4, cudaMemcpyDeviceToHost));
  assert_true(isnan(seen));
  assert_ok(cudaStreamDestroy(s));
  release(x);
}

static void properties_say_what_is_emulated(void **state) {
  (void)state;
  cudaDeviceProp properties;
  int count, value;
  assert_ok(cudaGetDeviceCount(&count));
  assert_int_equal(count, 1);
  assert_ok(cudaGetDeviceProperties(&properties, 0));
  assert_string_equal(properties.name, "emulated");
  assert_ok(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0));
  assert_int_equal(value, properties.major);
  assert_int_equal(cudaSetDevice(1), cudaErrorInvalidDevice);
  assert_ok(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&value, set_kernel, 256, 0));
  assert_int_equal(value, 8);
  assert_string_equal(cudaGetErrorName(cudaErrorIllegalAddress), "cudaErrorIllegalAddress");
}

/* In a child, since a touch ends the process, as on a machine with a device. */
static void the_host_may_not_touch_device_memory(void **state) {
  (void)state;
  ig_emu_set_protect(1);
  volatile float *x = device<float>(32);
  assert_int_equal(IG_LAUNCH(set_kernel, 1, 32, 0, NULL, (float *)x, 5.0f), IG_OK);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    _exit(x[3] == 5.0f ? 0 : 1);
  }
  int how;
  assert_int_equal(waitpid(child, &how, 0), child);
  assert_false(WIFEXITED(how) && WEXITSTATUS(how) == 0);
  float seen;
  assert_ok(cudaMemcpy(&seen, (float *)x + 3, 4, cudaMemcpyDeviceToHost));
  assert_true(seen == 5.0f);
  release((float *)x);
  const char *set = getenv("IG_EMU_PROTECT");
  ig_emu_set_protect(set && *set == '1');
}

int run_runtime_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_poisoned_and_checked),
                                     cmocka_unit_test(memory_runs_out),
                                     cmocka_unit_test(events_order_streams),
                                     cmocka_unit_test(the_host_must_wait),
                                     cmocka_unit_test(capture_replays),
                                     cmocka_unit_test(captures_forbid),
                                     cmocka_unit_test(a_failed_launch_ends_what_is_queued),
                                     cmocka_unit_test(the_host_may_not_touch_device_memory),
                                     cmocka_unit_test(properties_say_what_is_emulated)};
  return cmocka_run_group_tests_name("emulator: runtime", tests, NULL, NULL);
}
