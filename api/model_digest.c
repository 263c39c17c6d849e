/* What tells one model's results from another's. */
#include <string.h>
#include <xxhash.h>

#include "api/model_source.h"
#include "engine/base/memory.h"
#include "formats/dataset_reader.h"
#include "formats/graph_json.h"

/* An ONNX file's own bytes, since a graph with graphs inside has no other form; else the graph as text. */
static ig_status digest_graph(const ig_model_source *source, uint64_t *hash) {
  if (source->onnx) {
    ig_bytes bytes;
    IG_TRY(ig_bytes_map(source->path, &bytes));
    *hash = XXH3_64bits(bytes.data, bytes.size);
    ig_bytes_release(&bytes);
    return IG_OK;
  }
  char *text;
  IG_TRY(ig_graph_to_json(source->graph, &text));
  *hash = XXH3_64bits(text, strlen(text));
  ig_free(text);
  return IG_OK;
}

static ig_status add_entry(const ig_store *store, const ig_store_entry *entry, uint64_t *hash) {
  size_t bytes = ig_shape_bytes(&entry->shape, entry->dtype);
  bool host = ig_store_backend(store)->vtable->host_memory;
  void *copy = host ? NULL : ig_alloc(bytes);
  IG_CHECK(host || copy, IG_ERR_MEMORY, "no memory for '%s'", entry->name);
  ig_status status = host ? IG_OK : ig_store_read(store, entry, copy);
  if (status == IG_OK) {
    *hash = XXH3_64bits_withSeed(entry->name, strlen(entry->name), *hash);
    *hash = XXH3_64bits_withSeed(host ? entry->data : copy, bytes, *hash);
  }
  ig_free(copy);
  return status;
}

ig_status ig_model_source_digest(const ig_model_source *source, const ig_store *store,
                                 uint64_t *digest) {
  uint64_t hash;
  IG_TRY(digest_graph(source, &hash));
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *entry = ig_store_entry_at((ig_store *)(uintptr_t)store, i);
    if (entry->data) IG_TRY(add_entry(store, entry, &hash));
  }
  for (int i = 0; i < source->snapshot->n_normalizations; i++) {
    const ig_normalization *n = &source->snapshot->normalizations[i];
    hash = XXH3_64bits_withSeed(n->field, strlen(n->field), hash);
    hash = XXH3_64bits_withSeed(&n->scale, sizeof n->scale, hash);
    hash = XXH3_64bits_withSeed(n->mean, (size_t)n->count * sizeof *n->mean, hash);
    hash = XXH3_64bits_withSeed(n->std, (size_t)n->count * sizeof *n->std, hash);
  }
  *digest = hash;
  return IG_OK;
}
