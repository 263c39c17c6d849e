/* Collectives of a device by way of the host: for ranks that share a GPU, which NCCL refuses, for machines
 * without NCCL, and for sums in the fixed tree, which NCCL does not promise.
 *
 * Every operand has a mirror in the host communicator's memory. An operation is four pieces of work on
 * the lane for ranks, behind what made its operand: a copy down, a call in which the host's communicator
 * carries it out, a copy up, a mark. They are recorded and replayed with the step like its kernels, so
 * what the call needs is kept: once for all steps that ask for the same. A failure inside the call is kept, and told by
 * ig_comm_check. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "dist/device.h"
#include "engine/base/memory.h"

typedef struct operand {
  char *device, *host;
  size_t bytes;
} operand;

typedef struct staged staged;

/* An operand's place on the host where it is not in the communicator's memory. */
typedef struct stand_in {
  void *memory;
  size_t bytes;
} stand_in;

typedef struct operation {
  staged *comm;
  ig_collective asked, on_host;
  const void *out; /* on the device; NULL when nobody waits */
  void *ready, *done;
  stand_in in_host, out_host;
} operation;

struct staged {
  ig_device_comm device;
  operand *operands;
  int64_t n_operands, operand_capacity;
  operation **operations; /* all different; their addresses are in recordings */
  int64_t n_operations, operation_capacity;
  atomic_int failed; /* ig_status */
  char message[1024];
  pthread_mutex_t lock; /* of the message */
};

static const ig_queue_vtable *queue_of(const staged *s) {
  return s->device.backend->vtable->queue;
}

/* --- failures --------------------------------------------------------------------------------- */

static void note_failure(staged *s, ig_status status) {
  pthread_mutex_lock(&s->lock);
  if (atomic_load(&s->failed) == IG_OK) {
    snprintf(s->message, sizeof s->message, "%s", ig_last_error());
    atomic_store(&s->failed, (int)status);
  }
  pthread_mutex_unlock(&s->lock);
}

static ig_status staged_check(ig_comm *comm) {
  staged *s = (staged *)comm;
  ig_status failed = (ig_status)atomic_load(&s->failed);
  if (failed == IG_OK) return ig_comm_check(s->device.host);
  pthread_mutex_lock(&s->lock);
  ig_fail(failed, "%s", s->message);
  pthread_mutex_unlock(&s->lock);
  return failed;
}

/* --- operands --------------------------------------------------------------------------------- */

static void release(staged *s, operand *o) {
  const ig_backend_vtable *vtable = s->device.backend->vtable;
  if (o->host) queue_of(s)->unpin(s->device.backend, o->host);
  if (o->device) vtable->free(s->device.backend, o->device);
  *o = (operand){0};
}

static ig_status reserve(staged *s, operand *o, int index, size_t bytes) {
  ig_backend *backend = s->device.backend;
  void *memory;
  IG_TRY(backend->vtable->synchronize(backend)); /* copies may be under way to what moves */
  release(s, o);
  IG_TRY(ig_comm_alloc(s->device.host, index, bytes, &memory));
  IG_TRY(queue_of(s)->pin(backend, memory, bytes));
  o->host = memory;
  IG_TRY(backend->vtable->alloc(backend, bytes, &memory));
  o->device = memory;
  o->bytes = bytes;
  /* Memory is given on the steps' lane, and used on the ranks'. */
  return backend->vtable->synchronize(backend);
}

static ig_status staged_alloc(ig_comm *comm, int index, size_t bytes, void **out) {
  staged *s = (staged *)comm;
  IG_CHECK(index >= 0 && bytes > 0, IG_ERR_INTERNAL, "operand %d of %zu bytes", index, bytes);
  IG_CHECK(
      ig_grow((void **)&s->operands, &s->operand_capacity, (int64_t)index + 1, sizeof *s->operands),
      IG_ERR_MEMORY, "staged: out of memory");
  while (s->n_operands <= index) s->operands[s->n_operands++] = (operand){0};
  operand *o = &s->operands[index];
  if (o->bytes < bytes) IG_TRY(reserve(s, o, index, bytes));
  *out = o->device;
  return IG_OK;
}

/* Where `bytes` at `device` are on the host; NULL outside all operands. */
static void *mirror(const staged *s, const void *device, size_t bytes) {
  for (int64_t i = 0; i < s->n_operands; i++) {
    const operand *o = &s->operands[i];
    size_t at = (size_t)((const char *)device - o->device);
    if (o->device && (const char *)device >= o->device && at <= o->bytes &&
        bytes <= o->bytes - at) {
      return o->host + at;
    }
  }
  return NULL;
}

/* --- operations ------------------------------------------------------------------------------- */

static bool same(const ig_collective *a, const ig_collective *b) {
  return a->kind == b->kind && a->dtype == b->dtype && a->count == b->count &&
         a->index == b->index && a->in == b->in && a->out == b->out;
}

static ig_status find_operation(staged *s, const ig_collective *asked, operation **out) {
  for (int64_t i = 0; i < s->n_operations; i++) {
    *out = s->operations[i];
    if (same(&(*out)->asked, asked)) return IG_OK;
  }
  IG_CHECK(ig_grow((void **)&s->operations, &s->operation_capacity, s->n_operations + 1,
                   sizeof *s->operations),
           IG_ERR_MEMORY, "staged: out of memory");
  operation *o = ig_alloc_zero(1, sizeof *o);
  IG_CHECK_ALLOC(o);
  o->comm = s;
  o->asked = o->on_host = *asked;
  s->operations[s->n_operations++] = o;
  *out = o;
  IG_TRY(queue_of(s)->mark_create(s->device.backend, &o->ready));
  return queue_of(s)->mark_create(s->device.backend, &o->done);
}

/* Where an operand is on the host. The first run of an operation is never recorded, so that this may
 * allocate. */
static ig_status place(staged *s, const void *device, size_t bytes, stand_in *own, void **out) {
  ig_backend *backend = s->device.backend;
  *out = mirror(s, device, bytes);
  if (*out) return IG_OK;
  if (own->bytes < bytes) {
    IG_TRY(queue_of(s)->host_alloc(backend, bytes, &own->memory));
    own->bytes = bytes;
  }
  *out = own->memory;
  return IG_OK;
}

/* On a thread of the device's driver. After a failure nothing is sent any more. */
static void carry_out(void *context) {
  operation *o = context;
  staged *s = o->comm;
  if (atomic_load(&s->failed) != IG_OK) return;
  ig_status status = ig_comm_begin(s->device.host, &o->on_host, NULL);
  if (status == IG_OK) status = ig_comm_wait(s->device.host, o->on_host.out, NULL);
  if (status != IG_OK) note_failure(s, status);
}

static ig_status staged_begin(ig_comm *comm, const ig_collective *c, void *stream) {
  staged *s = (staged *)comm;
  ig_backend *backend = s->device.backend;
  const ig_queue_vtable *queue = queue_of(s);
  IG_UNUSED(stream); /* the backend's own, which is IG_LANE_RUN */
  IG_TRY(staged_check(comm));
  s->device.host->step = comm->step;
  size_t whole = (size_t)c->count * ig_dtype_size(c->dtype), part = whole / (size_t)comm->size;
  size_t in_bytes = c->kind == IG_ALL_GATHER ? part : whole;
  size_t out_bytes = c->kind == IG_REDUCE_SCATTER ? part : whole;
  operation *o = NULL;
  void *in, *out;
  IG_TRY(find_operation(s, c, &o));
  IG_TRY(place(s, c->in, in_bytes, &o->in_host, &in));
  out = in;
  if (c->out != c->in) IG_TRY(place(s, c->out, out_bytes, &o->out_host, &out));
  o->on_host.in = in;
  o->on_host.out = out;
  o->out = c->out;
  IG_TRY(queue->mark_record(backend, IG_LANE_RUN, o->ready));
  IG_TRY(queue->mark_follow(backend, IG_LANE_RANKS, o->ready));
  IG_TRY(queue->receive(backend, IG_LANE_RANKS, in, c->in, in_bytes));
  IG_TRY(queue->call(backend, IG_LANE_RANKS, carry_out, o));
  IG_TRY(queue->send(backend, IG_LANE_RANKS, c->out, out, out_bytes));
  return queue->mark_record(backend, IG_LANE_RANKS, o->done);
}

static ig_status staged_wait(ig_comm *comm, const void *out, void *stream) {
  staged *s = (staged *)comm;
  IG_UNUSED(stream);
  for (int64_t i = 0; i < s->n_operations; i++) {
    operation *o = s->operations[i];
    if (o->out != out) continue;
    o->out = NULL;
    return queue_of(s)->mark_follow(s->device.backend, IG_LANE_RUN, o->done);
  }
  return ig_fail(IG_ERR_INTERNAL, "an operation was waited for that was not begun");
}

static ig_comm_stats staged_stats(const ig_comm *comm) {
  return ig_comm_statistics(((const staged *)comm)->device.host);
}

/* --- life ------------------------------------------------------------------------------------- */

static void staged_destroy(ig_comm *comm) {
  staged *s = (staged *)comm;
  const ig_queue_vtable *queue = queue_of(s);
  ig_backend_drain(s->device.backend);
  for (int64_t i = 0; i < s->n_operations; i++) {
    operation *o = s->operations[i];
    queue->mark_destroy(s->device.backend, o->ready);
    queue->mark_destroy(s->device.backend, o->done);
    queue->host_free(s->device.backend, o->in_host.memory);
    queue->host_free(s->device.backend, o->out_host.memory);
    ig_free(o);
  }
  for (int64_t i = 0; i < s->n_operands; i++) release(s, &s->operands[i]);
  ig_comm_destroy(s->device.host);
  pthread_mutex_destroy(&s->lock);
  ig_free(s->operations);
  ig_free(s->operands);
  ig_free(s);
}

static const ig_comm_vtable staged_vtable = {
    .name = "staged",
    .alloc = staged_alloc,
    .begin = staged_begin,
    .wait = staged_wait,
    .check = staged_check,
    .exchange = ig_device_exchange,
    .broadcast = ig_device_broadcast,
    .abandon = ig_device_abandon,
    .stats = staged_stats,
    .destroy = staged_destroy,
};

ig_status ig_staged_create(ig_comm *host, ig_backend *backend, const char *reason, ig_comm **out) {
  staged *s = ig_alloc_zero(1, sizeof *s);
  if (!s) {
    ig_comm_destroy(host);
    return ig_fail(IG_ERR_MEMORY, "staged: out of memory");
  }
  ig_device_comm_init(&s->device, &staged_vtable, host, backend);
  pthread_mutex_init(&s->lock, NULL);
  snprintf(s->device.base.description, sizeof s->device.base.description,
           "staged through the host (%.80s): %.120s", reason, host->description);
  *out = &s->device.base;
  return IG_OK;
}
