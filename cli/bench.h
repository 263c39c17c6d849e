/* What the benchmarks share: cases with their usual settings, data of random numbers, and summaries. */
#ifndef IG_CLI_BENCH_H
#define IG_CLI_BENCH_H

#include "cli/parallel_options.h"
#include "cli/verb.h"
#include "engine/backend/backend.h"
#include "engine/graph/graph.h"
#include "engine/train/dataset.h"

typedef struct ig_bench_values {
  const char *action, *model, *data, *shape, *optimizer, *precision, *recompute;
  int64_t outputs, batch, steps, warmup;
  double clip;
  bool profile;
  ig_parallel_values parallel;
} ig_bench_values;

/* A model with random data to train or run it on. */
typedef struct ig_bench_case {
  const char *model;
  ig_graph *graph; /* a template */
  ig_dataset *dataset;
  ig_arena *arena; /* holds the data */
  bool tokens;
  int64_t batch;
  int64_t per_sample; /* what the rate counts in a sample: its tokens, or 1 */
  int64_t parameters;
  const char *optimizer;
  double clip;
} ig_bench_case;

ig_status ig_bench_open(const ig_cli *cli, const ig_bench_values *values, ig_bench_case *out);
void ig_bench_close(ig_bench_case *bench);

/* Adds median, p10, p90 and least of the times in milliseconds, under keys that begin with `prefix`,
 * and what happens per second at the median, under `rate`; sorts the times. */
void ig_bench_summary(json_t *result, const char *prefix, double *seconds, int64_t count,
                      const char *rate, double per_run);
/* Adds peak_rss_mb, cpu, threads and device; for a GPU, the memory in use on it, the context of CUDA
 * included. */
void ig_bench_machine(const ig_cli *cli, ig_backend *backend, json_t *result);
/* Prints the result: as JSON, or a line a key for people. Takes the reference. */
ig_status ig_bench_report(const ig_cli *cli, json_t *result);

/* bench_arrays.c: a model from a file over the arrays of --data. */
ig_status ig_bench_arrays(const ig_cli *cli, const ig_bench_values *values, ig_backend *backend);
/* bench_ops.c */
ig_status ig_bench_ops(const ig_cli *cli, const ig_bench_values *values, ig_backend *backend);

#endif
