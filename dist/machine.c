/* Collectives among the ranks of one machine. An operation is cut into chunks, and whoever waits
 * for it takes the next one that nobody has: it adds up that piece of all ranks' operands, which
 * all can read, and writes the sum to all that want it. So a rank that comes first works instead of
 * waiting, memory is read once and written once, and who did what does not show in the bits.
 * Nothing is done before a rank waits: until then the machine's cores compute, and one that added
 * would be one that does not. */
#include <stdio.h>

#include "dist/host.h"
#include "kernels/collective.h"
#include "kernels/cpu/parallel.h"

#define CHUNK_BYTES                                                                                \
  ((int64_t)128 << 10) /* of one rank's operand: both caches hold those of a few */

/* How an operation is cut: `parts` of equal length, each into as many chunks. */
typedef struct cut {
  int64_t parts, part, chunk, chunks_per_part, chunks;
} cut;

static cut cut_of(const ig_collective *call, int size) {
  cut c = {.parts = call->kind == IG_ALL_REDUCE ? 1 : size};
  c.part = call->count / c.parts;
  c.chunk = CHUNK_BYTES / (int64_t)ig_dtype_size(call->dtype);
  c.chunks_per_part = (c.part + c.chunk - 1) / c.chunk;
  c.chunks = c.parts * c.chunks_per_part;
  return c;
}

static void run_chunk(const ig_host *host, const ig_operation *op, const cut *c, int64_t chunk) {
  const ig_collective *call = &op->call;
  int n = ig_node_count(host->node);
  size_t size = ig_dtype_size(call->dtype);
  int64_t part = chunk / c->chunks_per_part, begin = chunk % c->chunks_per_part * c->chunk;
  int64_t count = IG_MIN(c->chunk, c->part - begin);
  size_t within = (size_t)begin * size,
         whole = ((size_t)part * (size_t)c->part + (size_t)begin) * size;
  const void *sources[IG_MOST_LOCAL];
  void *targets[IG_MOST_LOCAL];
  int n_sources = call->kind == IG_ALL_GATHER ? 1 : n;
  int n_targets = call->kind == IG_REDUCE_SCATTER ? 1 : n;
  for (int l = 0; l < n_sources; l++) {
    sources[l] = call->kind == IG_ALL_GATHER ? (const char *)op->ins[part] + within
                                             : (const char *)op->ins[l] + whole;
  }
  for (int l = 0; l < n_targets; l++) {
    targets[l] = call->kind == IG_REDUCE_SCATTER ? (char *)op->outs[part] + within
                                                 : (char *)op->outs[l] + whole;
  }
  ig_cpu_sum_tree(n_sources, sources, call->dtype, n_targets, targets, call->dtype, count);
}

static int64_t nanoseconds(void) {
  return (int64_t)(1e9 * ig_seconds());
}

/* Takes chunks until there are none. */
static void work(const ig_host *host, const ig_operation *op, const cut *c) {
  ig_slot *slot = ig_node_slot(host->node, op->number);
  for (;;) {
    uint32_t chunk = ig_count_add(&slot->claimed, op->number, 1);
    if (chunk >= c->chunks) return;
    if (chunk == 0) atomic_store(&slot->began, nanoseconds());
    run_chunk(host, op, c, chunk);
    if (ig_count_add(&slot->done, op->number, 1) + 1 == c->chunks) {
      atomic_store(&slot->ended, nanoseconds());
      ig_node_signal(host->node);
    }
  }
}

typedef struct awaited {
  ig_node *node;
  uint64_t number;
  int64_t chunks;
} awaited;

static bool is_posted(void *context) {
  const awaited *a = context;
  return ig_node_all_posted(a->node, a->number);
}

static bool is_done(void *context) {
  const awaited *a = context;
  return ig_count_get(&ig_node_slot(a->node, a->number)->done, a->number) >= a->chunks;
}

ig_status ig_machine_finish(ig_host *host, ig_operation *op) {
  char what[96];
  cut c = cut_of(&op->call, host->base.size);
  awaited a = {host->node, op->number, c.chunks};
  ig_slot *slot = ig_node_slot(host->node, op->number);
  ig_operation_name(&op->call, what);
  IG_TRY(ig_node_wait(host->node, is_posted, &a, what));
  IG_TRY(ig_operation_resolve(host, op));
  if (c.chunks == 0) return IG_OK;
  int threads = (int)IG_MIN(ig_threads(), c.chunks);
  IG_UNUSED(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  work(host, op, &c);
  IG_TRY(ig_node_wait(host->node, is_done, &a, what));
  ig_host_count(host, 1e-9 * (double)atomic_load(&slot->began),
                1e-9 * (double)atomic_load(&slot->ended));
  return IG_OK;
}
