/* See init_weights.h. Which kind of file it is, is told by its content, but for .safetensors. */
#include "api/init_weights.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/model_source.h"
#include "engine/backend/backend.h"
#include "formats/checkpoint_h5.h"
#include "formats/keras.h"
#include "formats/safetensors.h"

static ig_status from_source(const char *path, ig_store *store) {
  ig_model_source other;
  IG_TRY(ig_model_source_open(path, 0, &other));
  ig_status status = ig_model_source_load(&other, store);
  ig_model_source_close(&other);
  return status;
}

/* The file's tensor for an entry of the store. Floats of any kind become f32, which is what parameters are trained
 * in. */
static ig_status find_tensor(const char *path, const ig_safetensors *files, const ig_store_entry *entry,
                             const ig_safetensor **out) {
  const ig_safetensor *t = ig_safetensors_find(files, entry->name);
  IG_CHECK(t, IG_ERR_INPUT, "%s: no tensor for '%s' %s%s", path, entry->name,
           ig_dtype_name(entry->dtype), IG_SHAPE_STR(&entry->shape));
  bool floats = ig_dtype_is_float(t->dtype) && entry->dtype == IG_F32;
  IG_CHECK(t->dtype == entry->dtype || floats, IG_ERR_INPUT, "%s: tensor '%s' is %s, expected %s", path,
           t->name, ig_dtype_name(t->dtype), ig_dtype_name(entry->dtype));
  IG_CHECK(ig_shape_equal(&t->shape, &entry->shape), IG_ERR_INPUT,
           "%s: tensor '%s' has shape %s, expected %s", path, t->name, IG_SHAPE_STR(&t->shape),
           IG_SHAPE_STR(&entry->shape));
  *out = t;
  return IG_OK;
}

/* Straight into host memory; elsewhere, by way of one tensor. */
static ig_status take_tensor(const ig_safetensor *t, ig_store *store, ig_store_entry *entry) {
  if (ig_store_backend(store)->vtable->host_memory) {
    ig_safetensor_copy(t, entry->dtype, entry->data);
    return IG_OK;
  }
  void *host = ig_alloc(ig_shape_bytes(&entry->shape, entry->dtype));
  IG_CHECK(host, IG_ERR_MEMORY, "tensor '%s': out of memory", entry->name);
  ig_safetensor_copy(t, entry->dtype, host);
  ig_status status = ig_store_write(store, entry, host);
  ig_free(host);
  return status;
}

/* Without a second copy of them all in memory; checks come before the first write. */
static ig_status take_tensors(const char *path, ig_store *store) {
  ig_safetensors *files;
  const ig_safetensor *t = NULL;
  IG_TRY(ig_safetensors_open(path, &files));
  ig_status status = IG_OK;
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t i = 0; i < ig_store_count(store) && status == IG_OK; i++) {
      ig_store_entry *entry = ig_store_entry_at(store, i);
      if (entry->role != IG_ROLE_PARAMETER && entry->role != IG_ROLE_STATE) continue;
      status = find_tensor(path, files, entry, &t);
      if (status == IG_OK && pass == 1) status = take_tensor(t, store, entry);
    }
  }
  ig_safetensors_close(files);
  return status;
}

static bool ends_in(const char *name, const char *end) {
  size_t a = strlen(name), b = strlen(end);
  return a >= b && strcasecmp(name + a - b, end) == 0;
}

ig_status ig_init_weights_load(const char *path, const ig_graph *graph, ig_store *store) {
  struct stat info;
  bool file = stat(path, &info) == 0 && S_ISREG(info.st_mode), checkpoint = true;
  bool tensors = file && ends_in(path, ".safetensors");
  if (file && !tensors && ends_in(path, ".h5")) IG_TRY(ig_checkpoint_probe(path, &checkpoint));
  if (tensors) return take_tensors(path, store);
  if (checkpoint) return from_source(path, store);
  ig_snapshot *snapshot;
  IG_TRY(ig_snapshot_create(&snapshot));
  ig_status status = ig_keras_load(path, graph, snapshot);
  if (status == IG_OK) {
    status = ig_store_from_snapshot(store, snapshot);
    if (status != IG_OK) ig_fail_in(status, "%s", path);
  }
  ig_snapshot_destroy(snapshot);
  return status;
}
