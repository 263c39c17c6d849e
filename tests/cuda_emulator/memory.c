/* Device and pinned memory: host memory between guards, filled with 0xFF, counted against the
 * device's size. Guards are checked after each kernel and when memory is freed, so that a wild
 * write is told of with the kernel's name. Under AddressSanitizer an allocation is malloc's,
 * whose own guards trap. On demand device memory is closed to the host, and open only while
 * queued work is done. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

typedef struct allocation {
  unsigned char *data;
  void *raw;
  size_t bytes, mapped; /* mapped: of memory that can be closed, by pages */
  enum memory_kind kind;
} allocation;
static allocation *held;
static bool is_open = true; /* whether the host may touch device memory */
static size_t held_count, held_room, device_bytes, device_high;

struct CUmemPoolHandle_st {
  uint64_t threshold;
  int flags[3];
};
static struct CUmemPoolHandle_st pool = {0, {1, 1, 1}};

void ig_emu_memory_counts(size_t *bytes, size_t *allocations) {
  *bytes = device_bytes;
  *allocations = held_count;
}

/* --- allocations ------------------------------------------------------------------------------ */

static bool make_room(void) {
  if (held_count < held_room) return true;
  size_t room = held_room ? 2 * held_room : 256;
  allocation *more = realloc(held, room * sizeof *more);
  if (!more) return false;
  held = more;
  held_room = room;
  return true;
}

#ifdef IG_EMU_ASAN
enum { GUARD = 0 };
#else
enum { GUARD = DEVICE_GUARD };
#endif

#ifdef IG_EMU_ASAN
static void set_access(const allocation *a, bool open) {
  if (open)
    ASAN_UNPOISON_MEMORY_REGION(a->data, a->bytes);
  else
    ASAN_POISON_MEMORY_REGION(a->data, a->bytes);
}
#else
static void set_access(const allocation *a, bool open) {
  if (a->mapped) mprotect(a->raw, a->mapped, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}
#endif

static void set_access_of_all(bool open) {
  for (size_t i = 0; i < held_count; i++) {
    if (held[i].kind == DEVICE_MEMORY) set_access(&held[i], open);
  }
  is_open = open;
}

void ig_emu_open_device(void) {
  if (!is_open) set_access_of_all(true);
}

void ig_emu_close_device(void) {
  if (is_open && ig_emu_settings.protect) set_access_of_all(false);
}

static void *get_memory(size_t bytes, size_t mapped) {
  void *raw = NULL;
  if (!mapped) return posix_memalign(&raw, 256, bytes) == 0 ? raw : NULL;
  raw = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return raw == MAP_FAILED ? NULL : raw;
}

static size_t pages_of(size_t bytes, enum memory_kind kind) {
#ifdef IG_EMU_ASAN
  return 0;
#endif
  return kind == DEVICE_MEMORY && ig_emu_settings.protect ? (bytes + 4095) & ~(size_t)4095 : 0;
}

static cudaError_t allocate(void **pointer, size_t bytes, enum memory_kind kind) {
  if (!pointer) return cudaErrorInvalidValue;
  *pointer = NULL;
  if (bytes == 0) return cudaSuccess;
  if (kind == DEVICE_MEMORY &&
      (bytes > ig_emu_settings.memory || device_bytes > ig_emu_settings.memory - bytes)) {
    return cudaErrorMemoryAllocation;
  }
  if (bytes > SIZE_MAX / 2 || !make_room()) return cudaErrorMemoryAllocation;
  ig_emu_open_device();
  size_t mapped = pages_of(bytes + 2 * GUARD, kind);
  void *raw = get_memory(bytes + 2 * GUARD, mapped);
  if (!raw) return cudaErrorMemoryAllocation;
  memset(raw, POISON, bytes + 2 * GUARD);
  allocation *a = &held[held_count++];
  *a = (allocation){(unsigned char *)raw + GUARD, raw, bytes, mapped, kind};
  if (kind == DEVICE_MEMORY) device_bytes += bytes;
  if (device_bytes > device_high) device_high = device_bytes;
  *pointer = a->data;
  return cudaSuccess;
}

/* Memory is often freed in the reverse order, and asked about soon after it was allocated. */
static allocation *find(const void *at) {
  for (size_t i = held_count; i-- > 0;) {
    if ((uintptr_t)at - (uintptr_t)held[i].data < held[i].bytes) return &held[i];
  }
  return NULL;
}

enum memory_kind ig_emu_memory_of(const void *at, size_t bytes, bool *whole) {
  const allocation *a = find(at);
  *whole = a && bytes <= a->bytes - ((uintptr_t)at - (uintptr_t)a->data);
  return a ? a->kind : UNKNOWN_MEMORY;
}

#ifdef IG_EMU_ASAN
static bool guards_are_whole(const allocation *a) {
  (void)a;
  return true;
}
#else
static bool guards_are_whole(const allocation *a) {
  static const uint64_t whole = ~(uint64_t)0;
  uint64_t seen = whole, words[DEVICE_GUARD / 8];
  memcpy(words, a->data - DEVICE_GUARD, sizeof words);
  for (int i = 0; i < DEVICE_GUARD / 8; i++) seen &= words[i];
  memcpy(words, a->data + a->bytes, sizeof words);
  for (int i = 0; i < DEVICE_GUARD / 8; i++) seen &= words[i];
  return seen == whole;
}
#endif

static cudaError_t check_guards(const allocation *a, const char *what) {
  if (guards_are_whole(a)) return cudaSuccess;
  /* Whole again, so that the report is of one write and not of all that come after it. */
  memset(a->data - GUARD, POISON, GUARD);
  memset(a->data + a->bytes, POISON, GUARD);
  return ig_emu_fail(cudaErrorIllegalAddress, "%s: wrote outside an allocation of %zu bytes at %p",
                     what, a->bytes, (void *)a->data);
}

cudaError_t ig_emu_check_guards(const char *what) {
  static size_t next;
  size_t count = held_count < 64 ? held_count : 64;
  cudaError_t error = cudaSuccess;
  for (size_t i = 0; i < count && !error; i++) {
    next = next + 1 < held_count ? next + 1 : 0;
    error = check_guards(&held[next], what);
  }
  return error;
}

cudaError_t ig_emu_free(void *pointer, enum memory_kind kind) {
  if (!pointer) return cudaSuccess;
  allocation *a = find(pointer);
  if (!a || a->data != pointer || a->kind != kind) return cudaErrorInvalidValue;
  ig_emu_open_device();
  cudaError_t error = check_guards(a, "what ran before its memory was freed");
  if (kind == DEVICE_MEMORY) device_bytes -= a->bytes;
#ifndef IG_EMU_ASAN
  memset(a->raw, POISON, a->bytes + 2 * GUARD); /* for whoever still reads it */
#endif
  if (a->mapped)
    munmap(a->raw, a->mapped);
  else
    free(a->raw);
  *a = held[--held_count];
  return error;
}

/* --- the runtime's calls ---------------------------------------------------------------------- */

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
  cudaError_t error = ig_emu_enter();
  if (!error) error = ig_emu_forbid_in_capture(false);
  if (!error) error = allocate(pointer, bytes, DEVICE_MEMORY);
  if (error == cudaErrorMemoryAllocation) { /* what was freed in a stream may not be back yet */
    ig_emu_drain_all();
    error = allocate(pointer, bytes, DEVICE_MEMORY);
  }
  return ig_emu_leave(error);
}

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned int flags) {
  (void)flags;
  cudaError_t error = ig_emu_enter();
  if (!error) error = ig_emu_forbid_in_capture(false);
  return ig_emu_leave(error ? error : allocate(pointer, bytes, PINNED_MEMORY));
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}

static cudaError_t free_now(void *pointer, enum memory_kind kind) {
  cudaError_t error = ig_emu_enter();
  if (!error) error = ig_emu_forbid_in_capture(false);
  if (!error) error = ig_emu_drain_all();
  return ig_emu_leave(error ? error : ig_emu_free(pointer, kind));
}

cudaError_t cudaFree(void *pointer) {
  return free_now(pointer, DEVICE_MEMORY);
}
cudaError_t cudaFreeHost(void *pointer) {
  return free_now(pointer, PINNED_MEMORY);
}

/* The caller's memory, which the host could touch anyhow: only that each is registered once is kept. */
static void *registered[64];

static int place_of_registered(const void *pointer) {
  int count = (int)(sizeof registered / sizeof *registered), i = 0;
  while (i < count && registered[i] != pointer) i++;
  return i < count ? i : -1;
}

cudaError_t cudaHostRegister(void *pointer, size_t bytes, unsigned int flags) {
  (void)flags;
  cudaError_t error = ig_emu_enter();
  if (!error) error = ig_emu_forbid_in_capture(false);
  if (!error && (!pointer || bytes == 0)) error = cudaErrorInvalidValue;
  if (!error && place_of_registered(pointer) >= 0) error = cudaErrorHostMemoryAlreadyRegistered;
  int free_place = error ? -1 : place_of_registered(NULL);
  if (!error && free_place < 0) error = cudaErrorMemoryAllocation;
  if (!error) registered[free_place] = pointer;
  return ig_emu_leave(error);
}

cudaError_t cudaHostUnregister(void *pointer) {
  cudaError_t error = ig_emu_enter();
  int i = pointer ? place_of_registered(pointer) : -1;
  if (!error && i < 0) error = cudaErrorHostMemoryNotRegistered;
  if (!error) error = ig_emu_drain_all(); /* copies that are queued still need it */
  if (!error) registered[i] = NULL;
  return ig_emu_leave(error);
}

static cudaError_t allocate_in_stream(void **pointer, size_t bytes, cudaStream_t stream) {
  if (!ig_emu_is_legacy(stream)) {
    if (!ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
    /* A device would make the memory part of the graph, which is not emulated. */
    if (stream->capture) return cudaErrorStreamCaptureUnsupported;
  }
  cudaError_t error = allocate(pointer, bytes, DEVICE_MEMORY);
  if (error != cudaErrorMemoryAllocation) return error;
  error = ig_emu_drain(stream);
  return error ? error : allocate(pointer, bytes, DEVICE_MEMORY);
}

cudaError_t cudaMallocAsync(void **pointer, size_t bytes, cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : allocate_in_stream(pointer, bytes, stream));
}

cudaError_t cudaMallocFromPoolAsync(void **pointer, size_t bytes, cudaMemPool_t from,
                                    cudaStream_t stream) {
  return from == &pool ? cudaMallocAsync(pointer, bytes, stream) : cudaErrorInvalidValue;
}

static cudaError_t free_in_stream(void *pointer, cudaStream_t stream) {
  if (!pointer) return cudaSuccess;
  const allocation *a = find(pointer);
  if (!a || a->data != pointer || a->kind != DEVICE_MEMORY) return cudaErrorInvalidValue;
  op *o = ig_emu_new_op(OP_FREE, 0);
  if (!o) return cudaErrorUnknown;
  o->data = pointer;
  return ig_emu_submit(o, stream);
}

cudaError_t cudaFreeAsync(void *pointer, cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : free_in_stream(pointer, stream));
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  cudaError_t error = ig_emu_enter();
  size_t size = ig_emu_settings.memory;
  *total = size;
  *available = size > device_bytes ? size - device_bytes : 0;
  return ig_emu_leave(error);
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes,
                                     const void *pointer) {
  cudaError_t error = ig_emu_enter();
  if (!error) {
    const allocation *a = find(pointer);
    *attributes = (struct cudaPointerAttributes){cudaMemoryTypeUnregistered, -1, NULL, NULL};
    if (a) {
      bool on_device = a->kind == DEVICE_MEMORY;
      attributes->type = on_device ? cudaMemoryTypeDevice : cudaMemoryTypeHost;
      attributes->device = 0;
      attributes->devicePointer = (void *)pointer;
      attributes->hostPointer = on_device ? NULL : (void *)pointer;
    }
  }
  return ig_emu_leave(error);
}

/* --- the pool: memory goes back to the device as soon as it is free --------------------------- */

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *to, int device) {
  cudaError_t error = ig_emu_enter();
  if (!error && (device < 0 || device >= ig_emu_settings.devices)) error = cudaErrorInvalidDevice;
  if (!error) *to = &pool;
  return ig_emu_leave(error);
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t *to, int device) {
  return cudaDeviceGetDefaultMemPool(to, device);
}

static cudaError_t set_pool(cudaMemPool_t p, enum cudaMemPoolAttr attribute, void *value) {
  if (p != &pool || !value) return cudaErrorInvalidValue;
  switch (attribute) {
  case cudaMemPoolReuseFollowEventDependencies:
  case cudaMemPoolReuseAllowOpportunistic:
  case cudaMemPoolReuseAllowInternalDependencies:
    pool.flags[attribute - cudaMemPoolReuseFollowEventDependencies] = *(int *)value;
    return cudaSuccess;
  case cudaMemPoolAttrReleaseThreshold: pool.threshold = *(uint64_t *)value; return cudaSuccess;
  case cudaMemPoolAttrReservedMemHigh:
  case cudaMemPoolAttrUsedMemHigh: /* zero resets it */
    if (*(uint64_t *)value) return cudaErrorInvalidValue;
    device_high = device_bytes;
    return cudaSuccess;
  default: return cudaErrorInvalidValue;
  }
}

static cudaError_t get_pool(cudaMemPool_t p, enum cudaMemPoolAttr attribute, void *value) {
  if (p != &pool || !value) return cudaErrorInvalidValue;
  switch (attribute) {
  case cudaMemPoolReuseFollowEventDependencies:
  case cudaMemPoolReuseAllowOpportunistic:
  case cudaMemPoolReuseAllowInternalDependencies:
    *(int *)value = pool.flags[attribute - cudaMemPoolReuseFollowEventDependencies];
    return cudaSuccess;
  case cudaMemPoolAttrReleaseThreshold: *(uint64_t *)value = pool.threshold; return cudaSuccess;
  case cudaMemPoolAttrReservedMemCurrent:
  case cudaMemPoolAttrUsedMemCurrent: *(uint64_t *)value = device_bytes; return cudaSuccess;
  default: *(uint64_t *)value = device_high; return cudaSuccess;
  }
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t p, enum cudaMemPoolAttr attribute, void *value) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : set_pool(p, attribute, value));
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t p, enum cudaMemPoolAttr attribute, void *value) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : get_pool(p, attribute, value));
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t p, size_t bytes) {
  (void)bytes;
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : p == &pool ? cudaSuccess : cudaErrorInvalidValue);
}
