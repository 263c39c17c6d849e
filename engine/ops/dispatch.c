/* From an operator's name to something that runs: lookup, the choice among implementations, and running
 * one by itself. Builders of graphs look operators up here, so this calls none of them. */
#include "engine/ops/op.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/rng.h"

/* --- lookup ---------------------------------------------------------------------------------- */

/* Open addressing, filled on the first lookup: a few microseconds, and no allocation that could
 * fail. The operator tests look up every name, so a registry that outgrows it is noticed. */
#define INDEX_SLOTS 2048

static const ig_op *name_index[INDEX_SLOTS];
static const ig_impl *device_index[INDEX_SLOTS]; /* by the same slots: CUDA's implementations */
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

static uint64_t slot_of(const char *name) {
  uint64_t slot = ig_hash_name(name) % INDEX_SLOTS;
  while (name_index[slot] && strcmp(name_index[slot]->name, name) != 0) {
    slot = (slot + 1) % INDEX_SLOTS;
  }
  return slot;
}

static void build_index(void) {
  int used = 0;
  for (const ig_op *const *op = ig_op_registry; *op && used < INDEX_SLOTS - 1; op++, used++) {
    name_index[slot_of((*op)->name)] = *op;
  }
  for (const ig_device_ops *const *file = ig_device_ops_registry; *file; file++) {
    for (const struct ig_op_impls *row = (*file)->ops; row->op; row++) {
      device_index[slot_of(row->op)] = row->impls;
    }
  }
}

const ig_op *ig_op_find(const char *name) {
  if (!name) return NULL;
  pthread_once(&index_once, build_index);
  return name_index[slot_of(name)];
}

/* --- implementations ------------------------------------------------------------------------- */

const ig_impl *ig_op_impl(const ig_op *op, ig_device device, int index) {
  pthread_once(&index_once, build_index);
  const ig_impl *own = device == IG_CPU ? NULL : device_index[slot_of(op->name)];
  for (const ig_impl *impl = own; impl && impl->name; impl++) {
    if (impl->device == device && index-- == 0) return impl;
  }
  for (const ig_impl *impl = op->impls; impl && impl->name; impl++) {
    if ((impl->device == device || impl->device == IG_ANY_DEVICE) && index-- == 0) return impl;
  }
  return NULL;
}

int64_t ig_op_within(const ig_node *node, int output) {
  if (node->op->within) return node->op->within(node, output);
  return (node->op->flags & IG_OP_VIEW) && output == 0 ? 0 : -1;
}

static const char *device_name(ig_device device) {
  return device == IG_CPU ? "cpu" : "cuda";
}

ig_status ig_op_choose(const ig_node *node, ig_device device, const ig_impl **out) {
  char reasons[512] = "";
  size_t used = 0;
  const ig_impl *impl;
  for (int i = 0; (impl = ig_op_impl(node->op, device, i)); i++) {
    const char *reason = impl->reject ? impl->reject(node) : NULL;
    if (!reason) {
      *out = impl;
      return IG_OK;
    }
    int n = snprintf(reasons + used, sizeof reasons - used, "%s%s: %s", i ? "; " : "", impl->name,
                     reason);
    if (n > 0) used = IG_MIN(used + (size_t)n, sizeof reasons - 1);
  }
  return ig_fail(IG_ERR_UNSUPPORTED, "node '%s' (%s): no implementation on %s accepts it (%s)",
                 node->name ? node->name : "", node->op->name, device_name(device),
                 used ? reasons : "there is none");
}

/* As in a plan, prepare sees the inputs whose bytes are known before running. */
static ig_status prepare(ig_call *call, const ig_impl *impl) {
  if (!impl->prepare) return IG_OK;
  const ig_node *node = call->node;
  const void **in = call->in;
  const void **known = ig_alloc_zero((size_t)node->n_inputs + 1, sizeof *known);
  IG_CHECK_ALLOC(known);
  for (int i = 0; i < node->n_inputs; i++)
    known[i] = ig_value_is_const(node->inputs[i]) ? in[i] : NULL;
  call->in = known;
  ig_status status = impl->prepare(call);
  call->in = in;
  ig_free(known);
  return status;
}

static ig_status evaluate_with(ig_call *call, const ig_impl *impl) {
  call->workspace_size = impl->workspace ? impl->workspace(call->node) : 0;
  IG_TRY(prepare(call, impl));
  ig_status status = IG_OK;
  if (call->workspace_size) {
    call->workspace = ig_alloc(call->workspace_size);
    if (!call->workspace) status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  if (status == IG_OK) status = impl->run(call);
  ig_free(call->workspace);
  if (impl->release) impl->release(call);
  return status;
}

ig_status ig_op_evaluate(const ig_node *node, const ig_impl *impl, const void **in, void **out) {
  return ig_op_evaluate_at(node, impl, NULL, in, out);
}

ig_status ig_op_evaluate_at(const ig_node *node, const ig_impl *impl, const ig_rng_state *rng,
                            const void **in, void **out) {
  if (node->op->flags & IG_OP_VIEW) {
    if (out[0] != in[0]) memcpy(out[0], in[0], ig_value_bytes(node->outputs[0]));
    return IG_OK;
  }
  const ig_rng_state zero = {0};
  const ig_call call = {.node = node, .in = in, .out = out, .rng = rng ? rng : &zero};
  ig_call fresh = call;
  ig_status status = IG_OK;
  if (impl) return evaluate_with(&fresh, impl);
  for (int i = 0; (impl = ig_op_impl(node->op, IG_CPU, i)); i++) {
    if (impl->reject && impl->reject(node)) continue;
    fresh = call;
    status = evaluate_with(&fresh, impl);
    if (status != IG_ERR_UNSUPPORTED) return status;
  }
  return status != IG_OK ? status : ig_op_choose(node, IG_CPU, &impl); /* lists the reasons */
}
