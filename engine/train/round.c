/* Rounds of a trainer. What a round must forget is in the store, under names that begin with
 * "optimizer."; of these the f16 loss scale alone is kept, which is about hardware and not about where
 * the parameters are. */
#include "engine/train/round.h"

#include <string.h>

#include "engine/base/rng.h"
#include "engine/train/proximal.h"
#include "engine/train/trainer_parts.h"

static bool begins(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static ig_status clear(ig_trainer *t, ig_store_entry *entry) {
  size_t bytes = ig_shape_bytes(&entry->shape, entry->dtype);
  void *zeros = ig_alloc_zero(1, bytes);
  IG_CHECK_ALLOC(zeros);
  ig_status status = ig_store_write(t->store, entry, zeros);
  ig_free(zeros);
  return status;
}

static ig_status set_anchor(ig_trainer *t, const ig_store_entry *parameter) {
  char *name = ig_format(IG_ANCHOR_PREFIX "%s", parameter->name);
  IG_CHECK_ALLOC(name);
  ig_store_entry *anchor;
  ig_status status =
      ig_store_get(t->store, name, IG_ROLE_OPTIMIZER, parameter->dtype, &parameter->shape, &anchor);
  ig_free(name);
  IG_TRY(status);
  return t->backend->vtable->copy(t->backend, anchor->data, parameter->data,
                                  ig_shape_bytes(&parameter->shape, parameter->dtype));
}

ig_status ig_trainer_begin_round(ig_trainer *t) {
  int64_t count = ig_store_count(t->store); /* anchors are made behind these */
  for (int64_t i = 0; i < count; i++) {
    ig_store_entry *entry = ig_store_entry_at(t->store, i);
    bool kept =
        begins(entry->name, "optimizer.loss_scale") || begins(entry->name, IG_ANCHOR_PREFIX);
    bool of_steps = entry->role == IG_ROLE_OPTIMIZER || entry->role == IG_ROLE_SCRATCH;
    if (of_steps && !kept) IG_TRY(clear(t, entry));
    if (entry->role == IG_ROLE_PARAMETER && t->options.proximal > 0) IG_TRY(set_anchor(t, entry));
  }
  t->pending = (ig_micro){0};
  t->round_start = t->progress.step;
  return IG_OK;
}

ig_status ig_trainer_run_steps(ig_trainer *t, int64_t steps) {
  t->total_steps = t->progress.step + steps;
  return ig_trainer_run(t);
}

void ig_trainer_set_round(ig_trainer *t, int64_t round, double seconds) {
  t->progress.step = t->progress.epoch = round;
  t->progress.seconds = seconds;
}

ig_status ig_trainer_resume_round(ig_trainer *t, const ig_snapshot *snapshot, int64_t *round,
                                  double *seconds) {
  IG_TRY(ig_store_from_snapshot(t->store, snapshot));
  t->progress = snapshot->progress;
  *round = t->progress.step;
  *seconds = t->progress.seconds;
  return IG_OK;
}

/* --- the vector -------------------------------------------------------------------------------- */

static bool is_flat(const ig_store_entry *entry) {
  return entry->role == IG_ROLE_PARAMETER || entry->role == IG_ROLE_STATE;
}

ig_status ig_flat_count(const ig_store *store, int64_t *count) {
  int64_t total = 0;
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *entry = ig_store_entry_at(store, i);
    if (!is_flat(entry)) continue;
    IG_CHECK(entry->dtype == IG_F32, IG_ERR_UNSUPPORTED, "parameter '%s' is %s, expected f32",
             entry->name, ig_dtype_name(entry->dtype));
    total += ig_shape_count(&entry->shape);
  }
  *count = total;
  return IG_OK;
}

uint64_t ig_flat_layout(const ig_store *store) {
  uint64_t digest = 0;
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *entry = ig_store_entry_at(store, i);
    if (!is_flat(entry)) continue;
    digest = digest * 0x100000001b3u + ig_hash_name(entry->name);
    for (int d = 0; d < entry->shape.rank; d++) {
      digest = digest * 0x100000001b3u + (uint64_t)entry->shape.dims[d];
    }
  }
  return digest;
}

bool ig_flat_has_states(const ig_store *store) {
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    if (ig_store_entry_at(store, i)->role == IG_ROLE_STATE) return true;
  }
  return false;
}

ig_status ig_flat_read(const ig_store *store, float *vector) {
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *entry = ig_store_entry_at(store, i);
    if (!is_flat(entry)) continue;
    IG_TRY(ig_store_read(store, entry, vector));
    vector += ig_shape_count(&entry->shape);
  }
  return IG_OK;
}

ig_status ig_flat_write(ig_store *store, const float *vector) {
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    ig_store_entry *entry = ig_store_entry_at(store, i);
    if (!is_flat(entry)) continue;
    IG_TRY(ig_store_write(store, entry, vector));
    vector += ig_shape_count(&entry->shape);
  }
  return IG_OK;
}
