/* A checkpoint without a moment is either damaged or of another optimizer. Both look the same from here,
 * so the message names what is missing and what there is instead, and how to change optimizers. */
#include "engine/train/moments.h"

#include <inttypes.h>
#include <string.h>

/* Names that begin alike belong to one precision. */
static const char *const of_precision[] = {"optimizer.loss_scale", "optimizer.fp8."};

static bool begins(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static ig_status report(const ig_snapshot *snapshot, ig_tensor_role role, const char *name,
                        ig_dtype dtype, const ig_shape *shape) {
  int64_t count = 0;
  const char *first = "";
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    if (snapshot->tensors[i].role != role) continue;
    if (count == 0) first = snapshot->tensors[i].name;
    count++;
  }
  return ig_fail(IG_ERR_INPUT,
                 "checkpoint: expected the tensor '%s' %s%s, without which step %" PRId64
                 " cannot be gone on from, found %" PRId64 " of its kind%s%s%s; for another optimizer "
                 "begin a new run from this one's parameters (--model)",
                 name, ig_dtype_name(dtype), IG_SHAPE_STR(shape), snapshot->progress.step, count,
                 count ? " such as '" : "", first, count ? "'" : "");
}

ig_status ig_moments_find(const ig_snapshot *snapshot, ig_tensor_role role, const char *name,
                          ig_dtype dtype, const ig_shape *shape, const ig_tensor **out) {
  *out = ig_snapshot_find(snapshot, role, name);
  return *out ? IG_OK : report(snapshot, role, name, dtype, shape);
}

static bool has_any(const ig_snapshot *snapshot, const char *prefix) {
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    if (begins(snapshot->tensors[i].name, prefix)) return true;
  }
  return false;
}

static bool may_begin_anew(const ig_snapshot *snapshot, const char *name) {
  for (int i = 0; i < IG_COUNT(of_precision); i++) {
    if (begins(name, of_precision[i])) return !has_any(snapshot, of_precision[i]);
  }
  return false;
}

ig_status ig_moments_check(const ig_store *store, const ig_snapshot *snapshot) {
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *entry = ig_store_entry_at(store, i);
    const ig_tensor *found;
    if (entry->role != IG_ROLE_OPTIMIZER && entry->role != IG_ROLE_EMA) continue;
    if (may_begin_anew(snapshot, entry->name)) continue;
    IG_TRY(ig_moments_find(snapshot, entry->role, entry->name, entry->dtype, &entry->shape, &found));
  }
  return IG_OK;
}
