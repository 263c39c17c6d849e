/* Cases and summaries of the benchmarks. Sizes and settings of the built-in cases are those of
 * benchmarks/peers/models.py, so that times compare row by row. */
#include "cli/bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/shape_text.h"
#include "engine/base/rng.h"
#include "engine/eval/latency.h"
#include "engine/models/model.h"

#define BATCHES 4 /* of random data, used in turn */

typedef struct usual {
  const char *preset; /* the part before the colon */
  const char *shape;
  int64_t outputs, batch;
  const char *optimizer;
  double clip;
} usual;

static const usual usuals[] = {
    {"mlp", "784", 10, 64, "sgd", 0},
    {"lenet", "1,28,28", 10, 64, "adam", 0},
    {"gpt", "64", 65, 12, "adamw", 1},
    {"gpt2", "64", 50257, 4, "adamw", 1},
    {"vit", "3,32,32", 10, 64, "adamw", 1},
    {"", "3,32,32", 10, 64, "sgd", 0}, /* the others are convolutional networks */
};

static const usual *usual_of(const ig_model_preset *preset) {
  const usual *row = usuals;
  while (*row->preset && strcmp(row->preset, preset->name) != 0) row++;
  return row;
}

/* --- random data ------------------------------------------------------------------------------- */

static void fill_normal(float *data, int64_t count, uint64_t seed) {
  ig_rng rng = ig_rng_stream(seed, IG_RNG_TEST, 0, 0);
  for (int64_t i = 0; i < count; i++) data[i] = ig_rng_normal(&rng, (uint64_t)i);
}

static void fill_below(int64_t *data, int64_t count, int64_t bound, uint64_t seed) {
  ig_rng rng = ig_rng_stream(seed, IG_RNG_TEST, 1, 0);
  for (int64_t i = 0; i < count; i++) {
    data[i] = (int64_t)ig_rng_below(&rng, (uint64_t)i, (uint64_t)bound);
  }
}

static ig_status make_data(ig_bench_case *bench, const ig_shape *input, int64_t outputs,
                           uint64_t seed) {
  int64_t samples = BATCHES * bench->batch, inputs = samples * ig_shape_count(input);
  int64_t targets = bench->tokens ? inputs : samples;
  ig_dtype dtype = bench->tokens ? IG_I64 : IG_F32;
  void *x = ig_arena_alloc(bench->arena, (size_t)inputs * ig_dtype_size(dtype));
  int64_t *y = ig_arena_alloc(bench->arena, (size_t)targets * sizeof *y);
  IG_CHECK(x && y, IG_ERR_MEMORY, "no memory for %lld samples", (long long)samples);
  if (bench->tokens) {
    fill_below(x, inputs, outputs, seed + 1);
  } else {
    fill_normal(x, inputs, seed);
  }
  fill_below(y, targets, outputs, seed);
  ig_field fields[2] = {{.name = "x",
                         .kind = bench->tokens ? IG_FIELD_TOKENS : IG_FIELD_FEATURES,
                         .dtype = dtype,
                         .shape = *input,
                         .n_classes = bench->tokens ? outputs : 0},
                        {.name = "y",
                         .kind = bench->tokens ? IG_FIELD_TOKENS : IG_FIELD_CLASS,
                         .dtype = IG_I64,
                         .shape = bench->tokens ? *input : IG_SCALAR,
                         .n_classes = outputs}};
  return ig_dataset_from_arrays(samples, 2, fields, (const void *[]){x, y}, &bench->dataset);
}

static int64_t count_parameters(const ig_graph *graph) {
  int64_t count = 0;
  for (int32_t i = 0; i < graph->n_values; i++) {
    if (graph->values[i]->kind == IG_VALUE_PARAM) count += ig_value_count(graph->values[i]);
  }
  return count;
}

static ig_status open_parts(const ig_cli *cli, const ig_bench_values *v, ig_bench_case *bench) {
  const ig_model_preset *preset;
  IG_TRY(ig_model_find(v->model, &preset));
  const usual *row = usual_of(preset);
  bench->model = v->model;
  bench->tokens = preset->tokens;
  bench->batch = v->batch > 0 ? v->batch : row->batch;
  bench->optimizer = v->optimizer ? v->optimizer : row->optimizer;
  bench->clip = v->clip >= 0 ? v->clip : row->clip;
  int64_t outputs = v->outputs > 0 ? v->outputs : row->outputs;
  ig_model_spec spec = {.n_outputs = outputs};
  IG_TRY(ig_shape_parse(v->shape ? v->shape : row->shape, &spec.input));
  bench->per_sample = bench->tokens ? ig_shape_count(&spec.input) : 1;
  IG_TRY(ig_model_build(v->model, &spec, &bench->graph));
  bench->parameters = count_parameters(bench->graph);
  bench->arena = ig_arena_create();
  IG_CHECK_ALLOC(bench->arena);
  return make_data(bench, &spec.input, outputs, (uint64_t)cli->common->seed);
}

ig_status ig_bench_open(const ig_cli *cli, const ig_bench_values *values, ig_bench_case *out) {
  memset(out, 0, sizeof *out);
  ig_status status = open_parts(cli, values, out);
  if (status != IG_OK) ig_bench_close(out);
  return status;
}

void ig_bench_close(ig_bench_case *bench) {
  ig_dataset_destroy(bench->dataset);
  ig_graph_destroy(bench->graph);
  ig_arena_destroy(bench->arena);
  memset(bench, 0, sizeof *bench);
}

/* --- summaries --------------------------------------------------------------------------------- */

static void put(json_t *result, const char *prefix, const char *name, double value) {
  char key[64];
  snprintf(key, sizeof key, "%s_%s", prefix, name);
  ig_json_real(result, key, value);
}

void ig_bench_summary(json_t *result, const char *prefix, double *seconds, int64_t count,
                      const char *rate, double per_run) {
  ig_sort_times(seconds, count);
  double median = ig_percentile(seconds, count, 50);
  put(result, prefix, "ms_median", 1e3 * median);
  put(result, prefix, "ms_p10", 1e3 * ig_percentile(seconds, count, 10));
  put(result, prefix, "ms_p90", 1e3 * ig_percentile(seconds, count, 90));
  put(result, prefix, "ms_min", 1e3 * seconds[0]);
  ig_json_real(result, rate, per_run / median);
}

/* The value after "key:" in a file of /proc; empty where there is none. */
static void proc_value(const char *path, const char *key, char *value, size_t size) {
  char line[512];
  value[0] = '\0';
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, key, strlen(key)) != 0 || !colon) continue;
    const char *text = colon + 1 + strspn(colon + 1, " \t");
    snprintf(value, size, "%.*s", (int)strcspn(text, "\n"), text);
    break;
  }
  if (file) fclose(file);
}

void ig_bench_machine(const ig_cli *cli, ig_backend *backend, json_t *result) {
  char text[256];
  proc_value("/proc/self/status", "VmHWM", text, sizeof text);
  ig_json_real(result, "peak_rss_mb", strtod(text, NULL) / 1024);
  proc_value("/proc/cpuinfo", "model name", text, sizeof text);
  json_object_set_new(result, "cpu", json_string(text));
  int64_t threads = cli->common->threads;
  if (threads == 0) threads = sysconf(_SC_NPROCESSORS_ONLN);
  json_object_set_new(result, "threads", json_integer(threads));
  json_object_set_new(result, "device", json_string(backend->description));
  size_t available, total;
  if (!backend->vtable->host_memory &&
      backend->vtable->memory(backend, &available, &total) == IG_OK) {
    ig_json_real(result, "device_used_mb", (double)(total - available) / 1048576);
  }
}

ig_status ig_bench_report(const ig_cli *cli, json_t *result) {
  IG_CHECK(result, IG_ERR_MEMORY, "no memory for the result");
  const char *key;
  json_t *value;
  if (!cli->common->json) {
    json_object_foreach(result, key, value) {
      char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
      ig_say(cli, "%-24s %s\n", key, text ? text : "");
      free(text);
    }
  }
  return ig_emit_json(cli, result);
}
