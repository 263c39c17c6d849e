/* Training on several ranks against one process: the same model, data and order of samples. What the
 * ranks compute together is the same sum in another order, so that losses and parameters agree within
 * f32 rounding; all ranks have equal bits. */
#include "rank_steps.h"

#include "engine/models/layers.h"
#include "engine/passes/rewrite.h"
#include "engine/plan/schedule.h"
#include "engine/plan/storage.h"

static const subject mlp = {.model = "mlp:24,16",
                            .task = IG_TASK_CLASSIFICATION,
                            .spec = {.input = {1, {20}}, .n_outputs = TRAINING_CLASSES}};
static const subject lenet = {.model = "lenet",
                              .task = IG_TASK_CLASSIFICATION,
                              .spec = {.input = {3, {1, 28, 28}}, .n_outputs = TRAINING_CLASSES}};
static const subject gpt = {.model = "gpt:layers=2,heads=2,embd=32,ctx=16",
                            .task = IG_TASK_LANGUAGE,
                            .spec = {.input = {1, {16}}, .n_outputs = TRAINING_TOKENS}};

static const subject resnet = {.model = "resnet18:cifar",
                               .task = IG_TASK_CLASSIFICATION,
                               .spec = {.input = {3, {3, 8, 8}}, .n_outputs = TRAINING_CLASSES}};

static rank_job job_of(const subject *s, int size, int64_t batch, int64_t samples, int64_t steps) {
  rank_job job = {.subject = s, .samples = samples};
  job.options = (ig_train_options){.optimizer = ig_optimizer_default(IG_OPT_SGD),
                                   .lr = 0.05,
                                   .steps = steps,
                                   .batch = batch,
                                   .accumulate = 1,
                                   .seed = 3,
                                   .parallel = {.size = size}};
  return job;
}

static void check_ranks_agree(const rank_job *job) {
  for (int r = 1; r < job->options.parallel.size; r++) {
    assert_memory_equal(job->parameters[r], job->parameters[0],
                        (size_t)job->n_parameters * sizeof(float));
    assert_memory_equal(job->states[r], job->states[0], (size_t)job->n_states * sizeof(float));
  }
}

/* Trains `job` and compares with `one`, which was. */
static void check_against(rank_job *job, const rank_job *one, double tolerance) {
  rank_train(job);
  check_ranks_agree(job);
  assert_int_equal(job->n_parameters, one->n_parameters);
  double worst = rank_distance(job->parameters[0], one->parameters[0], one->n_parameters);
  if (!(worst <= tolerance))
    fail_msg("%s on %d ranks: parameters are off by %g", job->subject->model,
             job->options.parallel.size, worst);
  for (int64_t i = 0; i < job->options.steps; i++) {
    double loss = fabs(job->loss[i] - one->loss[i]) / fmax(1, one->loss[i]);
    double norm = fabs(job->norm[i] - one->norm[i]) / fmax(1, one->norm[i]);
    if (!(loss <= tolerance && norm <= tolerance))
      fail_msg("%s on %d ranks, step %lld: loss %.9g and norm %.9g, one process has %.9g and %.9g",
               job->subject->model, job->options.parallel.size, (long long)i + 1, job->loss[i],
               job->norm[i], one->loss[i], one->norm[i]);
  }
  rank_free(job);
}

/* Batches that no number of ranks divides, the last of each round smaller than eight ranks. */
static void equal_to_one_process(void **state) {
  IG_UNUSED(state);
  const subject *subjects[] = {&mlp, &lenet, &gpt};
  const int sizes[] = {2, 3, 4, 8};
  for (int s = 0; s < IG_COUNT(subjects); s++) {
    rank_job one = job_of(subjects[s], 1, 13, 29, 7);
    rank_train(&one);
    for (int i = 0; i < IG_COUNT(sizes); i++) {
      rank_job many = job_of(subjects[s], sizes[i], 13, 29, 7);
      many.options.parallel.bucket_bytes = 4096;
      check_against(&many, &one, 2e-5);
    }
    rank_free(&one);
  }
}

static void buckets_of_any_size(void **state) {
  IG_UNUSED(state);
  rank_job first = job_of(&gpt, 2, 8, 32, 4);
  first.options.parallel.bucket_bytes = 1;
  rank_train(&first);
  const size_t sizes[] = {0, 3000, 20000, (size_t)1 << 30};
  for (int i = 0; i < IG_COUNT(sizes); i++) {
    rank_job job = job_of(&gpt, 2, 8, 32, 4);
    job.options.parallel.bucket_bytes = sizes[i];
    rank_train(&job);
    assert_memory_equal(job.parameters[1], first.parameters[0],
                        (size_t)first.n_parameters * sizeof(float));
    rank_free(&job);
  }
  rank_free(&first);
}

static void clipping_accumulation_and_averages(void **state) {
  IG_UNUSED(state);
  for (int accumulate = 1; accumulate <= 3; accumulate += 2) {
    rank_job one = job_of(&mlp, 1, 10, 55, 6);
    one.options.optimizer = ig_optimizer_default(IG_OPT_ADAMW);
    one.options.optimizer.clip_norm = 0.5;
    one.options.optimizer.ema = 0.9;
    one.options.lr = 0.01;
    one.options.accumulate = accumulate;
    rank_job many = one;
    rank_train(&one);
    many.options.parallel.size = 4;
    check_against(&many, &one, 1e-4);
    rank_free(&one);
  }
}

/* A gradient that travels as bf16 is off by 2^-9 of itself on each rank and once more in the sum; so is
 * the way that plain SGD has gone. */
static void gradients_in_bf16(void **state) {
  IG_UNUSED(state);
  rank_job one = job_of(&lenet, 1, 16, 64, 4), start = job_of(&lenet, 1, 16, 64, 0);
  one.options.optimizer.momentum = 0;
  rank_job many = one;
  rank_train(&one);
  rank_train(&start);
  many.options.parallel = (ig_parallel){.size = 4, .grad_dtype = IG_BF16};
  rank_train(&many);
  check_ranks_agree(&many);
  double way = 0, off = 0;
  for (int64_t i = 0; i < one.n_parameters; i++) {
    double to = (double)one.parameters[0][i];
    way += pow(to - (double)start.parameters[0][i], 2);
    off += pow(to - (double)many.parameters[0][i], 2);
  }
  assert_true(way > 0 && off > 0);
  if (!(sqrt(off / way) < 0x1p-7)) fail_msg("off by %g of the way", sqrt(off / way));
  rank_free(&one);
  rank_free(&start);
  rank_free(&many);
}

/* A residual block in small: normalised convolutions, with ReLU, a sum, and a plain one. */
static ig_status residual_build(ig_graph *g, const ig_model_spec *spec) {
  ig_layer_conv_options conv = {.out = 8, .kernel = 3, .pad = 1};
  ig_value *x = ig_layer_image_input(g, spec, 4), *y;
  x = ig_layer_relu(g, ig_layer_batch_norm(g, "bn1", ig_layer_conv(g, "conv1", x, &conv)));
  y = ig_layer_relu(g, ig_layer_batch_norm(g, "bn2", ig_layer_conv(g, "conv2", x, &conv)));
  y = ig_layer_batch_norm(g, "bn3", ig_layer_conv(g, "conv3", y, &conv));
  x = ig_layer_relu(g, ig_op1(g, "Add", NULL, IG_INS(y, x), IG_NO_ATTRS));
  x = ig_layer_batch_norm(g, "bn4", ig_layer_conv(g, "conv4", x, &conv));
  x = ig_op1(g, "GlobalAveragePool", NULL, IG_INS(x), IG_NO_ATTRS);
  x = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)));
  x = ig_layer_linear(g, "fc", x, spec->n_outputs, true, ig_init_linear(8));
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}

/* Batch statistics over all ranks make a residual network that of one process, running statistics
 * included; a batch is 13 samples, so that shares differ, and the last of a round 3, so that ranks have
 * none. */
static void batch_statistics_of_all_ranks(void **state) {
  IG_UNUSED(state);
  static const subject residual = {.model = "residual",
                                   .task = IG_TASK_CLASSIFICATION,
                                   .spec = {.input = {3, {3, 8, 8}}, .n_outputs = TRAINING_CLASSES}};
  for (int accumulate = 1; accumulate <= 2; accumulate++) {
    rank_job one = job_of(&residual, 1, 13, 29, 6);
    one.build = residual_build;
    one.options.accumulate = accumulate;
    rank_train(&one);
    for (int size = 2; size <= 4; size++) {
      rank_job many = one;
      many.options.parallel =
          (ig_parallel){.size = size, .sync_batch_norm = true, .bucket_bytes = 40000};
      rank_train(&many);
      check_ranks_agree(&many);
      double worst = rank_distance(many.parameters[0], one.parameters[0], one.n_parameters);
      double states = rank_distance(many.states[0], one.states[0], one.n_states);
      if (!(worst <= 2e-4 && states <= 2e-5))
        fail_msg("%d ranks: parameters are off by %g, statistics by %g", size, worst, states);
      for (int i = 0; i < one.options.steps; i++)
        assert_true(fabs(many.loss[i] - one.loss[i]) <= 1e-4 * one.loss[i]);
      rank_free(&many);
    }
    rank_free(&one);
  }
}

/* --- the plan ----------------------------------------------------------------------------------- */

typedef struct order {
  int begun[64], awaited[64], n_begun, n_awaited, last_backward, first_update;
} order;

static order order_of(const ig_plan *plan) {
  order o = {.first_update = 1 << 30};
  for (int i = 0; i < ig_plan_step_count(plan); i++) {
    const ig_node *node = ig_plan_step_at(plan, i).node;
    if (ig_node_is(node, "ingot.AllReduce")) o.begun[o.n_begun++] = i;
    if (ig_node_is(node, "ingot.Await")) o.awaited[o.n_awaited++] = i;
    if (node->forward) o.last_backward = i;
    if (ig_node_is(node, "ingot.SGD")) o.first_update = IG_MIN(o.first_update, i);
  }
  return o;
}

/* Share of what buckets gather that is not made in them, but copied. */
static ig_status copied_share(const ig_graph *graph, double *share) {
  ig_storage_map map = {0};
  int n = 0;
  int64_t all = 0, copied = 0;
  ig_node **steps = ig_alloc_zero((size_t)graph->n_nodes + 1, sizeof *steps);
  IG_CHECK_ALLOC(steps);
  ig_status status = ig_schedule_nodes(graph, steps, &n);
  if (status == IG_OK) status = ig_storage_assign(graph, steps, n, NULL, &map);
  for (int t = 0; t < n && status == IG_OK; t++) {
    const ig_node *node = steps[t];
    if (!ig_node_is(node, "ingot.Bucket")) continue;
    for (int i = 0; i < node->n_inputs; i++) {
      const ig_value *v = node->inputs[i];
      bool within = map.of_value[v->id] == map.of_value[node->outputs[0]->id] &&
                    map.offset[v->id] == (size_t)node->op->gathers(node, i);
      all += ig_value_count(v);
      copied += within ? 0 : ig_value_count(v);
    }
  }
  *share = (double)copied / (double)all;
  ig_storage_map_free(&map);
  ig_free(steps);
  return status;
}

/* One rank's plan of a step of four ranks. */
static ig_status order_body(ig_comm *comm, void *context) {
  rank_state r = {.job = context, .comm = comm};
  ig_plan *plan = NULL;
  IG_TRY(ig_backend_cpu_create(1, &r.backend));
  IG_TRY(ig_store_create(r.backend, &r.store));
  IG_TRY(rank_plan_get(&r, 4, IG_STEP_UPDATE, &plan));
  order o = order_of(plan);
  IG_CHECK(o.n_begun > 4 && o.n_begun == o.n_awaited, IG_ERR_INTERNAL, "%d operations, %d awaited",
           o.n_begun, o.n_awaited);
  for (int i = 0; i < o.n_begun; i++) {
    IG_CHECK(o.awaited[i] > o.last_backward, IG_ERR_INTERNAL, "operation %d is awaited too early", i);
    IG_CHECK(i == 0 || o.awaited[i] > o.awaited[i - 1], IG_ERR_INTERNAL, "order of waiting");
    IG_CHECK(i == o.n_begun - 1 || o.begun[i] < o.last_backward, IG_ERR_INTERNAL,
             "operation %d begins after the backward pass", i);
  }
  /* Updates of what came first do not wait for what comes last. */
  IG_CHECK(o.first_update < o.awaited[o.n_awaited - 1], IG_ERR_INTERNAL, "updates wait");
  size_t buckets = ig_plan_memory_use(plan).buckets, parameters = ig_plan_memory_use(plan).params;
  IG_CHECK(buckets >= parameters / 2 && buckets < parameters, IG_ERR_INTERNAL,
           "%zu bytes of buckets for %zu of parameters and momentum", buckets, parameters);
  double copied = 1;
  IG_TRY(copied_share(ig_plan_graph(plan), &copied));
  IG_CHECK(copied < 0.01, IG_ERR_INTERNAL, "%.3f of the gradients is copied into buckets", copied);
  ig_plan_destroy(r.plans[0].plan);
  ig_graph_destroy(r.plans[0].graph);
  ig_store_destroy(r.store);
  ig_backend_destroy(r.backend);
  return IG_OK;
}

static void check_order(const subject *s, size_t bucket_bytes) {
  thread_run runs[THREAD_RANKS];
  rank_job job = job_of(s, 4, 16, 64, 1);
  job.options.task = s->task;
  job.options.parallel.bucket_bytes = bucket_bytes;
  GOOD(ig_model_build(s->model, &s->spec, &job.model));
  thread_group *group = thread_group_create(4);
  assert_non_null(group);
  thread_ranks_run(group, order_body, &job, runs);
  for (int r = 0; r < 4; r++) {
    if (runs[r].status != IG_OK) fail_msg("rank %d: %s", r, runs[r].message);
  }
  thread_group_destroy(group);
  ig_graph_destroy(job.model);
}

/* The second has running statistics of 512 channels, which travel too, and must not keep what comes after
 * them. */
static void operations_hide_behind_backward(void **state) {
  IG_UNUSED(state);
  check_order(&gpt, 4000);
  check_order(&resnet, 4 << 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_to_one_process),
      cmocka_unit_test(buckets_of_any_size),
      cmocka_unit_test(clipping_accumulation_and_averages),
      cmocka_unit_test(gradients_in_bf16),
      cmocka_unit_test(batch_statistics_of_all_ranks),
      cmocka_unit_test(operations_hide_behind_backward),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
