/* The driver's calls on another device than the host, and of operators that lie in their input or speak
 * with other ranks: guarded blocks are carried there whole and back, so that the same checks hold. */
#include <string.h>

#include "driver.h"

ig_backend *driver_backend;

/* --- one rank alone: every operation is a copy ---------------------------------------------------- */

static ig_status alone_begin(ig_comm *comm, const ig_collective *op, void *stream) {
  IG_UNUSED(comm);
  IG_UNUSED(stream);
  if (op->in == op->out) return IG_OK;
  return driver_backend->vtable->copy(driver_backend, op->out, op->in,
                                      (size_t)op->count * ig_dtype_size(op->dtype));
}

static ig_status alone_wait(ig_comm *comm, const void *out, void *stream) {
  IG_UNUSED(comm);
  IG_UNUSED(stream);
  IG_CHECK(out, IG_ERR_INTERNAL, "nothing to wait for");
  return IG_OK;
}

static const ig_comm_vtable alone_vtable = {
    .name = "alone", .begin = alone_begin, .wait = alone_wait};
static ig_comm alone = {.vtable = &alone_vtable, .size = 1};

typedef struct call_blocks {
  int n;
  struct {
    uint8_t *host, *device; /* both at the first guard byte */
    size_t size;
  } block[IG_CASE_MAX_INPUTS + IG_CASE_MAX_OUTPUTS];
} call_blocks;

/* The device address of `data`, which is carried there unless an earlier operand brought it. */
static ig_status carry(call_blocks *blocks, uint8_t *data, size_t size, void **out) {
  const ig_backend_vtable *vtable = driver_backend->vtable;
  *out = NULL;
  if (!data) return IG_OK;
  int i = 0;
  while (i < blocks->n && blocks->block[i].host != data - GUARD) i++;
  if (i == blocks->n) {
    void *device;
    IG_TRY(vtable->alloc(driver_backend, size + 2 * GUARD, &device));
    blocks->block[blocks->n].host = data - GUARD;
    blocks->block[blocks->n].device = device;
    blocks->block[blocks->n++].size = size + 2 * GUARD;
    IG_TRY(vtable->upload(driver_backend, device, data - GUARD, size + 2 * GUARD));
  }
  *out = blocks->block[i].device + GUARD;
  return IG_OK;
}

static ig_status bring_back(call_blocks *blocks) {
  for (int i = 0; i < blocks->n; i++) {
    IG_TRY(driver_backend->vtable->download(driver_backend, blocks->block[i].host,
                                            blocks->block[i].device, blocks->block[i].size));
  }
  return IG_OK;
}

/* Constants of the case are what prepare may see. */
static ig_status prepare(ig_call *call, const ig_impl *impl) {
  const void *known[IG_CASE_MAX_INPUTS], **in = call->in;
  if (!impl->prepare) return IG_OK;
  for (int i = 0; i < call->node->n_inputs; i++) {
    known[i] = ig_value_is_const(call->node->inputs[i]) ? in[i] : NULL;
  }
  call->in = known;
  ig_status status = impl->prepare(call);
  call->in = in;
  return status;
}

static ig_status call_on_device(ig_call *call, const ig_impl *impl) {
  const ig_backend_vtable *vtable = driver_backend->vtable;
  call->workspace_size = impl->workspace ? impl->workspace(call->node) : 0;
  IG_TRY(prepare(call, impl));
  ig_status status = IG_OK;
  if (call->workspace_size) {
    status = vtable->alloc(driver_backend, call->workspace_size, &call->workspace);
  }
  if (status == IG_OK) status = impl->run(call);
  if (status == IG_OK) status = vtable->synchronize(driver_backend);
  if (impl->release) impl->release(call);
  if (call->workspace) vtable->free(driver_backend, call->workspace);
  return status;
}

ig_status evaluate(instance *it, const ig_impl *impl, uint8_t **in, uint8_t **out) {
  const void *inputs[IG_CASE_MAX_INPUTS] = {NULL};
  void *outputs[IG_CASE_MAX_OUTPUTS] = {NULL}, *address;
  bool plain = driver_backend->vtable->host_memory && !it->op->within &&
               !(it->op->flags & IG_OP_BUCKET);
  if (plain || it->op->flags & IG_OP_VIEW) {
    for (int i = 0; i < it->n_in; i++) inputs[i] = in[i];
    for (int i = 0; i < it->n_out; i++) outputs[i] = out[i];
    return ig_op_evaluate(it->node, impl, inputs, outputs);
  }
  call_blocks blocks = {0};
  ig_rng_state *rng = NULL;
  ig_status status = driver_backend->vtable->alloc(driver_backend, sizeof *rng, (void **)&rng);
  if (status == IG_OK) status = driver_backend->vtable->zero(driver_backend, rng, sizeof *rng);
  for (int i = 0; i < it->n_in && status == IG_OK; i++) {
    status = carry(&blocks, in[i], it->in[i] ? ig_value_storage(it->in[i]) : 0, &address);
    inputs[i] = address;
  }
  for (int i = 0; i < it->n_out && status == IG_OK; i++) {
    int64_t within = ig_op_within(it->node, i);
    if (within >= 0) outputs[i] = (char *)(void *)(uintptr_t)inputs[0] + within;
    else status = carry(&blocks, out[i], ig_value_storage(it->node->outputs[i]), &outputs[i]);
  }
  ig_call call = {.node = it->node, .in = inputs, .out = outputs, .rng = rng,
                  .tf32 = it->tf32, .stream = driver_backend->stream, .comm = &alone};
  if (status == IG_OK) status = call_on_device(&call, impl);
  for (int i = 0; i < it->n_out && status == IG_OK; i++) {
    if (ig_op_within(it->node, i) < 0 || !out[i]) continue;
    status = driver_backend->vtable->download(driver_backend, out[i], outputs[i],
                                              ig_value_storage(it->node->outputs[i]));
  }
  if (status == IG_OK) status = bring_back(&blocks);
  for (int i = 0; i < blocks.n; i++) {
    driver_backend->vtable->free(driver_backend, blocks.block[i].device);
  }
  driver_backend->vtable->free(driver_backend, rng);
  return status;
}
