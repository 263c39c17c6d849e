/* Heap blocks and the arena of memory.h. An arena is a list of chunks that grow with use; a request
 * larger than a chunk gets one of its own. */
#include "engine/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/checked.h"

#define FIRST_CHUNK_BYTES ((size_t)16 << 10)
#define LAST_CHUNK_BYTES ((size_t)1 << 20)
#define SMALL_PAGE ((size_t)4 << 10)
#define LARGE_PAGE ((size_t)2 << 20)
#define LARGE_BLOCK ((size_t)4 << 20)

/* Large blocks ask for large pages: a table of pages of 4 KiB costs a third of the speed at which
 * memory beyond the caches is read (measured: 27 against 43 GB/s). Their size need be no multiple of
 * the alignment, which aligned_alloc would ask for. */
static void *alloc_large(size_t size) {
  void *block;
  if (posix_memalign(&block, LARGE_PAGE, size) != 0) return NULL;
#ifdef MADV_HUGEPAGE
  madvise(block, size & ~(SMALL_PAGE - 1), MADV_HUGEPAGE); /* a wish: failing changes nothing */
#endif
  return block;
}

void *ig_alloc(size_t size) {
  size_t rounded;
  if (!ig_align_size(size ? size : 1, IG_ALIGNMENT, &rounded)) return NULL;
  return size >= LARGE_BLOCK ? alloc_large(rounded) : aligned_alloc(IG_ALIGNMENT, rounded);
}

void *ig_alloc_zero(size_t count, size_t size) {
  size_t bytes;
  if (!ig_mul_size(count, size, &bytes)) return NULL;
  void *block = ig_alloc(bytes);
  if (block) memset(block, 0, bytes ? bytes : 1);
  return block;
}

bool ig_grow(void **array, int64_t *capacity, int64_t count, size_t size) {
  if (count <= *capacity) return true;
  int64_t wanted = *capacity < 8 ? 8 : *capacity;
  while (wanted < count) {
    if (!ig_mul_dim(wanted, 2, &wanted)) return false;
  }
  size_t bytes;
  if (!ig_mul_size((size_t)wanted, size, &bytes)) return false;
  void *block = realloc(*array, bytes);
  if (!block) return false;
  *array = block;
  *capacity = wanted;
  return true;
}

void ig_free(void *block) { free(block); }

bool ig_memory_headroom(size_t size) {
  void *volatile block = malloc(size); /* volatile, or the pair is optimised away */
  if (!block) return false;
  free(block);
  return true;
}

char *ig_strdup(const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = malloc(bytes);
  if (copy) memcpy(copy, text, bytes);
  return copy;
}

char *ig_format(const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0) return NULL;
  char *text = malloc((size_t)length + 1);
  if (!text) return NULL;
  va_start(args, format);
  vsnprintf(text, (size_t)length + 1, format, args);
  va_end(args);
  return text;
}

typedef struct chunk {
  struct chunk *next;
  size_t used, size;
  /* the bytes follow, at the next multiple of IG_ALIGNMENT */
} chunk;

struct ig_arena {
  chunk *chunks; /* newest first */
  size_t next_size;
  size_t bytes;
};

#define CHUNK_HEADER ((sizeof(chunk) + IG_ALIGNMENT - 1) & ~(size_t)(IG_ALIGNMENT - 1))

ig_arena *ig_arena_create(void) {
  ig_arena *arena = ig_alloc_zero(1, sizeof *arena);
  if (arena) arena->next_size = FIRST_CHUNK_BYTES;
  return arena;
}

void ig_arena_destroy(ig_arena *arena) {
  if (!arena) return;
  for (chunk *c = arena->chunks; c;) {
    chunk *next = c->next;
    ig_free(c);
    c = next;
  }
  ig_free(arena);
}

static chunk *chunk_create(size_t size) {
  size_t bytes;
  if (!ig_add_size(size, CHUNK_HEADER, &bytes)) return NULL;
  chunk *c = ig_alloc(bytes);
  if (!c) return NULL;
  c->next = NULL;
  c->used = 0;
  c->size = size;
  return c;
}

void *ig_arena_alloc(ig_arena *arena, size_t size) {
  size_t alignment = size >= IG_ALIGNMENT ? IG_ALIGNMENT : 16;
  chunk *c = arena->chunks;
  size_t start = 0, end = 0;
  bool fits = c && ig_align_size(c->used, alignment, &start) && ig_add_size(start, size, &end) &&
              end <= c->size;
  if (!fits) {
    c = chunk_create(IG_MAX(size, arena->next_size));
    if (!c) return NULL;
    if (size > arena->next_size && arena->chunks) { /* keep the half-empty chunk in front */
      c->next = arena->chunks->next;
      arena->chunks->next = c;
    } else {
      c->next = arena->chunks;
      arena->chunks = c;
    }
    if (arena->next_size < LAST_CHUNK_BYTES) arena->next_size *= 2;
    start = 0;
    end = size;
  }
  c->used = end;
  arena->bytes += size;
  void *block = (char *)c + CHUNK_HEADER + start;
  memset(block, 0, size);
  return block;
}

void *ig_arena_copy(ig_arena *arena, const void *data, size_t size) {
  void *copy = ig_arena_alloc(arena, size);
  if (copy && size) memcpy(copy, data, size);
  return copy;
}

char *ig_arena_strdup(ig_arena *arena, const char *text) {
  return ig_arena_copy(arena, text, strlen(text) + 1);
}

char *ig_arena_format(ig_arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0) return NULL;
  char *text = ig_arena_alloc(arena, (size_t)length + 1);
  if (!text) return NULL;
  va_start(args, format);
  vsnprintf(text, (size_t)length + 1, format, args);
  va_end(args);
  return text;
}

size_t ig_arena_bytes(const ig_arena *arena) { return arena->bytes; }
