/* The course of one operation across machines: this machine's ranks come together, others are told,
 * contributions go out as their receivers are ready, sums are made as contributions come, and sums
 * go out and come in. All by chunks, so that adding and moving go on together; all in the one
 * thread. */
#include <string.h>

#include "dist/across.h"
#include "kernels/collective.h"

#define SLICE_GRAIN 32 /* elements: slices begin on a cache line's boundary */

static bool sums(const ig_flight *f) {
  return f->op->call.kind != IG_ALL_GATHER;
}
static bool spreads(const ig_flight *f) {
  return f->op->call.kind != IG_REDUCE_SCATTER;
}

static int64_t slice_begin(const ig_flight *f, int rank) {
  return IG_MIN(f->op->call.count, rank * f->stride);
}

static int64_t slice_count(const ig_flight *f, int rank) {
  return slice_begin(f, rank + 1) - slice_begin(f, rank);
}

static int64_t chunks_of(int64_t count) {
  return (count + IG_CHUNK - 1) / IG_CHUNK;
}

static int64_t chunk_count(int64_t slice, int64_t chunk) {
  return IG_MIN(IG_CHUNK, slice - chunk * IG_CHUNK);
}

/* Sums of this machine go out, not what its ranks hold. */
static bool by_machine(const ig_across *a) {
  return a->regular && ig_node_count(a->host->node) > 1;
}

static void *element(const void *base, int64_t i, ig_dtype dtype) {
  return (char *)base + (size_t)i * ig_dtype_size(dtype);
}

static bool post(ig_across *a, ig_flight *f, int party, ig_head *head, const void *body) {
  head->number = f->number;
  f->unsent++;
  if (a->link->vtable->send(a->link, a->ranks[party], head, body) == IG_OK) return true;
  ig_across_fail(a);
  return false;
}

static bool is_posted(const ig_across *a, const ig_flight *f) {
  return ig_node_all_posted(a->host->node, f->number);
}

/* This rank's part of what is gathered, into the outputs of all ranks of its machine. */
static void spread_own(ig_across *a, ig_flight *f) {
  const ig_collective *call = &f->op->call;
  int self = ig_node_self(a->host->node), rank = a->host->base.rank;
  size_t bytes = (size_t)slice_count(f, rank) * ig_dtype_size(call->dtype);
  for (int l = 0; l < ig_node_count(a->host->node); l++) {
    void *to = element(f->op->outs[l], slice_begin(f, rank), call->dtype);
    if (bytes && to != f->op->ins[self]) memcpy(to, f->op->ins[self], bytes);
  }
}

/* The machine's ranks are all there: finds their operands and room for what comes, and tells the
 * other parties. */
static bool resolve(ig_across *a, ig_flight *f) {
  const ig_collective *call = &f->op->call;
  int size = a->host->base.size, rank = a->host->base.rank;
  if (ig_operation_resolve(a->host, f->op) != IG_OK) {
    ig_across_fail(a);
    return false;
  }
  f->wire = by_machine(a) ? IG_F32 : call->dtype;
  f->stride = call->count / size;
  if (call->kind == IG_ALL_REDUCE) {
    f->stride = (call->count + size - 1) / size;
    f->stride = (f->stride + SLICE_GRAIN - 1) / SLICE_GRAIN * SLICE_GRAIN;
  }
  if (sums(f)) {
    size_t remote = (size_t)a->n_remote, wire = ig_dtype_size(f->wire);
    f->received = ig_across_take_block(a, remote * (size_t)slice_count(f, rank) * wire);
    if (by_machine(a)) f->partials = ig_across_take_block(a, remote * (size_t)f->stride * wire);
    if (!f->received || (by_machine(a) && !f->partials)) {
      ig_fail(IG_ERR_MEMORY, "collective: out of memory");
      ig_across_fail(a);
      return false;
    }
  } else {
    spread_own(a, f);
  }
  f->resolved = true;
  for (int p = 0; p < a->n_parties; p++) {
    int64_t what = call->kind | (int64_t)call->dtype << 8 | (int64_t)call->index << 16;
    ig_head head = {.type = IG_ACROSS_READY, .words = {what, call->count}};
    if (a->remote[p] >= 0 && !post(a, f, p, &head, NULL)) return false;
  }
  return true;
}

/* The sum over this machine of one chunk of a slice, in f32. */
static void sum_machine(const ig_across *a, const ig_flight *f, int64_t begin, int64_t count,
                        void *out) {
  const void *sources[IG_MOST_LOCAL];
  int n = ig_node_count(a->host->node);
  for (int l = 0; l < n; l++) sources[l] = element(f->op->ins[l], begin, f->op->call.dtype);
  ig_cpu_sum_tree(n, sources, f->op->call.dtype, 1, &out, IG_F32, count);
}

/* The next chunk of a party's slice, for its owner. */
static bool send_contribution(ig_across *a, ig_flight *f, int party) {
  ig_party_state *s = &f->parties[party];
  int64_t slice = slice_count(f, a->ranks[party]), chunk = s->sent++;
  int64_t count = chunk_count(slice, chunk);
  int64_t begin = slice_begin(f, a->ranks[party]) + chunk * IG_CHUNK;
  const void *body;
  if (by_machine(a)) {
    void *sum = element(f->partials, a->remote[party] * f->stride + chunk * IG_CHUNK, IG_F32);
    sum_machine(a, f, begin, count, sum);
    body = sum;
  } else {
    body = element(f->op->ins[ig_node_self(a->host->node)], begin, f->op->call.dtype);
  }
  ig_head head = {.type = IG_ACROSS_DATA,
                  .bytes = (uint32_t)((size_t)count * ig_dtype_size(f->wire)),
                  .offset = (uint64_t)chunk};
  return post(a, f, party, &head, body);
}

/* One chunk of this rank's sum, or of its part of what is gathered, to a party. */
static bool send_result(ig_across *a, ig_flight *f, int party, int64_t chunk) {
  const ig_collective *call = &f->op->call;
  int self = ig_node_self(a->host->node), rank = a->host->base.rank;
  int64_t count = chunk_count(slice_count(f, rank), chunk);
  const void *body =
      sums(f) ? element(f->op->outs[self], slice_begin(f, rank) + chunk * IG_CHUNK, call->dtype)
              : element(f->op->ins[self], chunk * IG_CHUNK, call->dtype);
  ig_head head = {.type = IG_ACROSS_RESULT,
                  .bytes = (uint32_t)((size_t)count * ig_dtype_size(call->dtype)),
                  .offset = (uint64_t)chunk};
  return post(a, f, party, &head, body);
}

/* What a party that is ready can be sent; sums of this machine one at a time, to let others on. */
static bool send_to(ig_across *a, ig_flight *f, int party) {
  ig_party_state *s = &f->parties[party];
  int rank = sums(f) ? a->ranks[party] : a->host->base.rank;
  int64_t chunks = chunks_of(slice_count(f, rank));
  if (!s->ready || s->sent >= chunks) return false;
  if (!sums(f)) {
    for (; s->sent < chunks; s->sent++)
      if (!send_result(a, f, party, s->sent)) return false;
    return true;
  }
  do {
    if (!send_contribution(a, f, party)) return false;
  } while (!by_machine(a) && s->sent < chunks);
  return true;
}

/* Where each party's contribution to this rank's slice is: in order, so that the sum is in
 * order. */
static void find_sources(ig_across *a, ig_flight *f, int64_t chunk) {
  int rank = a->host->base.rank, local = 0;
  int64_t slice = slice_count(f, rank), begin = slice_begin(f, rank) + chunk * IG_CHUNK;
  for (int p = 0; p < a->n_parties; p++) {
    if (a->remote[p] >= 0) {
      a->sources[p] = element(f->received, a->remote[p] * slice + chunk * IG_CHUNK, f->wire);
    } else if (by_machine(a)) {
      sum_machine(a, f, begin, chunk_count(slice, chunk), a->scratch);
      a->sources[p] = a->scratch;
    } else {
      a->sources[p] = element(f->op->ins[local++], begin, f->op->call.dtype);
    }
  }
}

/* Sums the next chunk of this rank's slice, when all that belongs to it is there. */
static bool reduce_next(ig_across *a, ig_flight *f) {
  const ig_collective *call = &f->op->call;
  int rank = a->host->base.rank, n = ig_node_count(a->host->node);
  int64_t slice = slice_count(f, rank), chunk = f->reduced;
  if (chunk >= chunks_of(slice)) return false;
  for (int p = 0; p < a->n_parties; p++)
    if (a->remote[p] >= 0 && f->parties[p].came <= chunk) return false;
  find_sources(a, f, chunk);
  void *targets[IG_MOST_LOCAL];
  if (spreads(f)) {
    for (int l = 0; l < n; l++)
      targets[l] = element(f->op->outs[l], slice_begin(f, rank) + chunk * IG_CHUNK, call->dtype);
  } else {
    n = 1;
    targets[0] = element(f->op->outs[ig_node_self(a->host->node)], chunk * IG_CHUNK, call->dtype);
  }
  ig_cpu_sum_tree(a->n_parties, a->sources, f->wire, n, targets, call->dtype,
                  chunk_count(slice, chunk));
  f->reduced++;
  for (int p = 0; spreads(f) && p < a->n_parties; p++)
    if (a->remote[p] >= 0 && !send_result(a, f, p, chunk)) return false;
  return true;
}

/* Whether a party said what this rank says of the operation; it may be in a later one already. */
static bool hear_ready(ig_across *a, ig_flight *f, int party) {
  size_t row = (size_t)party * IG_SLOTS + (size_t)(f->number % IG_SLOTS);
  if (f->parties[party].ready || a->told[row] < f->number + 1) return f->parties[party].ready;
  const ig_collective *call = &f->op->call;
  int64_t what = a->said[2 * row], count = a->said[2 * row + 1];
  ig_collective theirs = {(ig_collective_kind)(what & 255),
                          (ig_dtype)(what >> 8 & 255),
                          count,
                          (int)(what >> 16),
                          NULL,
                          NULL};
  if (a->told[row] == f->number + 1 &&
      !ig_operation_is_same(a->host, call, &theirs, a->ranks[party])) {
    ig_across_fail(a);
    return false;
  }
  f->parties[party].ready = true;
  return true;
}

static bool is_complete(const ig_across *a, const ig_flight *f) {
  if (f->unsent > 0) return false;
  if (sums(f) && f->reduced < chunks_of(slice_count(f, a->host->base.rank))) return false;
  for (int p = 0; p < a->n_parties; p++) {
    const ig_party_state *s = &f->parties[p];
    int64_t theirs = chunks_of(slice_count(f, a->ranks[p]));
    if (a->remote[p] < 0) continue;
    if (!s->ready || s->sent < (sums(f) ? theirs : chunks_of(slice_count(f, a->host->base.rank))) ||
        (spreads(f) && s->results < theirs))
      return false;
  }
  return true;
}

static void finish(ig_across *a, ig_flight *f) {
  ig_slot *slot = ig_node_slot(a->host->node, f->number);
  uint64_t number = f->number;
  ig_across_give_block(a, f->received);
  ig_across_give_block(a, f->partials);
  f->op->began = f->began;
  f->op = NULL;
  atomic_store(&slot->ended, (int64_t)(1e9 * ig_seconds()));
  ig_count_add(&slot->done, number, 1); /* the main thread may use the operation again */
  ig_node_signal(a->host->node);
}

bool ig_flight_step(ig_across *a, ig_flight *f) {
  if (!f->resolved && (!is_posted(a, f) || !resolve(a, f))) return false;
  bool done = false;
  int ready = 0;
  /* Begins behind itself, so that not all send to the same party first. */
  for (int i = 1; i <= a->n_parties; i++) {
    int p = (a->self + i) % a->n_parties;
    if (a->remote[p] < 0) continue;
    ready += hear_ready(a, f, p);
    done = send_to(a, f, p) || done;
  }
  if (ready == a->n_remote && f->began == 0) f->began = ig_seconds();
  while (sums(f) && reduce_next(a, f)) done = true;
  if (ig_control_has_failed(a->host->control) || !is_complete(a, f)) return done;
  finish(a, f);
  return true;
}

void *ig_flight_place(ig_across *a, ig_flight *f, int party, const ig_head *head) {
  const ig_party_state *s = &f->parties[party];
  bool data = head->type == IG_ACROSS_DATA;
  int rank = data ? a->host->base.rank : a->ranks[party];
  ig_dtype dtype = data ? f->wire : f->op->call.dtype;
  int64_t slice = slice_count(f, rank), chunk = data ? s->came : s->results;
  if (!f->resolved || !(data ? sums(f) : spreads(f)) || chunk >= chunks_of(slice) ||
      head->offset != (uint64_t)chunk ||
      head->bytes != (size_t)chunk_count(slice, chunk) * ig_dtype_size(dtype))
    return NULL;
  if (data) return element(f->received, a->remote[party] * slice + chunk * IG_CHUNK, dtype);
  return element(f->op->outs[ig_node_self(a->host->node)], slice_begin(f, rank) + chunk * IG_CHUNK,
                 dtype);
}

void ig_flight_take(ig_across *a, ig_flight *f, int party, const ig_head *head) {
  ig_party_state *s = &f->parties[party];
  if (head->type == IG_ACROSS_DATA) {
    s->came++;
    return;
  }
  int64_t chunk = s->results++, begin = slice_begin(f, a->ranks[party]) + chunk * IG_CHUNK;
  int self = ig_node_self(a->host->node);
  ig_dtype dtype = f->op->call.dtype;
  /* Where ranks do not exchange by machine, the sender gives every rank of this one its own
   * copy. */
  for (int l = 0; a->regular && l < ig_node_count(a->host->node); l++) {
    if (l != self)
      memcpy(element(f->op->outs[l], begin, dtype), element(f->op->outs[self], begin, dtype),
             head->bytes);
  }
}
