/* Runs pipelines of passes. After a pass that changed something the graph is sorted and compacted
 * here, so that passes may append nodes anywhere; debug builds then verify every invariant. */
#include "engine/passes/pass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/print.h"

const char *const ig_pipeline_inference[] = {
    "lower_einsum",
    "simplify",
    "fold",
    "recognise_gelu",
    "recognise_swish",
    "recognise_norm",
    "recognise_rotary",
    "recognise_attention",
    "sink_transposes",
    "recognise_pool",
    "dce",
    "simplify",
    "fold_pads",
    "fuse_conv_bn",
    "fuse_batch_norm",
    "lower_weight_only",
    "lower_dynamic",
    "fuse_bias_activation",
    "lower_int8_moves",
    "lower_int8",
    "lower_int8_between",
    "fuse_add_layernorm",
    "mixed_precision",
    "pack_attention",
    "layout",
    "cse",
    "fuse_elementwise",
    "dce",
    NULL,
};
const char *const ig_pipeline_forward[] = {
    "unroll",
    "train_mode",
    "lower_einsum",
    "simplify",
    "fold",
    "recognise_gelu",
    "recognise_swish",
    "recognise_norm",
    "recognise_rotary",
    "recognise_attention",
    "sink_transposes",
    "recognise_pool",
    "dce",
    "simplify",
    "fold_pads",
    "fuse_batch_norm",
    "fuse_bias_activation",
    "fuse_add_layernorm",
    "mixed_precision",
    "pack_attention",
    "cse",
    "dce",
    NULL,
};
const char *const ig_pipeline_training[] = {
    "fp8", "sync_batch_norm", "data_parallel", "simplify", "fold", "cse", "keep_copies", "share_forward",
    "fuse_gather_grad", "recompute", "layout", "fuse_elementwise", "group_updates", "dce", NULL,
};

ig_precision ig_precision_parse(const char *name) {
  static const char *const names[] = {"f32", "tf32", "bf16", "f16", "fp8"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(name, names[i]) == 0) return (ig_precision)i;
  }
  return IG_PRECISION_F32;
}

ig_dtype ig_precision_dtype(ig_precision precision) {
  if (precision == IG_PRECISION_BF16 || precision == IG_PRECISION_FP8) return IG_BF16;
  return precision == IG_PRECISION_F16 ? IG_F16 : IG_F32;
}

const ig_pass *ig_pass_find(const char *name) {
  for (const ig_pass *const *pass = ig_pass_registry; *pass; pass++) {
    if (strcmp((*pass)->name, name) == 0) return *pass;
  }
  return NULL;
}

static ig_status run_one(ig_graph *graph, const ig_pass *pass, const ig_pass_options *options) {
  int changes = 0;
  IG_TRY(pass->run(graph, options, &changes));
  IG_TRY(ig_graph_status(graph));
  if (changes) {
    IG_TRY(ig_graph_sort(graph));
    IG_TRY(ig_graph_compact(graph, false));
  }
#ifndef NDEBUG
  IG_TRY(ig_graph_verify(graph));
#endif
  return IG_OK;
}

ig_status ig_passes_run(ig_graph *graph, const char *const *names, const ig_pass_options *options) {
  const char *dump = getenv("IG_DUMP");
  for (; *names; names++) {
    const ig_pass *pass = ig_pass_find(*names);
    IG_CHECK(pass, IG_ERR_INTERNAL, "unknown pass '%s'", *names);
    ig_status status = run_one(graph, pass, options);
    if (status != IG_OK) return ig_fail_in(status, "pass %s", pass->name);
    if (dump && strcmp(dump, pass->name) == 0) IG_TRY(ig_graph_print(graph, stderr));
  }
  return IG_OK;
}
