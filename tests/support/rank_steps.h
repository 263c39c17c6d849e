/* Steps of training on several ranks that are threads of the test, driven by hand: every rank takes its
 * share of each batch, in the order of samples, and runs the graph of ig_step_build. So that what the
 * passes do is tested without the trainer. */
#ifndef IG_TESTS_RANK_STEPS_H
#define IG_TESTS_RANK_STEPS_H

#include <math.h>

#include "engine/passes/pass.h"
#include "engine/train/step.h"
#include "graph_run.h"
#include "thread_comm.h"
#include "training.h"

enum { RANK_PLANS = 16, RANK_MOST_STEPS = 32 };

typedef struct rank_job {
  const subject *subject;
  ig_train_options options; /* parallel.size ranks; `accumulate` micro-batches of `batch` samples */
  int64_t samples;          /* of the data that are used, over and over; a last batch may be smaller */
  bool check_finite;
  ig_status (*build)(ig_graph *graph, const ig_model_spec *spec); /* instead of subject->model */
  ig_backend *backend; /* of the only rank of this process; NULL for a CPU each */
  /* filled in: */
  training_data data;
  ig_graph *model;
  double loss[RANK_MOST_STEPS], norm[RANK_MOST_STEPS]; /* by step, as rank 0 has them */
  float *parameters[THREAD_RANKS]; /* by rank, all of them in the store's order */
  float *states[THREAD_RANKS];     /* running statistics likewise */
  int64_t n_parameters, n_states;
  size_t optimizer_bytes[THREAD_RANKS]; /* of entries of that role */
  ig_plan_memory memory;                /* of the last updating plan */
} rank_job;

typedef struct rank_plan {
  int64_t count;
  ig_step_kind kind;
  ig_graph *graph;
  ig_plan *plan;
} rank_plan;

typedef struct rank_state {
  rank_job *job;
  ig_comm *comm;
  ig_backend *backend;
  ig_store *store;
  int n_plans;
  rank_plan plans[RANK_PLANS];
} rank_state;

static inline ig_status rank_plan_make(rank_state *r, int64_t count, ig_step_kind kind,
                                       rank_plan *out) {
  rank_job *job = r->job;
  ig_train_options options = job->options;
  options.parallel.rank = ig_comm_rank(r->comm);
  ig_shape shape = r->job->model->inputs[0]->shape;
  shape.dims[0] = count;
  out->count = count;
  out->kind = kind;
  IG_TRY(ig_graph_specialize(job->model, &shape, &out->graph));
  IG_TRY(ig_step_build(out->graph, &options, r->backend->vtable->device, kind));
  ig_plan_options plan = {.seed = 3, .comm = r->comm, .check_finite = job->check_finite};
  return ig_plan_create(out->graph, r->backend, r->store, &plan, &out->plan);
}

static inline ig_status rank_plan_get(rank_state *r, int64_t count, ig_step_kind kind,
                                      ig_plan **out) {
  for (int i = 0; i < r->n_plans; i++) {
    if (r->plans[i].count == count && r->plans[i].kind == kind) {
      *out = r->plans[i].plan;
      return IG_OK;
    }
  }
  IG_CHECK(r->n_plans < RANK_PLANS, IG_ERR_INTERNAL, "too many plans");
  IG_TRY(rank_plan_make(r, count, kind, &r->plans[r->n_plans++]));
  *out = r->plans[r->n_plans - 1].plan;
  return IG_OK;
}

static inline ig_status rank_bind(ig_plan *plan, const char *name, const void *data) {
  int index = ig_step_input(ig_plan_graph(plan), name);
  return index < 0 ? IG_OK : ig_plan_bind_input(plan, index, data);
}

/* Samples [first, first + count) of the data, with that share of the step. */
static inline ig_status rank_micro(rank_state *r, int step, int64_t first, int64_t count, float share,
                                   ig_step_kind kind) {
  const subject *s = r->job->subject;
  const training_data *d = &r->job->data;
  int64_t elements = ig_shape_count(&s->spec.input);
  size_t each = (size_t)elements * (is_text(s) ? sizeof(int64_t) : sizeof(float));
  float lr = (float)r->job->options.lr, number = (float)(step + 1);
  ig_plan *plan = NULL;
  IG_TRY(rank_plan_get(r, count, kind, &plan));
  IG_TRY(ig_plan_bind_input(plan, 0, (const char *)d->x + (size_t)first * each));
  IG_TRY(rank_bind(plan, "target", d->y + first * (is_text(s) ? elements : 1)));
  IG_TRY(rank_bind(plan, "lr", &lr));
  IG_TRY(rank_bind(plan, "step", &number));
  IG_TRY(rank_bind(plan, "weight", &share));
  ig_rng_state rng = {.seed = 3, .step = (uint64_t)step, .first_sample = (uint64_t)first};
  IG_TRY(ig_plan_run(plan, &rng));
  if (ig_comm_rank(r->comm) != 0) return IG_OK;
  double loss = (double)*(const float *)ig_plan_output(plan, 0);
  if (kind == IG_STEP_ACCUMULATE) return IG_OK;
  r->job->loss[step] = loss;
  int norm = ig_step_output(ig_plan_graph(plan), "grad_norm");
  r->job->norm[step] = (double)*(const float *)ig_plan_output(plan, norm);
  r->job->memory = ig_plan_memory_use(plan);
  return IG_OK;
}

/* Shares differ by at most one sample; a rank without any computes one with weight 0. */
static inline ig_status rank_step(rank_state *r, int step) {
  const ig_train_options *o = &r->job->options;
  int rank = ig_comm_rank(r->comm), size = ig_comm_size(r->comm);
  int64_t group = o->batch * o->accumulate;
  int64_t groups = (r->job->samples + group - 1) / group;
  int64_t first = step % groups * group, end = IG_MIN(first + group, r->job->samples);
  for (int64_t at = first; at < end; at += o->batch) {
    int64_t count = IG_MIN(o->batch, end - at);
    int64_t from = count * rank / size, to = count * (rank + 1) / size;
    bool whole = count == end - first, last = at + count == end;
    ig_step_kind kind = whole ? IG_STEP_UPDATE : last ? IG_STEP_UPDATE_FROM_SUM : IG_STEP_ACCUMULATE;
    float share = (float)(to - from) / (float)(end - first);
    IG_TRY(rank_micro(r, step, at + from, IG_MAX(to - from, (int64_t)1), share, kind));
  }
  return IG_OK;
}

static inline ig_status rank_keep(rank_state *r) {
  int rank = ig_comm_rank(r->comm);
  for (int pass = 0; pass < 2; pass++) {
    int64_t n[2] = {0, 0};
    float **to[2] = {&r->job->parameters[rank], &r->job->states[rank]};
    for (int64_t i = 0; i < ig_store_count(r->store); i++) {
      const ig_store_entry *e = ig_store_entry_at(r->store, i);
      if ((e->role == IG_ROLE_OPTIMIZER || e->role == IG_ROLE_SHARD) && pass == 0)
        r->job->optimizer_bytes[rank] += ig_shape_bytes(&e->shape, e->dtype);
      if (e->dtype != IG_F32 || e->role > IG_ROLE_STATE) continue;
      int which = e->role == IG_ROLE_STATE;
      if (pass == 1) IG_TRY(ig_store_read(r->store, e, *to[which] + n[which]));
      n[which] += ig_shape_count(&e->shape);
    }
    for (int k = 0; k < 2 && pass == 0; k++) {
      *to[k] = ig_alloc_zero((size_t)n[k] + 1, sizeof(float));
      IG_CHECK_ALLOC(*to[k]);
    }
    bool first = rank == 0 || r->job->backend; /* of this process */
    if (first) r->job->n_parameters = n[0];
    if (first) r->job->n_states = n[1];
  }
  return IG_OK;
}

static inline ig_status rank_main(ig_comm *comm, void *context) {
  rank_state r = {.job = context, .comm = comm, .backend = ((rank_job *)context)->backend};
  bool own = !r.backend;
  ig_status status = own ? ig_backend_cpu_create(1, &r.backend) : IG_OK;
  if (status == IG_OK) status = ig_store_create(r.backend, &r.store);
  if (status == IG_OK) status = ig_store_add_graph(r.store, r.job->model, r.job->options.seed);
  for (int step = 0; step < r.job->options.steps && status == IG_OK; step++) {
    if (comm) comm->step = step + 1;
    status = rank_step(&r, step);
  }
  if (status == IG_OK) status = rank_keep(&r);
  for (int i = 0; i < r.n_plans; i++) {
    ig_plan_destroy(r.plans[i].plan);
    ig_graph_destroy(r.plans[i].graph);
  }
  ig_store_destroy(r.store);
  if (own) ig_backend_destroy(r.backend);
  return status;
}

static inline ig_graph *rank_model(const rank_job *job) {
  ig_graph *model;
  if (!job->build) {
    GOOD(ig_model_build(job->subject->model, &job->subject->spec, &model));
    return model;
  }
  GOOD(ig_graph_create(job->subject->model, &model));
  GOOD(job->build(model, &job->subject->spec));
  return model;
}

/* Trains; fails the test with the message of the first rank that did. */
static inline void rank_train(rank_job *job) {
  thread_run runs[THREAD_RANKS];
  int size = IG_MAX(job->options.parallel.size, 1);
  if (job->options.accumulate < 1) job->options.accumulate = 1;
  job->options.task = job->subject->task;
  job->data = training_data_create(job->subject);
  job->model = rank_model(job);
  if (size == 1) {
    GOOD(rank_main(NULL, job));
    return;
  }
  thread_group *group = thread_group_create(size);
  assert_non_null(group);
  thread_ranks_run(group, rank_main, job, runs);
  for (int r = 0; r < size; r++) {
    if (runs[r].status != IG_OK) fail_msg("%d ranks, rank %d: %s", size, r, runs[r].message);
  }
  thread_group_destroy(group);
}

static inline void rank_free(rank_job *job) {
  for (int r = 0; r < THREAD_RANKS; r++) {
    ig_free(job->parameters[r]);
    ig_free(job->states[r]);
  }
  ig_graph_destroy(job->model);
  training_data_destroy(&job->data);
}

/* The largest |a - b| / max(1, |b|), infinite for what is not finite. */
static inline double rank_distance(const float *a, const float *b, int64_t n) {
  double worst = 0;
  for (int64_t i = 0; i < n; i++) {
    double d = fabs((double)a[i] - (double)b[i]) / fmax(1, fabs((double)b[i]));
    if (!(d <= worst)) worst = d == d ? d : INFINITY;
  }
  return worst;
}

#endif
