/* A GPT of any size; the defaults are nanoGPT's setting for a CPU (4 layers, 4 heads, 128 wide,
 * context 64, exact GELU, no dropout). */
#include "engine/models/gpt_network.h"

static ig_status gpt_config(const ig_model_args *args, const ig_model_spec *spec,
                            ig_gpt_config *config) {
  static const char *const gelu[] = {"none", "tanh", NULL};
  int64_t bias, tie;
  int approximate;
  *config = (ig_gpt_config){.vocabulary = spec->n_outputs};
  IG_TRY(ig_args_int(args, "layers", 4, 1, 1024, &config->layers));
  IG_TRY(ig_args_int(args, "heads", 4, 1, 1024, &config->heads));
  IG_TRY(ig_args_int(args, "kv_heads", config->heads, 1, 1024, &config->kv_heads));
  IG_TRY(ig_args_int(args, "embd", 128, 1, 1 << 17, &config->width));
  IG_TRY(ig_args_int(args, "inner", 4 * config->width, 1, 1 << 20, &config->inner));
  IG_TRY(ig_args_int(args, "ctx", 64, 1, 1 << 20, &config->context));
  IG_TRY(ig_args_int(args, "bias", 1, 0, 1, &bias));
  IG_TRY(ig_args_int(args, "tie", 1, 0, 1, &tie));
  IG_TRY(ig_args_choice(args, "gelu", gelu, 0, &approximate));
  IG_TRY(ig_args_float(args, "eps", 1e-5, 0, 1, &config->epsilon));
  config->tanh_gelu = approximate;
  config->bias = bias;
  config->tied = tie;
  return ig_args_float(args, "dropout", 0, 0, 0.95, &config->dropout);
}

static ig_status gpt_build(ig_graph *graph, const ig_model_args *args, const ig_model_spec *spec) {
  ig_gpt_config config;
  IG_TRY(gpt_config(args, spec, &config));
  return ig_gpt_build(graph, &config, spec);
}

static ig_status gpt_build_decode(ig_graph *graph, const ig_model_args *args,
                                  const ig_model_spec *spec) {
  ig_gpt_config config;
  IG_TRY(gpt_config(args, spec, &config));
  return ig_gpt_build_decode(graph, &config, spec);
}

static ig_status gpt_context(const ig_model_args *args, int64_t *tokens) {
  ig_gpt_config config;
  IG_TRY(gpt_config(args, &(ig_model_spec){.n_outputs = 1}, &config));
  *tokens = config.context;
  return IG_OK;
}

static ig_status gpt_describe(const ig_model_args *args, const ig_model_spec *spec, void *out) {
  return gpt_config(args, spec, out);
}

const ig_model_preset ig_preset_gpt = {
    .name = "gpt",
    .what = "gpt:layers=4,heads=4,embd=128,ctx=64[,kv_heads=HEADS,inner=4*EMBD,bias=1,tie=1,"
            "gelu=none|tanh,eps=1e-5,dropout=0]: a decoder-only transformer",
    .named = (const char *const[]){"layers", "heads", "kv_heads", "embd", "inner", "ctx",
                                   "bias", "tie", "gelu", "eps", "dropout", NULL},
    .tokens = true,
    .build = gpt_build,
    .build_decode = gpt_build_decode,
    .context = gpt_context,
    .describe = gpt_describe,
};
