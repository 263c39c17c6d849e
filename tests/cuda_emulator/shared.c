/* Shared memory: one arena, filled with 0xFF at the start of a block, in which each declaration
 * gets its object when the first thread comes to it. Between objects lie guards of 0xFF: what
 * reads beyond an object reads NaN, what writes there is told of when the block ends, or by
 * AddressSanitizer. */
#include <string.h>

#include "internal.h"

static unsigned char *const arena = ig_emu_shared_arena;
_Alignas(128) unsigned char ig_emu_shared_arena[SHARED_ARENA];
static struct {
  const char *name;
  size_t from, to;
} objects[MAX_OBJECTS];
static int object_count;
static size_t used, static_bytes, total_bytes;
static void *dynamic_object;
uint64_t ig_emu_generation = 1;

/* After each object its guard; the first one lies before the first object. */
static void *add_object(size_t bytes, const char *name) {
  size_t from = (used + 15) & ~(size_t)15;
  ASAN_UNPOISON_MEMORY_REGION(arena + from, bytes);
  memset(arena + from, POISON, bytes);
  objects[object_count].name = name;
  objects[object_count].from = from;
  objects[object_count].to = from + bytes;
  object_count++;
  used = from + bytes + SHARED_GUARD;
#ifndef IG_EMU_ASAN
  memset(arena + from + bytes, POISON, SHARED_GUARD);
#endif
  return arena + from;
}

const char *ig_emu_shared_name(size_t offset, size_t *within) {
  for (int i = 0; i < object_count; i++) {
    *within = offset - objects[i].from;
    if (offset >= objects[i].from && offset < objects[i].to) return objects[i].name;
  }
  return NULL;
}

void ig_emu_shared_begin(size_t dynamic) {
  ig_emu_generation++;
  ig_emu_next_epoch();
  object_count = 0;
  used = SHARED_GUARD;
  static_bytes = 0;
  total_bytes = dynamic;
#ifdef IG_EMU_ASAN
  ASAN_POISON_MEMORY_REGION(arena, SHARED_ARENA);
#else
  memset(arena, POISON, SHARED_GUARD);
#endif
  dynamic_object = dynamic ? add_object(dynamic, "dynamic shared memory") : NULL;
}

void *ig_emu_new_shared(ig_emu_site *site, size_t bytes, size_t align, const char *name) {
  ig_emu_place place = {"IG_SHARED", name, 0};
  if (object_count == MAX_OBJECTS) ig_emu_stop("more than 64 shared objects in a block", place);
  if (align > 16) ig_emu_stop("a shared object with an alignment above 16", place);
  if (static_bytes + bytes > STATIC_SHARED) {
    ig_emu_stop("more than 48 KiB of shared memory of fixed size", place);
  }
  if (total_bytes + bytes > MAX_SHARED) ig_emu_stop("more than 227 KiB of shared memory", place);
  static_bytes += bytes;
  total_bytes += bytes;
  site->object = add_object(bytes, name);
  site->generation = ig_emu_generation;
  return site->object;
}

void *ig_emu_dynamic_shared(void) {
  if (dynamic_object) return dynamic_object;
  /* Launched without any: whatever is read or written there is beyond the end. */
  static ig_emu_site nothing;
  if (nothing.generation == ig_emu_generation) return nothing.object;
  return ig_emu_new_shared(&nothing, 0, 16, "dynamic shared memory of no bytes");
}

size_t ig_emu_static_shared(void) {
  return static_bytes;
}

static bool guard_is_whole(size_t from) {
  for (size_t i = 0; i < SHARED_GUARD; i++) {
    if (arena[from + i] != POISON) return false;
  }
  return true;
}

bool ig_emu_shared_end(void) {
#ifdef IG_EMU_ASAN
  return true;
#endif
  if (object_count && !guard_is_whole(0)) {
    ig_emu_fail(cudaErrorIllegalAddress, "%s: wrote before its shared memory \"%s\"",
                ig_emu_where(), objects[0].name);
    return false;
  }
  for (int i = 0; i < object_count; i++) {
    if (guard_is_whole(objects[i].to)) continue;
    ig_emu_fail(cudaErrorIllegalAddress, "%s: wrote beyond its shared memory \"%s\" of %zu bytes",
                ig_emu_where(), objects[i].name, objects[i].to - objects[i].from);
    return false;
  }
  return true;
}
