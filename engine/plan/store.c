/* The store: entries by name, each with its own block of the backend's memory. */
#include "engine/plan/store.h"

#include <stdlib.h>
#include <string.h>

#include "engine/backend/backend.h"
#include "engine/base/rng.h"
#include "kernels/rounding.h"

struct ig_store {
  ig_backend *backend;
  ig_arena *arena; /* entries and names: addresses stay valid as the store grows */
  int64_t n, capacity;
  ig_store_entry **entries;
  int64_t slots; /* hash table of 1 + index into entries; a power of two */
  int64_t *table;
};

ig_status ig_store_create(struct ig_backend *backend, ig_store **out) {
  ig_store *store = ig_alloc_zero(1, sizeof *store);
  IG_CHECK_ALLOC(store);
  store->backend = backend;
  store->arena = ig_arena_create();
  store->slots = 256;
  store->table = ig_alloc_zero((size_t)store->slots, sizeof *store->table);
  if (!store->arena || !store->table) {
    ig_store_destroy(store);
    return ig_fail(IG_ERR_MEMORY, "store: out of memory");
  }
  *out = store;
  return IG_OK;
}

ig_backend *ig_store_backend(const ig_store *store) { return store->backend; }

void ig_store_release(ig_store *store, ig_store_entry *entry) {
  if (entry->data) store->backend->vtable->free(store->backend, entry->data);
  entry->data = NULL;
}

void ig_store_destroy(ig_store *store) {
  if (!store) return;
  for (int64_t i = 0; i < store->n; i++) ig_store_release(store, store->entries[i]);
  free(store->entries);
  ig_free(store->table);
  ig_arena_destroy(store->arena);
  ig_free(store);
}

static int64_t *slot_of(const ig_store *store, int64_t *table, int64_t slots, const char *name) {
  for (uint64_t i = ig_hash_name(name);; i++) {
    int64_t *slot = &table[i & (uint64_t)(slots - 1)];
    if (*slot == 0 || strcmp(store->entries[*slot - 1]->name, name) == 0) return slot;
  }
}

static ig_status make_room(ig_store *store) {
  if ((store->n + 1) * 2 <= store->slots) return IG_OK;
  int64_t slots = store->slots * 2;
  int64_t *table = ig_alloc_zero((size_t)slots, sizeof *table);
  IG_CHECK_ALLOC(table);
  for (int64_t i = 0; i < store->n; i++) {
    *slot_of(store, table, slots, store->entries[i]->name) = i + 1;
  }
  ig_free(store->table);
  store->table = table;
  store->slots = slots;
  return IG_OK;
}

ig_store_entry *ig_store_find(const ig_store *store, const char *name) {
  int64_t index = *slot_of(store, store->table, store->slots, name);
  return index ? store->entries[index - 1] : NULL;
}

static ig_status check_same(const ig_store_entry *entry, ig_dtype dtype, const ig_shape *shape) {
  IG_CHECK(entry->dtype == dtype && ig_shape_equal(&entry->shape, shape), IG_ERR_SHAPE,
           "tensor '%s': expected %s%s, found %s%s", entry->name, ig_dtype_name(entry->dtype),
           IG_SHAPE_STR(&entry->shape), ig_dtype_name(dtype), IG_SHAPE_STR(shape));
  return IG_OK;
}

static ig_status entry_alloc(ig_backend *backend, ig_store_entry *entry, bool zeroed) {
  size_t bytes = ig_shape_bytes(&entry->shape, entry->dtype);
  ig_status status = backend->vtable->alloc(backend, bytes, &entry->data);
  if (status != IG_OK)
    return ig_fail_in(status, "tensor '%s' %s", entry->name, IG_SHAPE_STR(&entry->shape));
  if (zeroed) status = backend->vtable->zero(backend, entry->data, bytes);
  if (status != IG_OK) backend->vtable->free(backend, entry->data);
  return status;
}

/* Takes over `data`; when that is NULL, makes room. */
static ig_status entry_create(ig_store *store, const char *name, ig_tensor_role role,
                              ig_dtype dtype, const ig_shape *shape, void *data, bool zeroed,
                              ig_store_entry **out) {
  IG_TRY(ig_shape_check(shape, dtype));
  IG_TRY(make_room(store));
  ig_store_entry *entry = ig_arena_alloc(store->arena, sizeof *entry);
  IG_CHECK_ALLOC(entry);
  *entry = (ig_store_entry){.role = role, .dtype = dtype, .shape = *shape};
  entry->name = ig_arena_strdup(store->arena, name);
  IG_CHECK_ALLOC(entry->name);
  IG_CHECK(ig_grow((void **)&store->entries, &store->capacity, store->n + 1,
                   sizeof *store->entries),
           IG_ERR_MEMORY, "store: out of memory");
  entry->data = data;
  if (!data) IG_TRY(entry_alloc(store->backend, entry, zeroed));
  store->entries[store->n] = entry;
  *slot_of(store, store->table, store->slots, name) = store->n + 1;
  store->n++;
  *out = entry;
  return IG_OK;
}

static ig_status get(ig_store *store, const char *name, ig_tensor_role role, ig_dtype dtype,
                     const ig_shape *shape, bool zeroed, ig_store_entry **out) {
  ig_store_entry *entry = ig_store_find(store, name);
  if (!entry) return entry_create(store, name, role, dtype, shape, NULL, zeroed, out);
  IG_TRY(check_same(entry, dtype, shape));
  *out = entry;
  return IG_OK;
}

ig_status ig_store_get(ig_store *store, const char *name, ig_tensor_role role, ig_dtype dtype,
                       const ig_shape *shape, ig_store_entry **out) {
  return get(store, name, role, dtype, shape, true, out);
}

ig_status ig_store_get_unwritten(ig_store *store, const char *name, ig_tensor_role role, ig_dtype dtype,
                                 const ig_shape *shape, ig_store_entry **out) {
  return get(store, name, role, dtype, shape, false, out);
}

void ig_store_remove(ig_store *store, ig_tensor_role role, const char *prefix) {
  int64_t kept = 0;
  for (int64_t i = 0; i < store->n; i++) {
    ig_store_entry *entry = store->entries[i];
    if (entry->role == role && strncmp(entry->name, prefix, strlen(prefix)) == 0) {
      ig_store_release(store, entry);
    } else {
      store->entries[kept++] = entry;
    }
  }
  store->n = kept;
  memset(store->table, 0, (size_t)store->slots * sizeof *store->table);
  for (int64_t i = 0; i < kept; i++) {
    *slot_of(store, store->table, store->slots, store->entries[i]->name) = i + 1;
  }
}

int64_t ig_store_count(const ig_store *store) { return store->n; }

ig_store_entry *ig_store_entry_at(const ig_store *store, int64_t index) {
  return store->entries[index];
}

ig_status ig_store_read(const ig_store *store, const ig_store_entry *entry, void *host) {
  IG_CHECK(entry->data, IG_ERR_INTERNAL, "tensor '%s' was given up to a plan", entry->name);
  size_t bytes = ig_shape_bytes(&entry->shape, entry->dtype);
  return store->backend->vtable->download(store->backend, host, entry->data, bytes);
}

ig_status ig_store_write(ig_store *store, ig_store_entry *entry, const void *host) {
  IG_CHECK(entry->data, IG_ERR_INTERNAL, "tensor '%s' was given up to a plan", entry->name);
  size_t bytes = ig_shape_bytes(&entry->shape, entry->dtype);
  return store->backend->vtable->upload(store->backend, entry->data, host, bytes);
}

size_t ig_store_bytes(const ig_store *store) {
  size_t bytes = 0;
  for (int64_t i = 0; i < store->n; i++) {
    bytes += ig_shape_bytes(&store->entries[i]->shape, store->entries[i]->dtype);
  }
  return bytes;
}

/* --- initial values -------------------------------------------------------------------------- */

#define FILL_CHUNK 4096

static void draw_uniform(const ig_rng *rng, int64_t first, int count, float bound, float *out) {
  for (int i = 0; i < count; i++) {
    out[i] = bound * (2.0f * ig_rng_uniform(rng, (uint64_t)(first + i)) - 1.0f);
  }
}

/* Filter o of [out, in, ...] has a 1 in the middle of channel o, where there is that channel. */
static void draw_dirac(const ig_value *value, const ig_rng *rng, int64_t first, int count,
                       float *out) {
  int64_t filter = ig_value_count(value) / value->shape.dims[0], channels = value->shape.dims[1];
  int64_t place = filter / channels, middle = 0;
  for (int d = 2; d < value->shape.rank; d++) {
    middle = middle * value->shape.dims[d] + value->shape.dims[d] / 2;
  }
  draw_uniform(rng, first, count, value->init.value, out);
  for (int i = 0; i < count; i++) {
    int64_t o = (first + i) / filter;
    if (o < channels) out[i] = (first + i) % filter == o * place + middle ? 1.0f : 0.0f;
  }
}

/* Elements [first, first + count) of the parameter's initial values. */
static void draw(const ig_value *value, const ig_rng *rng, int64_t first, int count, float *out) {
  switch (value->init.kind) {
  case IG_INIT_DIRAC: draw_dirac(value, rng, first, count, out); return;
  case IG_INIT_NORMAL: ig_rng_normals(rng, (uint64_t)first, count, out); break;
  case IG_INIT_UNIFORM: draw_uniform(rng, first, count, 1.0f, out); break;
  default:
    for (int i = 0; i < count; i++) out[i] = 1.0f;
    break;
  }
  float scale = value->init.kind == IG_INIT_ONE ? 1.0f : value->init.value;
  for (int i = 0; i < count; i++) out[i] *= scale;
}

static void fill(const ig_value *value, uint64_t seed, void *host) {
  ig_rng rng = ig_rng_stream(seed, IG_RNG_INIT, 0, ig_hash_name(value->name));
  int64_t n = ig_value_count(value), size = (int64_t)ig_dtype_size(value->dtype);
#pragma omp parallel for schedule(static) if (n > 4 * FILL_CHUNK)
  for (int64_t first = 0; first < n; first += FILL_CHUNK) {
    float chunk[FILL_CHUNK];
    int count = (int)IG_MIN(n - first, FILL_CHUNK);
    draw(value, &rng, first, count, chunk);
    ig_convert(IG_F32, chunk, value->dtype, (char *)host + first * size, count);
  }
}

static ig_status initialise(ig_store *store, ig_store_entry *entry, const ig_value *value,
                            uint64_t seed) {
  if (value->init.kind == IG_INIT_ZERO) return IG_OK;
  if (value->init.kind == IG_INIT_DATA) return ig_store_write(store, entry, value->data);
  if (store->backend->vtable->host_memory) {
    fill(value, seed, entry->data);
    return IG_OK;
  }
  void *host = ig_alloc(ig_value_bytes(value));
  IG_CHECK_ALLOC(host);
  fill(value, seed, host);
  ig_status status = ig_store_write(store, entry, host);
  ig_free(host);
  return status;
}

static ig_tensor_role role_of(const ig_value *value) {
  if (value->kind == IG_VALUE_PARAM) return IG_ROLE_PARAMETER;
  if (strncmp(value->name, "optimizer.sum.", 14) == 0) return IG_ROLE_SCRATCH;
  if (strncmp(value->name, "optimizer.shard.", 16) == 0) return IG_ROLE_SHARD;
  if (strncmp(value->name, "optimizer.", 10) == 0) return IG_ROLE_OPTIMIZER;
  if (strncmp(value->name, "copy.", 5) == 0) return IG_ROLE_COPY;
  return strncmp(value->name, "ema.", 4) == 0 ? IG_ROLE_EMA : IG_ROLE_STATE;
}

static ig_status refresh_copy(ig_store *store, ig_store_entry *copy, const ig_rng_state *rng) {
  const ig_store_entry *from = ig_store_find(store, copy->name + strlen("copy."));
  IG_CHECK(from && from->dtype == IG_F32 && ig_shape_equal(&from->shape, &copy->shape),
           IG_ERR_INTERNAL, "'%s' is no copy of a parameter in the store", copy->name);
  void *wide = ig_alloc(ig_shape_bytes(&from->shape, from->dtype));
  void *narrow = ig_alloc(ig_shape_bytes(&copy->shape, copy->dtype));
  ig_status status = wide && narrow ? ig_store_read(store, from, wide)
                                    : ig_fail(IG_ERR_MEMORY, "'%s': out of memory", copy->name);
  if (status == IG_OK) {
    ig_rounding rounding = {.key = ig_hash_name(from->name)};
    if (rng) rounding = (ig_rounding){true, rng->seed, rng->step, rounding.key};
    ig_cpu_narrow(&rounding, wide, 0, ig_shape_count(&copy->shape), copy->dtype, narrow);
    status = ig_store_write(store, copy, narrow);
  }
  ig_free(wide);
  ig_free(narrow);
  return status;
}

ig_status ig_store_refresh_copies(ig_store *store, const ig_rng_state *rng) {
  for (int64_t i = 0; i < store->n; i++) {
    ig_store_entry *entry = store->entries[i];
    if (entry->role == IG_ROLE_COPY) IG_TRY(refresh_copy(store, entry, rng));
  }
  return IG_OK;
}

ig_status ig_store_add_graph(ig_store *store, const ig_graph *graph, uint64_t seed) {
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *value = graph->values[i];
    if (value->kind != IG_VALUE_PARAM && value->kind != IG_VALUE_STATE) continue;
    ig_store_entry *entry = ig_store_find(store, value->name);
    if (entry) {
      IG_TRY(check_same(entry, value->dtype, &value->shape));
      continue;
    }
    bool zeroed = value->init.kind == IG_INIT_ZERO;
    IG_TRY(entry_create(store, value->name, role_of(value), value->dtype, &value->shape, NULL, zeroed,
                        &entry));
    IG_TRY(entry->role == IG_ROLE_COPY ? refresh_copy(store, entry, NULL)
                                       : initialise(store, entry, value, seed));
  }
  return IG_OK;
}

/* --- snapshots ------------------------------------------------------------------------------- */

ig_status ig_store_to_snapshot(const ig_store *store, ig_snapshot *snapshot) {
  for (int64_t i = 0; i < store->n; i++) {
    const ig_store_entry *entry = store->entries[i];
    void *data;
    if (entry->role > IG_ROLE_EMA) continue; /* in no snapshot */
    IG_TRY(ig_snapshot_add(snapshot, entry->role, entry->name, entry->dtype, &entry->shape, &data));
    IG_TRY(ig_store_read(store, entry, data));
  }
  return IG_OK;
}

/* The tensor for an entry; NULL where there need be none. */
static ig_status find_tensor(const ig_snapshot *snapshot, const ig_store_entry *like,
                             const ig_tensor **out) {
  const ig_tensor *tensor = ig_snapshot_find(snapshot, like->role, like->name);
  bool needed = like->role == IG_ROLE_PARAMETER || like->role == IG_ROLE_STATE;
  IG_CHECK(tensor || !needed, IG_ERR_INPUT, "checkpoint: tensor '%s' %s%s is missing", like->name,
           ig_dtype_name(like->dtype), IG_SHAPE_STR(&like->shape));
  *out = tensor;
  ig_status status = tensor ? check_same(like, tensor->dtype, &tensor->shape) : IG_OK;
  return status == IG_OK ? IG_OK : ig_fail_in(status, "checkpoint");
}

ig_status ig_store_from_snapshot(ig_store *store, const ig_snapshot *snapshot) {
  const ig_tensor *tensor;
  for (int64_t i = 0; i < store->n; i++) { /* all checks come before the first write */
    IG_TRY(find_tensor(snapshot, store->entries[i], &tensor));
  }
  for (int64_t i = 0; i < store->n; i++) {
    ig_store_entry *entry = store->entries[i];
    tensor = ig_snapshot_find(snapshot, entry->role, entry->name);
    if (tensor) IG_TRY(ig_store_write(store, entry, tensor->data));
  }
  return IG_OK;
}

ig_status ig_store_take_snapshot(ig_store *store, const ig_graph *graph, ig_snapshot *snapshot) {
  bool host = store->backend->vtable->host_memory;
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *value = graph->values[i];
    if (value->kind != IG_VALUE_PARAM && value->kind != IG_VALUE_STATE) continue;
    const ig_store_entry like = {
        .name = value->name, .role = role_of(value), .dtype = value->dtype, .shape = value->shape};
    const ig_tensor *tensor = NULL;
    ig_store_entry *entry;
    IG_TRY(find_tensor(snapshot, &like, &tensor));
    if (!tensor) continue;
    IG_CHECK(!ig_store_find(store, value->name) && tensor->data, IG_ERR_USAGE,
             "tensor '%s' was taken before", value->name);
    IG_TRY(entry_create(store, value->name, like.role, value->dtype, &value->shape,
                        host ? tensor->data : NULL, false, &entry));
    if (!host) IG_TRY(ig_store_write(store, entry, tensor->data));
    ig_snapshot_forget(snapshot, tensor, !host);
  }
  return ig_store_add_graph(store, graph, 0);
}
