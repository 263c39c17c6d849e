/* Making a plan: from a concrete graph to an array of steps with bound pointers, in fixed stages:
 * order, storage, implementations, fixed results, slab, pointers. */
#include <stdlib.h>
#include <string.h>

#include "engine/plan/contest.h"
#include "engine/plan/plan_parts.h"
#include "engine/plan/schedule.h"
#include "engine/plan/slab.h"

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
  plan->bound = ig_alloc_zero((size_t)graph->n_inputs + 1, sizeof *plan->bound);
  plan->staged = ig_alloc_zero((size_t)graph->n_assigns + 1, sizeof *plan->staged);
  IG_CHECK(plan->steps && plan->slots && plan->bound && plan->staged, IG_ERR_MEMORY,
           "plan: out of memory");
  const void **next = plan->slots;
  for (int t = 0; t < plan->n_steps; t++) {
    ig_planned *s = &plan->steps[t];
    s->node = plan->order[t];
    s->workspace_block = -1;
    s->call.node = s->node;
    s->call.tf32 = plan->options.tf32;
    s->call.stream = plan->backend->stream;
    s->call.comm = plan->options.comm;
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
      IG_CHECK(entry && (entry->data || s->size == 0), IG_ERR_INTERNAL,
               "plan: '%s' is not in the store, or was given up by an earlier plan",
               s->owner->name);
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

void *ig_plan_address(const ig_plan *plan, const ig_value *value) {
  int storage = value ? plan->map.of_value[value->id] : -1;
  char *memory = storage >= 0 ? plan->map.storages[storage].memory : NULL;
  return memory ? memory + plan->map.offset[value->id] : NULL;
}

/* Pointers of a step from its storages; before the slab exists, only what is fixed is given. */
static void bind_step(const ig_plan *plan, ig_planned *s, bool fixed_only) {
  for (int i = 0; i < s->node->n_inputs; i++) {
    const ig_value *v = s->node->inputs[i];
    bool give = v && (!fixed_only || is_fixed_value(plan, v));
    s->call.in[i] = give ? ig_plan_address(plan, v) : NULL;
  }
  for (int i = 0; i < s->node->n_outputs && !fixed_only; i++) {
    s->call.out[i] = ig_plan_address(plan, s->node->outputs[i]);
  }
}

static ig_status prepare_with(const ig_plan *plan, ig_planned *s, const ig_impl *impl) {
  s->call.workspace_size = impl->workspace ? impl->workspace(s->node) : 0;
  s->call.state = NULL;
  s->call.packed = 0;
  int threads = ig_plan_threads_begin(plan, impl);
  ig_status status = impl->prepare ? impl->prepare(&s->call) : IG_OK;
  ig_plan_threads_end(threads);
  IG_TRY(status);
  s->impl = impl;
  s->prepared = true;
  return IG_OK;
}

/* The implementation that won a contest in the place of the one that stands first. */
static ig_status prepare_winner(const ig_plan *plan, ig_planned *s) {
  const ig_impl *first = s->impl, *impl;
  ig_device device = plan->backend->vtable->device;
  const char *name =
      ig_contest_winner(plan->backend, first, &s->call, !plan->options.measure);
  s->fastest = name && strcmp(name, first->name) == 0;
  if (!name || s->fastest) return IG_OK;
  if (first->release) first->release(&s->call);
  s->prepared = false;
  for (int i = 0; (impl = ig_op_impl(s->node->op, device, i)); i++) {
    s->fastest = strcmp(impl->name, name) == 0 && prepare_with(plan, s, impl) == IG_OK;
    if (s->fastest) return IG_OK;
  }
  return prepare_with(plan, s, first);
}

/* The first implementation that neither rejects the node nor declines in prepare. */
static ig_status prepare_step(const ig_plan *plan, ig_planned *s) {
  if (is_view(s->node)) return IG_OK;
  ig_device device = plan->backend->vtable->device;
  bind_step(plan, s, true);
  for (int i = 0;; i++) {
    const ig_impl *impl = ig_op_impl(s->node->op, device, i);
    if (!impl) break;
    if (impl->reject && impl->reject(s->node)) continue;
    ig_status status = prepare_with(plan, s, impl);
    if (status == IG_ERR_UNSUPPORTED) continue;
    if (status == IG_OK && ig_contest_wanted(plan->backend)) status = prepare_winner(plan, s);
    return status == IG_OK ? IG_OK : ig_fail_in(status, "node '%s'", s->node->name);
  }
  const ig_impl *none;
  ig_status status = ig_op_choose(s->node, device, &none); /* lists the reasons */
  return status != IG_OK ? status
                         : ig_fail_in(IG_ERR_UNSUPPORTED, "node '%s'", s->node->name);
}

static ig_status run_fixed(ig_plan *plan, ig_planned *s) {
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

/* By storage: steps that have not been prepared yet and read it, and whether a run will. */
typedef struct readers {
  int *left;
  bool *running;
} readers;

static void count_readers(const ig_plan *plan, readers *r) {
  const ig_graph *graph = plan->graph;
  for (int t = 0; t < plan->n_steps; t++) {
    const ig_node *node = plan->order[t];
    for (int i = 0; i < node->n_inputs; i++) {
      if (node->inputs[i]) r->left[plan->map.of_value[node->inputs[i]->id]]++;
    }
  }
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    r->running[plan->map.of_value[graph->outputs[i]->id]] = true;
  }
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    r->running[plan->map.of_value[graph->assigns[i].source->id]] = true;
    r->running[plan->map.of_value[graph->assigns[i].target->id]] = true;
  }
}

/* Gives up what was computed once, or a parameter, when no step reads it any more. */
static void release_storage(ig_plan *plan, ig_storage *s) {
  if (!s->memory) return;
  if (s->place == IG_IN_FIXED) {
    plan->backend->vtable->free(plan->backend, s->memory);
    plan->memory.fixed -= s->size;
    s->memory = NULL;
  } else if (s->place == IG_IN_STORE && plan->options.release_params) {
    ig_store_entry *entry = ig_store_find(plan->store, s->owner->name);
    if (entry->kept) return;
    ig_store_release(plan->store, entry);
    plan->memory.params -= s->size;
    s->memory = NULL;
  }
}

/* What a prepared step reads while it runs: nothing of a fixed result's or of what it packed, and a
 * view is read by its readers. */
static void note_reads(ig_plan *plan, const ig_planned *s, readers *r) {
  bool runs = !plan->fixed[s->node->id] && !is_view(s->node);
  for (int i = 0; i < s->node->n_inputs; i++) {
    if (!s->node->inputs[i]) continue;
    int storage = plan->map.of_value[s->node->inputs[i]->id];
    bool packed = i < 64 && (s->call.packed >> i & 1);
    if (runs && !packed) r->running[storage] = true;
    r->left[storage]--;
    if (r->left[storage] == 0 && !r->running[storage]) {
      release_storage(plan, &plan->map.storages[storage]);
    }
  }
}

static ig_status prepare_steps(ig_plan *plan) {
  readers r = {.left = ig_alloc_zero((size_t)plan->map.n + 1, sizeof *r.left),
               .running = ig_alloc_zero((size_t)plan->map.n + 1, sizeof *r.running)};
  ig_status status = r.left && r.running ? IG_OK : ig_fail(IG_ERR_MEMORY, "plan: out of memory");
  if (status == IG_OK) count_readers(plan, &r);
  for (int t = 0; t < plan->n_steps && status == IG_OK; t++) {
    ig_planned *s = &plan->steps[t];
    status = plan->fixed[s->node->id] ? run_fixed(plan, s) : prepare_step(plan, s);
    if (status == IG_OK) note_reads(plan, s, &r);
  }
  for (int i = 0; i < plan->map.n && status == IG_OK; i++) { /* results that nothing reads */
    ig_storage *s = &plan->map.storages[i];
    if (s->place == IG_IN_FIXED && !r.running[i]) release_storage(plan, s);
    bool keep = plan->options.frozen_params && !plan->options.release_params && r.running[i];
    if (s->place == IG_IN_STORE && keep) ig_store_find(plan->store, s->owner->name)->kept = true;
  }
  ig_free(r.left);
  ig_free(r.running);
  return status;
}

static ig_status check_limit(const ig_plan *plan) {
  size_t limit = plan->options.memory_limit, needs = plan->memory.slab + plan->memory.fixed;
  IG_CHECK(limit == 0 || needs <= limit, IG_ERR_MEMORY,
           "the plan of '%s' needs %.1f MiB, the limit is %.1f MiB",
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
    ig_planned *s = &plan->steps[t];
    if (plan->fixed[s->node->id] || s->call.workspace_size == 0) continue;
    s->workspace_block = n;
    blocks[n++] = (ig_block){.size = s->call.workspace_size, .first = t, .last = t};
    plan->memory.workspace = IG_MAX(plan->memory.workspace, s->call.workspace_size);
  }
  ig_status status = ig_slab_layout(blocks, n, &plan->memory.slab, &plan->memory.lower_bound);
  if (status == IG_OK) status = check_limit(plan);
  if (status == IG_OK && !plan->options.measure) {
    status = plan->backend->vtable->alloc(plan->backend, plan->memory.slab, &plan->slab);
    if (status != IG_OK) status = ig_fail_in(status, "the plan of '%s'", plan->graph->name);
  }
  for (int i = 0, b = 0; i < plan->map.n && status == IG_OK && plan->slab; i++) {
    ig_storage *s = &plan->map.storages[i];
    if (s->place == IG_IN_SLAB) s->memory = (char *)plan->slab + blocks[b++].offset;
  }
  for (int t = 0; t < plan->n_steps && status == IG_OK && plan->slab; t++) {
    ig_planned *s = &plan->steps[t];
    if (s->workspace_block < 0) continue;
    s->call.workspace = (char *)plan->slab + blocks[s->workspace_block].offset;
  }
  ig_free(blocks);
  return status;
}

/* Device copies of the inputs, and the final pointers of every step. */
static ig_status bind_borders(ig_plan *plan) {
  const ig_graph *graph = plan->graph;
  if (!plan->backend->vtable->host_memory) {
    IG_TRY(ig_border_create(graph, plan->backend, !plan->options.device_outputs, &plan->border));
    for (int32_t i = 0; i < graph->n_inputs; i++) {
      int storage = plan->map.of_value[graph->inputs[i]->id];
      if (storage >= 0) plan->map.storages[storage].memory = ig_border_input(plan->border, i);
    }
  }
  for (int t = 0; t < plan->n_steps; t++) {
    bind_step(plan, &plan->steps[t], false);
    if (plan->border) plan->steps[t].call.rng = ig_border_rng(plan->border);
  }
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
  IG_TRY(ig_plan_count_buckets(plan));
  IG_TRY(bind_leaves(plan));
  IG_TRY(stage_sources(plan));
  IG_TRY(prepare_steps(plan));
  IG_TRY(lay_out_slab(plan));
  if (plan->options.measure) return IG_OK;
  IG_TRY(bind_borders(plan));
  return ig_plan_bind_buckets(plan);
}

ig_status ig_plan_create(ig_graph *graph, ig_backend *backend, ig_store *store,
                         const ig_plan_options *options, ig_plan **out) {
  ig_plan *plan = ig_alloc_zero(1, sizeof *plan);
  IG_CHECK_ALLOC(plan);
  plan->graph = graph;
  plan->backend = backend;
  plan->store = store;
  plan->options = *options;
  const char *synchronize = getenv("IG_SYNC");
  if (synchronize && strcmp(synchronize, "1") == 0) plan->options.synchronize = true;
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
  if (plan->border) ig_backend_drain(backend);
  if (plan->recording) backend->vtable->queue->recording_destroy(backend, plan->recording);
  ig_border_destroy(plan->border);
  for (int t = 0; t < plan->n_steps && plan->steps; t++) {
    ig_planned *s = &plan->steps[t];
    if (s->prepared && s->impl->release) s->impl->release(&s->call);
  }
  for (int i = 0; i < plan->map.n; i++) {
    ig_storage *s = &plan->map.storages[i];
    bool owned = s->place == IG_IN_FIXED ||
                 (s->place == IG_IN_CONST && !backend->vtable->host_memory);
    if (owned && s->memory) backend->vtable->free(backend, s->memory);
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
  ig_free(plan->bound);
  ig_free(plan->staged);
  ig_free(plan);
}

/* --- inspection ------------------------------------------------------------------------------ */

const ig_graph *ig_plan_graph(const ig_plan *plan) { return plan->graph; }

ig_plan_memory ig_plan_memory_use(const ig_plan *plan) { return plan->memory; }

int ig_plan_step_count(const ig_plan *plan) { return plan->n_steps; }

/* Which implementation stands before the one that was taken, and why it was not. */
static void explain_choice(const ig_plan *plan, const ig_planned *s, ig_plan_step *out) {
  ig_device device = plan->backend->vtable->device;
  const ig_impl *impl;
  out->fastest = s->fastest;
  for (int i = 0; (impl = ig_op_impl(s->node->op, device, i)) && impl != s->impl; i++) {
    out->passed = impl->name;
    out->reason = impl->reject ? impl->reject(s->node) : NULL;
    if (!out->reason) out->reason = s->fastest && impl->contender ? "slower" : "cannot be used here";
  }
}

ig_plan_step ig_plan_step_at(const ig_plan *plan, int index) {
  const ig_planned *s = &plan->steps[index];
  ig_plan_step step = {.node = s->node,
                       .impl = s->impl,
                       .fixed = plan->fixed[s->node->id],
                       .workspace = s->call.workspace_size,
                       .seconds = s->seconds};
  if (s->impl) explain_choice(plan, s, &step);
  return step;
}

void ig_plan_profile(ig_plan *plan, bool on) { plan->profiling = on; }

int64_t ig_plan_profiled_runs(const ig_plan *plan) { return plan->profiled_runs; }

const ig_node *ig_plan_first_nonfinite(const ig_plan *plan) { return plan->nonfinite; }
