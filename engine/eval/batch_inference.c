/* The threads of a batch inference, and two of its three kinds: readers, which prepare batches and look rows
 * up, and the writer. Lanes are batch_inference_lane.c's. A batch that cannot be read is marked and passes
 * through the ring like any other: the run fails when the writer gets to it, so that the same row is
 * reported whatever the threads, and what came before it is written. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/dtype.h"
#include "engine/base/memory.h"
#include "engine/eval/batch_inference_parts.h"
#include "engine/eval/latency.h"

#define MOST_THREADS 1024

void ig_inference_fail(ig_inference *run, ig_status status) {
  if (run->status == IG_OK) {
    run->status = status;
    strncpy(run->message, ig_last_error(), sizeof run->message - 1);
  }
  run->stop = true;
  pthread_cond_broadcast(&run->free);
  pthread_cond_broadcast(&run->ready);
  pthread_cond_broadcast(&run->done);
}

ig_row_input ig_inference_row(const ig_inference *run, void *const *fields, int64_t row) {
  ig_row_input input = {.n = run->match.n_inputs};
  for (int i = 0; i < input.n; i++) {
    int f = run->match.inputs[i];
    input.bytes[i] = run->prepare.fields[f].ready_bytes;
    input.data[i] = (const char *)fields[f] + (size_t)row * input.bytes[i];
  }
  return input;
}

/* --- readers ----------------------------------------------------------------------------------- */

static void zero_rows(const ig_inference *run, ig_infer_slot *slot, int64_t from, int64_t to) {
  for (int i = 0; i < run->match.n_inputs; i++) {
    int f = run->match.inputs[i];
    size_t bytes = run->prepare.fields[f].ready_bytes;
    memset((char *)slot->fields[f] + (size_t)from * bytes, 0, (size_t)(to - from) * bytes);
  }
}

/* Features were looked at when they were prepared; pictures, which are bytes as a rule, only here. */
static ig_status check_pictures(const ig_dataset *data, const ig_match *match,
                                const ig_prepare *prepare, const int64_t *indices, int64_t count,
                                void *const *fields) {
  for (int i = 0; i < match->n_inputs; i++) {
    int f = match->inputs[i];
    const ig_field *field = &data->fields[f];
    if (field->kind != IG_FIELD_IMAGE || !ig_dtype_is_float(field->dtype)) continue;
    int64_t each = prepare->fields[f].elements;
    const float *values = fields[f];
    for (int64_t k = 0; k < count * each; k++) {
      IG_CHECK(values[k] - values[k] == 0, IG_ERR_INPUT,
               "%s: sample %" PRId64 ", field '%s', element %" PRId64
               ": found %s; expected a finite number",
               data->path, indices[k / each], field->name, k % each,
               values[k] != values[k] ? "NaN" : "Inf");
    }
  }
  return IG_OK;
}

static bool is_of_input(ig_status status) {
  return status == IG_ERR_INPUT || status == IG_ERR_SHAPE || status == IG_ERR_UNSUPPORTED;
}

/* One row after another, to find those that cannot be read. */
static ig_status read_rows(ig_inference *run, ig_infer_slot *slot, char *scratch) {
  for (int64_t i = 0; i < slot->batch.count; i++) {
    void *fields[IG_MAX_FIELDS] = {0};
    for (int k = 0; k < run->match.n_inputs; k++) {
      int f = run->match.inputs[k];
      fields[f] = (char *)slot->fields[f] + (size_t)i * run->prepare.fields[f].ready_bytes;
    }
    ig_status status = ig_prepare_batch(&run->prepare, 0, &slot->indices[i], 1, scratch, fields);
    if (status == IG_OK) {
      status = check_pictures(run->data, &run->match, &run->prepare, &slot->indices[i], 1, fields);
    }
    if (status == IG_OK) continue;
    if (!is_of_input(status)) return status;
    if (!run->options->skip_bad) {
      return ig_fail_in(status, "row %" PRId64, slot->batch.first + i);
    }
    zero_rows(run, slot, i, i + 1);
    ig_row_layout_skip(run->layout, slot->batch.records + (size_t)i * run->layout->bytes);
    slot->batch.skipped++;
  }
  return IG_OK;
}

static ig_status fill_slot(ig_inference *run, ig_infer_slot *slot, char *scratch) {
  ig_row_batch *batch = &slot->batch;
  size_t bytes = run->layout->bytes;
  memset(batch->records, 0, (size_t)batch->count * bytes);
  for (int64_t i = 0; i < batch->count; i++) slot->indices[i] = batch->first + i;
  ig_status status =
      ig_prepare_batch(&run->prepare, 0, slot->indices, batch->count, scratch, slot->fields);
  if (status == IG_OK) {
    status = check_pictures(run->data, &run->match, &run->prepare, slot->indices, batch->count,
                            slot->fields);
  }
  if (is_of_input(status)) status = read_rows(run, slot, scratch);
  IG_TRY(status);
  zero_rows(run, slot, batch->count, run->options->batch);
  for (int64_t i = 0; i < batch->count; i++) {
    char *record = batch->records + (size_t)i * bytes;
    if (ig_row_state_of(run->layout, record) == IG_ROW_SKIPPED) continue;
    if (run->hooks->find) {
      ig_row_input input = ig_inference_row(run, slot->fields, i);
      if (run->hooks->find(run->hooks->context, &input, record)) {
        batch->cached++;
        continue;
      }
    }
    slot->wanted[slot->n_wanted++] = (int32_t)i;
  }
  return IG_OK;
}

/* Reserves the slot of the next batch that is wanted; NULL when there is none. With the mutex held. */
static ig_infer_slot *take_ticket(ig_inference *run) {
  const ig_batch_inference_options *o = run->options;
  while (run->next < o->last && o->done && o->done[run->next]) run->next++;
  if (run->next >= o->last) {
    run->ended = true;
    pthread_cond_broadcast(&run->ready);
    pthread_cond_broadcast(&run->done);
    pthread_cond_broadcast(&run->free);
    return NULL;
  }
  ig_infer_slot *slot = &run->slots[run->taken++ % o->depth];
  int64_t first = run->next * o->batch;
  slot->batch = (ig_row_batch){.index = run->next++,
                               .first = first,
                               .count = IG_MIN(o->batch, o->rows - first),
                               .records = slot->batch.records};
  slot->n_wanted = slot->n_given = slot->n_computed = 0;
  slot->status = IG_OK;
  slot->state = SLOT_READING;
  return slot;
}

static void read_all(ig_inference *run, char *scratch) {
  pthread_mutex_lock(&run->mutex);
  for (;;) {
    while (!run->stop && !run->ended && run->taken - run->written == run->options->depth) {
      pthread_cond_wait(&run->free, &run->mutex);
    }
    ig_infer_slot *slot = run->stop || run->ended ? NULL : take_ticket(run);
    if (!slot) break;
    pthread_mutex_unlock(&run->mutex);
    ig_status status = fill_slot(run, slot, scratch);
    if (status != IG_OK) {
      strncpy(slot->message, ig_last_error(), sizeof slot->message - 1);
      slot->n_wanted = 0;
    }
    pthread_mutex_lock(&run->mutex);
    slot->status = status;
    slot->state = SLOT_READY;
    if (status != IG_OK) run->ended = true; /* nothing behind it is of use */
    pthread_cond_broadcast(&run->ready);
  }
  pthread_mutex_unlock(&run->mutex);
}

static void *run_reader(void *argument) {
  ig_inference *run = argument;
  size_t bytes = 0;
  ig_status status = ig_prepare_scratch(&run->prepare, run->options->batch, &bytes);
  char *scratch = status == IG_OK ? ig_alloc(bytes) : NULL;
  if (status == IG_OK && !scratch) status = ig_fail(IG_ERR_MEMORY, "no memory for a batch");
  if (status == IG_OK) {
    read_all(run, scratch);
  } else {
    pthread_mutex_lock(&run->mutex);
    ig_inference_fail(run, status);
    pthread_mutex_unlock(&run->mutex);
  }
  ig_free(scratch);
  return NULL;
}

/* --- the writer -------------------------------------------------------------------------------- */

static ig_status write_slot(ig_inference *run, ig_infer_slot *slot) {
  if (slot->status != IG_OK) return ig_fail(slot->status, "%s", slot->message);
  IG_TRY(run->hooks->write(run->hooks->context, &slot->batch));
  run->stats.rows += slot->batch.count;
  run->stats.skipped += slot->batch.skipped;
  run->stats.cached += slot->batch.cached;
  return IG_OK;
}

static void *run_writer(void *argument) {
  ig_inference *run = argument;
  pthread_mutex_lock(&run->mutex);
  while (!run->stop) {
    ig_infer_slot *slot = &run->slots[run->written % run->options->depth];
    bool coming = run->written < run->taken;
    if (!coming && run->ended) break;
    if (!coming || slot->state != SLOT_DONE) {
      pthread_cond_wait(&run->done, &run->mutex);
      continue;
    }
    pthread_mutex_unlock(&run->mutex);
    ig_status status = write_slot(run, slot);
    pthread_mutex_lock(&run->mutex);
    slot->state = SLOT_FREE;
    run->written++;
    if (status != IG_OK) ig_inference_fail(run, status);
    pthread_cond_signal(&run->free);
  }
  pthread_mutex_unlock(&run->mutex);
  return NULL;
}

static void *run_lane(void *argument) {
  ig_inference_lane(argument);
  return NULL;
}

/* --- the run ----------------------------------------------------------------------------------- */

static ig_status check_options(const ig_batch_inference_options *o) {
  IG_CHECK(o->batch >= 1 && o->batch <= INT32_MAX && o->rows >= 0, IG_ERR_USAGE,
           "batches of %" PRId64 " rows", o->batch);
  IG_CHECK(o->lanes >= 1 && o->lanes <= MOST_THREADS && o->readers >= 1 &&
               o->readers <= MOST_THREADS && o->depth > o->lanes,
           IG_ERR_USAGE, "%d lanes, %d readers and %d batches under way", o->lanes, o->readers,
           o->depth);
  return IG_OK;
}

static ig_status make_slots(ig_inference *run) {
  const ig_batch_inference_options *o = run->options;
  size_t batch = (size_t)o->batch, bytes;
  run->slots = ig_alloc_zero((size_t)o->depth, sizeof *run->slots);
  IG_CHECK_ALLOC(run->slots);
  for (int i = 0; i < o->depth; i++) {
    ig_infer_slot *slot = &run->slots[i];
    slot->indices = ig_alloc_zero(batch, sizeof *slot->indices);
    slot->wanted = ig_alloc_zero(batch, sizeof *slot->wanted);
    slot->batch.records = ig_alloc_zero(batch, run->layout->bytes);
    IG_CHECK_ALLOC(slot->indices && slot->wanted ? slot->batch.records : NULL);
    for (int k = 0; k < run->match.n_inputs; k++) {
      int f = run->match.inputs[k];
      bool fits = ig_mul_size(run->prepare.fields[f].ready_bytes, batch, &bytes);
      slot->fields[f] = fits ? ig_alloc(bytes) : NULL;
      IG_CHECK(slot->fields[f], IG_ERR_MEMORY, "%s: no memory for %d batches of %" PRId64 " rows",
               run->data->path, o->depth, o->batch);
    }
  }
  return IG_OK;
}

static void free_slots(ig_inference *run) {
  for (int i = 0; run->slots && i < run->options->depth; i++) {
    ig_infer_slot *slot = &run->slots[i];
    ig_free(slot->indices);
    ig_free(slot->wanted);
    ig_free(slot->batch.records);
    for (int f = 0; f < IG_MAX_FIELDS; f++) ig_free(slot->fields[f]);
  }
  ig_free(run->slots);
}

/* Signals are for the calling thread. */
static int start_threads(ig_inference *run, pthread_t *threads, ig_status *status) {
  const ig_batch_inference_options *o = run->options;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int n = 0, wanted = o->readers + o->lanes; /* the first lane is the caller; and the writer */
  while (n < wanted) {
    void *(*body)(void *) = n == 0 ? run_writer : n <= o->readers ? run_reader : run_lane;
    int code = pthread_create(&threads[n], NULL, body, run);
    if (code != 0) {
      *status = ig_fail(IG_ERR_MEMORY, "cannot start thread %d of %d: %s", n + 1, wanted,
                        strerror(code));
      break;
    }
    n++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return n;
}

static ig_status run_threads(ig_inference *run) {
  size_t most = (size_t)(run->options->readers + run->options->lanes);
  pthread_t *threads = ig_alloc_zero(most, sizeof *threads);
  IG_CHECK_ALLOC(threads);
  ig_status status = IG_OK;
  int n = start_threads(run, threads, &status);
  if (status == IG_OK) {
    ig_inference_lane(run);
  } else {
    pthread_mutex_lock(&run->mutex);
    ig_inference_fail(run, status);
    pthread_mutex_unlock(&run->mutex);
  }
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  ig_free(threads);
  return run->status == IG_OK ? IG_OK : ig_fail(run->status, "%s", run->message);
}

static ig_feeder_options prepare_options(int n, const ig_normalization *normalizations) {
  return (ig_feeder_options){.n_normalizations = n, .normalizations = normalizations};
}

ig_status ig_batch_inference_run(const ig_graph *model, ig_backend *backend, ig_store *store,
                                 ig_dataset *data, const ig_row_layout *layout,
                                 const ig_batch_inference_options *options,
                                 const ig_batch_inference_hooks *hooks,
                                 ig_batch_inference_stats *stats) {
  *stats = (ig_batch_inference_stats){0};
  ig_inference run = {.model = model,
                      .backend = backend,
                      .store = store,
                      .data = data,
                      .layout = layout,
                      .options = options,
                      .hooks = hooks,
                      .next = options->first};
  IG_TRY(check_options(options));
  IG_TRY(ig_match_fields(model, data, &run.match));
  run.passes = (ig_pass_options){.device = backend->vtable->device,
                                 .compute = ig_precision_dtype(options->precision)};
  ig_feeder_options feeder = prepare_options(options->n_normalizations, options->normalizations);
  IG_TRY(ig_prepare_create(&run.prepare, data, &feeder));
  pthread_mutex_init(&run.mutex, NULL);
  pthread_mutex_init(&run.planning, NULL);
  pthread_cond_init(&run.free, NULL);
  pthread_cond_init(&run.ready, NULL);
  pthread_cond_init(&run.done, NULL);
  ig_status status = make_slots(&run);
  if (status == IG_OK) status = run_threads(&run);
  if (run.started > 0) run.stats.seconds = ig_now() - run.started;
  *stats = run.stats;
  free_slots(&run);
  ig_prepare_destroy(&run.prepare);
  pthread_mutex_destroy(&run.mutex);
  pthread_mutex_destroy(&run.planning);
  pthread_cond_destroy(&run.free);
  pthread_cond_destroy(&run.ready);
  pthread_cond_destroy(&run.done);
  return status;
}

ig_status ig_batch_inference_check_row(const ig_graph *model, ig_dataset *data, int64_t row,
                                       int n_normalizations,
                                       const ig_normalization *normalizations) {
  ig_prepare prepare;
  ig_match match;
  size_t bytes;
  void *fields[IG_MAX_FIELDS] = {0};
  IG_TRY(ig_match_fields(model, data, &match));
  ig_feeder_options options = prepare_options(n_normalizations, normalizations);
  IG_TRY(ig_prepare_create(&prepare, data, &options));
  ig_status status = ig_prepare_scratch(&prepare, 1, &bytes);
  char *scratch = status == IG_OK ? ig_alloc(bytes) : NULL;
  for (int i = 0; i < match.n_inputs && scratch; i++) {
    int f = match.inputs[i];
    fields[f] = ig_alloc(prepare.fields[f].ready_bytes);
    if (!fields[f]) status = IG_ERR_MEMORY;
  }
  if (!scratch || status != IG_OK) {
    status = ig_fail(IG_ERR_MEMORY, "%s: no memory for a row", data->path);
  } else {
    status = ig_prepare_batch(&prepare, 0, &row, 1, scratch, fields);
    if (status == IG_OK) status = check_pictures(data, &match, &prepare, &row, 1, fields);
  }
  for (int f = 0; f < IG_MAX_FIELDS; f++) ig_free(fields[f]);
  ig_free(scratch);
  ig_prepare_destroy(&prepare);
  return status;
}
