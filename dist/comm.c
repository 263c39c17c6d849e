/* The communicator of host memory: operands, the operations under way and their order, statistics.
 *
 * Operations are numbered as they are begun, which is the same on all ranks, and may be waited for
 * in any order. An operand that is not of ig_comm_alloc gets a stand-in in shared memory where
 * other ranks of the machine must reach it. */
#include <stdio.h>
#include <string.h>

#include "dist/across.h"
#include "dist/host.h"
#include "engine/base/checked.h"
#include "engine/base/memory.h"

#define MOST_ALLOTMENTS (1 << 20)

static ig_host *host_of(ig_comm *comm) {
  return (ig_host *)comm;
}

const char *ig_operation_name(const ig_collective *call, char *text) {
  static const char *const kinds[] = {"all-reduce", "reduce-scatter", "all-gather"};
  bool known =
      call->kind >= IG_ALL_REDUCE && call->kind <= IG_ALL_GATHER; /* a peer's may be anything */
  snprintf(text, 96, "%s of %lld %s (operation %d)", known ? kinds[call->kind] : "an unknown kind",
           (long long)call->count, ig_dtype_name(call->dtype), call->index);
  return text;
}

void ig_host_count(ig_host *host, double begin, double end) {
  begin = IG_MAX(begin, host->busy_until);
  if (end <= begin) return;
  host->stats.seconds += end - begin;
  host->busy_until = end;
}

static bool is_shared(const ig_host *host) {
  return ig_node_count(host->node) > 1;
}

static ig_status get_memory(ig_host *host, size_t bytes, void **out) {
  if (is_shared(host)) return ig_node_alloc(host->node, bytes, out);
  *out = ig_alloc_zero(1, bytes);
  IG_CHECK(*out, IG_ERR_MEMORY, "communicator: %zu bytes were asked for", bytes);
  return IG_OK;
}

static void let_go(ig_host *host, void *memory) {
  if (!memory) return;
  if (is_shared(host)) {
    ig_node_release(host->node, memory);
  } else {
    ig_free(memory);
  }
}

static ig_status host_alloc(ig_comm *comm, int index, size_t bytes, void **out) {
  ig_host *host = host_of(comm);
  IG_CHECK(index >= 0 && index < MOST_ALLOTMENTS, IG_ERR_USAGE,
           "communicator: expected an index from 0 to %d, found %d", MOST_ALLOTMENTS - 1, index);
  void *rows = host->allotments;
  IG_CHECK(ig_grow(&rows, &host->allotment_capacity, (int64_t)index + 1, sizeof(ig_allotment)),
           IG_ERR_MEMORY, "communicator: out of memory");
  host->allotments = rows;
  while (host->n_allotments <= index) host->allotments[host->n_allotments++] = (ig_allotment){0};
  ig_allotment *a = &host->allotments[index];
  if (!a->memory || a->bytes < bytes) {
    void *memory;
    IG_CHECK(!a->memory || host->oldest == host->next, IG_ERR_USAGE,
             "communicator: operand %d grows while operations are under way", index);
    IG_TRY(get_memory(host, bytes, &memory));
    let_go(host, a->memory);
    *a = (ig_allotment){memory, bytes};
  }
  *out = a->memory;
  return IG_OK;
}

/* A stand-in of at least so many bytes. */
static ig_status take_stand_in(ig_host *host, size_t bytes, void **out) {
  for (int64_t i = 0; i < host->n_stand_ins; i++) {
    ig_stand_in *s = &host->stand_ins[i];
    if (s->used || s->bytes < bytes) continue;
    s->used = true;
    *out = s->memory;
    return IG_OK;
  }
  void *rows = host->stand_ins;
  IG_CHECK(ig_grow(&rows, &host->stand_in_capacity, host->n_stand_ins + 1, sizeof(ig_stand_in)),
           IG_ERR_MEMORY, "communicator: out of memory");
  host->stand_ins = rows;
  IG_TRY(get_memory(host, bytes, out));
  host->stand_ins[host->n_stand_ins++] = (ig_stand_in){*out, bytes, true};
  return IG_OK;
}

static void give_stand_in(ig_host *host, void *memory) {
  for (int64_t i = 0; memory && i < host->n_stand_ins; i++)
    if (host->stand_ins[i].memory == memory) host->stand_ins[i].used = false;
}

/* A scattered or gathered part may lie where it belongs within the whole, or apart from it. */
static bool is_well_placed(const ig_host *host, const ig_collective *call) {
  if (call->kind == IG_ALL_REDUCE) return call->in == call->out;
  const char *whole = call->kind == IG_ALL_GATHER ? call->out : call->in;
  const char *part = call->kind == IG_ALL_GATHER ? call->in : call->out;
  size_t bytes = (size_t)call->count * ig_dtype_size(call->dtype);
  size_t part_bytes = bytes / (size_t)host->base.size;
  uintptr_t w = (uintptr_t)whole, p = (uintptr_t)part;
  return p >= w + bytes || p + part_bytes <= w || p == w + (size_t)host->base.rank * part_bytes;
}

static ig_status check_call(const ig_host *host, const ig_collective *call) {
  int size = host->base.size;
  size_t bytes;
  IG_CHECK(call->kind >= IG_ALL_REDUCE && call->kind <= IG_ALL_GATHER && call->in && call->out,
           IG_ERR_USAGE, "collective: unknown kind, or an operand is missing");
  IG_CHECK(call->dtype == IG_F32 || call->dtype == IG_F16 || call->dtype == IG_BF16,
           IG_ERR_UNSUPPORTED, "collective: expected f32, f16 or bf16, found %s",
           ig_dtype_name(call->dtype));
  IG_CHECK(call->count >= 0 &&
               ig_mul_size((size_t)call->count, ig_dtype_size(call->dtype), &bytes) &&
               bytes <= PTRDIFF_MAX && (call->kind == IG_ALL_REDUCE || call->count % size == 0),
           IG_ERR_USAGE, "collective: expected a count that %d ranks divide, found %lld",
           call->kind == IG_ALL_REDUCE ? 1 : size, (long long)call->count);
  IG_CHECK(
      is_well_placed(host, call), IG_ERR_USAGE,
      "collective: expected in and out of an all-reduce to be one buffer, and a part to be apart "
      "from the whole or at its place in it");
  for (uint64_t n = host->oldest; n < host->next; n++) {
    const ig_operation *other = &host->operations[n % IG_SLOTS];
    IG_CHECK(!other->active || other->complete || other->call.out != call->out, IG_ERR_USAGE,
             "collective: an operation that writes the same buffer is under way");
  }
  return IG_OK;
}

/* Makes an operand reachable, through a stand-in if need be; *copy is that or NULL. */
static ig_status place_operand(ig_host *host, const void *memory, size_t bytes, ig_place *place,
                               void **copy) {
  *place = (ig_place){.file = -1};
  *copy = NULL;
  if (!is_shared(host) || bytes == 0 || ig_node_find(host->node, memory, bytes, place))
    return IG_OK;
  IG_TRY(take_stand_in(host, bytes, copy));
  ig_node_find(host->node, *copy, bytes, place);
  return IG_OK;
}

static ig_status place_operands(ig_host *host, ig_operation *op, ig_place *in, ig_place *out) {
  const ig_collective *call = &op->call;
  size_t size = ig_dtype_size(call->dtype);
  size_t in_bytes = (size_t)ig_in_count(call, host->base.size) * size;
  size_t out_bytes = (size_t)ig_out_count(call, host->base.size) * size;
  IG_TRY(place_operand(host, call->in, in_bytes, in, &op->copy_in));
  if (op->copy_in) memcpy(op->copy_in, call->in, in_bytes);
  if (call->in == call->out && call->kind == IG_ALL_REDUCE) {
    *out = *in;
    op->copy_out = op->copy_in;
    op->copy_in = NULL;
    return IG_OK;
  }
  return place_operand(host, call->out, out_bytes, out, &op->copy_out);
}

bool ig_operation_is_same(const ig_host *host, const ig_collective *mine,
                          const ig_collective *theirs, int rank) {
  char a[96], b[96];
  if (theirs->kind == mine->kind && theirs->dtype == mine->dtype && theirs->count == mine->count &&
      theirs->index == mine->index)
    return true;
  ig_fail(IG_ERR_PEER,
          "ranks are in different operations at step %lld: rank %d on %s in %s, rank %d in %s",
          ig_control_step(host->control), rank, host->hosts[rank], ig_operation_name(theirs, a),
          host->base.rank, ig_operation_name(mine, b));
  return false;
}

ig_status ig_operation_resolve(ig_host *host, ig_operation *op) {
  int n = ig_node_count(host->node), self = ig_node_self(host->node);
  const ig_collective *call = &op->call;
  for (int l = 0; l < n; l++) {
    const ig_post *post = ig_node_post(host->node, op->number, l);
    ig_collective theirs = {(ig_collective_kind)post->kind,
                            (ig_dtype)post->dtype,
                            post->count,
                            post->index,
                            NULL,
                            NULL};
    if (!ig_operation_is_same(host, call, &theirs, ig_node_rank(host->node, l))) {
      char line[400];
      snprintf(line, sizeof line, "%.399s", ig_last_error());
      ig_control_fail(host->control, line);
      return ig_control_check(host->control);
    }
    op->ins[l] = op->copy_in                             ? op->copy_in
                 : op->copy_out && call->in == call->out ? op->copy_out
                                                         : call->in;
    op->outs[l] = op->copy_out ? op->copy_out : call->out;
    if (l == self) continue;
    ig_status status = IG_OK;
    if (post->in.file >= 0) status = ig_node_map(host->node, l, &post->in, (void **)&op->ins[l]);
    if (status == IG_OK && post->out.file >= 0)
      status = ig_node_map(host->node, l, &post->out, &op->outs[l]);
    /* Memory that has gone went with its rank. */
    if (status == IG_ERR_PEER) status = ig_control_lost(host->control, ig_node_rank(host->node, l));
    IG_TRY(status);
  }
  return IG_OK;
}

/* Ends the operation's work and what belongs to it, but for being waited for. */
static ig_status complete(ig_host *host, ig_operation *op) {
  if (op->complete) return IG_OK;
  IG_TRY(host->across ? ig_across_finish(host, op) : ig_machine_finish(host, op));
  if (op->copy_out) {
    memcpy(op->call.out, op->copy_out,
           (size_t)ig_out_count(&op->call, host->base.size) * ig_dtype_size(op->call.dtype));
  }
  give_stand_in(host, op->copy_in);
  give_stand_in(host, op->copy_out);
  op->complete = true;
  while (host->oldest < host->next && host->operations[host->oldest % IG_SLOTS].complete)
    host->oldest++;
  ig_node_retire(host->node, host->oldest);
  ig_node_signal(host->node);
  return IG_OK;
}

static bool slot_is_free(void *context) {
  const ig_host *host = context;
  return ig_node_is_free(host->node, host->next);
}

/* The next number's slot: what was in it ends first, here and on all ranks of the machine. */
static ig_status take_slot(ig_host *host, ig_operation **out) {
  while (host->oldest + IG_SLOTS <= host->next)
    IG_TRY(complete(host, &host->operations[host->oldest % IG_SLOTS]));
  IG_TRY(ig_node_wait(host->node, slot_is_free, host, "the end of earlier operations"));
  *out = &host->operations[host->next % IG_SLOTS];
  return IG_OK;
}

static ig_status host_begin(ig_comm *comm, const ig_collective *call, void *stream) {
  ig_host *host = host_of(comm);
  ig_operation *op;
  IG_UNUSED(stream);
  IG_TRY(ig_control_check(host->control));
  IG_TRY(check_call(host, call));
  ig_control_note(host->control, comm->step);
  IG_TRY(take_slot(host, &op));
  size_t slot = (size_t)(host->next % IG_SLOTS), n = (size_t)ig_node_count(host->node);
  *op = (ig_operation){.call = *call,
                       .number = host->next,
                       .ins = host->ins + slot * n,
                       .outs = host->outs + slot * n};
  ig_place in, out;
  ig_status status = place_operands(host, op, &in, &out);
  if (status != IG_OK) {
    give_stand_in(host, op->copy_in);
    return status;
  }
  ig_post *post = ig_node_post(host->node, op->number, ig_node_self(host->node));
  post->kind = call->kind;
  post->dtype = call->dtype;
  post->index = call->index;
  post->count = call->count;
  post->in = in;
  post->out = out;
  op->active = true;
  host->next++;
  host->stats.operations++;
  host->stats.bytes += (double)call->count * (double)ig_dtype_size(call->dtype);
  atomic_store(&post->ticket, op->number + 1);
  ig_node_signal(host->node);
  return host->across ? ig_across_begin(host, op) : IG_OK;
}

static ig_status host_wait(ig_comm *comm, const void *out, void *stream) {
  ig_host *host = host_of(comm);
  IG_UNUSED(stream);
  IG_TRY(ig_control_check(host->control));
  for (int i = 0; i < IG_SLOTS; i++) {
    ig_operation *op = &host->operations[i];
    if (!op->active || op->call.out != out) continue;
    double begin = ig_seconds();
    ig_status status = complete(host, op);
    host->stats.waited += ig_seconds() - begin;
    IG_TRY(status);
    op->active = false;
    return IG_OK;
  }
  return IG_OK; /* it has ended before, when its slot was needed */
}

static ig_status host_check(ig_comm *comm) {
  return ig_control_check(host_of(comm)->control);
}

static ig_status host_exchange(ig_comm *comm, const void *mine, size_t bytes, void *all) {
  ig_control_note(host_of(comm)->control, comm->step);
  return ig_control_exchange(host_of(comm)->control, mine, bytes, all);
}

static ig_status host_broadcast(ig_comm *comm, void *data, size_t bytes, int root) {
  ig_control_note(host_of(comm)->control, comm->step);
  return ig_control_broadcast(host_of(comm)->control, data, bytes, root);
}

static void host_abandon(ig_comm *comm, const char *reason) {
  ig_control_note(host_of(comm)->control, comm->step);
  ig_control_abandon(host_of(comm)->control, reason);
}

static ig_comm_stats host_stats(const ig_comm *comm) {
  return ((const ig_host *)comm)->stats;
}

static void host_destroy(ig_comm *comm) {
  ig_host *host = host_of(comm);
  bool orderly;
  ig_control_leave(host->control);
  ig_control_on_failure(host->control, NULL, NULL);
  ig_across_stop(host->across); /* not before: others may have needed what it was moving */
  ig_control_destroy(host->control, &orderly);
  for (int64_t i = 0; host->node && i < host->n_allotments; i++)
    let_go(host, host->allotments[i].memory);
  for (int64_t i = 0; host->node && i < host->n_stand_ins; i++)
    let_go(host, host->stand_ins[i].memory);
  if (host->across) host->across->link->orderly = orderly;
  ig_across_destroy(host->across);
  ig_node_destroy(host->node);
  if (host->mpi && orderly) host->mpi->finish();
  ig_free(host->allotments);
  ig_free(host->stand_ins);
  ig_free(host->hosts);
  ig_free(host->host_names);
  ig_free(host->ins);
  ig_free(host->outs);
  ig_free(host);
}

static const ig_comm_vtable host_vtable = {
    .name = "shared memory",
    .alloc = host_alloc,
    .begin = host_begin,
    .wait = host_wait,
    .check = host_check,
    .exchange = host_exchange,
    .broadcast = host_broadcast,
    .abandon = host_abandon,
    .stats = host_stats,
    .destroy = host_destroy,
};

static void wake_waiters(void *context) {
  ig_node_signal(((ig_host *)context)->node);
}

/* Machines in the order of their lowest rank. */
static void describe_place(ig_host *host, int rank, int size) {
  const int *leaders = ig_node_leaders(host->node);
  host->base.rank = rank;
  host->base.size = size;
  host->base.local_rank = ig_node_self(host->node);
  host->base.local_size = ig_node_count(host->node);
  for (int r = 0; r < size; r++) {
    if (leaders[r] != r) continue;
    if (r == leaders[rank]) host->base.node = host->base.n_nodes;
    host->base.n_nodes++;
  }
}

ig_status ig_host_create(ig_control *control, ig_node *node, int rank, int size,
                         char (*hosts)[IG_NAME_BYTES], const ig_mpi_api *mpi, ig_host **out) {
  ig_host *host = ig_alloc_zero(1, sizeof *host);
  size_t n = (size_t)ig_node_count(node) * IG_SLOTS;
  if (host) {
    host->hosts = ig_alloc_zero((size_t)size, sizeof *host->hosts);
    host->host_names = ig_alloc_zero((size_t)size, sizeof *host->host_names);
    host->ins = ig_alloc_zero(n, sizeof *host->ins);
    host->outs = ig_alloc_zero(n, sizeof *host->outs);
  }
  if (!host || !host->hosts || !host->host_names || !host->ins || !host->outs) {
    bool orderly;
    ig_control_abandon(control, "out of memory");
    ig_control_destroy(control, &orderly);
    ig_node_destroy(node);
    if (host) {
      ig_free(host->hosts);
      ig_free(host->host_names);
      ig_free(host->ins);
      ig_free(host->outs);
    }
    ig_free(host);
    return ig_fail(IG_ERR_MEMORY, "communicator: out of memory");
  }
  host->vtable = host_vtable;
  host->base.vtable = &host->vtable;
  host->control = control;
  host->node = node;
  host->mpi = mpi;
  memcpy(host->hosts, hosts, (size_t)size * sizeof *hosts);
  for (int r = 0; r < size; r++) host->host_names[r] = host->hosts[r];
  host->base.hosts = host->host_names;
  describe_place(host, rank, size);
  ig_control_on_failure(control, wake_waiters, host);
  *out = host;
  return IG_OK;
}
