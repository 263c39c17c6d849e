/* The snapshot of snapshot.h: an arena for texts and tables, one heap block per tensor, and a hash
 * table so that a file with very many tensors is still read in linear time. */
#include "engine/train/snapshot.h"

#include <math.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/rng.h"

#define FIRST_SLOTS 64

ig_status ig_snapshot_create(ig_snapshot **out) {
  ig_snapshot *snapshot = ig_alloc_zero(1, sizeof *snapshot);
  IG_CHECK_ALLOC(snapshot);
  snapshot->arena = ig_arena_create();
  if (!snapshot->arena) {
    ig_free(snapshot);
    return ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  snapshot->progress.best_metric = NAN;
  *out = snapshot;
  return IG_OK;
}

void ig_snapshot_destroy(ig_snapshot *snapshot) {
  if (!snapshot) return;
  for (int64_t i = 0; i < snapshot->n_tensors; i++) ig_free(snapshot->tensors[i].data);
  ig_free(snapshot->tensors);
  ig_free(snapshot->slots);
  ig_arena_destroy(snapshot->arena);
  ig_free(snapshot);
}

/* The slot that holds (role, name), or the empty one where it would go. */
static int64_t slot_of(const ig_snapshot *snapshot, ig_tensor_role role, const char *name) {
  uint64_t mask = (uint64_t)snapshot->n_slots - 1;
  uint64_t slot = (ig_hash_name(name) + (uint64_t)role * 0x9e3779b97f4a7c15u) & mask;
  while (snapshot->slots[slot]) {
    const ig_tensor *tensor = &snapshot->tensors[snapshot->slots[slot] - 1];
    if (tensor->role == role && strcmp(tensor->name, name) == 0) break;
    slot = (slot + 1) & mask;
  }
  return (int64_t)slot;
}

/* Keeps the table at most half full. */
static ig_status reserve_slot(ig_snapshot *snapshot) {
  if ((snapshot->n_tensors + 1) * 2 <= snapshot->n_slots) return IG_OK;
  int64_t wanted = snapshot->n_slots ? snapshot->n_slots * 2 : FIRST_SLOTS;
  int64_t *slots = ig_alloc_zero((size_t)wanted, sizeof *slots);
  IG_CHECK_ALLOC(slots);
  ig_free(snapshot->slots);
  snapshot->slots = slots;
  snapshot->n_slots = wanted;
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    const ig_tensor *tensor = &snapshot->tensors[i];
    slots[slot_of(snapshot, tensor->role, tensor->name)] = i + 1;
  }
  return IG_OK;
}

/* *data is taken over, or made where it is NULL. */
static ig_status add(ig_snapshot *snapshot, ig_tensor_role role, const char *name, ig_dtype dtype,
                     const ig_shape *shape, void **data) {
  IG_CHECK(name[0] != '\0', IG_ERR_INPUT, "a tensor of a snapshot has an empty name");
  IG_CHECK(ig_dtype_size(dtype) != 0, IG_ERR_SHAPE, "tensor %s has no element type", name);
  ig_status status = ig_shape_check(shape, dtype);
  if (status != IG_OK) return ig_fail_in(status, "tensor %s", name);
  IG_TRY(reserve_slot(snapshot));
  int64_t slot = slot_of(snapshot, role, name);
  IG_CHECK(snapshot->slots[slot] == 0, IG_ERR_INPUT, "tensor %s occurs twice", name);
  void *tensors = snapshot->tensors;
  IG_CHECK(ig_grow(&tensors, &snapshot->tensor_capacity, snapshot->n_tensors + 1,
                   sizeof *snapshot->tensors),
           IG_ERR_MEMORY, "%s: out of memory", __func__);
  snapshot->tensors = tensors;
  ig_tensor tensor = {.role = role, .dtype = dtype, .shape = *shape};
  tensor.name = ig_arena_strdup(snapshot->arena, name);
  IG_CHECK_ALLOC(tensor.name);
  size_t bytes = ig_shape_bytes(shape, dtype);
  tensor.data = *data ? *data : ig_alloc(bytes);
  IG_CHECK(tensor.data != NULL, IG_ERR_MEMORY, "tensor %s: no memory for its %zu bytes", name,
           bytes);
  snapshot->tensors[snapshot->n_tensors++] = tensor;
  snapshot->slots[slot] = snapshot->n_tensors;
  *data = tensor.data;
  return IG_OK;
}

ig_status ig_snapshot_add(ig_snapshot *snapshot, ig_tensor_role role, const char *name,
                          ig_dtype dtype, const ig_shape *shape, void **data) {
  *data = NULL;
  return add(snapshot, role, name, dtype, shape, data);
}

ig_status ig_snapshot_move(ig_snapshot *from, const ig_tensor *tensor, ig_snapshot *to) {
  void *data = tensor->data;
  IG_TRY(add(to, tensor->role, tensor->name, tensor->dtype, &tensor->shape, &data));
  ig_snapshot_forget(from, tensor, false);
  return IG_OK;
}

const ig_tensor *ig_snapshot_find(const ig_snapshot *snapshot, ig_tensor_role role,
                                  const char *name) {
  if (!snapshot->n_slots) return NULL;
  int64_t index = snapshot->slots[slot_of(snapshot, role, name)];
  return index ? &snapshot->tensors[index - 1] : NULL;
}

void ig_snapshot_forget(ig_snapshot *snapshot, const ig_tensor *tensor, bool free) {
  ig_tensor *own = &snapshot->tensors[tensor - snapshot->tensors];
  if (free) ig_free(own->data);
  own->data = NULL;
}
