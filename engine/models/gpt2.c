/* The four published sizes of GPT-2 (Radford et al. 2019, table 2), with biases, tied embedding and
 * the tanh form of GELU. The vocabulary is the data's; without one, GPT-2's own of 50,257. */
#include <string.h>

#include "engine/models/gpt_network.h"

static ig_status gpt2_config(const ig_model_args *args, const ig_model_spec *spec,
                             ig_gpt_config *config) {
  static const struct {
    const char *word;
    int64_t layers, heads, width;
  } sizes[] = {{"124m", 12, 12, 768},
               {"350m", 24, 16, 1024},
               {"774m", 36, 20, 1280},
               {"1558m", 48, 25, 1600}};
  const char *word = ig_args_word(args, 0);
  int size = 0;
  for (int i = 0; word && i < IG_COUNT(sizes); i++) {
    if (strcmp(sizes[i].word, word) == 0) size = i;
  }
  *config = (ig_gpt_config){
      .layers = sizes[size].layers,
      .heads = sizes[size].heads,
      .kv_heads = sizes[size].heads,
      .width = sizes[size].width,
      .inner = 4 * sizes[size].width,
      .context = 1024,
      .vocabulary = spec->n_outputs ? spec->n_outputs : 50257,
      .bias = true,
      .tied = true,
      .tanh_gelu = true,
      .epsilon = 1e-5,
  };
  return ig_args_float(args, "dropout", 0, 0, 0.95, &config->dropout);
}

static ig_status gpt2_build(ig_graph *graph, const ig_model_args *args, const ig_model_spec *spec) {
  ig_gpt_config config;
  IG_TRY(gpt2_config(args, spec, &config));
  return ig_gpt_build(graph, &config, spec);
}

static ig_status gpt2_build_decode(ig_graph *graph, const ig_model_args *args,
                                   const ig_model_spec *spec) {
  ig_gpt_config config;
  IG_TRY(gpt2_config(args, spec, &config));
  return ig_gpt_build_decode(graph, &config, spec);
}

static ig_status gpt2_context(const ig_model_args *args, int64_t *tokens) {
  ig_gpt_config config;
  IG_TRY(gpt2_config(args, &(ig_model_spec){0}, &config));
  *tokens = config.context;
  return IG_OK;
}

static ig_status gpt2_describe(const ig_model_args *args, const ig_model_spec *spec, void *out) {
  return gpt2_config(args, spec, out);
}

const ig_model_preset ig_preset_gpt2 = {
    .name = "gpt2",
    .what = "gpt2:124m|350m|774m|1558m[,dropout=0]: GPT-2 in its published sizes (default 124m)",
    .named = (const char *const[]){"dropout", NULL},
    .words = (const char *const[]){"124m", "350m", "774m", "1558m", NULL},
    .tokens = true,
    .build = gpt2_build,
    .build_decode = gpt2_build_decode,
    .context = gpt2_context,
    .describe = gpt2_describe,
};
