/* A sharded optimizer against a whole one: the same sums, updates and parameters, in parts. */
#include "rank_steps.h"

#include "engine/passes/rewrite.h"

static const subject mlp = {.model = "mlp:24,16",
                            .task = IG_TASK_CLASSIFICATION,
                            .spec = {.input = {1, {20}}, .n_outputs = TRAINING_CLASSES}};
static const subject gpt = {.model = "gpt:layers=2,heads=2,embd=32,ctx=16",
                            .task = IG_TASK_LANGUAGE,
                            .spec = {.input = {1, {16}}, .n_outputs = TRAINING_TOKENS}};

static rank_job job_of(const subject *s, ig_optimizer_kind kind, int size, ig_shard shard) {
  rank_job job = {.subject = s, .samples = 29};
  job.options = (ig_train_options){.optimizer = ig_optimizer_default(kind),
                                   .lr = 0.01,
                                   .steps = 6,
                                   .batch = 13,
                                   .accumulate = 1,
                                   .seed = 3,
                                   .parallel = {.size = size, .shard = shard, .bucket_bytes = 3000}};
  return job;
}

static void check_ranks_agree(const rank_job *job) {
  for (int r = 1; r < job->options.parallel.size; r++) {
    assert_memory_equal(job->parameters[r], job->parameters[0],
                        (size_t)job->n_parameters * sizeof(float));
  }
}

/* Every element is computed from the same numbers: equal bits, as long as no common factor comes from a
 * norm, which is summed in another order. */
static void equal_bits(void **state) {
  IG_UNUSED(state);
  static const ig_optimizer_kind kinds[] = {IG_OPT_SGD, IG_OPT_ADAMW, IG_OPT_LION};
  const subject *subjects[] = {&mlp, &gpt, &mlp};
  for (int k = 0; k < IG_COUNT(kinds); k++) {
    for (int size = 2; size <= 8; size *= 2) {
      rank_job whole = job_of(subjects[k], kinds[k], size, IG_SHARD_NONE);
      whole.options.optimizer.ema = 0.9;
      rank_train(&whole);
      for (int shard = IG_SHARD_OPTIMIZER; shard <= IG_SHARD_GRADIENTS; shard++) {
        rank_job job = whole;
        job.options.parallel.shard = (ig_shard)shard;
        memset(job.optimizer_bytes, 0, sizeof job.optimizer_bytes);
        rank_train(&job);
        check_ranks_agree(&job);
        if (memcmp(job.parameters[0], whole.parameters[0],
                   (size_t)whole.n_parameters * sizeof(float)) != 0)
          fail_msg("%s, stage %d on %d ranks: parameters are off by %g", subjects[k]->model, shard,
                   size, rank_distance(job.parameters[0], whole.parameters[0], whole.n_parameters));
        for (int i = 0; i < job.options.steps; i++) {
          assert_true(job.loss[i] == whole.loss[i]);
          assert_true(fabs(job.norm[i] - whole.norm[i]) <= 1e-6 * whole.norm[i]);
        }
        rank_free(&job);
      }
      rank_free(&whole);
    }
  }
}

static void clipping_odd_ranks_and_accumulation(void **state) {
  IG_UNUSED(state);
  for (int accumulate = 1; accumulate <= 3; accumulate++) {
    rank_job one = job_of(&gpt, IG_OPT_ADAMW, 1, IG_SHARD_NONE);
    one.options.optimizer.clip_norm = 0.5;
    one.options.accumulate = accumulate;
    rank_train(&one);
    for (int shard = IG_SHARD_OPTIMIZER; shard <= IG_SHARD_GRADIENTS; shard++) {
      rank_job job = one;
      job.options.parallel.size = 3;
      job.options.parallel.shard = (ig_shard)shard;
      memset(job.loss, 0, sizeof job.loss);
      memset(job.optimizer_bytes, 0, sizeof job.optimizer_bytes);
      rank_train(&job);
      check_ranks_agree(&job);
      double worst = rank_distance(job.parameters[0], one.parameters[0], one.n_parameters);
      if (!(worst <= 1e-4))
        fail_msg("stage %d, %d micro-batches: parameters are off by %g", shard, accumulate, worst);
      for (int i = 0; i < one.options.steps; i++) {
        assert_true(fabs(job.loss[i] - one.loss[i]) <= 1e-5 * one.loss[i]);
        assert_true(fabs(job.norm[i] - one.norm[i]) <= 1e-4 * one.norm[i]);
      }
      rank_free(&job);
    }
    rank_free(&one);
  }
}

/* An eighth of the moments a rank, and what rounds parts up to whole lines. */
static void memory_of_an_eighth(void **state) {
  IG_UNUSED(state);
  static const subject wide = {.model = "mlp:256,256",
                               .task = IG_TASK_CLASSIFICATION,
                               .spec = {.input = {1, {300}}, .n_outputs = TRAINING_CLASSES}};
  rank_job whole = job_of(&wide, IG_OPT_ADAMW, 8, IG_SHARD_NONE);
  whole.options.steps = 1;
  whole.options.parallel.bucket_bytes = 0;
  rank_job parts = whole;
  rank_train(&whole);
  parts.options.parallel.shard = IG_SHARD_OPTIMIZER;
  rank_train(&parts);
  for (int r = 0; r < 8; r++) {
    double share = (double)parts.optimizer_bytes[r] / (double)whole.optimizer_bytes[r];
    if (!(share > 0.124 && share <= 0.125 + 0.01)) fail_msg("rank %d keeps %g of the state", r, share);
  }
  rank_free(&whole);
  rank_free(&parts);
}

/* Three buckets' memory serves all, also of micro-steps; and there are no whole sums. */
static void memory_of_gradients(void **state) {
  IG_UNUSED(state);
  rank_job jobs[2];
  for (int i = 0; i < 2; i++) {
    jobs[i] = job_of(&gpt, IG_OPT_ADAMW, 4, i == 0 ? IG_SHARD_OPTIMIZER : IG_SHARD_GRADIENTS);
    jobs[i].options.accumulate = 2;
    jobs[i].samples = 26;
    jobs[i].options.steps = 2;
    rank_train(&jobs[i]);
  }
  size_t gradients = (size_t)jobs[0].n_parameters * sizeof(float);
  assert_true(jobs[0].memory.buckets > gradients);
  assert_true(jobs[1].memory.buckets < gradients);
  assert_true(jobs[1].memory.params < jobs[0].memory.params - gradients / 2);
  for (int i = 0; i < 2; i++) rank_free(&jobs[i]);
}

static ig_status lamb_body(ig_comm *comm, void *context) {
  ig_status status = rank_main(comm, context);
  IG_CHECK(status == IG_ERR_UNSUPPORTED && strstr(ig_last_error(), "LAMB"), IG_ERR_INTERNAL,
           "status %d", (int)status);
  return IG_OK;
}

static void lamb_is_refused(void **state) {
  IG_UNUSED(state);
  thread_run runs[THREAD_RANKS];
  rank_job job = job_of(&mlp, IG_OPT_LAMB, 2, IG_SHARD_OPTIMIZER);
  job.options.task = IG_TASK_CLASSIFICATION;
  job.data = training_data_create(&mlp);
  GOOD(ig_model_build(mlp.model, &mlp.spec, &job.model));
  thread_group *group = thread_group_create(2);
  assert_non_null(group);
  thread_ranks_run(group, lamb_body, &job, runs);
  for (int r = 0; r < 2; r++) {
    if (runs[r].status != IG_OK) fail_msg("rank %d: %s", r, runs[r].message);
  }
  thread_group_destroy(group);
  rank_free(&job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_bits),
      cmocka_unit_test(clipping_odd_ranks_and_accumulation),
      cmocka_unit_test(memory_of_an_eighth),
      cmocka_unit_test(memory_of_gradients),
      cmocka_unit_test(lamb_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
