/* What to do when a step does not fit: the plans of smaller batches and of more recomputation are laid
 * out without being given memory, and the largest that fits is named. */
#include <stdio.h>
#include <string.h>

#include "engine/train/trainer_parts.h"

static double mib(size_t bytes) { return (double)bytes / 1048576; }

/* Bytes that a step of `count` samples at that level of recomputation asks for. */
static ig_status measure(ig_trainer *t, ig_step_kind kind, int64_t count, ig_recompute level,
                         size_t *out) {
  ig_plan_options options = {.seed = t->options.seed,
                             .tf32 = t->options.precision == IG_PRECISION_TF32,
                             .measure = true,
                             .comm = t->comm};
  ig_step_plans context = {.trainer = t, .kind = kind};
  ig_recompute chosen = t->options.recompute;
  ig_shape shapes[IG_MAX_FIELDS];
  ig_plan *plan;
  for (int i = 0; i < t->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&t->match, t->data, i, count);
  }
  IG_TRY(ig_plan_cache_create(t->model, t->backend, t->store, &options, ig_trainer_prepare_step,
                              &context, &context.cache));
  t->options.recompute = level;
  ig_status status = ig_plan_cache_get(context.cache, shapes, &plan);
  t->options.recompute = chosen;
  if (status == IG_OK) *out = ig_plan_memory_use(plan).slab + ig_plan_memory_use(plan).fixed;
  ig_plan_cache_destroy(context.cache);
  return status;
}

/* The largest batch that fits among halves of `count`; 0 when not even one sample does. */
static int64_t find_batch(ig_trainer *t, ig_step_kind kind, int64_t count, size_t room,
                          size_t *needs) {
  while (count > 1) {
    count /= 2;
    if (measure(t, kind, count, t->options.recompute, needs) != IG_OK) return 0;
    if (*needs <= room) return count;
  }
  return 0;
}

static ig_status room_of(const ig_trainer *t, size_t *room) {
  size_t total;
  *room = t->options.memory_limit;
  return *room ? IG_OK : t->backend->vtable->memory(t->backend, room, &total);
}

ig_status ig_trainer_explain_memory(ig_trainer *t, ig_step_kind kind, int64_t count) {
  static const char *const levels[] = {"none", "light", "full"};
  size_t room, smaller;
  char advice[256] = "";
  int used = 0;
  char *first = ig_format("%s", ig_last_error());
  if (!first) return ig_fail(IG_ERR_MEMORY, "a step does not fit into memory");
  if (room_of(t, &room) == IG_OK) {
    for (int level = (int)t->options.recompute + 1; level <= IG_RECOMPUTE_FULL; level++) {
      if (measure(t, kind, count, (ig_recompute)level, &smaller) != IG_OK || smaller > room) continue;
      used += snprintf(advice + used, sizeof advice - (size_t)used, "; --recompute %s needs %.1f",
                       levels[level], mib(smaller));
      break;
    }
    int64_t batch = find_batch(t, kind, count, room, &smaller);
    if (batch > 0) {
      int parts = IG_MAX(t->options.elastic, t->options.parallel.size);
      snprintf(advice + used, sizeof advice - (size_t)used, "; --batch %lld needs %.1f",
               (long long)batch * parts, mib(smaller));
    } else {
      snprintf(advice + used, sizeof advice - (size_t)used, "; no batch fits");
    }
  }
  ig_status status = ig_fail(IG_ERR_MEMORY, "%s%s", first, advice);
  ig_free(first);
  return status;
}
