/* Name registration for graphs. Values and nodes share the table but not the name space: a node's
 * entry has no value, and is kept under its name with a leading '\1'. */
#include "engine/graph/names.h"

#include <string.h>

#include "engine/base/rng.h"

typedef struct entry {
  const char *name;
  ig_value *value;
  int64_t next_suffix; /* where the search for a free suffix goes on */
} entry;

struct ig_names {
  entry *table;
  int64_t size, used; /* size is a power of two */
  int64_t made_up;
};

ig_names *ig_names_create(void) {
  ig_names *names = ig_alloc_zero(1, sizeof *names);
  if (!names) return NULL;
  names->size = 64;
  names->table = ig_alloc_zero((size_t)names->size, sizeof(entry));
  if (!names->table) {
    ig_free(names);
    return NULL;
  }
  return names;
}

void ig_names_destroy(ig_names *names) {
  if (!names) return;
  ig_free(names->table);
  ig_free(names);
}

static entry *slot_of(entry *table, int64_t size, const char *name) {
  uint64_t i = ig_hash_name(name);
  for (;; i++) {
    entry *e = &table[i & (uint64_t)(size - 1)];
    if (!e->name || strcmp(e->name, name) == 0) return e;
  }
}

static bool make_room(ig_names *names) {
  if (names->used * 2 < names->size) return true;
  int64_t size = names->size * 2;
  entry *table = ig_alloc_zero((size_t)size, sizeof(entry));
  if (!table) return false;
  for (int64_t i = 0; i < names->size; i++) {
    if (names->table[i].name) *slot_of(table, size, names->table[i].name) = names->table[i];
  }
  ig_free(names->table);
  names->table = table;
  names->size = size;
  return true;
}

const char *ig_names_claim(ig_names *names, ig_arena *arena, const char *wanted, const char *stem,
                           ig_value *value) {
  if (!make_room(names)) return NULL;
  const char *mark = value ? "" : "\1";
  char *name = wanted ? ig_arena_format(arena, "%s%s", mark, wanted)
                      : ig_arena_format(arena, "%s%s_%lld", mark, stem, (long long)names->made_up++);
  if (!name) return NULL;
  entry *e = slot_of(names->table, names->size, name);
  while (e->name) {
    name = ig_arena_format(arena, "%s%s_%lld", mark, wanted ? wanted : stem,
                           (long long)++e->next_suffix);
    if (!name) return NULL;
    entry *other = slot_of(names->table, names->size, name);
    if (!other->name) e = other;
  }
  *e = (entry){.name = name, .value = value};
  names->used++;
  return value ? name : name + 1;
}

ig_value *ig_names_find(const ig_names *names, const char *name) {
  return slot_of(names->table, names->size, name)->value;
}
