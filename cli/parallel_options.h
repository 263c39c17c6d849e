/* Options of how several ranks train together, for the verbs that do. */
#ifndef IG_CLI_PARALLEL_OPTIONS_H
#define IG_CLI_PARALLEL_OPTIONS_H

#include "cli/options.h"
#include "engine/train/trainer.h"

typedef struct ig_parallel_values {
  const char *grad_dtype, *shard;
  double bucket_mb;
  int64_t elastic;
  bool sync_batch_norm;
} ig_parallel_values;

/* Rows for the ig_parallel_values `member` of a verb's values. */
#define IG_PARALLEL_ROWS(type_, member)                                                            \
  IG_FLOAT_OPTION(type_, member.bucket_mb, "bucket-mb", "0", 0, 65536,                             \
                  "MiB of gradients that ranks exchange at once, 0 for what is usual"),            \
      IG_ENUM_OPTION(type_, member.grad_dtype, "grad-dtype", "f32", "f32|bf16",                    \
                     "that gradients travel in"),                                                  \
      IG_ENUM_OPTION(type_, member.shard, "shard", "none", "none|optimizer|gradients",             \
                     "what of the optimizer's work and memory is divided among ranks"),            \
      IG_FLAG_OPTION(type_, member.sync_batch_norm, "sync-batch-norm",                             \
                     "batch statistics over all ranks"),                                           \
      IG_INT_OPTION(type_, member.elastic, "elastic", "0", 0, 2048,                                \
                    "logical shards of a batch, a power of two: the same bits on any number of "   \
                    "ranks that divides it; 0 for none")

/* Sets out->parallel, but for rank and size, and out->elastic. */
void ig_parallel_options_make(const ig_parallel_values *values, ig_train_options *out);

#endif
