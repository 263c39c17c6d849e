/* Values in the communicator's memory. Plans that share a communicator share that memory, which may move
 * when one asks for more, so that addresses are looked up again before each run. */
#include "engine/plan/plan_parts.h"

static bool is_bucket(const ig_storage *s) { return s->place == IG_IN_BUCKET; }

static bool overlap(const ig_storage *a, const ig_storage *b) {
  return a->first <= b->last && b->first <= a->last;
}

ig_status ig_plan_count_buckets(ig_plan *plan) {
  for (int i = 0; i < plan->map.n; i++) {
    const ig_storage *s = &plan->map.storages[i];
    if (!is_bucket(s)) continue;
    IG_CHECK(plan->options.comm || plan->options.measure, IG_ERR_USAGE,
             "the plan of '%s' needs a communicator for '%s'", plan->graph->name, s->owner->name);
    size_t before = 0;
    for (int j = 0; j < i; j++) {
      const ig_storage *other = &plan->map.storages[j];
      if (!is_bucket(other) || other->operand != s->operand) continue;
      IG_CHECK(!overlap(s, other), IG_ERR_INTERNAL,
               "plan: '%s' and '%s' are both in operand %d's memory at a time", s->owner->name,
               other->owner->name, s->operand);
      before = IG_MAX(before, other->size);
    }
    plan->memory.buckets += s->size > before ? s->size - before : 0;
  }
  return IG_OK;
}

/* The most that any value of that operand needs. */
static size_t operand_size(const ig_plan *plan, int operand) {
  size_t size = 0;
  for (int i = 0; i < plan->map.n; i++) {
    const ig_storage *s = &plan->map.storages[i];
    if (is_bucket(s) && s->operand == operand) size = IG_MAX(size, s->size);
  }
  return size;
}

static void rebind(ig_plan *plan) {
  for (int t = 0; t < plan->n_steps; t++) {
    ig_planned *s = &plan->steps[t];
    for (int k = 0; k < s->node->n_inputs; k++) {
      const ig_value *v = s->node->inputs[k];
      int storage = v ? plan->map.of_value[v->id] : -1;
      if (storage >= 0 && is_bucket(&plan->map.storages[storage]))
        s->call.in[k] = ig_plan_address(plan, v);
    }
    for (int k = 0; k < s->node->n_outputs; k++) {
      const ig_value *v = s->node->outputs[k];
      int storage = plan->map.of_value[v->id];
      if (storage >= 0 && is_bucket(&plan->map.storages[storage]))
        s->call.out[k] = ig_plan_address(plan, v);
    }
  }
}

ig_status ig_plan_bind_buckets(ig_plan *plan) {
  bool moved = false;
  if (plan->memory.buckets == 0) return IG_OK;
  for (int i = 0; i < plan->map.n; i++) {
    ig_storage *s = &plan->map.storages[i];
    if (!is_bucket(s)) continue;
    /* Runs under way may use what is about to move. */
    if (!s->memory && plan->border) IG_TRY(plan->backend->vtable->synchronize(plan->backend));
    void *memory;
    IG_TRY(ig_comm_alloc(plan->options.comm, s->operand, operand_size(plan, s->operand), &memory));
    moved = moved || memory != s->memory;
    s->memory = memory;
  }
  if (!moved) return IG_OK;
  rebind(plan);
  if (!plan->recording) return IG_OK;
  IG_TRY(plan->backend->vtable->synchronize(plan->backend));
  plan->backend->vtable->queue->recording_destroy(plan->backend, plan->recording);
  plan->recording = NULL;
  return IG_OK;
}
