/* Inputs, outputs and the generator's position in blocks: one on the device, and per run one of
 * pinned memory of the same arrangement, so that neighbours travel in one copy.
 *
 * Where that is much, it travels on lanes of its own, between pinned memory and a second block on the
 * device; the steps' own block is written from there, and outputs are written to there, on the lane of
 * the steps, at the speed of the device's memory. So the steps' addresses stay the same, and these marks
 * keep the order:
 *   taken    the steps' lane has read the inputs' block: the next run's may be sent there
 *   arrived  a run's inputs are in that block: the steps' lane may read them
 *   ready    a run's outputs are in theirs: they may be received
 *   marks    they have been: the next run's may be written there, and the host may look */
#include "engine/plan/border.h"

#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

#define ALIGNMENT 256
/* From here on a copy takes longer than the calls that put it beside the steps (about 10 us). */
#define MUCH ((size_t)1 << 20)

struct ig_border {
  const ig_graph *graph;
  ig_backend *backend;
  size_t *offset; /* in the blocks, by input; the generator's position is at 0 */
  size_t *bytes;  /* by input */
  bool *bound;    /* by input, since the last send */
  size_t in_bytes, out_bytes;
  char *device;
  char *in[IG_BORDER_RUNS], *out[IG_BORDER_RUNS];
  size_t *out_offset;
  void *marks[IG_BORDER_RUNS];
  /* Where copies travel beside the steps; otherwise NULL. */
  char *in_block, *out_block;
  void *taken, *arrived, *ready;
  bool receiving; /* an output of this run has been copied to its block */
  int64_t submitted, finished; /* runs so far */
};

static ig_status place(size_t *total, size_t bytes, size_t *offset) {
  *offset = *total;
  IG_CHECK(ig_add_size(*total, bytes, total) && ig_align_size(*total, ALIGNMENT, total),
           IG_ERR_MEMORY, "plan: inputs or outputs are too large");
  return IG_OK;
}

static ig_status lay_out(ig_border *border, bool outputs) {
  const ig_graph *graph = border->graph;
  size_t none;
  border->offset = ig_alloc_zero((size_t)graph->n_inputs + 1, sizeof *border->offset);
  border->bytes = ig_alloc_zero((size_t)graph->n_inputs + 1, sizeof *border->bytes);
  border->bound = ig_alloc_zero((size_t)graph->n_inputs + 1, sizeof *border->bound);
  border->out_offset = ig_alloc_zero((size_t)graph->n_outputs + 1, sizeof *border->out_offset);
  IG_CHECK(border->offset && border->bytes && border->bound && border->out_offset, IG_ERR_MEMORY,
           "plan: out of memory");
  IG_TRY(place(&border->in_bytes, sizeof(ig_rng_state), &none));
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    border->bytes[i] = ig_value_bytes(graph->inputs[i]);
    IG_TRY(place(&border->in_bytes, border->bytes[i], &border->offset[i]));
  }
  for (int32_t i = 0; i < graph->n_outputs && outputs; i++) {
    IG_TRY(place(&border->out_bytes, ig_value_bytes(graph->outputs[i]), &border->out_offset[i]));
  }
  return IG_OK;
}

static ig_status allocate_lanes(ig_border *border) {
  ig_backend *backend = border->backend;
  const ig_queue_vtable *queue = backend->vtable->queue;
  void *memory;
  IG_TRY(backend->vtable->alloc(backend, border->in_bytes, &memory));
  border->in_block = memory;
  IG_TRY(backend->vtable->alloc(backend, border->out_bytes, &memory));
  border->out_block = memory;
  IG_TRY(queue->mark_create(backend, &border->taken));
  IG_TRY(queue->mark_create(backend, &border->arrived));
  IG_TRY(queue->mark_create(backend, &border->ready));
  /* Memory is given on the steps' lane, and used on others. */
  return backend->vtable->synchronize(backend);
}

static ig_status allocate(ig_border *border) {
  ig_backend *backend = border->backend;
  const ig_queue_vtable *queue = backend->vtable->queue;
  void *memory;
  IG_TRY(backend->vtable->alloc(backend, border->in_bytes, &memory));
  border->device = memory;
  for (int k = 0; k < IG_BORDER_RUNS; k++) {
    IG_TRY(queue->host_alloc(backend, border->in_bytes, &memory));
    border->in[k] = memory;
    IG_TRY(queue->host_alloc(backend, border->out_bytes, &memory));
    border->out[k] = memory;
    IG_TRY(queue->mark_create(backend, &border->marks[k]));
  }
  /* Large outputs would need as much memory again: those of inference, which waits for them anyhow. */
  bool apart = border->in_bytes >= MUCH && border->out_bytes <= border->in_bytes;
  return apart ? allocate_lanes(border) : IG_OK;
}

ig_status ig_border_create(const ig_graph *graph, ig_backend *backend, bool outputs,
                           ig_border **out) {
  ig_border *border = ig_alloc_zero(1, sizeof *border);
  IG_CHECK_ALLOC(border);
  border->graph = graph;
  border->backend = backend;
  ig_status status = lay_out(border, outputs);
  if (status == IG_OK) status = allocate(border);
  if (status != IG_OK) {
    ig_border_destroy(border);
    return status;
  }
  *out = border;
  return IG_OK;
}

void ig_border_destroy(ig_border *border) {
  if (!border) return;
  ig_backend *backend = border->backend;
  const ig_queue_vtable *queue = backend->vtable->queue;
  if (border->submitted > border->finished) ig_backend_drain(backend);
  for (int k = 0; k < IG_BORDER_RUNS; k++) {
    queue->host_free(backend, border->in[k]);
    queue->host_free(backend, border->out[k]);
    queue->mark_destroy(backend, border->marks[k]);
  }
  queue->mark_destroy(backend, border->taken);
  queue->mark_destroy(backend, border->arrived);
  queue->mark_destroy(backend, border->ready);
  char *blocks[] = {border->device, border->in_block, border->out_block};
  for (int i = 0; i < IG_COUNT(blocks); i++) {
    if (blocks[i]) backend->vtable->free(backend, blocks[i]);
  }
  ig_free(border->offset);
  ig_free(border->bytes);
  ig_free(border->bound);
  ig_free(border->out_offset);
  ig_free(border);
}

void *ig_border_input(const ig_border *border, int index) {
  return border->device + border->offset[index];
}

const ig_rng_state *ig_border_rng(const ig_border *border) {
  return (const ig_rng_state *)(const void *)border->device;
}

/* The pinned blocks of the next run are free once all but the last IG_BORDER_RUNS - 1 have ended. */
static ig_status next_run(ig_border *border, int *run) {
  *run = (int)(border->submitted % IG_BORDER_RUNS);
  return ig_border_wait(border, IG_BORDER_RUNS);
}

ig_status ig_border_bind(ig_border *border, int index, const void *host) {
  int run;
  IG_TRY(next_run(border, &run));
  if (border->bytes[index]) memcpy(border->in[run] + border->offset[index], host, border->bytes[index]);
  border->bound[index] = true;
  return IG_OK;
}

/* Host to the inputs' block, or straight to the steps'; `from` is NULL for the way between the two. */
static ig_status move_stretch(ig_border *border, const char *from, size_t first, size_t bytes) {
  ig_backend *backend = border->backend;
  const ig_queue_vtable *queue = backend->vtable->queue;
  char *to = border->device + first;
  if (!from) return backend->vtable->copy(backend, to, border->in_block + first, bytes);
  if (!border->in_block) return queue->send(backend, IG_LANE_RUN, to, from + first, bytes);
  return queue->send(backend, IG_LANE_UP, border->in_block + first, from + first, bytes);
}

/* The generator's position and what is bound, by stretches, gaps between neighbours included. */
static ig_status move_bound(ig_border *border, const char *from) {
  size_t first = 0, end = sizeof(ig_rng_state);
  for (int32_t i = 0; i <= border->graph->n_inputs; i++) {
    bool more = i < border->graph->n_inputs && border->bound[i];
    if (more && first == end) first = border->offset[i];
    if (more) end = border->offset[i] + border->bytes[i];
    if (more || first == end) continue;
    IG_TRY(move_stretch(border, from, first, end - first));
    first = end;
  }
  return IG_OK;
}

static ig_status send_beside(ig_border *border, const char *from) {
  ig_backend *backend = border->backend;
  const ig_queue_vtable *queue = backend->vtable->queue;
  IG_TRY(queue->mark_follow(backend, IG_LANE_UP, border->taken));
  IG_TRY(move_bound(border, from));
  IG_TRY(queue->mark_record(backend, IG_LANE_UP, border->arrived));
  IG_TRY(queue->mark_follow(backend, IG_LANE_RUN, border->arrived));
  IG_TRY(move_bound(border, NULL));
  return queue->mark_record(backend, IG_LANE_RUN, border->taken);
}

ig_status ig_border_send(ig_border *border, const ig_rng_state *rng) {
  int run;
  IG_TRY(next_run(border, &run));
  const ig_rng_state none = {0};
  memcpy(border->in[run], rng ? rng : &none, sizeof *rng);
  border->receiving = false;
  IG_TRY(border->in_block ? send_beside(border, border->in[run])
                          : move_bound(border, border->in[run]));
  memset(border->bound, 0, (size_t)border->graph->n_inputs * sizeof *border->bound);
  return IG_OK;
}

ig_status ig_border_receive(ig_border *border, int index, const void *device) {
  ig_backend *backend = border->backend;
  const ig_queue_vtable *queue = backend->vtable->queue;
  int run = (int)(border->submitted % IG_BORDER_RUNS);
  size_t at = border->out_offset[index], bytes = ig_value_bytes(border->graph->outputs[index]);
  if (!border->out_block) {
    return queue->receive(backend, IG_LANE_RUN, border->out[run] + at, device, bytes);
  }
  if (!border->receiving) {
    void *last = border->marks[(run + IG_BORDER_RUNS - 1) % IG_BORDER_RUNS];
    IG_TRY(queue->mark_follow(backend, IG_LANE_RUN, last));
  }
  border->receiving = true;
  return backend->vtable->copy(backend, border->out_block + at, device, bytes);
}

ig_status ig_border_submitted(ig_border *border) {
  ig_backend *backend = border->backend;
  const ig_queue_vtable *queue = backend->vtable->queue;
  int run = (int)(border->submitted % IG_BORDER_RUNS);
  ig_lane lane = border->out_block ? IG_LANE_DOWN : IG_LANE_RUN;
  if (border->out_block) {
    IG_TRY(queue->mark_record(backend, IG_LANE_RUN, border->ready));
    IG_TRY(queue->mark_follow(backend, IG_LANE_DOWN, border->ready));
    IG_TRY(queue->receive(backend, IG_LANE_DOWN, border->out[run], border->out_block,
                          border->out_bytes));
  }
  IG_TRY(queue->mark_record(backend, lane, border->marks[run]));
  border->submitted++;
  return IG_OK;
}

ig_status ig_border_wait(ig_border *border, int runs) {
  while (border->submitted - border->finished >= runs) {
    void *mark = border->marks[border->finished % IG_BORDER_RUNS];
    IG_TRY(border->backend->vtable->queue->mark_wait(border->backend, mark));
    border->finished++;
  }
  return IG_OK;
}

const void *ig_border_output(const ig_border *border, int index) {
  if (border->finished == 0) return NULL;
  int run = (int)((border->finished - 1) % IG_BORDER_RUNS);
  return border->out[run] + border->out_offset[index];
}
