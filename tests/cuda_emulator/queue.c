/* Work in streams. Without a seed it is done as it is queued. With one it waits in the stream's
 * queue until something must have it (a wait of the host, a full copy, an event that another
 * stream waits for), and streams go on in a random order: a missing event or synchronisation
 * then reads what is not there yet. The legacy stream waits for all blocking ones and does its
 * work at once. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

cudaStream_t ig_emu_streams;

op *ig_emu_new_op(enum op_kind kind, size_t payload) {
  op *o = calloc(1, sizeof *o + payload);
  if (!o) return NULL;
  o->kind = kind;
  o->references = 1;
  return o;
}

void ig_emu_release_op(op *o) {
  if (--o->references) return;
  if (o->event) ig_emu_release_event(o->event);
  if (o->graph) ig_emu_release_exec(o->graph);
  free(o);
}

static void copy_rows(const op *o) {
  for (size_t row = 0; row < o->copy.height; row++) {
    memmove(o->copy.to + row * o->copy.to_pitch, o->copy.from + row * o->copy.from_pitch,
            o->copy.width);
  }
}

cudaError_t ig_emu_run_op(op *o) {
  ig_emu_open_device();
  switch (o->kind) {
  case OP_KERNEL: return ig_emu_run_grid(&o->launch);
  case OP_COPY: copy_rows(o); return cudaSuccess;
  case OP_FILL: memset(o->copy.to, o->value, o->copy.width); return cudaSuccess;
  case OP_HOST: o->host(o->data); return cudaSuccess;
  case OP_FREE: return ig_emu_free(o->data, DEVICE_MEMORY);
  case OP_RECORD: ig_emu_reach_event(o->event, o->ticket); return cudaSuccess;
  case OP_WAIT: return cudaSuccess;
  case OP_GRAPH: return ig_emu_run_graph(o->graph);
  }
  return cudaErrorUnknown;
}

/* --- queues ----------------------------------------------------------------------------------- */

static op *pop(cudaStream_t s) {
  op *o = s->head;
  s->head = o->next;
  if (!s->head) s->tail = NULL;
  return o;
}

/* After a failure nothing that was queued is done, as in a context that has ended. */
static void discard_all(void) {
  for (cudaStream_t s = ig_emu_streams; s; s = s->next) {
    while (s->head) {
      op *o = pop(s);
      if (o->kind == OP_RECORD) ig_emu_reach_event(o->event, o->ticket);
      ig_emu_release_op(o);
    }
  }
}

static bool can_go_on(const struct CUstream_st *s) {
  const op *o = s->head;
  return o && !(o->kind == OP_WAIT && o->event->done < o->ticket);
}

static cudaError_t run_head(cudaStream_t s) {
  op *o = pop(s);
  cudaError_t error = ig_emu_run_op(o);
  ig_emu_release_op(o);
  if (error) discard_all();
  return error;
}

/* One stream that can go on, each equally likely; NULL if none can. */
static cudaStream_t any_stream(bool blocking_only) {
  cudaStream_t chosen = NULL;
  uint32_t seen = 0;
  for (cudaStream_t s = ig_emu_streams; s; s = s->next) {
    if (!can_go_on(s) || (blocking_only && !s->blocking)) continue;
    if (ig_emu_below(++seen) == 0) chosen = s;
  }
  return chosen;
}

static cudaError_t run_any(void) {
  cudaStream_t s = any_stream(false);
  return s ? run_head(s) : cudaErrorUnknown; /* an event that nobody records: never */
}

cudaError_t ig_emu_drain(cudaStream_t stream) {
  if (ig_emu_is_legacy(stream)) return ig_emu_drain_blocking();
  cudaError_t error = cudaSuccess;
  while (!error && stream->head) error = can_go_on(stream) ? run_head(stream) : run_any();
  return error;
}

static bool blocking_work(void) {
  for (cudaStream_t s = ig_emu_streams; s; s = s->next) {
    if (s->blocking && s->head) return true;
  }
  return false;
}

cudaError_t ig_emu_drain_blocking(void) {
  cudaError_t error = cudaSuccess;
  while (!error && blocking_work()) {
    cudaStream_t s = any_stream(true);
    error = s ? run_head(s) : run_any();
  }
  return error;
}

cudaError_t ig_emu_drain_all(void) {
  cudaError_t error = cudaSuccess;
  for (cudaStream_t s; !error && (s = any_stream(false));) error = run_head(s);
  return error;
}

cudaError_t ig_emu_drain_until(cudaEvent_t event, uint64_t ticket) {
  cudaError_t error = cudaSuccess;
  while (!error && event->done < ticket) error = run_any();
  return error;
}

void ig_emu_run_one(void) {
  cudaStream_t s = any_stream(false);
  if (s) run_head(s);
}

static cudaError_t submit_legacy(op *o) {
  for (cudaStream_t s = ig_emu_streams; s; s = s->next) {
    if (s->blocking && s->capture) return cudaErrorStreamCaptureImplicit;
  }
  cudaError_t error = ig_emu_drain_blocking();
  if (!error && o->kind == OP_WAIT) error = ig_emu_drain_until(o->event, o->ticket);
  return error ? error : ig_emu_run_op(o);
}

cudaError_t ig_emu_submit(op *o, cudaStream_t stream) {
  cudaError_t error = cudaSuccess;
  if (ig_emu_is_legacy(stream)) {
    error = submit_legacy(o);
    ig_emu_release_op(o);
    return error;
  }
  if (!ig_emu_is_stream(stream)) error = cudaErrorInvalidResourceHandle;
  if (error || stream->capture) {
    if (!error) error = ig_emu_capture_op(stream, o);
    ig_emu_release_op(o);
    return error;
  }
  o->next = NULL;
  if (stream->tail)
    stream->tail->next = o;
  else
    stream->head = o;
  stream->tail = o;
  if (!ig_emu_settings.seed) return ig_emu_drain(stream);
  /* Now and then some of it is done early. */
  for (uint32_t n = ig_emu_below(16); n < 4; n++) ig_emu_run_one();
  return cudaSuccess;
}

/* --- copies and fills ------------------------------------------------------------------------- */

static bool side_is_right(const void *at, size_t bytes, bool on_device, bool known) {
  bool whole;
  enum memory_kind kind = ig_emu_memory_of(at, bytes, &whole);
  if (kind != UNKNOWN_MEMORY && !whole) return false;
  return !known || (kind == DEVICE_MEMORY) == on_device;
}

static cudaError_t copy(const op *what, enum cudaMemcpyKind kind, cudaStream_t stream, bool wait) {
  char *to = what->copy.to;
  const char *from = what->copy.from;
  size_t width = what->copy.width, height = what->copy.height;
  if ((unsigned)kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  if (width == 0 || height == 0) return cudaSuccess;
  if (!to || !from) return cudaErrorInvalidValue;
  if (what->copy.to_pitch < width || what->copy.from_pitch < width) return cudaErrorInvalidValue;
  size_t to_bytes = (height - 1) * what->copy.to_pitch + width;
  size_t from_bytes = (height - 1) * what->copy.from_pitch + width;
  bool known = kind != cudaMemcpyDefault, whole;
  if (!side_is_right(to, to_bytes,
                     kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice, known) ||
      !side_is_right(from, from_bytes,
                     kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice, known)) {
    return cudaErrorInvalidValue;
  }
  bool capturing = ig_emu_is_capturing(stream);
  /* Pageable memory is read during the call, and has been written when it returns. */
  bool stage = !capturing && ig_emu_memory_of(from, from_bytes, &whole) == UNKNOWN_MEMORY;
  bool finish = !capturing && ig_emu_memory_of(to, to_bytes, &whole) == UNKNOWN_MEMORY;
  op *o = ig_emu_new_op(OP_COPY, stage ? from_bytes : 0);
  if (!o) return cudaErrorUnknown;
  o->copy = what->copy;
  if (stage) {
    memcpy(o->payload, from, from_bytes);
    o->copy.from = (const char *)o->payload;
  }
  cudaError_t error = ig_emu_submit(o, stream);
  if (error || !(finish || wait)) return error;
  return ig_emu_drain(stream);
}

static cudaError_t copy_call(op what, enum cudaMemcpyKind kind, cudaStream_t stream, bool wait) {
  cudaError_t error = ig_emu_enter();
  if (!error && wait) error = ig_emu_forbid_in_capture(false);
  return ig_emu_leave(error ? error : copy(&what, kind, stream, wait));
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
  return copy_call((op){.copy = {to, from, bytes, bytes, bytes, 1}}, kind, cudaStreamLegacy, true);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy_call((op){.copy = {to, from, bytes, bytes, bytes, 1}}, kind, stream, false);
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, enum cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return copy_call((op){.copy = {to, from, to_pitch, from_pitch, width, height}}, kind, stream,
                   false);
}

static cudaError_t fill(void *to, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!side_is_right(to, bytes, true, true)) return cudaErrorInvalidValue;
  op *o = ig_emu_new_op(OP_FILL, 0);
  if (!o) return cudaErrorUnknown;
  o->copy.to = to;
  o->copy.width = bytes;
  o->value = value;
  return ig_emu_submit(o, stream);
}

cudaError_t cudaMemset(void *to, int value, size_t bytes) {
  cudaError_t error = ig_emu_enter();
  if (!error) error = ig_emu_forbid_in_capture(false);
  return ig_emu_leave(error ? error : fill(to, value, bytes, cudaStreamLegacy));
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : fill(to, value, bytes, stream));
}

static cudaError_t host_function(cudaStream_t stream, cudaHostFn_t function, void *data) {
  if (!function) return cudaErrorInvalidValue;
  op *o = ig_emu_new_op(OP_HOST, 0);
  if (!o) return cudaErrorUnknown;
  o->host = function;
  o->data = data;
  return ig_emu_submit(o, stream);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : host_function(stream, function, data));
}
