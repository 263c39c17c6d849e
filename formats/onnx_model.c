/* Opening and closing: the mapped file, and the structs over it. */
#include "formats/onnx_model.h"

#include <string.h>
#include <sys/mman.h>

#include "engine/base/checked.h"
#include "formats/dataset_reader.h"
#include "formats/mapped.h"
#include "formats/onnx_external.h"
#include "formats/onnx_read.h"

static ig_status create(const char *path, ig_onnx_model **out) {
  ig_onnx_model *model = ig_alloc_zero(1, sizeof *model);
  IG_CHECK_ALLOC(model);
  model->arena = ig_arena_create();
  model->path = model->arena ? ig_arena_strdup(model->arena, path) : NULL;
  if (!model->path) {
    ig_onnx_model_close(model);
    return ig_fail(IG_ERR_MEMORY, "%s: out of memory", path);
  }
  *out = model;
  return IG_OK;
}

static ig_status read_message(ig_onnx_model *model, const void *bytes, size_t size) {
  IG_CHECK(size > 0, IG_ERR_INPUT, "%s: not an ONNX model: the file is empty", model->path);
  IG_TRY(ig_onnx_read(model->path, bytes, size, &ig_onnx_schema_model, model->arena, &model->says));
  IG_CHECK(model->says.graph, IG_ERR_INPUT, "%s: not an ONNX model: it has no graph", model->path);
  return IG_OK;
}

ig_status ig_onnx_model_parse(const char *path, const void *bytes, size_t size,
                              ig_onnx_model **out) {
  ig_onnx_model *model = NULL;
  IG_TRY(create(path, &model));
  ig_status status = read_message(model, bytes, size);
  if (status != IG_OK) {
    ig_onnx_model_close(model);
    return status;
  }
  *out = model;
  return IG_OK;
}

/* Hands the mapping over to the model. */
static ig_status keep_mapped(ig_onnx_model *model, const ig_bytes *bytes) {
  ig_onnx_mapping *own = ig_arena_alloc(model->arena, sizeof *own);
  if (!own) return ig_fail(IG_ERR_MEMORY, "%s: out of memory", model->path);
  *own = (ig_onnx_mapping){NULL, NULL, bytes->mapped, bytes->size};
  model->mappings = own;
  return IG_OK;
}

ig_status ig_onnx_model_open(const char *path, ig_onnx_model **out) {
  ig_bytes bytes;
  ig_onnx_model *model = NULL;
  IG_TRY(ig_bytes_map(path, &bytes));
  ig_status status = create(path, &model);
  if (status == IG_OK) status = keep_mapped(model, &bytes);
  if (status != IG_OK) {
    ig_bytes_release(&bytes);
    ig_onnx_model_close(model);
    return status;
  }
  status = read_message(model, bytes.data, bytes.size);
  if (status != IG_OK) {
    ig_onnx_model_close(model);
    return status;
  }
  *out = model;
  return IG_OK;
}

void ig_onnx_model_close(ig_onnx_model *model) {
  if (!model) return;
  for (ig_onnx_mapping *m = model->mappings; m; m = m->next) {
    if (m->data) munmap(m->data, m->size);
  }
  ig_arena_destroy(model->arena);
  ig_free(model);
}

static bool is_mapped(const ig_onnx_model *model, const void *bytes, size_t size) {
  for (const ig_onnx_mapping *m = model->mappings; m; m = m->next) {
    uintptr_t at = (uintptr_t)bytes - (uintptr_t)m->data; /* huge where `bytes` lie before it */
    if (m->data && ig_range_within(at, size, m->size)) return true;
  }
  return false;
}

void ig_onnx_model_copy(const ig_onnx_model *model, void *to, const void *from, size_t size) {
  if (is_mapped(model, from, size)) {
    ig_mapped_copy(to, from, size);
  } else if (size) {
    memcpy(to, from, size);
  }
}

void ig_onnx_model_forget(const ig_onnx_model *model, const void *bytes, size_t size) {
  if (is_mapped(model, bytes, size)) ig_mapped_forget(bytes, size);
}

int64_t ig_onnx_opset_of(int64_t n, const ig_onnx_opset *opsets, const char *domain) {
  for (int64_t i = 0; i < n; i++) {
    const char *a = opsets[i].domain ? opsets[i].domain : "", *b = domain ? domain : "";
    if (strcmp(a, "ai.onnx") == 0) a = "";
    if (strcmp(b, "ai.onnx") == 0) b = "";
    if (strcmp(a, b) == 0) return opsets[i].version;
  }
  return 0;
}
