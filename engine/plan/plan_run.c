/* Running a plan: a loop over its steps, or on a device with a queue, one recording of them. */
#include <math.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine/plan/plan_parts.h"

/* A bound input shows through views too, so every pointer of its storage is set anew. */
static void rebind(ig_plan *plan, int storage) {
  for (int t = 0; t < plan->n_steps; t++) {
    ig_planned *s = &plan->steps[t];
    for (int k = 0; k < s->node->n_inputs; k++) {
      const ig_value *v = s->node->inputs[k];
      if (v && plan->map.of_value[v->id] == storage) s->call.in[k] = ig_plan_address(plan, v);
    }
  }
}

ig_status ig_plan_bind_input(ig_plan *plan, int index, const void *host) {
  IG_CHECK(index >= 0 && index < plan->graph->n_inputs, IG_ERR_USAGE,
           "input %d: the graph has %d inputs", index, plan->graph->n_inputs);
  const ig_value *value = plan->graph->inputs[index];
  int storage = plan->map.of_value[value->id];
  plan->bound[index] = true;
  if (plan->border) return ig_border_bind(plan->border, index, host);
  if (storage < 0 || plan->map.storages[storage].memory == host) return IG_OK;
  plan->map.storages[storage].memory = (void *)host;
  rebind(plan, storage);
  return IG_OK;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool all_finite(const ig_value *value, const void *data) {
  if (!ig_dtype_is_float(value->dtype)) return true;
  int64_t n = (int64_t)(ig_value_storage(value) / ig_dtype_size(value->dtype));
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(ig_load_f64(value->dtype, data, i))) return false;
  }
  return true;
}

/* A diagnosis, not a fast path: on a device every output is copied to the host. */
static ig_status note_nonfinite(ig_plan *plan, const ig_planned *s) {
  const ig_backend_vtable *vtable = plan->backend->vtable;
  for (int i = 0; i < s->node->n_outputs && !plan->nonfinite; i++) {
    const ig_value *value = s->node->outputs[i];
    if (!value || !s->call.out[i]) continue;
    void *host = vtable->host_memory ? s->call.out[i] : ig_alloc(ig_value_storage(value));
    IG_CHECK_ALLOC(host);
    ig_status status = IG_OK;
    if (host != s->call.out[i]) {
      status = vtable->download(plan->backend, host, s->call.out[i], ig_value_storage(value));
    }
    if (status == IG_OK && !all_finite(value, host)) plan->nonfinite = s->node;
    if (host != s->call.out[i]) ig_free(host);
    IG_TRY(status);
  }
  return IG_OK;
}

int ig_plan_threads_begin(const ig_plan *plan, const ig_impl *impl) {
  bool alone = plan->options.fixed_sums && (impl->sums_by_thread || impl->library_sums);
  if (!alone) return 0;
#ifdef _OPENMP
  int before = omp_get_max_threads();
  omp_set_num_threads(1);
  return before;
#else
  return 0;
#endif
}

void ig_plan_threads_end(int before) {
#ifdef _OPENMP
  if (before > 0) omp_set_num_threads(before);
#else
  IG_UNUSED(before);
#endif
}

static ig_status run_step(ig_plan *plan, ig_planned *s) {
  const ig_queue_vtable *queue = plan->backend->vtable->queue;
  double start = plan->profiling ? now() : 0;
  if (queue) queue->range_begin(plan->backend, s->node->name);
  int threads = ig_plan_threads_begin(plan, s->impl);
  ig_status status = s->impl->run(&s->call);
  ig_plan_threads_end(threads);
  if (queue) queue->range_end(plan->backend);
  if (status == IG_OK && (plan->profiling || plan->options.synchronize)) {
    status = plan->backend->vtable->synchronize(plan->backend);
  }
  if (status == IG_ERR_PEER) return status; /* another rank's failure, whose line all have */
  if (status != IG_OK) {
    return ig_fail_in(status, "node '%s' (%s)", s->node->name, s->node->op->name);
  }
  if (plan->profiling) s->seconds += now() - start;
  bool under_way = (s->node->op->flags & IG_OP_BUCKET) != 0; /* the communicator's until awaited */
  if (plan->options.check_finite && !plan->nonfinite && !under_way) return note_nonfinite(plan, s);
  return IG_OK;
}

static ig_status copy_assigned(ig_plan *plan) {
  const ig_backend_vtable *vtable = plan->backend->vtable;
  for (int32_t i = 0; i < plan->graph->n_assigns; i++) {
    if (!plan->staged[i]) continue;
    const ig_value *source = plan->graph->assigns[i].source;
    IG_TRY(vtable->copy(plan->backend, plan->staged[i], ig_plan_address(plan, source),
                        ig_value_bytes(source)));
  }
  for (int32_t i = 0; i < plan->graph->n_assigns; i++) {
    if (plan->map.in_place[i]) continue;
    const ig_assign *assign = &plan->graph->assigns[i];
    void *to = ig_plan_address(plan, assign->target);
    const void *from = plan->staged[i] ? plan->staged[i] : ig_plan_address(plan, assign->source);
    IG_TRY(vtable->copy(plan->backend, to, from, ig_value_bytes(assign->target)));
  }
  return IG_OK;
}

static ig_status run_steps(ig_plan *plan, const ig_rng_state *rng) {
  for (int t = 0; t < plan->n_steps; t++) {
    ig_planned *s = &plan->steps[t];
    if (!s->impl || plan->fixed[s->node->id]) continue;
    if (!plan->border) s->call.rng = rng;
    IG_TRY(run_step(plan, s));
  }
  return copy_assigned(plan);
}

/* The first run goes step by step, so that libraries set up what they set up on first use; the second
 * records the steps, and from then on all of them are queued as one piece. */
static ig_status queue_steps(ig_plan *plan) {
  const ig_queue_vtable *queue = plan->backend->vtable->queue;
  bool watched = plan->profiling || plan->options.check_finite || plan->options.synchronize;
  if (watched || plan->runs == 0) return run_steps(plan, NULL);
  if (!plan->recording) {
    IG_TRY(queue->record_begin(plan->backend));
    ig_status status = run_steps(plan, NULL);
    void *recording = NULL;
    ig_status ended = queue->record_end(plan->backend, &recording);
    if (status != IG_OK && recording) queue->recording_destroy(plan->backend, recording);
    IG_TRY(status);
    IG_TRY(ended);
    plan->recording = recording;
  }
  return queue->replay(plan->backend, plan->recording);
}

static ig_status submit_to_device(ig_plan *plan, const ig_rng_state *rng) {
  IG_TRY(ig_border_send(plan->border, rng));
  IG_TRY(queue_steps(plan));
  for (int32_t i = 0; i < plan->graph->n_outputs && !plan->options.device_outputs; i++) {
    IG_TRY(ig_border_receive(plan->border, i, ig_plan_address(plan, plan->graph->outputs[i])));
  }
  return ig_border_submitted(plan->border);
}

ig_status ig_plan_submit(ig_plan *plan, const ig_rng_state *rng) {
  IG_CHECK(!plan->options.measure, IG_ERR_USAGE, "a plan that was only measured cannot run");
  for (int32_t i = 0; i < plan->graph->n_inputs; i++) {
    IG_CHECK(plan->bound[i] || plan->map.of_value[plan->graph->inputs[i]->id] < 0, IG_ERR_USAGE,
             "input '%s' was not bound", plan->graph->inputs[i]->name);
  }
  plan->nonfinite = NULL;
  IG_TRY(ig_plan_bind_buckets(plan));
  IG_TRY(plan->border ? submit_to_device(plan, rng) : run_steps(plan, rng));
  plan->runs++;
  if (plan->profiling) plan->profiled_runs++;
  return IG_OK;
}

ig_status ig_plan_wait(ig_plan *plan, int runs) {
  if (!plan->border) return IG_OK;
  IG_TRY(ig_border_wait(plan->border, runs + 1));
  return ig_comm_check(plan->options.comm); /* what is queued cannot say itself that a peer failed */
}

ig_status ig_plan_run(ig_plan *plan, const ig_rng_state *rng) {
  IG_TRY(ig_plan_submit(plan, rng));
  return ig_plan_wait(plan, 0);
}

const void *ig_plan_output(const ig_plan *plan, int index) {
  if (index < 0 || index >= plan->graph->n_outputs) return NULL;
  if (plan->border && !plan->options.device_outputs) return ig_border_output(plan->border, index);
  return ig_plan_address(plan, plan->graph->outputs[index]);
}
