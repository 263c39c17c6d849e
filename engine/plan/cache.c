/* Plans by input shapes. Each entry owns its specialised graph and its plan. */
#include "engine/plan/plan.h"

typedef struct entry {
  ig_shape *shapes;
  ig_graph *graph;
  ig_plan *plan;
} entry;

struct ig_plan_cache {
  const ig_graph *model;
  ig_backend *backend;
  ig_store *store;
  ig_plan_options options;
  ig_plan_prepare prepare;
  void *context;
  int64_t n, capacity;
  entry *entries;
};

ig_status ig_plan_cache_create(const ig_graph *graph, ig_backend *backend, ig_store *store,
                               const ig_plan_options *options, ig_plan_prepare prepare,
                               void *context, ig_plan_cache **out) {
  ig_plan_cache *cache = ig_alloc_zero(1, sizeof *cache);
  IG_CHECK_ALLOC(cache);
  cache->model = graph;
  cache->backend = backend;
  cache->store = store;
  cache->options = *options;
  cache->prepare = prepare;
  cache->context = context;
  *out = cache;
  return IG_OK;
}

static void entry_free(entry *e) {
  ig_plan_destroy(e->plan);
  ig_graph_destroy(e->graph);
  ig_free(e->shapes);
}

void ig_plan_cache_destroy(ig_plan_cache *cache) {
  if (!cache) return;
  for (int64_t i = 0; i < cache->n; i++) entry_free(&cache->entries[i]);
  ig_free(cache->entries);
  ig_free(cache);
}

static bool matches(const ig_plan_cache *cache, const entry *e, const ig_shape *shapes) {
  for (int32_t i = 0; i < cache->model->n_inputs; i++) {
    if (!ig_shape_equal(&e->shapes[i], &shapes[i])) return false;
  }
  return true;
}

static ig_status entry_create(const ig_plan_cache *cache, const ig_shape *shapes, entry *e) {
  size_t n = (size_t)cache->model->n_inputs;
  e->shapes = ig_alloc_zero(n + 1, sizeof *e->shapes);
  IG_CHECK_ALLOC(e->shapes);
  for (size_t i = 0; i < n; i++) e->shapes[i] = shapes[i];
  IG_TRY(ig_graph_specialize(cache->model, shapes, &e->graph));
  if (cache->prepare) IG_TRY(cache->prepare(e->graph, cache->context));
  return ig_plan_create(e->graph, cache->backend, cache->store, &cache->options, &e->plan);
}

ig_status ig_plan_cache_get(ig_plan_cache *cache, const ig_shape *shapes, ig_plan **out) {
  for (int64_t i = 0; i < cache->n; i++) {
    if (!matches(cache, &cache->entries[i], shapes)) continue;
    *out = cache->entries[i].plan;
    return IG_OK;
  }
  IG_CHECK(ig_grow((void **)&cache->entries, &cache->capacity, cache->n + 1,
                   sizeof *cache->entries),
           IG_ERR_MEMORY, "plan cache: out of memory");
  entry created = {0};
  ig_status status = entry_create(cache, shapes, &created);
  if (status != IG_OK) {
    entry_free(&created);
    return status;
  }
  cache->entries[cache->n++] = created;
  *out = created.plan;
  return IG_OK;
}
