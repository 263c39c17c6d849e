/* A lane computes: it takes rows that are ready, runs its plan on them, and fills in their records.
 *
 * Without a cache a job is one slot, its rows at their places in the batch. With a cache a job is as many
 * rows as the batch has, gathered from slots in order; it is run with fewer when no more can come before
 * slots are free again, or at the end. */
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine/base/memory.h"
#include "engine/eval/batch_inference_parts.h"
#include "engine/eval/latency.h"

typedef struct job_row {
  ig_infer_slot *slot;
  int32_t row; /* of the slot */
} job_row;

typedef struct job {
  int64_t n;
  job_row *rows;               /* options->batch */
  void *fields[IG_MAX_FIELDS]; /* with a cache: where rows are gathered */
  bool whole;                  /* the slot's own fields are the plan's inputs */
} job;

typedef struct lane {
  ig_inference *run;
  ig_backend *own; /* one thread of the processor; NULL on a device */
  ig_plan_cache *plans;
  ig_plan *plan;
  job jobs[2];
  double waited;
} lane;

/* --- taking rows ------------------------------------------------------------------------------- */

static void take_slot(lane *l, ig_infer_slot *slot, job *j) {
  j->whole = l->run->hooks->find == NULL;
  for (; slot->n_given < slot->n_wanted && j->n < l->run->options->batch; slot->n_given++) {
    j->rows[j->n++] = (job_row){slot, slot->wanted[slot->n_given]};
  }
  if (slot->n_given < slot->n_wanted) return;
  l->run->gathered++;
  if (slot->n_wanted > 0) return;
  slot->state = SLOT_DONE;
  pthread_cond_signal(&l->run->done);
}

static bool full(const lane *l, const job *j) {
  return j->n == l->run->options->batch || (j->whole && j->n > 0);
}

/* No slot will become ready before this job is done. */
static bool last_for_now(const ig_inference *run) {
  bool all_gathered = run->gathered == run->taken;
  return all_gathered && (run->ended || run->taken - run->written == run->options->depth);
}

/* Fills the job; false when there is nothing to compute: no more, or, unless `wait`, not yet. */
static bool take_job(lane *l, job *j, bool wait) {
  ig_inference *run = l->run;
  j->n = 0;
  pthread_mutex_lock(&run->mutex);
  while (!run->stop && !full(l, j)) {
    ig_infer_slot *slot = &run->slots[run->gathered % run->options->depth];
    if (run->gathered < run->taken && slot->state == SLOT_READY) {
      take_slot(l, slot, j);
      continue;
    }
    bool over = run->ended && run->gathered == run->taken;
    if (!wait || over || (j->n > 0 && last_for_now(run))) break;
    double start = ig_now();
    pthread_cond_wait(&run->ready, &run->mutex);
    l->waited += ig_now() - start;
  }
  bool stopped = run->stop;
  if (last_for_now(run)) pthread_cond_broadcast(&run->ready); /* for a lane that waits with a part */
  pthread_mutex_unlock(&run->mutex);
  return j->n > 0 && !stopped;
}

static void finish_job(lane *l, const job *j) {
  ig_inference *run = l->run;
  pthread_mutex_lock(&run->mutex);
  for (int64_t i = 0; i < j->n; i++) {
    ig_infer_slot *slot = j->rows[i].slot;
    if (++slot->n_computed == slot->n_wanted) slot->state = SLOT_DONE;
  }
  pthread_cond_signal(&run->done);
  pthread_mutex_unlock(&run->mutex);
}

/* --- computing --------------------------------------------------------------------------------- */

static void gather(const lane *l, job *j) {
  const ig_inference *run = l->run;
  for (int i = 0; i < run->match.n_inputs; i++) {
    int f = run->match.inputs[i];
    size_t bytes = run->prepare.fields[f].ready_bytes;
    for (int64_t k = 0; k < j->n; k++) {
      memcpy((char *)j->fields[f] + (size_t)k * bytes,
             (char *)j->rows[k].slot->fields[f] + (size_t)j->rows[k].row * bytes, bytes);
    }
  }
}

static ig_status begin(lane *l, job *j) {
  const ig_inference *run = l->run;
  if (!j->whole) gather(l, j);
  for (int i = 0; i < run->match.n_inputs; i++) {
    int f = run->match.inputs[i];
    void *const *fields = j->whole ? j->rows[0].slot->fields : j->fields;
    IG_TRY(ig_plan_bind_input(l->plan, i, fields[f]));
  }
  return ig_plan_submit(l->plan, &(ig_rng_state){.seed = run->options->seed});
}

/* Waits for the job, with `ahead` runs queued behind it. */
static ig_status end(lane *l, job *j, int ahead) {
  const ig_inference *run = l->run;
  const void *outputs[IG_MOST_OUTPUTS];
  IG_TRY(ig_plan_wait(l->plan, ahead));
  for (int i = 0; i < run->layout->n_outputs; i++) outputs[i] = ig_plan_output(l->plan, i);
  for (int64_t k = 0; k < j->n; k++) {
    const job_row *r = &j->rows[k];
    char *record = r->slot->batch.records + (size_t)r->row * run->layout->bytes;
    ig_row_layout_fill(run->layout, outputs, j->whole ? r->row : k, record);
    if (!run->hooks->keep) continue;
    ig_row_input input = ig_inference_row(run, r->slot->fields, r->row);
    run->hooks->keep(run->hooks->context, &input, record);
  }
  finish_job(l, j);
  return IG_OK;
}

/* A device works on one job while the host fills in the one before and prepares the next. */
static ig_status work(lane *l) {
  bool ahead = l->run->backend->vtable->queue != NULL;
  job *pending = NULL;
  for (int turn = 0;; turn ^= 1) {
    job *j = &l->jobs[turn];
    /* With a job under way, waiting for another would keep it from the writer. */
    bool more = take_job(l, j, !pending);
    if (more) IG_TRY(begin(l, j));
    if (pending) IG_TRY(end(l, pending, more ? 1 : 0));
    if (!more && !pending) return IG_OK;
    pending = more ? j : NULL;
    if (pending && !ahead) {
      IG_TRY(end(l, pending, 0));
      pending = NULL;
    }
  }
}

/* --- the lane ---------------------------------------------------------------------------------- */

static ig_status prepare_graph(ig_graph *graph, void *context) {
  const ig_inference *run = context;
  return ig_passes_run(graph, ig_pipeline_inference, &run->passes);
}

static ig_status make_plan(lane *l) {
  ig_inference *run = l->run;
  ig_shape shapes[IG_MAX_FIELDS];
  ig_plan_options options = {.seed = run->options->seed,
                             .frozen_params = true,
                             .release_params = run->options->lanes == 1,
                             .tf32 = run->options->precision == IG_PRECISION_TF32};
  for (int i = 0; i < run->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&run->match, run->data, i, run->options->batch);
  }
  ig_backend *backend = l->own ? l->own : run->backend;
  IG_TRY(ig_plan_cache_create(run->model, backend, run->store, &options, prepare_graph, run,
                              &l->plans));
  return ig_plan_cache_get(l->plans, shapes, &l->plan);
}

static ig_status make_jobs(lane *l) {
  const ig_inference *run = l->run;
  size_t batch = (size_t)run->options->batch;
  for (int k = 0; k < 2; k++) {
    l->jobs[k].rows = ig_alloc_zero(batch, sizeof *l->jobs[k].rows);
    IG_CHECK_ALLOC(l->jobs[k].rows);
    for (int i = 0; i < run->match.n_inputs && run->hooks->find; i++) {
      int f = run->match.inputs[i];
      l->jobs[k].fields[f] = ig_alloc_zero(batch, run->prepare.fields[f].ready_bytes);
      IG_CHECK_ALLOC(l->jobs[k].fields[f]);
    }
  }
  return IG_OK;
}

static ig_status open_lane(lane *l) {
  ig_inference *run = l->run;
  if (run->backend->vtable->host_memory) IG_TRY(ig_backend_cpu_create(1, &l->own));
  IG_TRY(make_jobs(l));
  pthread_mutex_lock(&run->planning); /* plans may add to the store */
  ig_status status = make_plan(l);
  pthread_mutex_unlock(&run->planning);
  return status;
}

/* The backend of one thread sets how many the calling thread may use. */
static void close_lane(lane *l, int threads) {
  if (l->plans) ig_plan_cache_destroy(l->plans);
  for (int k = 0; k < 2; k++) {
    ig_free(l->jobs[k].rows);
    for (int f = 0; f < IG_MAX_FIELDS; f++) ig_free(l->jobs[k].fields[f]);
  }
  if (l->own) ig_backend_destroy(l->own);
#ifdef _OPENMP
  omp_set_num_threads(threads);
#else
  IG_UNUSED(threads);
#endif
}

void ig_inference_lane(ig_inference *run) {
  lane l = {.run = run};
  int threads = 1;
#ifdef _OPENMP
  threads = omp_get_max_threads();
#endif
  ig_status status = open_lane(&l);
  double start = ig_now();
  pthread_mutex_lock(&run->mutex);
  if (status == IG_OK && run->started == 0) run->started = start;
  pthread_mutex_unlock(&run->mutex);
  if (status == IG_OK) status = work(&l);
  double seconds = ig_now() - start;
  pthread_mutex_lock(&run->mutex);
  if (status != IG_OK) ig_inference_fail(run, status);
  run->stats.waiting += l.waited;
  run->stats.computing += seconds - l.waited;
  pthread_mutex_unlock(&run->mutex);
  close_lane(&l, threads);
}
