/* Training on several ranks that have a GPU (the emulated one, or one that they share), staged through
 * the host: the passes' graphs, with buckets in the device's memory and operations in the recorded step,
 * give the parameters of one process on that GPU. Ranks are forked processes. */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "dist/device.h"
#include "engine/models/layers.h"
#include "free_port.h"
#include "rank_steps.h"

enum { MOST_RANKS = 3, ROOM = 1 << 16 };

static const subject mlp = {.model = "mlp:24,16",
                            .task = IG_TASK_CLASSIFICATION,
                            .spec = {.input = {1, {20}}, .n_outputs = TRAINING_CLASSES}};
static const subject gpt = {.model = "gpt:layers=1,heads=2,embd=16,ctx=8",
                            .task = IG_TASK_LANGUAGE,
                            .spec = {.input = {1, {8}}, .n_outputs = TRAINING_TOKENS}};

/* A normalised convolution. */
static ig_status normed_build(ig_graph *g, const ig_model_spec *spec) {
  ig_layer_conv_options conv = {.out = 8, .kernel = 3, .pad = 1};
  ig_value *x = ig_layer_image_input(g, spec, 4);
  x = ig_layer_relu(g, ig_layer_batch_norm(g, "bn1", ig_layer_conv(g, "conv1", x, &conv)));
  x = ig_layer_batch_norm(g, "bn2", ig_layer_conv(g, "conv2", x, &conv));
  x = ig_op1(g, "GlobalAveragePool", NULL, IG_INS(x), IG_NO_ATTRS);
  x = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)));
  x = ig_layer_linear(g, "fc", x, spec->n_outputs, true, ig_init_linear(8));
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}

static const subject normed = {.model = "normed",
                               .task = IG_TASK_CLASSIFICATION,
                               .spec = {.input = {3, {3, 6, 6}}, .n_outputs = TRAINING_CLASSES}};

/* What a rank found, in memory that all processes share. */
typedef struct finding {
  ig_status status;
  char message[512];
  int64_t n;
  float parameters[ROOM];
  double loss[RANK_MOST_STEPS];
} finding;

static finding *findings;

static ig_status run_rank(rank_job *job, int rank, const char *meeting, finding *out) {
  ig_dist_options options = {.transport = "tcp",
                             .rendezvous = meeting,
                             .rank = rank,
                             .ranks = job->options.parallel.size,
                             .timeout = 120};
  ig_comm *comm = NULL;
  ig_backend *gpu;
  if (job->options.parallel.size > 1) IG_TRY(ig_dist_open(&options, &comm));
  IG_TRY(ig_backend_open("cuda", 1, &gpu));
  if (comm) IG_TRY(ig_dist_on_device(comm, "staged", gpu, &comm));
  job->backend = gpu;
  IG_TRY(rank_main(comm, job));
  IG_CHECK(job->n_parameters <= ROOM, IG_ERR_INTERNAL, "no room");
  out->n = job->n_parameters;
  memcpy(out->parameters, job->parameters[rank], (size_t)out->n * sizeof(float));
  memcpy(out->loss, job->loss, sizeof out->loss);
  ig_comm_destroy(comm);
  ig_backend_destroy(gpu);
  return IG_OK;
}

/* Every process, a single one too, is forked: this one never opens the GPU. */
static void train_forked(rank_job *job, finding *out) {
  char meeting[64];
  pid_t pids[MOST_RANKS];
  int size = job->options.parallel.size;
  snprintf(meeting, sizeof meeting, "127.0.0.1:%d", free_port());
  job->options.task = job->subject->task;
  job->data = training_data_create(job->subject);
  job->model = rank_model(job);
  for (int r = 0; r < size; r++) {
    pids[r] = fork();
    assert_true(pids[r] >= 0);
    if (pids[r] != 0) continue;
    out[r].status = run_rank(job, r, meeting, &out[r]);
    if (out[r].status != IG_OK) snprintf(out[r].message, sizeof out[r].message, "%s", ig_last_error());
    _exit(0);
  }
  for (int r = 0; r < size; r++) {
    int status;
    assert_int_equal(waitpid(pids[r], &status, 0), pids[r]);
    if (!WIFEXITED(status) || out[r].status != IG_OK)
      fail_msg("%d ranks, rank %d: status %x, %s", size, r, (unsigned)status, out[r].message);
  }
  rank_free(job);
}

static rank_job job_of(const subject *s, ig_optimizer_kind kind) {
  rank_job job = {.subject = s, .samples = 17};
  job.options = (ig_train_options){.optimizer = ig_optimizer_default(kind),
                                   .lr = 0.02,
                                   .steps = 6, /* recorded from the second run of a plan on */
                                   .batch = 6,
                                   .accumulate = 1,
                                   .seed = 3,
                                   .parallel = {.size = 1}};
  job.options.optimizer.epsilon = 1e-3;
  return job;
}

static void compare(const rank_job *job, int size, ig_parallel how) {
  rank_job one = *job, many = *job;
  memset(findings, 0, (MOST_RANKS + 1) * sizeof *findings);
  train_forked(&one, findings);
  how.size = size;
  many.options.parallel = how;
  train_forked(&many, findings + 1);
  for (int r = 1; r <= size; r++) {
    assert_int_equal(findings[r].n, findings[0].n);
    double worst = rank_distance(findings[r].parameters, findings[0].parameters, findings[0].n);
    if (!(worst <= 1e-4)) fail_msg("%s, rank %d: off by %g", job->subject->model, r - 1, worst);
    assert_memory_equal(findings[r].parameters, findings[1].parameters,
                        (size_t)findings[1].n * sizeof(float));
  }
  for (int i = 0; i < job->options.steps; i++)
    assert_true(fabs(findings[1].loss[i] - findings[0].loss[i]) <= 1e-4 * findings[0].loss[i]);
}

static void gradients_in_buckets(void **state) {
  IG_UNUSED(state);
  rank_job job = job_of(&mlp, IG_OPT_SGD);
  compare(&job, 3, (ig_parallel){.bucket_bytes = 1000});
  job = job_of(&gpt, IG_OPT_ADAMW);
  job.options.accumulate = 2;
  compare(&job, 2, (ig_parallel){.bucket_bytes = 2000});
}

static void a_sharded_optimizer(void **state) {
  IG_UNUSED(state);
  rank_job job = job_of(&gpt, IG_OPT_ADAMW);
  job.options.optimizer.clip_norm = 0.5;
  compare(&job, 2, (ig_parallel){.bucket_bytes = 2000, .shard = IG_SHARD_OPTIMIZER});
  job.options.accumulate = 2;
  compare(&job, 2, (ig_parallel){.bucket_bytes = 2000, .shard = IG_SHARD_GRADIENTS});
}

static void batch_statistics_of_all_ranks(void **state) {
  IG_UNUSED(state);
  rank_job job = job_of(&normed, IG_OPT_SGD);
  job.build = normed_build;
  compare(&job, 3, (ig_parallel){.bucket_bytes = 1000, .sync_batch_norm = true});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_in_buckets),
      cmocka_unit_test(a_sharded_optimizer),
      cmocka_unit_test(batch_statistics_of_all_ranks),
  };
  findings = mmap(NULL, (MOST_RANKS + 1) * sizeof *findings, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (findings == MAP_FAILED) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
