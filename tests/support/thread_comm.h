/* A communicator among threads of one process, for tests: each rank is a thread. Slow and strict. An
 * operation is carried out when the last rank has begun it, by whoever waits first; before that its
 * operands are held against what they were at the beginning, and results are NaN until they are there,
 * so that a plan which lends an operand's memory to something else is found. With a backend whose
 * memory is not the host's a group has one rank. */
#ifndef IG_TESTS_THREAD_COMM_H
#define IG_TESTS_THREAD_COMM_H

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/backend/backend.h"
#include "engine/backend/comm.h"
#include "engine/base/memory.h"

enum { THREAD_RANKS = 16, THREAD_SLOTS = 512, THREAD_OPERANDS = 512, THREAD_BLOCK = 256 };

/* One operation of all ranks: the n-th that each begins. */
typedef struct thread_slot {
  ig_collective of[THREAD_RANKS];
  uint64_t sum[THREAD_RANKS]; /* of the operand's bytes when it was begun */
  bool begun[THREAD_RANKS], waited[THREAD_RANKS];
  int n_begun, n_waited;
  bool done;
} thread_slot;

typedef struct thread_group thread_group;

typedef struct thread_comm {
  ig_comm base;
  thread_group *group;
  ig_backend *backend; /* whose memory operands are in; NULL for the host's */
  void *memory[THREAD_OPERANDS];
  size_t bytes[THREAD_OPERANDS];
  int64_t begun; /* operations so far */
  ig_comm_stats stats;
} thread_comm;

struct thread_group {
  int size;
  double timeout; /* seconds */
  pthread_mutex_t mutex;
  pthread_cond_t change;
  char failure[256]; /* "" while all is well */
  int64_t oldest;    /* number of the first operation that not all have waited for */
  thread_slot slots[THREAD_SLOTS];
  int arrived; /* at the barrier */
  int64_t barriers;
  const void *mine[THREAD_RANKS];
  size_t mine_bytes[THREAD_RANKS];
  const char *hosts[THREAD_RANKS];
  thread_comm ranks[THREAD_RANKS];
};

static inline double thread_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* FNV-1a over 8 bytes at a time: any change shows. */
static inline uint64_t thread_sum(const void *data, size_t bytes) {
  const unsigned char *p = data;
  uint64_t sum = 1469598103934665603u;
  for (size_t i = 0; i < bytes; i += 8) {
    uint64_t word = 0;
    memcpy(&word, p + i, IG_MIN((size_t)8, bytes - i));
    sum = (sum ^ word) * 1099511628211u;
  }
  return sum;
}

static inline int64_t thread_in_count(const ig_collective *op, int ranks) {
  return op->kind == IG_ALL_GATHER ? op->count / ranks : op->count;
}

static inline int64_t thread_out_count(const ig_collective *op, int ranks) {
  return op->kind == IG_REDUCE_SCATTER ? op->count / ranks : op->count;
}

/* --- failure and waiting; the mutex is held ------------------------------------------------------ */

static inline ig_status thread_failed(const thread_group *g) {
  return ig_fail(IG_ERR_PEER, "%s", g->failure);
}

static inline ig_status thread_fail(thread_group *g, const char *reason) {
  if (!g->failure[0]) snprintf(g->failure, sizeof g->failure, "%s", reason);
  pthread_cond_broadcast(&g->change);
  return thread_failed(g);
}

/* Until something changes. */
static inline ig_status thread_pause(thread_comm *c, double deadline, const char *what) {
  thread_group *g = c->group;
  if (g->failure[0]) return thread_failed(g);
  if (thread_now() > deadline) {
    char reason[128];
    snprintf(reason, sizeof reason, "rank %d waited %g s for %s in step %lld", c->base.rank,
             g->timeout, what, (long long)c->base.step);
    return thread_fail(g, reason);
  }
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 50000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_cond_timedwait(&g->change, &g->mutex, &until);
  return g->failure[0] ? thread_failed(g) : IG_OK;
}

static inline ig_status thread_barrier(thread_comm *c) {
  thread_group *g = c->group;
  int64_t mine = g->barriers;
  double deadline = thread_now() + g->timeout;
  if (++g->arrived == g->size) {
    g->arrived = 0;
    g->barriers++;
    pthread_cond_broadcast(&g->change);
    return IG_OK;
  }
  while (g->barriers == mine) IG_TRY(thread_pause(c, deadline, "a message"));
  return IG_OK;
}

/* --- the operations ------------------------------------------------------------------------------ */

/* out[0..n) is the sum over ranks [from, to) of elements `at` onwards, in the balanced tree. */
static inline void thread_tree(const thread_slot *s, int64_t at, int64_t n, int from, int to,
                               float *out) {
  if (to - from == 1) {
    const ig_collective *op = &s->of[from];
    const char *in = (const char *)op->in + (size_t)at * ig_dtype_size(op->dtype);
    ig_convert(op->dtype, in, IG_F32, out, n);
    return;
  }
  float right[THREAD_BLOCK];
  int half = 1;
  while (2 * half < to - from) half *= 2;
  thread_tree(s, at, n, from, from + half, out);
  thread_tree(s, at, n, from + half, to, right);
  for (int64_t i = 0; i < n; i++) out[i] += right[i];
}

static inline void thread_reduce(const thread_slot *s, int size) {
  const ig_collective *op = &s->of[0];
  bool scatters = op->kind == IG_REDUCE_SCATTER;
  int64_t element = (int64_t)ig_dtype_size(op->dtype);
  int64_t run = scatters ? op->count / size : op->count; /* that goes to one place */
  float sum[THREAD_BLOCK];
  for (int64_t begin = 0; begin < op->count; begin += run) {
    for (int64_t at = begin; at < begin + run; at += THREAD_BLOCK) {
      int64_t n = IG_MIN((int64_t)THREAD_BLOCK, begin + run - at);
      thread_tree(s, at, n, 0, size, sum);
      for (int r = 0; r < size; r++) {
        if (scatters && r != (int)(begin / run)) continue;
        ig_convert(IG_F32, sum, op->dtype, (char *)s->of[r].out + (at - begin) * element, n);
      }
    }
  }
}

static inline ig_status thread_carry_out(thread_group *g, thread_slot *s) {
  size_t element = ig_dtype_size(s->of[0].dtype);
  for (int r = 0; r < g->size; r++) {
    char reason[128];
    size_t bytes = (size_t)thread_in_count(&s->of[r], g->size) * element;
    if (thread_sum(s->of[r].in, bytes) == s->sum[r]) continue;
    snprintf(reason, sizeof reason, "rank %d wrote to the operand of operation %d under way", r,
             s->of[r].index);
    return thread_fail(g, reason);
  }
  if (s->of[0].kind != IG_ALL_GATHER) {
    thread_reduce(s, g->size);
  } else {
    size_t part = (size_t)(s->of[0].count / g->size) * element;
    for (int r = 0; r < g->size; r++) {
      for (int from = 0; from < g->size; from++)
        memmove((char *)s->of[r].out + (size_t)from * part, s->of[from].in, part);
    }
  }
  s->done = true;
  pthread_cond_broadcast(&g->change);
  return IG_OK;
}

/* NaN in what is not there yet. */
static inline void thread_spoil(const ig_collective *op, int size) {
  size_t element = ig_dtype_size(op->dtype);
  const char *in = op->in, *out = op->out;
  size_t in_bytes = (size_t)thread_in_count(op, size) * element;
  size_t out_bytes = (size_t)thread_out_count(op, size) * element;
  if (out + out_bytes <= in || in + in_bytes <= out) memset(op->out, 0xff, out_bytes);
}

/* Whether the bytes lie in an operand's memory, as transports need it that mirror or map that. */
static inline bool thread_owns(const thread_comm *c, const void *data, int64_t count, ig_dtype dtype) {
  size_t bytes = (size_t)count * ig_dtype_size(dtype);
  for (int i = 0; i < THREAD_OPERANDS; i++) {
    size_t at = (size_t)((const char *)data - (const char *)c->memory[i]);
    if (c->memory[i] && at < c->bytes[i] && bytes <= c->bytes[i] - at) return true;
  }
  return false;
}

static inline ig_status thread_check(thread_comm *c, const thread_slot *s, const ig_collective *op) {
  char reason[192];
  bool reduce = op->kind == IG_ALL_REDUCE;
  int size = c->group->size;
  if (!thread_owns(c, op->in, thread_in_count(op, size), op->dtype) ||
      !thread_owns(c, op->out, thread_out_count(op, size), op->dtype) || (reduce && op->in != op->out) ||
      (!reduce && op->count % c->group->size != 0)) {
    snprintf(reason, sizeof reason, "rank %d: operation %d has wrong operands", c->base.rank,
             op->index);
    return thread_fail(c->group, reason);
  }
  for (int r = 0; r < c->group->size; r++) {
    const ig_collective *other = &s->of[r];
    if (!s->begun[r] || (other->kind == op->kind && other->dtype == op->dtype &&
                         other->count == op->count && other->index == op->index)) {
      continue;
    }
    snprintf(reason, sizeof reason,
             "rank %d began operation %d of kind %d with %lld elements, rank %d operation %d of "
             "kind %d with %lld",
             c->base.rank, op->index, (int)op->kind, (long long)op->count, r, other->index,
             (int)other->kind, (long long)other->count);
    return thread_fail(c->group, reason);
  }
  return IG_OK;
}

/* On a device's memory there is one rank, for whom every operation is a copy. */
static inline ig_status thread_begin_alone(thread_comm *c, const ig_collective *op) {
  size_t bytes = (size_t)op->count * ig_dtype_size(op->dtype);
  c->stats.operations++;
  return op->in == op->out ? IG_OK
                           : c->backend->vtable->copy(c->backend, op->out, op->in, bytes);
}

static inline ig_status thread_begin_locked(thread_comm *c, const ig_collective *op) {
  thread_group *g = c->group;
  double deadline = thread_now() + g->timeout;
  int rank = c->base.rank;
  if (g->failure[0]) return thread_failed(g);
  while (c->begun - g->oldest >= THREAD_SLOTS)
    IG_TRY(thread_pause(c, deadline, "operations that nobody waits for"));
  thread_slot *s = &g->slots[c->begun++ % THREAD_SLOTS];
  IG_TRY(thread_check(c, s, op));
  size_t bytes = (size_t)thread_in_count(op, g->size) * ig_dtype_size(op->dtype);
  s->of[rank] = *op;
  s->sum[rank] = thread_sum(op->in, bytes);
  s->begun[rank] = true;
  s->n_begun++;
  thread_spoil(op, g->size);
  c->stats.operations++;
  c->stats.bytes += (double)bytes;
  pthread_cond_broadcast(&g->change);
  return IG_OK;
}

static inline ig_status thread_begin(ig_comm *comm, const ig_collective *op, void *stream) {
  thread_comm *c = (thread_comm *)comm;
  IG_UNUSED(stream);
  if (c->backend && !c->backend->vtable->host_memory) return thread_begin_alone(c, op);
  pthread_mutex_lock(&c->group->mutex);
  ig_status status = thread_begin_locked(c, op);
  pthread_mutex_unlock(&c->group->mutex);
  return status;
}

/* The rank's operation that writes `out` and was not waited for. */
static inline thread_slot *thread_find(thread_comm *c, const void *out) {
  thread_group *g = c->group;
  for (int64_t n = g->oldest; n < c->begun; n++) {
    thread_slot *s = &g->slots[n % THREAD_SLOTS];
    if (s->begun[c->base.rank] && !s->waited[c->base.rank] && s->of[c->base.rank].out == out) return s;
  }
  return NULL;
}

static inline ig_status thread_wait_locked(thread_comm *c, const void *out) {
  thread_group *g = c->group;
  double start = thread_now(), deadline = start + g->timeout;
  if (g->failure[0]) return thread_failed(g);
  thread_slot *s = thread_find(c, out);
  if (!s) return thread_fail(g, "an operation was waited for that was not begun");
  while (s->n_begun < g->size) IG_TRY(thread_pause(c, deadline, "an operation"));
  if (!s->done) IG_TRY(thread_carry_out(g, s));
  s->waited[c->base.rank] = true;
  s->n_waited++;
  while (g->slots[g->oldest % THREAD_SLOTS].n_waited == g->size) {
    g->slots[g->oldest++ % THREAD_SLOTS] = (thread_slot){0};
    pthread_cond_broadcast(&g->change);
  }
  c->stats.waited += thread_now() - start;
  c->stats.seconds += thread_now() - start;
  return IG_OK;
}

static inline ig_status thread_wait(ig_comm *comm, const void *out, void *stream) {
  thread_comm *c = (thread_comm *)comm;
  IG_UNUSED(stream);
  if (c->backend && !c->backend->vtable->host_memory) return IG_OK;
  pthread_mutex_lock(&c->group->mutex);
  ig_status status = thread_wait_locked(c, out);
  pthread_mutex_unlock(&c->group->mutex);
  return status;
}

/* --- messages ------------------------------------------------------------------------------------ */

static inline ig_status thread_exchange_locked(thread_comm *c, const void *mine, size_t bytes,
                                               void *all, int root) {
  thread_group *g = c->group;
  if (g->failure[0]) return thread_failed(g);
  g->mine[c->base.rank] = mine;
  g->mine_bytes[c->base.rank] = bytes;
  IG_TRY(thread_barrier(c));
  for (int r = 0; r < g->size; r++) {
    if (g->mine_bytes[r] != bytes) return thread_fail(g, "ranks exchange messages of other sizes");
    if (root < 0 && bytes) memcpy((char *)all + (size_t)r * bytes, g->mine[r], bytes);
    if (root == r && root != c->base.rank && bytes) memcpy(all, g->mine[r], bytes);
  }
  return thread_barrier(c);
}

static inline ig_status thread_exchange(ig_comm *comm, const void *mine, size_t bytes, void *all) {
  thread_comm *c = (thread_comm *)comm;
  pthread_mutex_lock(&c->group->mutex);
  ig_status status = thread_exchange_locked(c, mine, bytes, all, -1);
  pthread_mutex_unlock(&c->group->mutex);
  return status;
}

static inline ig_status thread_broadcast(ig_comm *comm, void *data, size_t bytes, int root) {
  thread_comm *c = (thread_comm *)comm;
  pthread_mutex_lock(&c->group->mutex);
  ig_status status = thread_exchange_locked(c, data, bytes, data, root);
  pthread_mutex_unlock(&c->group->mutex);
  return status;
}

static inline ig_status thread_check_group(ig_comm *comm) {
  thread_comm *c = (thread_comm *)comm;
  pthread_mutex_lock(&c->group->mutex);
  ig_status status = c->group->failure[0] ? thread_failed(c->group) : IG_OK;
  pthread_mutex_unlock(&c->group->mutex);
  return status;
}

static inline void thread_abandon(ig_comm *comm, const char *reason) {
  thread_comm *c = (thread_comm *)comm;
  char text[224];
  snprintf(text, sizeof text, "rank %d gave up: %s", comm->rank, reason);
  pthread_mutex_lock(&c->group->mutex);
  if (!c->group->failure[0]) snprintf(c->group->failure, sizeof c->group->failure, "%s", text);
  pthread_cond_broadcast(&c->group->change);
  pthread_mutex_unlock(&c->group->mutex);
}

/* --- memory -------------------------------------------------------------------------------------- */

static inline void thread_release(thread_comm *c, int index) {
  if (!c->memory[index]) return;
  if (c->backend) c->backend->vtable->free(c->backend, c->memory[index]);
  else ig_free(c->memory[index]);
  c->memory[index] = NULL;
}

static inline ig_status thread_alloc(ig_comm *comm, int index, size_t bytes, void **out) {
  thread_comm *c = (thread_comm *)comm;
  IG_CHECK(index >= 0 && index < THREAD_OPERANDS, IG_ERR_INTERNAL, "operand %d", index);
  if (!c->memory[index] || c->bytes[index] < bytes) {
    thread_release(c, index);
    if (c->backend) {
      IG_TRY(c->backend->vtable->alloc(c->backend, bytes, &c->memory[index]));
    } else {
      c->memory[index] = ig_alloc(IG_MAX(bytes, (size_t)64));
      IG_CHECK_ALLOC(c->memory[index]);
    }
    c->bytes[index] = bytes;
  }
  *out = c->memory[index];
  return IG_OK;
}

static inline ig_comm_stats thread_stats(const ig_comm *comm) {
  return ((const thread_comm *)comm)->stats;
}

/* The group owns its ranks. */
static inline void thread_destroy(ig_comm *comm) { IG_UNUSED(comm); }

static const ig_comm_vtable thread_vtable = {.name = "threads",
                                             .alloc = thread_alloc,
                                             .begin = thread_begin,
                                             .wait = thread_wait,
                                             .check = thread_check_group,
                                             .exchange = thread_exchange,
                                             .broadcast = thread_broadcast,
                                             .abandon = thread_abandon,
                                             .stats = thread_stats,
                                             .destroy = thread_destroy};

/* --- groups -------------------------------------------------------------------------------------- */

/* NULL when memory is short. */
static inline thread_group *thread_group_create(int size) {
  thread_group *g = ig_alloc_zero(1, sizeof *g);
  if (!g) return NULL;
  g->size = size;
  g->timeout = 120;
  pthread_mutex_init(&g->mutex, NULL);
  pthread_cond_init(&g->change, NULL);
  for (int r = 0; r < size; r++) {
    g->hosts[r] = "here";
    g->ranks[r] = (thread_comm){.group = g,
                                .base = {.vtable = &thread_vtable,
                                         .rank = r,
                                         .size = size,
                                         .n_nodes = 1,
                                         .local_rank = r,
                                         .local_size = size,
                                         .hosts = g->hosts,
                                         .description = "threads of one process"}};
  }
  return g;
}

static inline ig_comm *thread_rank(thread_group *g, int rank) { return &g->ranks[rank].base; }

static inline void thread_group_destroy(thread_group *g) {
  for (int r = 0; r < g->size; r++) {
    for (int i = 0; i < THREAD_OPERANDS; i++) thread_release(&g->ranks[r], i);
  }
  pthread_cond_destroy(&g->change);
  pthread_mutex_destroy(&g->mutex);
  ig_free(g);
}

/* --- running ranks ------------------------------------------------------------------------------- */

/* What one rank does; `context` is shared. Anything but IG_OK makes the others fail too. */
typedef ig_status (*thread_body)(ig_comm *comm, void *context);

typedef struct thread_run {
  pthread_t thread;
  ig_comm *comm;
  thread_body body;
  void *context;
  ig_status status;
  char message[512]; /* of a rank that failed */
} thread_run;

static inline void *thread_main(void *argument) {
  thread_run *run = argument;
  run->status = run->body(run->comm, run->context);
  if (run->status == IG_OK) return NULL;
  snprintf(run->message, sizeof run->message, "%s", ig_last_error());
  ig_comm_abandon(run->comm, run->message);
  return NULL;
}

/* Runs `body` as every rank at once; by rank, how it ended. */
static inline void thread_ranks_run(thread_group *g, thread_body body, void *context,
                                    thread_run runs[THREAD_RANKS]) {
  for (int r = 0; r < g->size; r++) {
    runs[r] = (thread_run){.comm = thread_rank(g, r), .body = body, .context = context};
    if (pthread_create(&runs[r].thread, NULL, thread_main, &runs[r]) != 0) abort();
  }
  for (int r = 0; r < g->size; r++) pthread_join(runs[r].thread, NULL);
}

#endif
