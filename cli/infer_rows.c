/* Batch inference from options to a report: what the results hold, what they depend on, how the machine is used,
 * and what it came to. */
#include "cli/infer_rows.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "cli/infer_results.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "engine/base/memory.h"
#include "engine/eval/batch_size.h"
#include "engine/eval/latency.h"
#include "formats/row_cache.h"
#include "formats/text_file.h"

#define MOST_LANES 256
#define MOST_READERS 16
#define IDENTITY_BYTES 32768

typedef struct job {
  ig_cli *cli;
  const ig_infer_options *options;
  ig_model_source *model;
  ig_backend *backend;
  ig_arena *arena;
  ig_dataset *data;
  ig_store *store;
  uint64_t digest; /* of the model */
  int64_t rows;
  ig_row_layout layout;
  ig_array arrays[IG_MOST_PARTS];
  ig_batch_size size;
  int readers, depth;
  ig_row_cache *cache;
  ig_infer_results results;
  ig_batch_inference_stats stats; /* of all ranks, once gathered */
  double started;
} job;

/* --- what the results hold --------------------------------------------------------------------- */

static ig_status class_columns(const ig_field *target, const ig_shape *logits, ig_arena *arena,
                               const char *const **out) {
  *out = NULL;
  if (!target->classes || ig_shape_count(logits) != target->n_classes) return IG_OK;
  const char **columns = ig_arena_alloc(arena, (size_t)target->n_classes * sizeof *columns);
  IG_CHECK_ALLOC(columns);
  for (int64_t k = 0; k < target->n_classes; k++) {
    columns[k] = ig_arena_format(arena, "p_%s", target->classes[k]);
    IG_CHECK_ALLOC(columns[k]);
  }
  *out = columns;
  return IG_OK;
}

static ig_status describe_results(job *j) {
  const ig_model_source *model = j->model;
  ig_tensor_info outputs[IG_MOST_OUTPUTS];
  int n;
  IG_TRY(ig_model_outputs(model->graph, j->data, IG_MOST_OUTPUTS, outputs, &n));
  bool derive = model->n_fields > 0 && ig_array_writer_check(j->options->out, 2) == IG_OK;
  IG_TRY(ig_row_layout_make(n, outputs, model->task, derive, &j->layout));
  IG_TRY(ig_array_writer_check(j->options->out, j->layout.n));
  for (int p = 0; p < j->layout.n; p++) {
    const ig_row_part *part = &j->layout.parts[p];
    j->arrays[p] = (ig_array){.name = part->name, .dtype = part->dtype, .shape = part->shape};
  }
  if (j->layout.probability < 0) return IG_OK;
  const ig_field *target = &model->fields[model->n_fields - 1];
  ig_array *probability = &j->arrays[j->layout.probability];
  IG_TRY(class_columns(target, &probability->shape, j->arena, &probability->columns));
  if (j->layout.prediction < 0) return IG_OK;
  ig_array *prediction = &j->arrays[j->layout.prediction];
  prediction->labels = target->classes;
  prediction->n_labels = target->classes ? target->n_classes : 0;
  return IG_OK;
}

/* --- what they depend on ----------------------------------------------------------------------- */

/* What decides the result of a row, besides the row; and a whole run's, with `whole`. */
static ig_status identify(const job *j, bool whole, const char **out) {
  const ig_infer_options *o = j->options;
  char *text = ig_arena_alloc(j->arena, IDENTITY_BYTES);
  IG_CHECK_ALLOC(text);
  size_t n = 0, most = IDENTITY_BYTES;
  n += (size_t)snprintf(text, most, "model: %016" PRIx64 "\nprecision: %s\ndevice: %s\n", j->digest,
                        o->precision, j->backend->vtable->name);
  if (whole) {
    n += (size_t)snprintf(text + n, most - n, "data: %.2000s (%016" PRIx64 ")\nrows: %" PRId64
                          "\nbatch: %" PRId64 "\n",
                          o->data, j->data->digest, j->rows, j->size.batch);
  }
  for (int p = 0; p < j->layout.n; p++) {
    const ig_row_part *part = &j->layout.parts[p];
    n += (size_t)snprintf(text + n, most - n, "output: %.200s %s %s\n", part->name,
                          ig_dtype_name(part->dtype), IG_SHAPE_STR(&part->shape));
  }
  *out = text;
  return IG_OK;
}

/* A whole batch's statistics go into what such a node gives for a row. */
static ig_status check_rows_apart(const ig_graph *graph) {
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    IG_CHECK(strcmp(node->op->name, "DynamicQuantizeLinear") != 0, IG_ERR_UNSUPPORTED,
             "--cache: node '%s' (%s) takes its scale from all rows of a batch, so that a row's "
             "result is not its own",
             node->name, node->op->name);
  }
  return IG_OK;
}

static ig_status open_cache(job *j) {
  const char *identity;
  if (!j->options->cache) return IG_OK;
  IG_TRY(check_rows_apart(j->model->graph));
  IG_TRY(identify(j, false, &identity));
  return ig_row_cache_open(j->options->cache, identity, j->layout.bytes, j->options->cache_bytes,
                           &j->cache);
}

static bool find_row(void *context, const ig_row_input *row, char *record) {
  const job *j = context;
  return ig_row_cache_find(j->cache, row->n, row->data, row->bytes, record) &&
         ig_row_state_of(&j->layout, record) == IG_ROW_COMPUTED;
}

static void keep_row(void *context, const ig_row_input *row, const char *record) {
  const job *j = context;
  ig_row_cache_keep(j->cache, row->n, row->data, row->bytes, record);
}

/* --- how the machine is used ------------------------------------------------------------------- */

static int processor_threads(const job *j) {
  cpu_set_t set;
  int threads = j->cli->threads ? j->cli->threads : (int)j->cli->common->threads;
  if (threads > 0) return threads;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? IG_MAX(CPU_COUNT(&set), 1) : 1;
}

/* Of the run that is gone on with, where nobody asked for another; 0 where that says nothing. */
static ig_status batch_of_before(const job *j, int64_t *batch) {
  char *identity = NULL;
  if (!j->options->resume || *batch > 0) return IG_OK;
  IG_TRY(ig_row_spool_identity(j->options->out, &identity));
  const char *line = identity ? strstr(identity, "\nbatch: ") : NULL;
  if (line && sscanf(line, "\nbatch: %" SCNd64, batch) != 1) *batch = 0;
  if (*batch < 0 || *batch > 1 << 24) *batch = 0;
  ig_free(identity);
  return IG_OK;
}

static size_t row_bytes(const job *j) {
  size_t bytes = j->layout.bytes;
  for (int f = 0; f < j->data->n_fields; f++) {
    bytes += ig_shape_bytes(&j->data->fields[f].shape, ig_feeder_dtype(j->data, f));
  }
  return bytes;
}

/* On every rank, since memory and threads may differ. */
static ig_status choose_size(job *j, int64_t *batch) {
  int threads = processor_threads(j);
  bool host = j->backend->vtable->host_memory;
  j->readers = j->options->workers ? (int)j->options->workers : IG_MIN(threads, MOST_READERS);
  ig_batch_size_options size = {.rows = j->rows,
                                .sharers = j->cli->comm ? j->cli->comm->local_size : 1,
                                .lanes = host ? IG_MIN(threads, MOST_LANES) : 1,
                                .spare = j->readers + 4,
                                .row_bytes = row_bytes(j),
                                .precision = ig_precision_parse(j->options->precision),
                                .seed = (uint64_t)j->cli->common->seed};
  if (*batch > 0) {
    IG_TRY(ig_batch_size_check(j->model->graph, j->backend, j->store, j->data, &size, *batch,
                               &j->size));
  } else {
    IG_TRY(ig_batch_size_find(j->model->graph, j->backend, j->store, j->data, &size, &j->size));
  }
  *batch = j->size.batch;
  return IG_OK;
}

/* Rank 0 finds the batch for all. */
static ig_status choose_batch(job *j) {
  ig_comm *comm = j->cli->comm;
  int64_t batch = j->options->batch;
  ig_status status = IG_OK;
  if (j->cli->rank == 0) {
    status = batch_of_before(j, &batch);
    if (status == IG_OK) status = choose_size(j, &batch);
  }
  IG_TRY(ig_comm_settle(comm, status));
  if (comm) {
    IG_TRY(ig_comm_broadcast(comm, &batch, sizeof batch, 0));
    if (j->cli->rank > 0) status = choose_size(j, &batch);
    IG_TRY(ig_comm_settle(comm, status));
  }
  j->depth = 2 * j->size.lanes + j->readers + 2;
  if (j->options->cache) j->depth += 8; /* from which rows that are not known are gathered */
  return IG_OK;
}

/* This rank's part of the batches that are not there yet: [*first, *last). */
static void find_share(const job *j, int64_t *first, int64_t *last) {
  const ig_infer_results *r = &j->results;
  int64_t missing = 0, seen = 0, rank = j->cli->rank, ranks = j->cli->ranks;
  for (int64_t b = 0; b < r->n_batches; b++) missing += !r->done[b];
  int64_t from = missing * rank / ranks, to = missing * (rank + 1) / ranks;
  *first = *last = r->n_batches;
  for (int64_t b = 0; b < r->n_batches; b++) {
    if (r->done[b]) continue;
    if (seen == from && *first == r->n_batches) *first = b;
    if (seen == to) {
      *last = b;
      break;
    }
    seen++;
  }
  *first = from == to ? *last : *first;
}

static int64_t rows_between(const job *j, int64_t first, int64_t last) {
  int64_t rows = 0;
  for (int64_t b = first; b < last; b++) {
    if (!j->results.done[b]) rows += IG_MIN(j->size.batch, j->rows - b * j->size.batch);
  }
  return rows;
}

/* --- the run ----------------------------------------------------------------------------------- */

static ig_status write_rows(void *context, const ig_row_batch *batch) {
  return ig_infer_results_write(&((job *)context)->results, batch);
}

static ig_status run_share(job *j) {
  const ig_infer_options *o = j->options;
  const ig_snapshot *snapshot = j->model->snapshot;
  ig_infer_results *r = &j->results;
  ig_batch_inference_options run = {.batch = j->size.batch,
                                    .rows = j->rows,
                                    .done = r->done,
                                    .lanes = j->size.lanes,
                                    .readers = j->readers,
                                    .depth = j->depth,
                                    .skip_bad = o->skip_bad,
                                    .n_normalizations = snapshot->n_normalizations,
                                    .normalizations = snapshot->normalizations,
                                    .precision = ig_precision_parse(o->precision),
                                    .seed = (uint64_t)j->cli->common->seed};
  ig_batch_inference_hooks hooks = {.context = j, .write = write_rows};
  if (j->cache) {
    hooks.find = find_row;
    hooks.keep = keep_row;
  }
  find_share(j, &run.first, &run.last);
  if (run.first >= run.last) return IG_OK;
  bool quiet = j->cli->common->quiet || j->cli->rank > 0;
  r->bar = ig_bar_begin(quiet, "row", 0, rows_between(j, run.first, run.last));
  ig_status status = ig_batch_inference_run(j->model->graph, j->backend, j->store, j->data,
                                            &j->layout, &run, &hooks, &j->stats);
  ig_bar_end(&r->bar);
  return status;
}

static ig_status sum_stats(job *j) {
  ig_batch_inference_stats sum = {0}, *all;
  if (!j->cli->comm) return IG_OK;
  all = ig_alloc_zero((size_t)j->cli->ranks, sizeof *all);
  ig_status status = all ? IG_OK : ig_fail(IG_ERR_MEMORY, "out of memory");
  status = ig_comm_settle(j->cli->comm, status);
  if (status == IG_OK) status = ig_comm_exchange(j->cli->comm, &j->stats, sizeof sum, all);
  for (int r = 0; r < j->cli->ranks && status == IG_OK; r++) {
    sum.rows += all[r].rows;
    sum.skipped += all[r].skipped;
    sum.cached += all[r].cached;
    sum.seconds = IG_MAX(sum.seconds, all[r].seconds);
    sum.computing += all[r].computing;
    sum.waiting += all[r].waiting;
  }
  ig_free(all);
  if (status == IG_OK) j->stats = sum;
  return status;
}

/* --- rows that were passed over ---------------------------------------------------------------- */

typedef struct skipped_list {
  job *job;
  char *text;
  int64_t used, capacity, rows;
} skipped_list;

/* Its reason is found by reading the row again: an earlier run may have skipped it. */
static ig_status add_skipped(void *context, int64_t row) {
  skipped_list *list = context;
  const job *j = list->job;
  const ig_snapshot *snapshot = j->model->snapshot;
  char line[2200];
  int n = snprintf(line, sizeof line, "%" PRId64 ",\"", row);
  ig_status found = ig_batch_inference_check_row(j->model->graph, j->data, row,
                                                 snapshot->n_normalizations,
                                                 snapshot->normalizations);
  for (const char *c = found == IG_OK ? "" : ig_last_error(); *c && n < 2190; c++) {
    if (*c == '"') line[n++] = '"';
    line[n++] = *c;
  }
  line[n++] = '"';
  line[n++] = '\n';
  IG_CHECK(ig_grow((void **)&list->text, &list->capacity, list->used + n, 1), IG_ERR_MEMORY,
           "no memory for the list of skipped rows");
  memcpy(list->text + list->used, line, (size_t)n);
  list->used += n;
  list->rows++;
  return IG_OK;
}

/* OUT.skipped: "row,reason" of each; none where no row was skipped. By rank 0. */
static ig_status list_skipped(job *j) {
  static const char title[] = "row,reason\n";
  skipped_list list = {.job = j};
  char *path = ig_format("%s.skipped", j->options->out);
  IG_CHECK_ALLOC(path);
  ig_status status = IG_OK;
  if (j->stats.skipped > 0 || (j->options->skip_bad && j->results.n_done > 0)) {
    IG_CHECK_DONE(ig_grow((void **)&list.text, &list.capacity, sizeof title, 1), IG_ERR_MEMORY,
                  "no memory for the list of skipped rows");
    memcpy(list.text, title, sizeof title - 1);
    list.used = sizeof title - 1;
    IG_TRY_DONE(ig_infer_results_skipped(&j->results, add_skipped, &list));
  }
  if (list.rows > 0) status = ig_write_text(path, list.text, (size_t)list.used);
  else unlink(path);
  j->stats.skipped = list.rows;
done:
  ig_free(list.text);
  ig_free(path);
  return status;
}

/* --- the report -------------------------------------------------------------------------------- */

static void print_report(const job *j, double seconds, int64_t fresh) {
  const ig_cli *cli = j->cli;
  const ig_batch_inference_stats *s = &j->stats;
  double rate = (double)fresh / seconds, lanes = s->computing + s->waiting;
  ig_say(cli, "%" PRId64 " rows to %s in %.2f s (%.0f rows/s), batches of %" PRId64 "\n", j->rows,
         j->options->out, seconds, rate, j->size.batch);
  if (lanes > 0) ig_say(cli, "computing waited %.1f %% of the time\n", 100 * s->waiting / lanes);
  if (j->results.n_done > 0) {
    ig_say(cli, "%" PRId64 " rows were there from before\n", j->results.n_done);
  }
  if (j->cache && fresh > 0) {
    ig_say(cli, "%" PRId64 " rows answered from %s (%.1f %%)\n", s->cached, j->options->cache,
           100 * (double)s->cached / (double)fresh);
  }
  if (s->skipped > 0) {
    ig_say(cli, "%" PRId64 " rows skipped: %s.skipped\n", s->skipped, j->options->out);
  }
  if (j->options->price > 0 && fresh > 0) {
    ig_say(cli, "cost of a million rows: %.4g\n", j->options->price / 3600 * 1e6 / rate);
  }
}

static ig_status report(const job *j) {
  const ig_batch_inference_stats *s = &j->stats;
  double seconds = ig_now() - j->started, lanes = s->computing + s->waiting;
  int64_t fresh = j->rows - j->results.n_done;
  print_report(j, seconds, fresh);
  if (j->cache && ig_row_cache_lost(j->cache) > 0) {
    ig_warn(j->cli, "%s: %" PRId64 " results could not be kept", j->options->cache,
            ig_row_cache_lost(j->cache));
  }
  json_t *result = json_object();
  json_object_set_new(result, "out", json_string(j->options->out));
  json_object_set_new(result, "rows", json_integer(j->rows));
  json_object_set_new(result, "rows_from_before", json_integer(j->results.n_done));
  json_object_set_new(result, "skipped", json_integer(s->skipped));
  json_object_set_new(result, "batch", json_integer(j->size.batch));
  json_object_set_new(result, "lanes", json_integer(j->size.lanes));
  ig_json_real(result, "seconds", seconds);
  ig_json_real(result, "rows_per_second", (double)fresh / seconds);
  if (lanes > 0) ig_json_real(result, "compute_wait_share", s->waiting / lanes);
  if (j->cache) {
    json_object_set_new(result, "cache_hits", json_integer(s->cached));
    if (fresh > 0) ig_json_real(result, "cache_hit_rate", (double)s->cached / (double)fresh);
  }
  if (j->options->price > 0 && fresh > 0) {
    ig_json_real(result, "cost_per_million_rows",
                 j->options->price / 3600 * 1e6 * seconds / (double)fresh);
  }
  return ig_emit_json(j->cli, result);
}

/* --- all of it --------------------------------------------------------------------------------- */

static ig_status prepare(job *j) {
  IG_TRY(ig_model_source_fit(j->model, j->data));
  IG_CHECK(j->data->n_samples > 0, IG_ERR_INPUT, "%s: holds no samples", j->data->path);
  j->rows = j->data->n_samples;
  if (j->options->limit > 0) j->rows = IG_MIN(j->rows, j->options->limit);
  IG_TRY(describe_results(j));
  IG_TRY(ig_model_source_store(j->model, j->backend, &j->store));
  IG_TRY(ig_model_source_digest(j->model, j->store, &j->digest));
  return open_cache(j);
}

static ig_status infer(job *j, const ig_text_encoder *encoder) {
  const ig_infer_options *o = j->options;
  ig_cli *cli = j->cli;
  IG_TRY(ig_array_writer_check(o->out, 1));
  IG_TRY(ig_model_source_inputs(j->model, o->data, o->target, encoder, cli->comm, &j->data));
  IG_TRY(ig_comm_settle(cli->comm, prepare(j)));
  if (cli->comm) {
    IG_TRY(ig_job_compare(cli, ig_job_facts(j->model->graph, j->data, NULL, j->model->snapshot)));
  }
  IG_TRY(choose_batch(j));
  IG_TRY(ig_interrupt_install());
  const char *identity;
  IG_TRY(ig_comm_settle(cli->comm, identify(j, true, &identity)));
  j->results = (ig_infer_results){.cli = cli,
                                  .out = o->out,
                                  .layout = &j->layout,
                                  .rows = j->rows,
                                  .batch = j->size.batch};
  ig_status status = ig_infer_results_open(&j->results, identity, o->resume, j->arrays);
  if (status == IG_OK) status = ig_comm_settle(cli->comm, run_share(j));
  if (status == IG_OK) status = sum_stats(j);
  if (status == IG_OK && cli->rank == 0) status = list_skipped(j);
  status = ig_infer_results_close(&j->results, status);
  if (status == IG_ERR_INTERRUPTED) {
    int signal_number = ig_interrupt_signal(NULL);
    cli->exit_code = signal_number ? 128 + signal_number : 3;
    ig_warn(cli, "stopped; the same call with --resume goes on");
  }
  return status == IG_OK ? report(j) : status;
}

ig_status ig_infer_rows(ig_cli *cli, const ig_infer_options *options, ig_model_source *model,
                        ig_backend *backend, const ig_text_encoder *encoder) {
  job j = {.cli = cli,
           .options = options,
           .model = model,
           .backend = backend,
           .arena = ig_arena_create(),
           .started = ig_now()};
  IG_CHECK_ALLOC(j.arena);
  ig_status status = infer(&j, encoder);
  ig_row_cache_close(j.cache);
  ig_store_destroy(j.store);
  ig_dataset_destroy(j.data);
  ig_arena_destroy(j.arena);
  return status;
}
