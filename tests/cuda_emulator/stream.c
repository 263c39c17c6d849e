/* Streams and events: the handles, and what the host asks of them. */
#include <stdlib.h>
#include <time.h>

#include "internal.h"

enum { EVENT = 0xe7e7e7 }; /* in events that have not been destroyed */

/* --- streams ---------------------------------------------------------------------------------- */

bool ig_emu_is_legacy(cudaStream_t stream) {
  return !stream || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

bool ig_emu_is_stream(cudaStream_t stream) {
  for (cudaStream_t s = ig_emu_streams; s; s = s->next) {
    if (s == stream) return true;
  }
  return false;
}

bool ig_emu_is_capturing(cudaStream_t stream) {
  for (cudaStream_t s = ig_emu_streams; s; s = s->next) {
    if (s == stream) return s->capture != NULL;
  }
  return false;
}

static cudaError_t create_stream(cudaStream_t *stream, unsigned int flags) {
  if (!stream || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
  cudaStream_t s = calloc(1, sizeof *s);
  if (!s) return cudaErrorUnknown;
  s->blocking = flags != cudaStreamNonBlocking;
  s->next = ig_emu_streams;
  ig_emu_streams = s;
  *stream = s;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : create_stream(stream, flags));
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned int flags, int priority) {
  (void)priority;
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  cudaError_t error = ig_emu_enter();
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return ig_emu_leave(error);
}

static cudaError_t destroy_stream(cudaStream_t stream) {
  if (!ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
  if (stream->capture) return cudaErrorStreamCaptureUnsupported;
  cudaError_t error = ig_emu_drain(stream);
  cudaStream_t *link = &ig_emu_streams;
  while (*link != stream) link = &(*link)->next;
  *link = stream->next;
  free(stream->frontier.node);
  free(stream);
  return error;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : destroy_stream(stream));
}

static cudaError_t synchronize_stream(cudaStream_t stream) {
  bool legacy = ig_emu_is_legacy(stream);
  if (!legacy && !ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
  /* Waiting for a stream that records is never possible; for another one it is unsafe meanwhile. */
  cudaError_t error = ig_emu_forbid_in_capture(!legacy && stream->capture);
  return error ? error : ig_emu_drain(stream);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : synchronize_stream(stream));
}

static cudaError_t query_stream(cudaStream_t stream) {
  if (ig_emu_is_legacy(stream)) return ig_emu_drain_blocking();
  if (!ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
  cudaError_t error = ig_emu_forbid_in_capture(stream->capture != NULL);
  if (error) return error;
  if (stream->head) ig_emu_run_one(); /* whoever asks again and again gets there */
  return stream->head ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : query_stream(stream));
}

/* --- events ----------------------------------------------------------------------------------- */

static bool is_event(cudaEvent_t event) {
  return event && event->magic == EVENT && !event->destroyed;
}

void ig_emu_release_event(cudaEvent_t event) {
  if (--event->references) return;
  event->magic = 0;
  free(event->frontier.node);
  free(event);
}

void ig_emu_reach_event(cudaEvent_t event, uint64_t ticket) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  event->time = (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
  event->done = ticket;
}

static cudaError_t create_event(cudaEvent_t *event, unsigned int flags) {
  if (!event || flags & ~(unsigned)(cudaEventBlockingSync | cudaEventDisableTiming)) {
    return cudaErrorInvalidValue;
  }
  cudaEvent_t e = calloc(1, sizeof *e);
  if (!e) return cudaErrorUnknown;
  e->magic = EVENT;
  e->flags = flags;
  e->references = 1;
  *event = e;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : create_event(event, flags));
}

cudaError_t cudaEventCreate(cudaEvent_t *event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  cudaError_t error = ig_emu_enter();
  if (!error && !is_event(event)) error = cudaErrorInvalidResourceHandle;
  if (!error) {
    event->destroyed = true;
    ig_emu_release_event(event);
  }
  return ig_emu_leave(error);
}

static op *event_op(enum op_kind kind, cudaEvent_t event) {
  op *o = ig_emu_new_op(kind, 0);
  if (!o) return NULL;
  o->event = event;
  event->references++;
  if (kind == OP_RECORD) event->recorded++;
  o->ticket = event->recorded;
  return o;
}

static cudaError_t record(cudaEvent_t event, cudaStream_t stream) {
  if (!is_event(event)) return cudaErrorInvalidResourceHandle;
  if (!ig_emu_is_legacy(stream)) {
    if (!ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
    if (stream->capture) return ig_emu_capture_record(stream, event);
  }
  event->capture = 0;
  op *o = event_op(OP_RECORD, event);
  return o ? ig_emu_submit(o, stream) : cudaErrorUnknown;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : record(event, stream));
}

static cudaError_t wait_event(cudaStream_t stream, cudaEvent_t event) {
  if (!is_event(event)) return cudaErrorInvalidResourceHandle;
  bool legacy = ig_emu_is_legacy(stream);
  if (!legacy && !ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
  if (event->capture || (!legacy && stream->capture)) {
    return legacy ? cudaErrorStreamCaptureImplicit : ig_emu_capture_wait(stream, event);
  }
  op *o = event_op(OP_WAIT, event);
  return o ? ig_emu_submit(o, stream) : cudaErrorUnknown;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  (void)flags;
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : wait_event(stream, event));
}

static cudaError_t check_event(cudaEvent_t event) {
  if (!is_event(event)) return cudaErrorInvalidResourceHandle;
  if (event->capture) {
    ig_emu_forbid_in_capture(true);
    return cudaErrorCapturedEvent;
  }
  return ig_emu_forbid_in_capture(false);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  cudaError_t error = ig_emu_enter();
  if (!error) error = check_event(event);
  if (!error && event->done < event->recorded) ig_emu_run_one();
  if (!error && event->done < event->recorded) error = cudaErrorNotReady;
  return ig_emu_leave(error);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  cudaError_t error = ig_emu_enter();
  if (!error) error = check_event(event);
  return ig_emu_leave(error ? error : ig_emu_drain_until(event, event->recorded));
}

static cudaError_t elapsed(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!milliseconds) return cudaErrorInvalidValue;
  cudaEvent_t both[2] = {start, end};
  for (int i = 0; i < 2; i++) {
    cudaError_t error = check_event(both[i]);
    if (error) return error;
    if (both[i]->flags & cudaEventDisableTiming || both[i]->recorded == 0) {
      return cudaErrorInvalidResourceHandle;
    }
    if (both[i]->done < both[i]->recorded) return cudaErrorNotReady;
  }
  *milliseconds = (float)(end->time - start->time);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : elapsed(milliseconds, start, end));
}
