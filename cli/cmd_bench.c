/* `ingot bench`: what this machine does, on random data. A training step is the trainer's own, data
 * feeding included; inference runs the plan that `ingot infer` would. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/job.h"
#include "cli/precision.h"
#include "engine/eval/evaluator.h"
#include "engine/eval/latency.h"
#include "engine/train/trainer.h"

typedef ig_bench_values V;

static const ig_option options[] = {
    {.name = "action",
     .type = IG_OPTION_ENUM,
     .offset = offsetof(V, action),
     .values = "ops|train|infer",
     .flags = IG_OPTION_POSITIONAL | IG_OPTION_REQUIRED,
     .what = "what to time"},
    {.name = "model",
     .type = IG_OPTION_STRING,
     .offset = offsetof(V, model),
     .fallback = "mlp:256,128",
     .values = "M",
     .what = "a preset, or with --data a model's file"},
    IG_STRING_OPTION(V, data, "data", "FILE", 0,
                     "of bench infer: .npz of the arrays that the model's inputs are named after"),
    IG_FLAG_OPTION(V, profile, "profile", "of bench infer --data: time by operator"),
    IG_STRING_OPTION(V, shape, "shape", "N,N,...", 0, "one sample's shape [usual for the preset]"),
    IG_INT_OPTION(V, outputs, "outputs", NULL, 1, 1 << 24, "classes or vocabulary [usual]"),
    IG_INT_OPTION(V, batch, "batch", NULL, 1, 1 << 20, "samples of a batch [usual]"),
    IG_INT_OPTION(V, steps, "steps", "50", 1, 1 << 20, "steps or runs that count"),
    IG_INT_OPTION(V, warmup, "warmup", "10", 1, 1 << 20, "steps before them"),
    {.name = "optimizer",
     .type = IG_OPTION_ENUM,
     .offset = offsetof(V, optimizer),
     .values = "sgd|adam|adamw|lamb|lion",
     .what = "of bench train [usual for the preset]"},
    IG_FLOAT_OPTION(V, clip, "clip", "-1", -1, 1e9, "gradient norm, 0 for any, -1 for usual"),
    IG_ENUM_OPTION(V, precision, "precision", "f32", "f32|tf32|bf16|f16|fp8",
                   "of products; fp8 of training alone"),
    IG_ENUM_OPTION(V, recompute, "recompute", "none", "none|light|full", "of bench train"),
    IG_PARALLEL_ROWS(V, parallel),
    {.name = NULL}};

/* Seconds from the start of this process, to the kernel's tick (10 ms); 0 where it is not told. */
static double since_start(void) {
  char line[1024] = "";
  FILE *file = fopen("/proc/self/stat", "r");
  if (!file) return 0;
  size_t size = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[size] = '\0';
  const char *at = strrchr(line, ')'); /* field 2, the name, may hold anything */
  unsigned long long ticks = 0;
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  if (!at || sscanf(at, " %llu", &ticks) != 1) return 0;
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec -
         (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* --- train ------------------------------------------------------------------------------------- */

typedef struct stopwatch {
  int64_t warmup;
  double last, first_step;
  double *seconds;
  double loss;
} stopwatch;

static ig_status on_step(void *context, const ig_train_step *step) {
  stopwatch *watch = context;
  double now = ig_now();
  if (step->step == 1) watch->first_step = since_start();
  if (step->step > watch->warmup)
    watch->seconds[step->step - watch->warmup - 1] = now - watch->last;
  watch->loss = step->loss;
  watch->last = now;
  return IG_OK;
}

static ig_status train_options(const ig_cli *cli, const V *v, const ig_bench_case *bench,
                               ig_train_options *out) {
  ig_optimizer_kind kind;
  IG_TRY(ig_optimizer_parse(bench->optimizer, &kind));
  ig_optimizer optimizer = ig_optimizer_default(kind);
  if (kind == IG_OPT_SGD) optimizer.momentum = 0.9;
  optimizer.clip_norm = bench->clip;
  *out = (ig_train_options){.task = bench->tokens ? IG_TASK_LANGUAGE : IG_TASK_CLASSIFICATION,
                            .optimizer = optimizer,
                            .lr = kind == IG_OPT_SGD ? 0.01 : 1e-3,
                            .schedule = {.kind = IG_SCHEDULE_CONSTANT},
                            .steps = v->warmup + v->steps,
                            .batch = bench->batch,
                            .accumulate = 1,
                            .precision = ig_precision_parse(v->precision),
                            .recompute = ig_recompute_parse(v->recompute),
                            .workers = ig_job_workers(cli, 0),
                            .seed = (uint64_t)cli->common->seed};
  ig_parallel_options_make(&v->parallel, out);
  return IG_OK;
}

/* Of a step, on rank 0: what it gave to be summed, how long that was under way, and how much of it
 * was waited for instead of being hidden by the backward pass. */
static void communication(const ig_cli *cli, int64_t steps, json_t *result) {
  json_object_set_new(result, "ranks", json_integer(cli->ranks));
  if (!cli->comm) return;
  ig_comm_stats stats = ig_comm_statistics(cli->comm);
  double ms = 1e3 / (double)steps;
  json_object_set_new(result, "transport", json_string(cli->comm->description));
  ig_json_real(result, "communicated_mb", stats.bytes / (double)steps / 1048576);
  ig_json_real(result, "communication_ms", stats.seconds * ms);
  ig_json_real(result, "waited_ms", stats.waited * ms);
}

static void train_memory(ig_trainer *trainer, json_t *result) {
  const ig_plan *plan = ig_trainer_plan(trainer);
  if (!plan) return;
  ig_plan_memory memory = ig_plan_memory_use(plan);
  json_object_set_new(result, "slab_bytes", json_integer((json_int_t)memory.slab));
  json_object_set_new(result, "lower_bound_bytes", json_integer((json_int_t)memory.lower_bound));
}

static ig_status time_training(const ig_cli *cli, const V *v, const ig_bench_case *bench,
                               ig_backend *backend, double *seconds, json_t *result) {
  stopwatch watch = {.warmup = v->warmup, .seconds = seconds};
  ig_train_observer observer = {.context = &watch, .on_step = on_step};
  ig_train_options train;
  IG_TRY(train_options(cli, v, bench, &train));
  ig_trainer *trainer;
  IG_TRY(ig_trainer_create(bench->graph, backend, cli->comm, bench->dataset, NULL, 0, NULL, &train,
                           &observer, &trainer));
  ig_status status = ig_trainer_run(trainer);
  if (status == IG_OK) {
    ig_bench_summary(result, "step", seconds, v->steps,
                     bench->tokens ? "tokens_per_second" : "samples_per_second",
                     (double)(bench->batch * bench->per_sample));
    ig_json_real(result, "first_step_ms", 1e3 * watch.first_step);
    ig_json_real(result, "final_loss", watch.loss);
    train_memory(trainer, result);
    communication(cli, v->warmup + v->steps, result);
  }
  ig_trainer_destroy(trainer);
  return status;
}

/* --- infer ------------------------------------------------------------------------------------- */

static ig_status time_inference(const ig_cli *cli, const V *v, const ig_bench_case *bench,
                                ig_backend *backend, double *seconds, json_t *result) {
  ig_store *store;
  IG_TRY(ig_store_create(backend, &store));
  ig_evaluator *evaluator = NULL;
  ig_eval_options eval = {.task = bench->tokens ? IG_TASK_LANGUAGE : IG_TASK_CLASSIFICATION,
                          .batch = bench->batch,
                          .frozen = true,
                          .release = true,
                          .precision = ig_precision_parse(v->precision),
                          .seed = (uint64_t)cli->common->seed};
  ig_status status = ig_store_add_graph(store, bench->graph, eval.seed);
  if (status == IG_OK) {
    status = ig_evaluator_create(bench->graph, backend, store, bench->dataset, &eval, &evaluator);
  }
  if (status == IG_OK) {
    status = ig_evaluator_times(evaluator, bench->batch, v->warmup, v->steps, seconds);
  }
  if (status == IG_OK) {
    ig_bench_summary(result, "latency", seconds, v->steps,
                     bench->tokens ? "tokens_per_second" : "samples_per_second",
                     (double)(bench->batch * bench->per_sample));
  }
  ig_evaluator_destroy(evaluator);
  ig_store_destroy(store);
  return status;
}

static ig_status time_case(const ig_cli *cli, const V *v, ig_backend *backend) {
  ig_bench_case bench;
  IG_TRY(ig_bench_open(cli, v, &bench));
  json_t *result = json_object();
  double *seconds = ig_alloc((size_t)v->steps * sizeof *seconds);
  ig_status status = seconds ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory for the times");
  json_object_set_new(result, "engine", json_string("ingot"));
  json_object_set_new(result, "task", json_string(v->action));
  json_object_set_new(result, "model", json_string(bench.model));
  json_object_set_new(result, "batch", json_integer(bench.batch));
  json_object_set_new(result, "parameters", json_integer(bench.parameters));
  json_object_set_new(result, "steps", json_integer(v->steps));
  json_object_set_new(result, "warmup", json_integer(v->warmup));
  bool train = strcmp(v->action, "train") == 0;
  if (status == IG_OK && train) {
    json_object_set_new(result, "optimizer", json_string(bench.optimizer));
    json_object_set_new(result, "precision", json_string(v->precision));
    status = time_training(cli, v, &bench, backend, seconds, result);
  } else if (status == IG_OK) {
    json_object_set_new(result, "precision", json_string(v->precision));
    status = time_inference(cli, v, &bench, backend, seconds, result);
  }
  ig_free(seconds);
  ig_bench_close(&bench);
  if (status != IG_OK) {
    json_decref(result);
    return status;
  }
  ig_bench_machine(cli, backend, result);
  return ig_bench_report(cli, result);
}

static ig_status bench_run(ig_cli *cli, const void *values) {
  const V *v = values;
  ig_backend *backend;
  IG_CHECK(cli->ranks == 1 || strcmp(v->action, "train") == 0, IG_ERR_USAGE,
           "bench %s is for one process, and there are %d ranks", v->action, cli->ranks);
  IG_TRY(ig_job_backend(cli, &backend));
  ig_status status = ig_check_precision(v->precision, strcmp(v->action, "train") == 0, backend);
  if (status == IG_OK) {
    ig_warn_of_precision(cli, v->precision, backend);
    status = strcmp(v->action, "ops") == 0 ? ig_bench_ops(cli, v, backend)
             : v->data ? ig_bench_arrays(cli, v, backend)
                       : time_case(cli, v, backend);
  }
  ig_job_close(cli, status);
  ig_backend_destroy(backend);
  return status;
}

const ig_verb ig_verb_bench = {
    .name = "bench",
    .what = "times operators, training steps and inference on this machine",
    .usage = "ops|train|infer [--model M] [--data FILE] [options]",
    .options = options,
    .size = sizeof(V),
    .ranks = true,
    .run = bench_run,
};
