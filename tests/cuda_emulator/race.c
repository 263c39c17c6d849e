/* Races in shared memory. The compiler's instrumentation for ThreadSanitizer calls a function
 * before each access to memory; here are those functions, in place of that sanitizer's runtime.
 * For each byte of shared memory the last write and the reads since are kept; an access races
 * with one by another thread that no barrier of the block, and no __syncwarp of both, separates,
 * whatever the values and the order in this run. Shuffles and votes order nothing, as CUDA's
 * documentation has it. */
#include <dlfcn.h>
#include <stdio.h>

#include "internal.h"

/* Who read, when several threads did: all lanes of one warp, or more. */
enum { LANES_OF = 1 << 16, ANYONE = 1 << 17 };
typedef struct access {
  uint32_t epoch, who, clock, code; /* code: where in the program, from its start */
} access;
typedef struct history {
  access write, read;
} history;
/* Of words, and of the bytes of those that were split by a narrower access in `split`, an epoch. */
enum { WORD = 4 };
static history words[SHARED_ARENA / WORD], bytes[SHARED_ARENA];
static uint32_t split[SHARED_ARENA / WORD];
static uint32_t epoch = 1;

void ig_emu_next_epoch(void) {
  epoch++;
}

static uint32_t code_offset(const void *code) {
  static const char *start;
  Dl_info info;
  if (!start && dladdr(code, &info)) start = info.dli_fbase;
  return (uint32_t)((const char *)code - start);
}

/* Whether `a` comes before what thread `who` does at `clock`, in the same epoch. */
static bool is_ordered(const access *a, uint32_t who, uint32_t clock) {
  if (a->epoch != epoch || a->who == who) return true;
  if (a->who == ANYONE) return false;
  uint32_t warp = (a->who & (LANES_OF - 1)) / WARP;
  return warp == who / WARP && clock > a->clock;
}

static void report_race(size_t at, const access *earlier, const char *did, const char *does,
                        uint32_t code) {
  size_t within;
  const char *name = ig_emu_shared_name(at, &within);
  char who[64];
  if (earlier->who == ANYONE)
    snprintf(who, sizeof who, "threads of several warps");
  else if (earlier->who & LANES_OF) {
    snprintf(who, sizeof who, "several lanes of warp %u", (earlier->who - LANES_OF) / WARP);
  } else
    snprintf(who, sizeof who, "thread %u", earlier->who);
  ig_emu_fail(cudaErrorLaunchFailure,
              "%s: %s byte %zu of shared memory \"%s\", which %s %s since the last barrier "
              "(addr2line -Cfie PROGRAM %#x %#x)",
              ig_emu_where(), does, within, name ? name : "guard", who, did, code, earlier->code);
  ig_emu_abandon_block();
}

static void add_read(access *read, access now) {
  uint32_t mine = now.who / WARP;
  if (is_ordered(read, now.who, now.clock))
    *read = now; /* whoever follows this follows that */
  else if (read->who != ANYONE && (read->who & (LANES_OF - 1)) / WARP == mine) {
    read->who = LANES_OF + now.who;
    read->clock = now.clock > read->clock ? now.clock : read->clock;
  } else
    read->who = ANYONE;
}

static void check_one(history *h, size_t at, bool writes, access now) {
  if (!is_ordered(&h->write, now.who, now.clock)) {
    report_race(at, &h->write, "wrote", writes ? "writes" : "reads", now.code);
  }
  if (!writes) {
    add_read(&h->read, now);
    return;
  }
  if (!is_ordered(&h->read, now.who, now.clock))
    report_race(at, &h->read, "read", "writes", now.code);
  h->write = now;
}

static void check_bytes(size_t at, size_t end, bool writes, access now) {
  size_t word = at / WORD;
  if (split[word] != epoch) {
    split[word] = epoch;
    for (size_t i = 0; i < WORD; i++) bytes[word * WORD + i] = words[word];
  }
  for (; at < end; at++) check_one(&bytes[at], at, writes, now);
}

/* Out of line: most accesses are to other memory. */
static __attribute__((noinline)) void check(size_t at, size_t size, bool writes, const void *code) {
  if (!ig_emu_self) return;
  access now = {epoch, ig_emu_self->number, ig_emu_self->clock, code_offset(code) - 1};
  size_t end = at + size < SHARED_ARENA ? at + size : SHARED_ARENA;
  while (at < end) {
    size_t next = at / WORD * WORD + WORD, word = at / WORD;
    if (at % WORD == 0 && next <= end && split[word] != epoch) {
      check_one(&words[word], at, writes, now);
    } else {
      check_bytes(at, next < end ? next : end, writes, now);
    }
    at = next;
  }
}

static inline void saw(const void *at, size_t size, bool writes, const void *code) {
  size_t offset = (size_t)((const unsigned char *)at - ig_emu_shared_arena);
  if (__builtin_expect(offset < SHARED_ARENA, 0)) check(offset, size, writes, code);
}

/* --- the compiler's calls --------------------------------------------------------------------- */

#define ACCESS(name, size, writes)                                                                 \
  void __tsan_##name(void *at);                                                                    \
  void __tsan_##name(void *at) {                                                                   \
    saw(at, size, writes, __builtin_return_address(0));                                            \
  }
#define ACCESSES(prefix, size)                                                                     \
  ACCESS(prefix##read##size, size, false)                                                          \
  ACCESS(prefix##write##size, size, true)
#define RANGE(name, writes)                                                                        \
  void __tsan_##name(void *at, size_t size);                                                       \
  void __tsan_##name(void *at, size_t size) {                                                      \
    saw(at, size, writes, __builtin_return_address(0));                                            \
  }
#define NOTHING(name)                                                                              \
  void __tsan_##name(void *at);                                                                    \
  void __tsan_##name(void *at) {                                                                   \
    (void)at;                                                                                      \
  }
ACCESSES(, 1)
ACCESSES(, 2)
ACCESSES(, 4)
ACCESSES(, 8)
ACCESSES(, 16)
ACCESSES(unaligned_, 2)
ACCESSES(unaligned_, 4)
ACCESSES(unaligned_, 8)
ACCESSES(unaligned_, 16)
ACCESSES(volatile_, 1)
ACCESSES(volatile_, 2)
ACCESSES(volatile_, 4)
ACCESSES(volatile_, 8)
ACCESSES(volatile_, 16)
RANGE(read_range, false)
RANGE(write_range, true)
NOTHING(func_entry)
NOTHING(func_exit)
NOTHING(vptr_read)
void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_vptr_update(void **at, void *value);
void __tsan_vptr_update(void **at, void *value) {
  (void)at, (void)value;
}
