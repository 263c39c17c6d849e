/* Plans: from a concrete graph to an array of steps with bound pointers. Creation goes through fixed
 * stages (order, storage, implementations, fixed results, slab, pointers); running is a loop. */
#include "engine/plan/plan.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "engine/plan/schedule.h"
#include "engine/plan/slab.h"
#include "engine/plan/storage.h"

typedef struct step {
  ig_node *node;
  const ig_impl *impl; /* NULL for a view */
  ig_call call;
  bool prepared;
  int workspace_block; /* index among the slab's blocks, or -1 */
  double seconds;
} step;

struct ig_plan {
  ig_graph *graph;
  ig_backend *backend;
  ig_store *store;
  ig_plan_options options;
  ig_node **order;
  bool *fixed; /* by node id */
  int n_steps;
  step *steps;
  ig_storage_map map;
  void *slab;
  void **inputs;       /* device copies of graph inputs, where host memory is not device memory */
  bool *bound;         /* by graph input */
  void **host_outputs; /* likewise for outputs */
  void **staged;       /* by assignment: where a source waits that is itself a target, or NULL */
  const void **slots;  /* all calls' pointer arrays */
  ig_plan_memory memory;
  bool profiling;
  int64_t profiled_runs;
  const ig_node *nonfinite;
};

static bool is_view(const ig_node *node) { return (node->op->flags & IG_OP_VIEW) != 0; }

/* --- stages of creation ---------------------------------------------------------------------- */

static ig_status check_borders(const ig_graph *graph) {
  for (int32_t i = 0; i < graph->n_inputs + graph->n_outputs; i++) {
    const ig_value *v = i < graph->n_inputs ? graph->inputs[i] : graph->outputs[i - graph->n_inputs];
    IG_CHECK(v->layout == IG_LAYOUT_ROWS, IG_ERR_INTERNAL, "'%s': inputs and outputs are row-major",
             v->name);
  }
  return IG_OK;
}

static bool is_assigned(const ig_graph *graph, const ig_value *value) {
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    if (graph->assigns[i].target == value) return true;
  }
  return false;
}

/* Whether the bytes of `value` never change while the plan lives. */
static bool is_fixed_value(const ig_plan *plan, const ig_value *value) {
  switch (value->kind) {
  case IG_VALUE_CONST: return true;
  case IG_VALUE_RESULT: return plan->fixed[value->producer->id];
  case IG_VALUE_PARAM:
  case IG_VALUE_STATE: return plan->options.frozen_params && !is_assigned(plan->graph, value);
  default: return false;
  }
}

static void find_fixed(ig_plan *plan) {
  for (int t = 0; t < plan->n_steps; t++) {
    const ig_node *node = plan->order[t];
    bool fixed = plan->options.frozen_params && (node->op->flags & IG_OP_PURE);
    for (int i = 0; i < node->n_inputs && fixed; i++) {
      fixed = !node->inputs[i] || is_fixed_value(plan, node->inputs[i]);
    }
    plan->fixed[node->id] = fixed && node->n_inputs > 0;
  }
}

static ig_status allocate_tables(ig_plan *plan) {
  const ig_graph *graph = plan->graph;
  size_t slots = 0;
  for (int t = 0; t < plan->n_steps; t++) {
    slots += (size_t)(plan->order[t]->n_inputs + plan->order[t]->n_outputs);
  }
  plan->steps = ig_alloc_zero((size_t)plan->n_steps + 1, sizeof *plan->steps);
  plan->slots = ig_alloc_zero(slots + 1, sizeof *plan->slots);
  plan->inputs = ig_alloc_zero((size_t)graph->n_inputs + 1, sizeof *plan->inputs);
  plan->bound = ig_alloc_zero((size_t)graph->n_inputs + 1, sizeof *plan->bound);
  plan->host_outputs = ig_alloc_zero((size_t)graph->n_outputs + 1, sizeof *plan->host_outputs);
  plan->staged = ig_alloc_zero((size_t)graph->n_assigns + 1, sizeof *plan->staged);
  IG_CHECK(plan->steps && plan->slots && plan->inputs && plan->bound && plan->host_outputs &&
               plan->staged,
           IG_ERR_MEMORY, "plan: out of memory");
  const void **next = plan->slots;
  for (int t = 0; t < plan->n_steps; t++) {
    step *s = &plan->steps[t];
    s->node = plan->order[t];
    s->workspace_block = -1;
    s->call.node = s->node;
    s->call.stream = plan->backend->stream;
    s->call.in = next;
    next += s->node->n_inputs;
    s->call.out = (void **)next;
    next += s->node->n_outputs;
  }
  return IG_OK;
}

/* Memory that exists before the slab: store entries and constants. */
static ig_status bind_leaves(ig_plan *plan) {
  ig_backend *backend = plan->backend;
  for (int i = 0; i < plan->map.n; i++) {
    ig_storage *s = &plan->map.storages[i];
    if (s->place == IG_IN_STORE) {
      ig_store_entry *entry = ig_store_find(plan->store, s->owner->name);
      IG_CHECK(entry, IG_ERR_INTERNAL, "plan: '%s' is not in the store", s->owner->name);
      s->memory = entry->data;
      plan->memory.params += s->size;
    } else if (s->place == IG_IN_CONST) {
      if (backend->vtable->host_memory) {
        s->memory = (void *)s->owner->data;
        continue;
      }
      IG_TRY(backend->vtable->alloc(backend, s->size, &s->memory));
      IG_TRY(backend->vtable->upload(backend, s->memory, s->owner->data, s->size));
    } else if (s->place == IG_IN_FIXED) {
      IG_TRY(backend->vtable->alloc(backend, s->size, &s->memory));
      plan->memory.fixed += s->size;
    }
  }
  return IG_OK;
}

/* A state that moves into another (s0 <- s1 while s1 <- x): its old value is set aside first. */
static ig_status stage_sources(ig_plan *plan) {
  for (int32_t i = 0; i < plan->graph->n_assigns; i++) {
    const ig_value *source = plan->graph->assigns[i].source;
    const ig_storage *s = &plan->map.storages[plan->map.of_value[source->id]];
    if (plan->map.in_place[i] || s->place != IG_IN_STORE) continue;
    IG_TRY(plan->backend->vtable->alloc(plan->backend, s->size, &plan->staged[i]));
  }
  return IG_OK;
}

static void *address_of(const ig_plan *plan, const ig_value *value) {
  int storage = value ? plan->map.of_value[value->id] : -1;
  return storage >= 0 ? plan->map.storages[storage].memory : NULL;
}

/* Pointers of a step from its storages; before the slab exists, only what is fixed is given. */
static void bind_step(const ig_plan *plan, step *s, bool fixed_only) {
  for (int i = 0; i < s->node->n_inputs; i++) {
    const ig_value *v = s->node->inputs[i];
    bool give = v && (!fixed_only || is_fixed_value(plan, v));
    s->call.in[i] = give ? address_of(plan, v) : NULL;
  }
  for (int i = 0; i < s->node->n_outputs && !fixed_only; i++) {
    s->call.out[i] = address_of(plan, s->node->outputs[i]);
  }
}

/* The first implementation that neither rejects the node nor declines in prepare. */
static ig_status prepare_step(const ig_plan *plan, step *s) {
  if (is_view(s->node)) return IG_OK;
  ig_device device = plan->backend->vtable->device;
  bind_step(plan, s, true);
  for (int i = 0;; i++) {
    const ig_impl *impl = ig_op_impl(s->node->op, device, i);
    if (!impl) break;
    if (impl->reject && impl->reject(s->node)) continue;
    s->call.workspace_size = impl->workspace ? impl->workspace(s->node) : 0;
    s->call.state = NULL;
    ig_status status = impl->prepare ? impl->prepare(&s->call) : IG_OK;
    if (status == IG_ERR_UNSUPPORTED) continue;
    if (status != IG_OK) return ig_fail_in(status, "node '%s'", s->node->name);
    s->impl = impl;
    s->prepared = true;
    return IG_OK;
  }
  const ig_impl *none;
  ig_status status = ig_op_choose(s->node, device, &none); /* lists the reasons */
  return status != IG_OK ? status
                         : ig_fail_in(IG_ERR_UNSUPPORTED, "node '%s'", s->node->name);
}

static ig_status run_fixed(ig_plan *plan, step *s) {
  IG_TRY(prepare_step(plan, s));
  if (!s->impl) return IG_OK;
  ig_backend *backend = plan->backend;
  bind_step(plan, s, false);
  if (s->call.workspace_size) {
    IG_TRY(backend->vtable->alloc(backend, s->call.workspace_size, &s->call.workspace));
  }
  ig_status status = s->impl->run(&s->call);
  if (status != IG_OK) status = ig_fail_in(status, "node '%s'", s->node->name);
  if (s->call.workspace) backend->vtable->free(backend, s->call.workspace);
  s->call.workspace = NULL;
  return status;
}

static ig_status prepare_steps(ig_plan *plan) {
  for (int t = 0; t < plan->n_steps; t++) {
    step *s = &plan->steps[t];
    IG_TRY(plan->fixed[s->node->id] ? run_fixed(plan, s) : prepare_step(plan, s));
  }
  return IG_OK;
}

/* Fixed results that only led to other fixed results are not needed any more. */
static ig_status release_fixed(ig_plan *plan) {
  bool *needed = ig_alloc_zero((size_t)plan->map.n + 1, sizeof *needed);
  IG_CHECK_ALLOC(needed);
  for (int t = 0; t < plan->n_steps; t++) {
    const ig_node *node = plan->order[t];
    for (int i = 0; i < node->n_inputs && !plan->fixed[node->id]; i++) {
      if (node->inputs[i]) needed[plan->map.of_value[node->inputs[i]->id]] = true;
    }
  }
  for (int32_t i = 0; i < plan->graph->n_outputs; i++) {
    needed[plan->map.of_value[plan->graph->outputs[i]->id]] = true;
  }
  for (int32_t i = 0; i < plan->graph->n_assigns; i++) {
    needed[plan->map.of_value[plan->graph->assigns[i].source->id]] = true;
  }
  for (int i = 0; i < plan->map.n; i++) {
    ig_storage *s = &plan->map.storages[i];
    if (s->place != IG_IN_FIXED || needed[i]) continue;
    plan->backend->vtable->free(plan->backend, s->memory);
    s->memory = NULL;
    plan->memory.fixed -= s->size;
  }
  ig_free(needed);
  return IG_OK;
}

static ig_status check_limit(const ig_plan *plan) {
  size_t limit = plan->options.memory_limit, needs = plan->memory.slab + plan->memory.fixed;
  IG_CHECK(limit == 0 || needs <= limit, IG_ERR_MEMORY,
           "the plan of '%s' needs %.1f MiB, the limit is %.1f MiB: a smaller batch needs less",
           plan->graph->name, (double)needs / 1048576, (double)limit / 1048576);
  return IG_OK;
}

/* Intermediates by lifetime, and each step's workspace as a block that lives for that step. */
static ig_status lay_out_slab(ig_plan *plan) {
  ig_block *blocks = ig_alloc_zero((size_t)(plan->map.n + plan->n_steps) + 1, sizeof *blocks);
  IG_CHECK_ALLOC(blocks);
  int n = 0;
  for (int i = 0; i < plan->map.n; i++) {
    const ig_storage *s = &plan->map.storages[i];
    if (s->place != IG_IN_SLAB) continue;
    int last = IG_MIN(s->last, plan->n_steps); /* outputs last past the final step */
    blocks[n++] = (ig_block){.size = s->size, .first = s->first, .last = last};
    plan->memory.sum += s->size;
  }
  for (int t = 0; t < plan->n_steps; t++) {
    step *s = &plan->steps[t];
    if (plan->fixed[s->node->id] || s->call.workspace_size == 0) continue;
    s->workspace_block = n;
    blocks[n++] = (ig_block){.size = s->call.workspace_size, .first = t, .last = t};
    plan->memory.workspace = IG_MAX(plan->memory.workspace, s->call.workspace_size);
  }
  ig_status status = ig_slab_layout(blocks, n, &plan->memory.slab, &plan->memory.lower_bound);
  if (status == IG_OK) status = check_limit(plan);
  if (status == IG_OK) {
    status = plan->backend->vtable->alloc(plan->backend, plan->memory.slab, &plan->slab);
    if (status != IG_OK) status = ig_fail_in(status, "the plan of '%s'", plan->graph->name);
  }
  for (int i = 0, b = 0; i < plan->map.n && status == IG_OK; i++) {
    ig_storage *s = &plan->map.storages[i];
    if (s->place == IG_IN_SLAB) s->memory = (char *)plan->slab + blocks[b++].offset;
  }
  for (int t = 0; t < plan->n_steps && status == IG_OK; t++) {
    step *s = &plan->steps[t];
    if (s->workspace_block < 0) continue;
    s->call.workspace = (char *)plan->slab + blocks[s->workspace_block].offset;
  }
  ig_free(blocks);
  return status;
}

/* Buffers that stand between host and device, and the final pointers of every step. */
static ig_status bind_borders(ig_plan *plan) {
  ig_backend *backend = plan->backend;
  const ig_graph *graph = plan->graph;
  if (!backend->vtable->host_memory) {
    for (int32_t i = 0; i < graph->n_inputs; i++) {
      IG_TRY(backend->vtable->alloc(backend, ig_value_bytes(graph->inputs[i]), &plan->inputs[i]));
      int storage = plan->map.of_value[graph->inputs[i]->id];
      if (storage >= 0) plan->map.storages[storage].memory = plan->inputs[i];
    }
    for (int32_t i = 0; i < graph->n_outputs; i++) {
      plan->host_outputs[i] = ig_alloc(ig_value_bytes(graph->outputs[i]));
      IG_CHECK(plan->host_outputs[i], IG_ERR_MEMORY, "plan: out of memory");
    }
  }
  for (int t = 0; t < plan->n_steps; t++) bind_step(plan, &plan->steps[t], false);
  return IG_OK;
}

static ig_status create_in_stages(ig_plan *plan) {
  ig_graph *graph = plan->graph;
#ifndef NDEBUG
  IG_TRY(ig_graph_verify(graph));
#endif
  IG_TRY(check_borders(graph));
  IG_TRY(ig_store_add_graph(plan->store, graph, plan->options.seed));
  plan->order = ig_alloc_zero((size_t)graph->n_nodes + 1, sizeof *plan->order);
  plan->fixed = ig_alloc_zero((size_t)graph->n_nodes + 1, sizeof *plan->fixed);
  IG_CHECK(plan->order && plan->fixed, IG_ERR_MEMORY, "plan: out of memory");
  IG_TRY(ig_schedule_nodes(graph, plan->order, &plan->n_steps));
  find_fixed(plan);
  IG_TRY(ig_storage_assign(graph, plan->order, plan->n_steps, plan->fixed, &plan->map));
  IG_TRY(allocate_tables(plan));
  IG_TRY(bind_leaves(plan));
  IG_TRY(stage_sources(plan));
  IG_TRY(prepare_steps(plan));
  IG_TRY(release_fixed(plan));
  IG_TRY(lay_out_slab(plan));
  return bind_borders(plan);
}

ig_status ig_plan_create(ig_graph *graph, ig_backend *backend, ig_store *store,
                         const ig_plan_options *options, ig_plan **out) {
  ig_plan *plan = ig_alloc_zero(1, sizeof *plan);
  IG_CHECK_ALLOC(plan);
  plan->graph = graph;
  plan->backend = backend;
  plan->store = store;
  plan->options = *options;
  ig_status status = create_in_stages(plan);
  if (status != IG_OK) {
    ig_plan_destroy(plan);
    return status;
  }
  *out = plan;
  return IG_OK;
}

void ig_plan_destroy(ig_plan *plan) {
  if (!plan) return;
  ig_backend *backend = plan->backend;
  for (int t = 0; t < plan->n_steps && plan->steps; t++) {
    step *s = &plan->steps[t];
    if (s->prepared && s->impl->release) s->impl->release(&s->call);
  }
  for (int i = 0; i < plan->map.n; i++) {
    ig_storage *s = &plan->map.storages[i];
    bool owned = s->place == IG_IN_FIXED ||
                 (s->place == IG_IN_CONST && !backend->vtable->host_memory);
    if (owned && s->memory) backend->vtable->free(backend, s->memory);
  }
  for (int32_t i = 0; i < plan->graph->n_inputs && plan->inputs; i++) {
    if (plan->inputs[i]) backend->vtable->free(backend, plan->inputs[i]);
  }
  for (int32_t i = 0; i < plan->graph->n_outputs && plan->host_outputs; i++) {
    ig_free(plan->host_outputs[i]);
  }
  for (int32_t i = 0; i < plan->graph->n_assigns && plan->staged; i++) {
    if (plan->staged[i]) backend->vtable->free(backend, plan->staged[i]);
  }
  if (plan->slab) backend->vtable->free(backend, plan->slab);
  ig_storage_map_free(&plan->map);
  ig_free(plan->order);
  ig_free(plan->fixed);
  ig_free(plan->steps);
  ig_free(plan->slots);
  ig_free(plan->inputs);
  ig_free(plan->bound);
  ig_free(plan->host_outputs);
  ig_free(plan->staged);
  ig_free(plan);
}

/* --- running --------------------------------------------------------------------------------- */

/* A bound input shows through views too, so every pointer of its storage is set anew. */
static void rebind(ig_plan *plan, int storage) {
  for (int t = 0; t < plan->n_steps; t++) {
    step *s = &plan->steps[t];
    for (int k = 0; k < s->node->n_inputs; k++) {
      const ig_value *v = s->node->inputs[k];
      if (v && plan->map.of_value[v->id] == storage) s->call.in[k] = address_of(plan, v);
    }
  }
}

ig_status ig_plan_bind_input(ig_plan *plan, int index, const void *host) {
  IG_CHECK(index >= 0 && index < plan->graph->n_inputs, IG_ERR_USAGE,
           "input %d: the graph has %d inputs", index, plan->graph->n_inputs);
  const ig_value *value = plan->graph->inputs[index];
  int storage = plan->map.of_value[value->id];
  plan->bound[index] = true;
  if (!plan->backend->vtable->host_memory) {
    return plan->backend->vtable->upload(plan->backend, plan->inputs[index], host,
                                         ig_value_bytes(value));
  }
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

/* Only on host memory: a diagnosis, not a fast path. */
static void note_nonfinite(ig_plan *plan, const step *s) {
  for (int i = 0; i < s->node->n_outputs && !plan->nonfinite; i++) {
    if (!all_finite(s->node->outputs[i], s->call.out[i])) plan->nonfinite = s->node;
  }
}

static ig_status run_step(ig_plan *plan, step *s) {
  double start = plan->profiling ? now() : 0;
  ig_status status = s->impl->run(&s->call);
  if (status != IG_OK) {
    return ig_fail_in(status, "node '%s' (%s)", s->node->name, s->node->op->name);
  }
  if (plan->profiling) {
    IG_TRY(plan->backend->vtable->synchronize(plan->backend));
    s->seconds += now() - start;
  }
  if (plan->options.check_finite && !plan->nonfinite && plan->backend->vtable->host_memory) {
    note_nonfinite(plan, s);
  }
  return IG_OK;
}

static ig_status copy_assigned(ig_plan *plan) {
  const ig_backend_vtable *vtable = plan->backend->vtable;
  for (int32_t i = 0; i < plan->graph->n_assigns; i++) {
    if (!plan->staged[i]) continue;
    const ig_value *source = plan->graph->assigns[i].source;
    IG_TRY(vtable->copy(plan->backend, plan->staged[i], address_of(plan, source),
                        ig_value_bytes(source)));
  }
  for (int32_t i = 0; i < plan->graph->n_assigns; i++) {
    if (plan->map.in_place[i]) continue;
    const ig_assign *assign = &plan->graph->assigns[i];
    void *to = address_of(plan, assign->target);
    const void *from = plan->staged[i] ? plan->staged[i] : address_of(plan, assign->source);
    IG_TRY(vtable->copy(plan->backend, to, from, ig_value_bytes(assign->target)));
  }
  return IG_OK;
}

ig_status ig_plan_run(ig_plan *plan, const ig_rng_state *rng) {
  for (int32_t i = 0; i < plan->graph->n_inputs; i++) {
    IG_CHECK(plan->bound[i] || plan->map.of_value[plan->graph->inputs[i]->id] < 0, IG_ERR_USAGE,
             "input '%s' was not bound", plan->graph->inputs[i]->name);
  }
  plan->nonfinite = NULL;
  for (int t = 0; t < plan->n_steps; t++) {
    step *s = &plan->steps[t];
    if (!s->impl || plan->fixed[s->node->id]) continue;
    s->call.rng = rng;
    IG_TRY(run_step(plan, s));
  }
  IG_TRY(copy_assigned(plan));
  if (plan->profiling) plan->profiled_runs++;
  if (plan->backend->vtable->host_memory) return IG_OK;
  for (int32_t i = 0; i < plan->graph->n_outputs; i++) {
    const ig_value *v = plan->graph->outputs[i];
    IG_TRY(plan->backend->vtable->download(plan->backend, plan->host_outputs[i],
                                           address_of(plan, v), ig_value_bytes(v)));
  }
  return plan->backend->vtable->synchronize(plan->backend);
}

const void *ig_plan_output(const ig_plan *plan, int index) {
  if (index < 0 || index >= plan->graph->n_outputs) return NULL;
  if (plan->host_outputs[index]) return plan->host_outputs[index];
  return address_of(plan, plan->graph->outputs[index]);
}

/* --- inspection ------------------------------------------------------------------------------ */

const ig_graph *ig_plan_graph(const ig_plan *plan) { return plan->graph; }

ig_plan_memory ig_plan_memory_use(const ig_plan *plan) { return plan->memory; }

int ig_plan_step_count(const ig_plan *plan) { return plan->n_steps; }

ig_plan_step ig_plan_step_at(const ig_plan *plan, int index) {
  const step *s = &plan->steps[index];
  return (ig_plan_step){.node = s->node,
                        .impl = s->impl,
                        .fixed = plan->fixed[s->node->id],
                        .workspace = s->call.workspace_size,
                        .seconds = s->seconds};
}

void ig_plan_profile(ig_plan *plan, bool on) { plan->profiling = on; }

int64_t ig_plan_profiled_runs(const ig_plan *plan) { return plan->profiled_runs; }

const ig_node *ig_plan_first_nonfinite(const ig_plan *plan) { return plan->nonfinite; }
