/* A snapshot that has lost a tensor, as a damaged checkpoint would. */
#ifndef IG_TESTS_SNAPSHOT_DROP_H
#define IG_TESTS_SNAPSHOT_DROP_H

#include <string.h>

#include "engine/train/snapshot.h"

/* Takes the first tensor whose name begins so out; its name, released with ig_free, or NULL. Tensors are
 * not to be found by name any more, only written or read in their order. */
static inline char *snapshot_drop(ig_snapshot *snapshot, const char *prefix) {
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    ig_tensor *tensor = &snapshot->tensors[i];
    if (strncmp(tensor->name, prefix, strlen(prefix)) != 0) continue;
    char *name = ig_strdup(tensor->name);
    ig_free(tensor->data);
    *tensor = snapshot->tensors[--snapshot->n_tensors];
    return name;
  }
  return NULL;
}

#endif
