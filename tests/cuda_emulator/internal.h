/* What the emulator's parts tell each other. One mutex is held in every call of the runtime and
 * while kernels run, so that all state is plain; kernels run on the thread that made the call. */
#ifndef IG_EMULATOR_INTERNAL_H
#define IG_EMULATOR_INTERNAL_H

#include <stdbool.h>

#include "emulator/emulator.h"

#if defined(__has_feature) /* clang says it so, gcc by macros */
#if __has_feature(address_sanitizer)
#define IG_EMU_ASAN 1
#elif __has_feature(thread_sanitizer)
#define IG_EMU_TSAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define IG_EMU_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define IG_EMU_TSAN 1
#endif
#ifdef IG_EMU_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

enum {
  WARP = 32,
  MAX_THREADS = 1024,
  STATIC_SHARED = 48 << 10,
  MAX_SHARED = 227 << 10,
  SHARED_GUARD = 64,
  MAX_OBJECTS = 64,
  SHARED_ARENA = MAX_SHARED + (MAX_OBJECTS + 1) * (SHARED_GUARD + 16),
  DEVICE_GUARD = 256,
  POISON = 0xFF, /* reads as NaN, -1, or a wild pointer */
};

/* --- device.c: settings, errors --------------------------------------------------------------- */

typedef struct settings {
  uint64_t seed;
  size_t memory;
  int devices, driver, capability;
  bool protect;
  uint64_t fault; /* the launch that fails, counted from 1; 0 for none */
} settings;
extern settings ig_emu_settings;

/* Takes the mutex; the error that this call must give at once, such as that of a failed launch. */
cudaError_t ig_emu_enter(void);
/* Gives the mutex back; `error` is the thread's last error. */
cudaError_t ig_emu_leave(cudaError_t error);
/* Ends the context, as a fault on a device does: every later call gives `error`. */
cudaError_t ig_emu_fail(cudaError_t error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Random: the same for a seed and a number of calls. below(n) gives 0 to n-1. */
uint32_t ig_emu_random(void);
static inline uint32_t ig_emu_below(uint32_t n) {
  return (uint32_t)(((uint64_t)ig_emu_random() * n) >> 32);
}

/* --- fiber.c ---------------------------------------------------------------------------------- */

typedef struct fiber fiber;
/* The fiber of the thread that runs a grid. */
extern fiber *const ig_emu_main_fiber;
/* A fiber that starts at the function given once to ig_emu_fibers_start, or one that was put
 * back. */
fiber *ig_emu_take_fiber(void);
void ig_emu_put_fiber(fiber *f);
fiber *ig_emu_current_fiber(void);
void ig_emu_switch_to(fiber *to);
void ig_emu_fibers_start(void (*entry)(void));
/* Forgets what all fibers were doing; they start anew. Called from the main fiber. */
void ig_emu_reset_fibers(void);
uint64_t ig_emu_switch_count(void);
/* Whether an address lies in the unmapped page below some fiber's stack. */
bool ig_emu_is_stack_end(const void *address);

/* --- block.c: one block's threads ------------------------------------------------------------- */

/* Clocks order the lanes of a warp: an access at clock c comes before another lane's at d if d > c,
 * since every __syncwarp sets its lanes' clocks to one more than the largest among them. */
typedef struct thread {
  uint3 index;
  unsigned number, lane, warp;
  fiber *fiber;
  ig_emu_place place; /* of the wait; what is NULL when it does not wait */
  unsigned mask;      /* of a wait in a warp; 0 in a barrier */
  void *mine;
  ig_emu_leader leader;
  unsigned clock;
} thread;
extern thread *ig_emu_self; /* the thread that runs; NULL outside of threads */
void ig_emu_prepare_blocks(const ig_emu_kernel *kernel);
/* Runs one block of blockDim threads; false when it failed, with ig_emu_fail called. */
bool ig_emu_run_block(void);
bool ig_emu_in_kernel(void);
/* Ends the block in the middle of a thread, from that thread's stack. */
void ig_emu_abandon_block(void) __attribute__((noreturn));
/* "kernel NAME, block (x, y, z)" and, in a thread, ", thread (x, y, z)". */
const char *ig_emu_where(void);

/* --- shared.c --------------------------------------------------------------------------------- */

void ig_emu_shared_begin(size_t dynamic);
/* Checks the guards; false when one was written to. */
bool ig_emu_shared_end(void);
size_t ig_emu_static_shared(void);
extern unsigned char ig_emu_shared_arena[SHARED_ARENA];
/* The object that holds the arena's byte at `offset`, and where in it that is; NULL in a guard. */
const char *ig_emu_shared_name(size_t offset, size_t *within);

/* --- race.c: accesses to shared memory that nothing orders ------------------------------------ */

/* A barrier of the whole block was passed, or a block begins. */
#ifdef IG_EMU_RACES
void ig_emu_next_epoch(void);
#else
static inline void ig_emu_next_epoch(void) {}
#endif

/* --- launch.c --------------------------------------------------------------------------------- */

typedef struct launch {
  ig_emu_kernel kernel;
  struct dim3 grid, block;
  size_t shared;
} launch;
cudaError_t ig_emu_run_grid(const launch *l);
extern uint64_t ig_emu_launch_count, ig_emu_block_count;

/* --- memory.c --------------------------------------------------------------------------------- */

enum memory_kind { UNKNOWN_MEMORY, DEVICE_MEMORY, PINNED_MEMORY };
/* What holds [at, at + bytes): UNKNOWN when it lies in no allocation; *whole is false when it
 * lies in one only in part. */
enum memory_kind ig_emu_memory_of(const void *at, size_t bytes, bool *whole);
cudaError_t ig_emu_free(void *pointer, enum memory_kind kind);
/* Checks the guards of allocations, of a few at a time when there are many; fails naming `what`. */
cudaError_t ig_emu_check_guards(const char *what);
/* Lets the host's addresses reach device memory, and, where it is protected, no longer. */
void ig_emu_open_device(void);
void ig_emu_close_device(void);
void ig_emu_memory_counts(size_t *bytes, size_t *allocations);

/* --- queue.c: work in streams ----------------------------------------------------------------- */

enum op_kind { OP_KERNEL, OP_COPY, OP_FILL, OP_HOST, OP_FREE, OP_RECORD, OP_WAIT, OP_GRAPH };
typedef struct op op;
struct op {
  enum op_kind kind;
  int references;
  op *next; /* in a stream's queue */
  launch launch;
  struct {
    char *to;
    const char *from;
    size_t to_pitch, from_pitch, width, height;
  } copy;
  int value; /* of a fill */
  cudaHostFn_t host;
  void *data;
  cudaEvent_t event;
  uint64_t ticket;
  cudaGraphExec_t graph;
  max_align_t payload[];
};
op *ig_emu_new_op(enum op_kind kind, size_t payload);
void ig_emu_release_op(op *o);
cudaError_t ig_emu_run_op(op *o);
/* Queues, captures, or does the work at once; takes over the caller's reference. */
cudaError_t ig_emu_submit(op *o, cudaStream_t stream);
/* Does all queued work of a stream, of all blocking streams, or of all. */
cudaError_t ig_emu_drain(cudaStream_t stream);
cudaError_t ig_emu_drain_blocking(void);
cudaError_t ig_emu_drain_all(void);
/* Does work until the event has been reached. */
cudaError_t ig_emu_drain_until(cudaEvent_t event, uint64_t ticket);
/* Does one piece of queued work, if any can be done. */
void ig_emu_run_one(void);

typedef struct node_set {
  int *node, count, room;
} node_set;
struct CUstream_st {
  bool blocking;
  op *head, *tail;
  cudaGraph_t capture; /* being recorded, or NULL */
  node_set frontier;   /* the nodes that the next one follows */
  struct CUstream_st *next;
};
extern cudaStream_t ig_emu_streams;
bool ig_emu_is_stream(cudaStream_t stream);
bool ig_emu_is_legacy(cudaStream_t stream);
bool ig_emu_is_capturing(cudaStream_t stream);

struct CUevent_st {
  unsigned magic, flags;
  int references; /* of the handle and of queued work */
  bool destroyed;
  uint64_t recorded, done; /* tickets of the last record that was called, and was reached */
  double time;
  uint64_t capture; /* id of the capture in which it was last recorded, or 0 */
  node_set frontier;
};
void ig_emu_release_event(cudaEvent_t event);
void ig_emu_reach_event(cudaEvent_t event, uint64_t ticket);

/* --- graph.c ---------------------------------------------------------------------------------- */

/* Adds work to the graph that the stream records. */
cudaError_t ig_emu_capture_op(cudaStream_t stream, op *o);
cudaError_t ig_emu_capture_record(cudaStream_t stream, cudaEvent_t event);
/* Makes the stream wait for an event that was recorded in a capture, or in a stream that
 * captures. */
cudaError_t ig_emu_capture_wait(cudaStream_t stream, cudaEvent_t event);
/* The error of a call that no capture may see (an allocation, a wait of the host), which ends those
 * that are under way; cudaSuccess when none is. `always`: also those in relaxed mode. */
cudaError_t ig_emu_forbid_in_capture(bool always);
cudaError_t ig_emu_run_graph(cudaGraphExec_t graph);
void ig_emu_release_exec(cudaGraphExec_t graph);

#endif
