/* Launches: the checks that a device makes, what is known of each kernel, running a grid, and
 * faults. A kernel that touches unmapped memory ends the context with its name, as on a device,
 * and not the process. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

uint64_t ig_emu_launch_count, ig_emu_block_count;

/* --- kernels ---------------------------------------------------------------------------------- */

typedef struct known {
  const void *function;
  size_t dynamic_limit, static_shared; /* the latter as found in its last run */
} known;
static known *kernels;
static size_t kernel_count, kernel_room;

static known *find_kernel(const void *function) {
  static size_t last;
  if (last < kernel_count && kernels[last].function == function) return &kernels[last];
  for (last = 0; last < kernel_count; last++) {
    if (kernels[last].function == function) return &kernels[last];
  }
  if (kernel_count == kernel_room) {
    size_t room = kernel_room ? 2 * kernel_room : 64;
    known *more = realloc(kernels, room * sizeof *more);
    if (!more) return NULL;
    kernels = more;
    kernel_room = room;
  }
  known *k = &kernels[kernel_count++];
  *k = (known){function, STATIC_SHARED, 0};
  return k;
}

static cudaError_t set_attribute(const void *function, enum cudaFuncAttribute attribute,
                                 int value) {
  known *k = function ? find_kernel(function) : NULL;
  if (!k) return cudaErrorInvalidDeviceFunction;
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) {
    return value >= -1 && value <= 100 ? cudaSuccess : cudaErrorInvalidValue;
  }
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaErrorInvalidValue;
  if (value < 0 || (size_t)value + k->static_shared > MAX_SHARED) return cudaErrorInvalidValue;
  k->dynamic_limit = (size_t)value;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute attribute,
                                 int value) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : set_attribute(function, attribute, value));
}

static cudaError_t get_attributes(struct cudaFuncAttributes *attributes, const void *function) {
  known *k = function ? find_kernel(function) : NULL;
  if (!k) return cudaErrorInvalidDeviceFunction;
  *attributes = (struct cudaFuncAttributes){.sharedSizeBytes = k->static_shared,
                                            .maxThreadsPerBlock = MAX_THREADS,
                                            .numRegs = 32,
                                            .ptxVersion = ig_emu_settings.capability,
                                            .binaryVersion = ig_emu_settings.capability,
                                            .maxDynamicSharedSizeBytes = (int)k->dynamic_limit};
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *function) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : get_attributes(attributes, function));
}

/* As on compute capability 9.0: 64 warps and 32 blocks a multiprocessor, 228 KiB of shared
 * memory of which every block costs one more. */
static cudaError_t occupancy(int *blocks, const void *function, int block_size, size_t shared) {
  known *k = function ? find_kernel(function) : NULL;
  if (!k) return cudaErrorInvalidDeviceFunction;
  if (block_size < 1) return cudaErrorInvalidValue;
  int warps = (block_size + WARP - 1) / WARP, by_warps = 64 / warps;
  size_t bytes = shared + k->static_shared + 1024;
  int by_shared = (int)((228u << 10) / bytes);
  int fit = by_warps < by_shared ? by_warps : by_shared;
  if (block_size > MAX_THREADS || shared > k->dynamic_limit) fit = 0;
  *blocks = fit < 32 ? fit : 32;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function,
                                                          int block_size, size_t shared_bytes) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : occupancy(blocks, function, block_size, shared_bytes));
}

/* --- faults ----------------------------------------------------------------------------------- */

#ifdef IG_EMU_ASAN
/* Called by the sanitizer's runtime before it prints. */
void __asan_on_error(void);
void __asan_on_error(void) {
  if (ig_emu_in_kernel()) ig_emu_fail(cudaErrorIllegalAddress, "%s", ig_emu_where());
}
static void catch_faults(void) {}
#else
static struct sigaction old_segv, old_bus;

static void fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  if (!ig_emu_in_kernel()) { /* not ours: back to whoever had it, and the instruction again */
    bool whole;
    if (ig_emu_memory_of(info->si_addr, 1, &whole) == DEVICE_MEMORY) {
      fprintf(stderr, "cuda emulator: the host touched device memory at %p\n", info->si_addr);
    }
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    return;
  }
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGSEGV);
  sigaddset(&both, SIGBUS);
  pthread_sigmask(SIG_UNBLOCK, &both, NULL);
  const char *what = ig_emu_is_stack_end(info->si_addr) ? "ran out of its stack" : "touched memory";
  ig_emu_fail(cudaErrorIllegalAddress, "%s: %s at %p (signal %d)", ig_emu_where(), what,
              info->si_addr, signal);
  ig_emu_abandon_block();
}

/* Stack overflows are handled too, hence the stack of its own, one for each thread that
 * launches. Looks each time, since test frameworks set handlers of theirs before a test. */
static void catch_faults(void) {
  static _Thread_local bool has_stack;
  if (!has_stack) {
    static _Thread_local unsigned char stack[32 << 10];
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&s, NULL);
    has_stack = true;
  }
  struct sigaction now;
  if (sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_sigaction == fault) return;
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  action.sa_sigaction = fault;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
}
#endif

/* --- grids ------------------------------------------------------------------------------------ */

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static bool run_block(const launch *l, uint64_t number) {
  blockIdx.x = (unsigned)(number % l->grid.x);
  blockIdx.y = (unsigned)(number / l->grid.x % l->grid.y);
  blockIdx.z = (unsigned)(number / l->grid.x / l->grid.y);
  ig_emu_shared_begin(l->shared);
  ig_emu_block_count++;
  return ig_emu_run_block() && ig_emu_shared_end();
}

cudaError_t ig_emu_run_grid(const launch *l) {
  uint64_t blocks = (uint64_t)l->grid.x * l->grid.y * l->grid.z, number = 0, step = 1;
  gridDim = l->grid;
  blockDim = l->block;
  catch_faults();
  if (++ig_emu_launch_count == ig_emu_settings.fault) {
    return ig_emu_fail(cudaErrorIllegalAddress, "%s: the fault that was asked for", l->kernel.name);
  }
  ig_emu_prepare_blocks(&l->kernel);
  if (ig_emu_settings.seed && blocks > 1) {
    number = ((uint64_t)ig_emu_random() << 16 ^ ig_emu_random()) % blocks;
    step = 1 + ((uint64_t)ig_emu_random() << 16 ^ ig_emu_random()) % (blocks - 1);
    while (common_divisor(step, blocks) != 1) step--;
  }
  for (uint64_t i = 0; i < blocks; i++) {
    if (!run_block(l, number)) return cudaPeekAtLastError();
    number += step;
    if (number >= blocks) number -= blocks;
  }
  known *k = find_kernel(l->kernel.function);
  if (k) k->static_shared = ig_emu_static_shared();
  return ig_emu_check_guards(l->kernel.name);
}

static cudaError_t check_launch(const known *k, struct dim3 grid, struct dim3 block,
                                size_t shared) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535) {
    return cudaErrorInvalidConfiguration;
  }
  if (block.x == 0 || block.y == 0 || block.z == 0 || block.x > 1024 || block.y > 1024 ||
      block.z > 64 || (uint64_t)block.x * block.y * block.z > MAX_THREADS) {
    return cudaErrorInvalidConfiguration;
  }
  return shared > k->dynamic_limit ? cudaErrorInvalidValue : cudaSuccess;
}

static cudaError_t launch_kernel(const ig_emu_kernel *kernel, struct dim3 grid, struct dim3 block,
                                 size_t shared, cudaStream_t stream) {
  if (ig_emu_in_kernel()) return cudaErrorNotSupported;
  known *k = find_kernel(kernel->function);
  if (!k) return cudaErrorUnknown;
  cudaError_t error = check_launch(k, grid, block, shared);
  if (error) return error;
  op *o = ig_emu_new_op(OP_KERNEL, kernel->bytes);
  if (!o) return cudaErrorUnknown;
  if (kernel->bytes) memcpy(o->payload, kernel->arguments, kernel->bytes);
  o->launch = (launch){*kernel, grid, block, shared};
  o->launch.kernel.arguments = o->payload;
  return ig_emu_submit(o, stream);
}

cudaError_t ig_emu_launch(const ig_emu_kernel *kernel, struct dim3 grid, struct dim3 block,
                          size_t shared, cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : launch_kernel(kernel, grid, block, shared, stream));
}
