/* From words to what the trainer takes. */
#include "cli/parallel_options.h"

#include <string.h>

static ig_shard shard_parse(const char *name) {
  if (strcmp(name, "gradients") == 0) return IG_SHARD_GRADIENTS;
  return strcmp(name, "optimizer") == 0 ? IG_SHARD_OPTIMIZER : IG_SHARD_NONE;
}

void ig_parallel_options_make(const ig_parallel_values *v, ig_train_options *out) {
  out->parallel = (ig_parallel){.shard = shard_parse(v->shard),
                                .bucket_bytes = (size_t)(v->bucket_mb * 1048576),
                                .grad_dtype = strcmp(v->grad_dtype, "bf16") == 0 ? IG_BF16 : IG_F32,
                                .sync_batch_norm = v->sync_batch_norm};
  out->elastic = (int)v->elastic;
}
