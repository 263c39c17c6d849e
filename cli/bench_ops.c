/* `ingot bench ops`: single operators through plans of one node, against their own arithmetic. */
#include <string.h>

#include "cli/bench.h"
#include "engine/base/rng.h"
#include "engine/eval/latency.h"
#include "engine/plan/plan.h"

#define MAX_OPERANDS 4

typedef struct sample_op {
  const char *name; /* as reported */
  const char *op;
  int n_inputs;
  ig_shape inputs[MAX_OPERANDS];
  int n_attrs;
  ig_attr attrs[3];
  ig_dtype dtype; /* IG_NONE for f32 */
} sample_op;

static const int64_t ones[4] = {1, 1, 1, 1}, twos[2] = {2, 2}, last_first[2] = {1, 0};

#define DIMS(...)                                                                                  \
  {                                                                                                \
    .rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dims = { __VA_ARGS__ }     \
  }

/* Causal attention on one packed projection. */
#define HEADS(n)                                                                                   \
  {                                                                                                \
    {.name = "q_num_heads", .type = IG_ATTR_INT, .i = (n)},                                        \
        {.name = "kv_num_heads", .type = IG_ATTR_INT, .i = (n)},                                   \
        {.name = "is_causal", .type = IG_ATTR_INT, .i = 1},                                        \
  }

static const sample_op cpu_samples[] = {
    {"matmul 1024", "MatMul", 2, {DIMS(1024, 1024), DIMS(1024, 1024)}, 0, {{0}}},
    {"matmul 64x784x256", "MatMul", 2, {DIMS(64, 784), DIMS(784, 256)}, 0, {{0}}},
    {"matmul 256x768x3072", "MatMul", 2, {DIMS(256, 768), DIMS(768, 3072)}, 0, {{0}}},
    {"conv 3x3 64 to 64, 32x32",
     "Conv",
     2,
     {DIMS(64, 64, 32, 32), DIMS(64, 64, 3, 3)},
     1,
     {{.name = "pads", .type = IG_ATTR_INTS, .ints = {4, ones}}}},
    {"conv 1x1 256 to 64, 56x56", "Conv", 2, {DIMS(8, 256, 56, 56), DIMS(64, 256, 1, 1)}, 0, {{0}}},
    {"max pool 2x2, 28x28",
     "MaxPool",
     1,
     {DIMS(64, 64, 28, 28)},
     2,
     {{.name = "kernel_shape", .type = IG_ATTR_INTS, .ints = {2, twos}},
      {.name = "strides", .type = IG_ATTR_INTS, .ints = {2, twos}}}},
    {"softmax 256x50257", "Softmax", 1, {DIMS(256, 50257)}, 0, {{0}}},
    {"layer norm 256x768",
     "LayerNormalization",
     3,
     {DIMS(256, 768), DIMS(768), DIMS(768)},
     0,
     {{0}}},
    {"attention 12x4x64x32",
     "ingot.Attention",
     1,
     {DIMS(12, 64, 384)},
     3,
     HEADS(4)},
    {"attention grad 12x4x64x32",
     "ingot.AttentionGrad",
     4,
     {DIMS(12, 64, 128), DIMS(12, 64, 128), DIMS(12, 4, 64), DIMS(12, 64, 384)},
     3,
     HEADS(4)},
    {"attention 1x12x1024x64",
     "ingot.Attention",
     1,
     {DIMS(1, 1024, 2304)},
     3,
     HEADS(12)},
    {"attention grad 1x12x1024x64",
     "ingot.AttentionGrad",
     4,
     {DIMS(1, 1024, 768), DIMS(1, 1024, 768), DIMS(1, 12, 1024), DIMS(1, 1024, 2304)},
     3,
     HEADS(12)},
    {"gelu 256x3072", "Gelu", 1, {DIMS(256, 3072)}, 0, {{0}}},
    {"add 4 Mi", "Add", 2, {DIMS(4194304), DIMS(4194304)}, 0, {{0}}},
    {"transpose 2048x2048", "Transpose", 1, {DIMS(2048, 2048)}, 0, {{0}}},
};

#define ATTENTION(name, batch, tokens, heads, size)                                                \
  {name, "ingot.Attention", 1, {DIMS(batch, tokens, 3 * heads * size)}, 3, HEADS(heads), IG_BF16}
#define ATTENTION_GRAD(name, batch, tokens, heads, size)                                           \
  {name,                                                                                           \
   "ingot.AttentionGrad",                                                                          \
   4,                                                                                              \
   {DIMS(batch, tokens, heads * size), DIMS(batch, tokens, heads * size),                          \
    DIMS(batch, heads, tokens), DIMS(batch, tokens, 3 * heads * size)},                            \
   3,                                                                                              \
   HEADS(heads),                                                                                   \
   IG_BF16}

/* For a GPU: memory-bound operators on 256 MiB, beyond its caches, and products that fill it. */
static const sample_op gpu_samples[] = {
    {"add f32 64 Mi", "Add", 2, {DIMS(1 << 26), DIMS(1 << 26)}, 0, {{0}}, IG_F32},
    {"gelu bf16 128 Mi", "Gelu", 1, {DIMS(1 << 27)}, 0, {{0}}, IG_BF16},
    {"softmax bf16 32768x4096", "Softmax", 1, {DIMS(32768, 4096)}, 0, {{0}}, IG_BF16},
    {"layer norm bf16 131072x1024",
     "LayerNormalization",
     3,
     {DIMS(131072, 1024), DIMS(1024), DIMS(1024)},
     0,
     {{0}},
     IG_BF16},
    {"transpose bf16 16384x8192",
     "Transpose",
     1,
     {DIMS(16384, 8192)},
     1,
     {{.name = "perm", .type = IG_ATTR_INTS, .ints = {2, last_first}}},
     IG_BF16},
    {"reduce sum f32 8192x8192", "ReduceSum", 1, {DIMS(8192, 8192)}, 0, {{0}}, IG_F32},
    {"matmul bf16 8192", "MatMul", 2, {DIMS(8192, 8192), DIMS(8192, 8192)}, 0, {{0}}, IG_BF16},
    {"matmul f32 4096", "MatMul", 2, {DIMS(4096, 4096), DIMS(4096, 4096)}, 0, {{0}}, IG_F32},
    {"conv 3x3 bf16 256 to 256, 14x14, 256",
     "Conv",
     2,
     {DIMS(256, 256, 14, 14), DIMS(256, 256, 3, 3)},
     1,
     {{.name = "pads", .type = IG_ATTR_INTS, .ints = {4, ones}}},
     IG_BF16},
    ATTENTION("attention bf16 16x12x1024x64", 16, 1024, 12, 64),
    ATTENTION("attention bf16 4x16x4096x128", 4, 4096, 16, 128),
    ATTENTION_GRAD("attention grad bf16 16x12x1024x64", 16, 1024, 12, 64),
    ATTENTION_GRAD("attention grad bf16 4x16x4096x128", 4, 4096, 16, 128),
};

/* The log-sum-exp of an attention, which its gradient reads, is always f32. */
static ig_dtype operand_dtype(const sample_op *sample, int i) {
  bool sums = strcmp(sample->op, "ingot.AttentionGrad") == 0 && i == 2;
  return sample->dtype == IG_NONE || sums ? IG_F32 : sample->dtype;
}

/* A graph of the one node, its operands inputs. */
static ig_status build(const sample_op *sample, ig_graph **out) {
  ig_graph *graph;
  IG_TRY(ig_graph_create(sample->name, &graph));
  ig_value *inputs[MAX_OPERANDS];
  for (int i = 0; i < sample->n_inputs; i++) {
    inputs[i] = ig_graph_input(graph, NULL, operand_dtype(sample, i), sample->inputs[i]);
  }
  const ig_op *op = ig_op_find(sample->op);
  ig_node *node = ig_graph_node(graph, sample->op, NULL, sample->n_inputs, inputs, sample->n_attrs,
                                sample->attrs, op ? op->n_out[0] : 1);
  if (node) ig_graph_output(graph, "y", node->outputs[0]);
  ig_status status = ig_graph_status(graph);
  if (status != IG_OK) {
    ig_graph_destroy(graph);
    return status;
  }
  *out = graph;
  return IG_OK;
}

static ig_status bind_random(ig_plan *plan, const ig_graph *graph, ig_arena *arena) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    int64_t count = ig_value_count(graph->inputs[i]);
    float *data = ig_arena_alloc(arena, (size_t)count * sizeof *data);
    IG_CHECK(data, IG_ERR_MEMORY, "no memory for an operand of %lld numbers", (long long)count);
    ig_rng rng = ig_rng_stream(1, IG_RNG_TEST, (uint64_t)i, 0);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < count; k++) data[k] = ig_rng_uniform(&rng, (uint64_t)k) - 0.5f;
    if (graph->inputs[i]->dtype != IG_F32) {
      void *narrow = ig_arena_alloc(arena, ig_value_bytes(graph->inputs[i]));
      IG_CHECK(narrow, IG_ERR_MEMORY, "no memory for an operand of %lld numbers", (long long)count);
      ig_convert(IG_F32, data, graph->inputs[i]->dtype, narrow, count);
      data = narrow;
    }
    IG_TRY(ig_plan_bind_input(plan, i, data));
  }
  return IG_OK;
}

/* On a device, the share of one run in several queued behind each other, so that neither launching
 * nor waiting counts. */
static ig_status time_plan(ig_plan *plan, const ig_bench_values *v, bool queue, double *seconds) {
  const ig_rng_state rng = {0};
  int runs = queue ? 16 : 1;
  for (int64_t i = 0; i < v->warmup; i++) IG_TRY(ig_plan_run(plan, &rng));
  for (int64_t i = 0; i < v->steps; i++) {
    double start = ig_now();
    for (int k = 0; k < runs; k++) IG_TRY(ig_plan_submit(plan, &rng));
    IG_TRY(ig_plan_wait(plan, 0));
    seconds[i] = (ig_now() - start) / runs;
  }
  return IG_OK;
}

static ig_status report(const ig_cli *cli, const sample_op *sample, ig_plan *plan, double *seconds,
                        int64_t count, json_t *rows) {
  IG_CHECK(ig_plan_step_count(plan) > 0, IG_ERR_INTERNAL, "%s: an empty plan", sample->name);
  ig_plan_step step = ig_plan_step_at(plan, 0);
  const ig_node *node = step.node;
  ig_cost cost = node->op->cost ? node->op->cost(node) : (ig_cost){0};
  ig_sort_times(seconds, count);
  double median = ig_percentile(seconds, count, 50);
  const char *impl = step.impl ? step.impl->name : "view";
  ig_say(cli, "%-28s %10.3f ms %9.1f GFLOP/s %8.1f GB/s  %s\n", sample->name, 1e3 * median,
         1e-9 * cost.flops / median, 1e-9 * cost.bytes / median, impl);
  json_t *row = json_object();
  json_object_set_new(row, "op", json_string(sample->name));
  json_object_set_new(row, "implementation", json_string(impl));
  ig_json_real(row, "ms_median", 1e3 * median);
  ig_json_real(row, "gflop_per_second", 1e-9 * cost.flops / median);
  ig_json_real(row, "gb_per_second", 1e-9 * cost.bytes / median);
  json_array_append_new(rows, row);
  return IG_OK;
}

static ig_status bench_one(const ig_cli *cli, const sample_op *sample, const ig_bench_values *v,
                           ig_backend *backend, json_t *rows) {
  ig_graph *graph = NULL;
  ig_store *store = NULL;
  ig_plan *plan = NULL;
  ig_arena *arena = ig_arena_create();
  double *seconds = ig_alloc((size_t)v->steps * sizeof *seconds);
  ig_status status = IG_OK;
  IG_CHECK_DONE(arena && seconds, IG_ERR_MEMORY, "%s: out of memory", sample->name);
  IG_TRY_DONE(build(sample, &graph));
  IG_TRY_DONE(ig_store_create(backend, &store));
  IG_TRY_DONE(ig_plan_create(graph, backend, store, &(ig_plan_options){.device_outputs = true}, &plan));
  IG_TRY_DONE(bind_random(plan, graph, arena));
  IG_TRY_DONE(time_plan(plan, v, backend->vtable->queue != NULL, seconds));
  IG_TRY_DONE(report(cli, sample, plan, seconds, v->steps, rows));
done:
  if (plan) ig_plan_destroy(plan);
  if (store) ig_store_destroy(store);
  ig_graph_destroy(graph);
  ig_free(seconds);
  ig_arena_destroy(arena);
  return status;
}

ig_status ig_bench_ops(const ig_cli *cli, const ig_bench_values *v, ig_backend *backend) {
  json_t *result = json_object(), *rows = json_array();
  json_object_set_new(result, "ops", rows);
  bool host = backend->vtable->host_memory;
  const sample_op *samples = host ? cpu_samples : gpu_samples;
  int count = host ? IG_COUNT(cpu_samples) : IG_COUNT(gpu_samples);
  for (int i = 0; i < count; i++) {
    ig_status status = bench_one(cli, &samples[i], v, backend, rows);
    if (status != IG_OK) {
      json_decref(result);
      return status;
    }
  }
  ig_bench_machine(cli, backend, result);
  return ig_emit_json(cli, result);
}
