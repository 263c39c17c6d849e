/* Copies from global to shared memory that go on while the thread does something else (cp.async),
 * and waiting for them. A copy may be read by the thread that started it after ig_copy_wait, by
 * others of its block after a barrier behind that. */
#ifndef IG_KERNELS_CUDA_COPY_CUH
#define IG_KERNELS_CUDA_COPY_CUH

#include "kernels/cuda/device.cuh"

#ifdef __CUDACC__

/* Starts the copy of 16 bytes, both ends 16-byte aligned; zeros when `valid` is false, and then
 * `from` is not read. */
__device__ static inline void ig_copy16(void *to_shared, const void *from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   (uint32_t)__cvta_generic_to_shared(to_shared)),
               "l"(from), "r"(valid ? 16 : 0)
               : "memory");
}
/* Makes a group of the copies started since the last one. */
__device__ static inline void ig_copy_commit(void) {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/* Waits until at most N of this thread's groups are under way. */
template <int N> __device__ static inline void ig_copy_wait(void) {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

#else /* the same in plain code: what is under way lands as late as it may */

struct ig_plain_copy {
  void *to;
  const void *from; /* NULL: zeros */
  int group;
};
enum { IG_PLAIN_COPIES = 256 };
/* Copies of each thread of the block that runs; `grid` tells stale ones. */
struct ig_plain_copies {
  uint64_t generation;
  int count, group;
  ig_plain_copy copy[IG_PLAIN_COPIES];
};
inline ig_plain_copies &ig_plain_copies_of_thread(void) {
  static ig_plain_copies all[1024];
  unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  ig_plain_copies &mine = all[thread];
  if (mine.generation != ig_emu_generation) {
    mine.generation = ig_emu_generation;
    mine.count = mine.group = 0;
  }
  return mine;
}

static inline void ig_copy16(void *to_shared, const void *from, bool valid) {
  ig_plain_copies &mine = ig_plain_copies_of_thread();
  if ((uintptr_t)to_shared % 16 || (valid && (uintptr_t)from % 16)) {
    ig_emu_stop("cp.async: not 16-byte aligned", {"cp.async", __FILE__, __LINE__});
  }
  if (mine.count == IG_PLAIN_COPIES) {
    ig_emu_stop("cp.async: more copies than are kept", {"cp.async", __FILE__, __LINE__});
  }
  /* Whoever reads before waiting finds NaN, as seldom happens on a device and always may. */
  memset(to_shared, 0xFF, 16);
  mine.copy[mine.count++] = {to_shared, valid ? from : nullptr, mine.group};
}
static inline void ig_copy_commit(void) {
  ig_plain_copies_of_thread().group++;
}
template <int N> static inline void ig_copy_wait(void) {
  ig_plain_copies &mine = ig_plain_copies_of_thread();
  int done = 0;
  for (; done < mine.count && mine.copy[done].group < mine.group - N; done++) {
    const ig_plain_copy &copy = mine.copy[done];
    if (copy.from)
      memcpy(copy.to, copy.from, 16);
    else
      memset(copy.to, 0, 16);
  }
  mine.count -= done;
  memmove(mine.copy, mine.copy + done, (size_t)mine.count * sizeof mine.copy[0]);
}

#endif

#endif
