/* The emulator's own interface: what tests may ask of it, and what its headers for kernels stand
 * on.
 *
 * Environment, read at the first call: IG_EMU_SEED (0: threads, blocks and queued work in order;
 * other seeds shuffle them, and queued work is put off as long as its stream allows),
 * IG_EMU_MEMORY (bytes of the device, 4 GiB), IG_EMU_DEVICES (1), IG_EMU_DRIVER (13000),
 * IG_EMU_CAPABILITY (90), IG_EMU_FAULT (N: the Nth launch faults), IG_EMU_PROTECT (1: the host may
 * not touch device memory that is allocated from then on; costs microseconds a call). */
#ifndef IG_EMULATOR_EMULATOR_H
#define IG_EMULATOR_EMULATOR_H

#include "cuda_runtime_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- for tests -------------------------------------------------------------------------------- */

/* As the environment's variables of these names, from now on. A seed takes effect after the work
 * that is queued, which is done first. */
void ig_emu_set_seed(uint64_t seed);
uint64_t ig_emu_get_seed(void);
void ig_emu_set_memory(size_t bytes);
void ig_emu_set_protect(int protect);
/* What made the last launch fail: kernel, block, and which threads wait where; "" if none did. */
const char *ig_emu_report(void);
/* Forgets a failed launch, after which every call fails as on a device, and the report. Memory and
 * streams stay. */
void ig_emu_forgive(void);

typedef struct ig_emu_counts {
  uint64_t launches, blocks, switches; /* kernels run, their blocks, changes of fiber */
  size_t device_bytes, allocations;    /* device memory now held */
} ig_emu_counts;
ig_emu_counts ig_emu_get_counts(void);

/* --- for the headers that kernels include ----------------------------------------------------- */

extern uint3 threadIdx, blockIdx;
extern struct dim3 blockDim, gridDim;

/* A kernel with its arguments. `call` runs one thread, and gives NULL, or what it threw. */
typedef struct ig_emu_kernel {
  const char *name;
  const void *function;
  const char *(*call)(const void *arguments);
  const void *arguments; /* copied by the launch */
  size_t bytes;
} ig_emu_kernel;
cudaError_t ig_emu_launch(const ig_emu_kernel *kernel, struct dim3 grid, struct dim3 block,
                          size_t shared, cudaStream_t stream);

/* Where in the source a thread waits. */
typedef struct ig_emu_place {
  const char *what, *file;
  int line;
} ig_emu_place;

enum { IG_EMU_PLAIN, IG_EMU_AND, IG_EMU_OR, IG_EMU_COUNT };
/* Waits for all threads of the block that have not ended; gives the predicates' and, or, count. */
int ig_emu_barrier(int kind, int predicate, ig_emu_place place);
/* Waits until every lane of `mask` that has not ended came here with this mask and `leader`; one
 * of them then calls leader with each such lane's `mine`, NULL for the others. Only without a
 * leader, as __syncwarp, does it order the lanes' accesses to memory. */
typedef void (*ig_emu_leader)(void *const *mine, unsigned mask);
void ig_emu_together(unsigned mask, void *mine, ig_emu_leader leader, ig_emu_place place);
unsigned ig_emu_lane(void);
/* Ends the launch with a line of the kernel's own (assert, trap). Does not return. */
void ig_emu_stop(const char *why, ig_emu_place place) __attribute__((noreturn));

/* One per declaration of shared memory in the source; the block's object belongs to a
 * generation. */
typedef struct ig_emu_site {
  uint64_t generation;
  void *object;
} ig_emu_site;
extern uint64_t ig_emu_generation;
void *ig_emu_new_shared(ig_emu_site *site, size_t bytes, size_t align, const char *name);
void *ig_emu_dynamic_shared(void);

#ifdef __cplusplus
}
#endif
#endif
