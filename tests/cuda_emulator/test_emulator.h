/* What the two halves of the emulator's tests share. */
#ifndef IG_TEST_EMULATOR_H
#define IG_TEST_EMULATOR_H

#include <initializer_list>
#include <stdexcept>

#include "kernels/cuda/device.cuh"

extern "C" {
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
}

#if defined(__has_feature) /* clang says it so, gcc by macros */
#if __has_feature(address_sanitizer)
#define IG_EMU_TESTS_ASAN 1
#elif __has_feature(thread_sanitizer)
#define IG_EMU_TESTS_RACES 1 /* of the kernels alone: the emulator looks for races */
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define IG_EMU_TESTS_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define IG_EMU_TESTS_RACES 1
#endif

#define assert_ok(call) assert_int_equal((call), cudaSuccess)

template <class T> static inline T *device(size_t count) {
  T *pointer;
  assert_ok(cudaMalloc(&pointer, count * sizeof(T)));
  return pointer;
}
/* Pinned memory. */
template <class T> static inline T *host(size_t count) {
  T *pointer;
  assert_ok(cudaMallocHost(&pointer, count * sizeof(T)));
  return pointer;
}
template <class... T> static inline void release(T *...pointers) {
  for (void *pointer : std::initializer_list<void *>{pointers...}) {
    cudaPointerAttributes attributes;
    assert_ok(cudaPointerGetAttributes(&attributes, pointer));
    assert_ok(attributes.type == cudaMemoryTypeDevice ? cudaFree(pointer) : cudaFreeHost(pointer));
  }
}

int run_runtime_tests(void);

#endif
