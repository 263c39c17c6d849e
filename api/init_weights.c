/* See init_weights.h. Which kind of file it is, is told by its content, but for .safetensors. */
#include "api/init_weights.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/model_source.h"
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

/* Converted to f32, which is what parameters are trained in. */
static ig_status take_tensors(const char *path, const ig_graph *graph, ig_snapshot *snapshot) {
  ig_safetensors *files;
  IG_TRY(ig_safetensors_open(path, &files));
  ig_status status = IG_OK;
  for (int32_t i = 0; i < graph->n_values && status == IG_OK; i++) {
    const ig_value *v = graph->values[i];
    const ig_safetensor *t = ig_safetensors_find(files, v->name);
    if ((v->kind != IG_VALUE_PARAM && v->kind != IG_VALUE_STATE) || !t) continue;
    ig_tensor_role role = v->kind == IG_VALUE_PARAM ? IG_ROLE_PARAMETER : IG_ROLE_STATE;
    void *data;
    bool same = t->dtype == v->dtype, floats = ig_dtype_is_float(t->dtype) && v->dtype == IG_F32;
    status = same || floats ? ig_snapshot_add(snapshot, role, v->name, v->dtype, &t->shape, &data)
                            : ig_fail(IG_ERR_INPUT, "%s: tensor '%s' is %s, expected %s", path,
                                      t->name, ig_dtype_name(t->dtype), ig_dtype_name(v->dtype));
    if (status == IG_OK) ig_safetensor_copy(t, v->dtype, data);
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
  if (!tensors && checkpoint) return from_source(path, store);
  ig_snapshot *snapshot;
  IG_TRY(ig_snapshot_create(&snapshot));
  ig_status status =
      tensors ? take_tensors(path, graph, snapshot) : ig_keras_load(path, graph, snapshot);
  if (status == IG_OK) {
    status = ig_store_from_snapshot(store, snapshot);
    if (status != IG_OK) ig_fail_in(status, "%s", path);
  }
  ig_snapshot_destroy(snapshot);
  return status;
}
