/* Collectives that devices carry out among themselves: NCCL, on the lane for ranks, recorded and replayed
 * with the step.
 *
 * A rank that dies leaves the others' GPUs waiting inside an operation, which no call of the host can
 * see. The host's communicator knows of the death: a guard thread asks it ten times a second, and ends
 * the group's operations when it has failed, so that whoever waits for the device wakes up. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dist/device.h"
#include "engine/base/memory.h"

#define GUARD_PERIOD_NS 100000000

typedef struct begun {
  const void *out;
  void *done; /* mark */
} begun;

typedef struct group {
  ig_device_comm device;
  const ig_device_group_vtable *vtable;
  void *membership;
  void **operands; /* device memory by index */
  size_t *operand_bytes;
  int64_t n_operands, operand_capacity, bytes_capacity;
  begun *operations; /* by index */
  int64_t n_operations, operation_capacity;
  void *ready; /* mark */
  ig_comm_stats stats;
  pthread_t guard;
  bool guarded;
  pthread_mutex_t lock;
  pthread_cond_t change;
  bool leaving, joined;
  ig_status join_status;
  char id[IG_GROUP_ID_BYTES];
  char message[512];
} group;

static const ig_queue_vtable *queue_of(const group *g) {
  return g->device.backend->vtable->queue;
}

/* Waits on g->change, whose lock is held, for a guard's period. */
static void pause_locked(group *g) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += GUARD_PERIOD_NS;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_cond_timedwait(&g->change, &g->lock, &until);
}

static ig_status start(group *g, void *(*body)(void *), pthread_t *thread) {
  sigset_t all, before;
  sigfillset(&all); /* signals are for the thread that trains */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(thread, NULL, body, g);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  IG_CHECK(code == 0, IG_ERR_MEMORY, "cannot start a thread: %s", strerror(code));
  return IG_OK;
}

/* --- the guard -------------------------------------------------------------------------------- */

static void *guard(void *argument) {
  group *g = argument;
  bool ended = false;
  pthread_mutex_lock(&g->lock);
  while (!g->leaving) {
    pause_locked(g);
    if (ended || g->leaving) continue;
    pthread_mutex_unlock(&g->lock);
    ig_status status = g->vtable->check(g->membership);
    if (status != IG_OK) ig_comm_abandon(g->device.host, ig_last_error());
    if (ig_comm_check(g->device.host) != IG_OK) {
      g->vtable->abort(g->membership);
      ended = true;
    }
    pthread_mutex_lock(&g->lock);
  }
  pthread_mutex_unlock(&g->lock);
  return NULL;
}

static ig_status group_check(ig_comm *comm) {
  group *g = (group *)comm;
  IG_TRY(ig_comm_check(g->device.host));
  return g->vtable->check(g->membership);
}

/* --- operations ------------------------------------------------------------------------------- */

static ig_status group_alloc(ig_comm *comm, int index, size_t bytes, void **out) {
  group *g = (group *)comm;
  ig_backend *backend = g->device.backend;
  IG_CHECK(index >= 0, IG_ERR_INTERNAL, "operand %d", index);
  bool fits = ig_grow((void **)&g->operands, &g->operand_capacity, (int64_t)index + 1,
                      sizeof *g->operands) &&
              ig_grow((void **)&g->operand_bytes, &g->bytes_capacity, (int64_t)index + 1,
                      sizeof *g->operand_bytes);
  IG_CHECK(fits, IG_ERR_MEMORY, "group: out of memory");
  for (; g->n_operands <= index; g->n_operands++) {
    g->operands[g->n_operands] = NULL;
    g->operand_bytes[g->n_operands] = 0;
  }
  if (g->operand_bytes[index] < bytes) {
    IG_TRY(backend->vtable->synchronize(backend));
    backend->vtable->free(backend, g->operands[index]);
    g->operands[index] = NULL;
    g->operand_bytes[index] = 0;
    IG_TRY(backend->vtable->alloc(backend, bytes, &g->operands[index]));
    g->operand_bytes[index] = bytes;
    /* Memory is given on the steps' lane, and used on the ranks'. */
    IG_TRY(backend->vtable->synchronize(backend));
  }
  *out = g->operands[index];
  return IG_OK;
}

static ig_status find_operation(group *g, int index, begun **out) {
  IG_CHECK(index >= 0 && ig_grow((void **)&g->operations, &g->operation_capacity,
                                 (int64_t)index + 1, sizeof *g->operations),
           IG_ERR_MEMORY, "group: out of memory");
  while (g->n_operations <= index) g->operations[g->n_operations++] = (begun){0};
  *out = &g->operations[index];
  return (*out)->done ? IG_OK : queue_of(g)->mark_create(g->device.backend, &(*out)->done);
}

static ig_status group_begin(ig_comm *comm, const ig_collective *c, void *stream) {
  group *g = (group *)comm;
  ig_backend *backend = g->device.backend;
  const ig_queue_vtable *queue = queue_of(g);
  IG_UNUSED(stream); /* the backend's own, which is IG_LANE_RUN */
  IG_TRY(group_check(comm));
  g->device.host->step = comm->step;
  begun *o = NULL;
  IG_TRY(find_operation(g, c->index, &o));
  o->out = c->out;
  IG_TRY(queue->mark_record(backend, IG_LANE_RUN, g->ready));
  IG_TRY(queue->mark_follow(backend, IG_LANE_RANKS, g->ready));
  IG_TRY(g->vtable->run(g->membership, c));
  IG_TRY(queue->mark_record(backend, IG_LANE_RANKS, o->done));
  g->stats.operations++;
  g->stats.bytes += (double)c->count * (double)ig_dtype_size(c->dtype);
  return IG_OK;
}

static ig_status group_wait(ig_comm *comm, const void *out, void *stream) {
  group *g = (group *)comm;
  IG_UNUSED(stream);
  for (int64_t i = 0; i < g->n_operations; i++) {
    begun *o = &g->operations[i];
    if (!o->done || o->out != out) continue;
    o->out = NULL;
    return queue_of(g)->mark_follow(g->device.backend, IG_LANE_RUN, o->done);
  }
  return ig_fail(IG_ERR_INTERNAL, "an operation was waited for that was not begun");
}

/* Times are the device's own and not known here. */
static ig_comm_stats group_stats(const ig_comm *comm) {
  return ((const group *)comm)->stats;
}

/* --- life ------------------------------------------------------------------------------------- */

static void group_destroy(ig_comm *comm) {
  group *g = (group *)comm;
  ig_backend *backend = g->device.backend;
  if (g->guarded) {
    ig_backend_drain(backend); /* under guard, so that it ends */
    pthread_mutex_lock(&g->lock);
    g->leaving = true;
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->guard, NULL);
  }
  if (g->membership) g->vtable->leave(g->membership);
  for (int64_t i = 0; i < g->n_operations; i++) {
    if (g->operations[i].done) queue_of(g)->mark_destroy(backend, g->operations[i].done);
  }
  if (g->ready) queue_of(g)->mark_destroy(backend, g->ready);
  for (int64_t i = 0; i < g->n_operands; i++) backend->vtable->free(backend, g->operands[i]);
  ig_comm_destroy(g->device.host);
  pthread_cond_destroy(&g->change);
  pthread_mutex_destroy(&g->lock);
  ig_free(g->operations);
  ig_free(g->operand_bytes);
  ig_free(g->operands);
  ig_free(g);
}

static const ig_comm_vtable group_vtable = {
    .name = "nccl",
    .alloc = group_alloc,
    .begin = group_begin,
    .wait = group_wait,
    .check = group_check,
    .exchange = ig_device_exchange,
    .broadcast = ig_device_broadcast,
    .abandon = ig_device_abandon,
    .stats = group_stats,
    .destroy = group_destroy,
};

/* On a thread of its own: it waits for all ranks, however long. */
static void *join(void *argument) {
  group *g = argument;
  void *membership = NULL;
  ig_status status = g->vtable->join(g->device.backend, g->id, g->device.base.rank,
                                     g->device.base.size, &membership);
  pthread_mutex_lock(&g->lock);
  g->membership = membership;
  g->join_status = status;
  if (status != IG_OK) snprintf(g->message, sizeof g->message, "%s", ig_last_error());
  g->joined = true;
  pthread_cond_broadcast(&g->change);
  pthread_mutex_unlock(&g->lock);
  return NULL;
}

/* All ranks join at once. *left: a peer failed meanwhile, and the joining thread, which may wait for it
 * for ever, still uses `g`: the process is about to end, and leaves both where they are. */
static ig_status join_all(group *g, bool *left) {
  ig_comm *host = g->device.host;
  struct {
    ig_status status;
    char id[IG_GROUP_ID_BYTES];
  } made = {.status = IG_OK};
  if (host->rank == 0) made.status = g->vtable->make_id(g->device.backend, made.id);
  IG_TRY(ig_comm_broadcast(host, &made, sizeof made, 0));
  IG_CHECK(made.status == IG_OK, made.status, "rank 0 on %s: %s", host->hosts[0],
           host->rank == 0 ? ig_last_error() : "cannot begin a group of NCCL");
  memcpy(g->id, made.id, sizeof g->id);
  pthread_t thread;
  IG_TRY(start(g, join, &thread));
  ig_status status = IG_OK;
  pthread_mutex_lock(&g->lock);
  while (!g->joined && status == IG_OK) {
    pause_locked(g);
    if (!g->joined) status = ig_comm_check(host);
  }
  *left = !g->joined;
  pthread_mutex_unlock(&g->lock);
  if (*left) {
    pthread_detach(thread);
    return status;
  }
  pthread_join(thread, NULL);
  return g->join_status == IG_OK ? IG_OK : ig_fail(g->join_status, "%s", g->message);
}

ig_status ig_group_create(ig_comm *host, ig_backend *backend, ig_comm **out) {
  const ig_device_group_vtable *vtable = backend->vtable->queue->groups(backend);
  group *g = vtable ? ig_alloc_zero(1, sizeof *g) : NULL;
  if (!g) {
    ig_comm_destroy(host);
    return vtable ? ig_fail(IG_ERR_MEMORY, "group: out of memory") : IG_ERR_UNSUPPORTED;
  }
  ig_device_comm_init(&g->device, &group_vtable, host, backend);
  g->vtable = vtable;
  g->device.base.any_order = host->size > 2; /* two operands have one sum */
  pthread_mutex_init(&g->lock, NULL);
  pthread_cond_init(&g->change, NULL);
  bool left = false;
  ig_status status = join_all(g, &left);
  if (left) {
    ig_comm_destroy(host);
    return status;
  }
  if (status == IG_OK) status = queue_of(g)->mark_create(backend, &g->ready);
  if (status == IG_OK) status = start(g, guard, &g->guard);
  if (status != IG_OK) {
    group_destroy(&g->device.base);
    return status;
  }
  g->guarded = true;
  snprintf(g->device.base.description, sizeof g->device.base.description,
           "NCCL, a GPU a rank; control by %.160s", host->description);
  *out = &g->device.base;
  return IG_OK;
}
