/* See weights_file.h. */
#include "formats/weights_file.h"

#include <string.h>
#include <strings.h>

#include "formats/array_writer.h"
#include "formats/safetensors.h"

static ig_status fetch(void *context, int64_t index, const void **data) {
  *data = ((const void *const *)context)[index];
  return IG_OK;
}

static ig_status save_safetensors(const char *path, int64_t count, const ig_tensor *const *tensors,
                                  const void *const *data, ig_arena *arena) {
  static const char *const metadata[] = {"format", "pt", NULL};
  ig_safetensor *list = ig_arena_alloc(arena, (size_t)(count + 1) * sizeof *list);
  IG_CHECK_ALLOC(list);
  for (int64_t i = 0; i < count; i++) {
    const ig_tensor *t = tensors[i];
    list[i] = (ig_safetensor){.name = t->name, .dtype = t->dtype, .shape = t->shape};
  }
  return ig_safetensors_write(path, count, list, metadata, fetch, (void *)(uintptr_t)data);
}

static ig_status save_arrays(const char *path, int64_t count, const ig_tensor *const *tensors,
                             const void *const *data, ig_arena *arena) {
  ig_array *list = ig_arena_alloc(arena, (size_t)(count + 1) * sizeof *list);
  ig_array_writer *writer;
  IG_CHECK_ALLOC(list);
  for (int64_t i = 0; i < count; i++) {
    const ig_tensor *t = tensors[i];
    list[i] = (ig_array){.name = t->name, .dtype = t->dtype, .shape = t->shape};
  }
  IG_TRY(ig_array_writer_open_whole(path, (int)count, list, &writer));
  return ig_array_writer_close(writer, ig_array_writer_append(writer, data, 1));
}

static ig_status save(const char *path, const ig_snapshot *snapshot, ig_arena *arena) {
  size_t room = (size_t)snapshot->n_tensors + 1;
  const ig_tensor **tensors = ig_arena_alloc(arena, room * sizeof *tensors);
  const void **data = ig_arena_alloc(arena, room * sizeof *data);
  int64_t count = 0;
  IG_CHECK_ALLOC(tensors);
  IG_CHECK_ALLOC(data);
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    const ig_tensor *t = &snapshot->tensors[i];
    if (t->role != IG_ROLE_PARAMETER && t->role != IG_ROLE_STATE) continue;
    tensors[count] = t;
    data[count++] = t->data;
  }
  IG_CHECK(count > 0, IG_ERR_INPUT, "the model has no parameters to write");
  const char *dot = strrchr(path, '.');
  return dot && strcasecmp(dot, ".safetensors") == 0
             ? save_safetensors(path, count, tensors, data, arena)
             : save_arrays(path, count, tensors, data, arena);
}

ig_status ig_weights_save(const char *path, const ig_snapshot *snapshot) {
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_status status = save(path, snapshot, arena);
  ig_arena_destroy(arena);
  return status;
}
