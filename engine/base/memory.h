/* Heap memory: 64-byte aligned blocks for tensors, and an arena for what lives as long as its
 * owner. All return NULL when memory is short; none prints or aborts. */
#ifndef IG_BASE_MEMORY_H
#define IG_BASE_MEMORY_H

#include "engine/base/status.h"

/* Cache line and widest vector register; every tensor buffer starts on such a boundary. */
#define IG_ALIGNMENT 64

/* Uninitialised, 64-byte aligned; size 0 gives a valid pointer. Release with ig_free. */
void *ig_alloc(size_t size);
/* As ig_alloc, zeroed, count * size checked for overflow. */
void *ig_alloc_zero(size_t count, size_t size);
/* Grows an array to hold `count` elements of `size` bytes, keeping its content and at least
 * doubling *capacity; false when memory is short, with the array unchanged. Plain malloc
 * alignment; release with ig_free. */
bool ig_grow(void **array, int64_t *capacity, int64_t count, size_t size);
void ig_free(void *block);
/* Whether `size` bytes could be had now. For the entrances of libraries that crash when their own
 * allocations fail; other threads may still take the memory in between. */
bool ig_memory_headroom(size_t size);
char *ig_strdup(const char *text);
/* printf into a fresh string; NULL when memory is short. */
char *ig_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bump allocator: blocks are released together. Not for use by two threads at once. */
typedef struct ig_arena ig_arena;
ig_arena *ig_arena_create(void);
void ig_arena_destroy(ig_arena *arena); /* NULL is allowed */
/* Zeroed, aligned to IG_ALIGNMENT when size is at least that, otherwise to 16. */
void *ig_arena_alloc(ig_arena *arena, size_t size);
void *ig_arena_copy(ig_arena *arena, const void *data, size_t size);
char *ig_arena_strdup(ig_arena *arena, const char *text);
char *ig_arena_format(ig_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Bytes handed out so far. */
size_t ig_arena_bytes(const ig_arena *arena);

#endif
