/* Llama, Qwen2 and their like in any size; the defaults are small enough for a CPU. */
#include "engine/models/llama_network.h"

static ig_status read_rope(const ig_model_args *args, ig_llama_config *config) {
  static const char *const ropes[] = {"plain", "linear", "llama3", NULL};
  int rope;
  IG_TRY(ig_args_choice(args, "rope", ropes, 0, &rope));
  config->rope = (ig_llama_rope)rope;
  IG_TRY(ig_args_float(args, "theta", 10000, 1, 1e12, &config->theta));
  IG_TRY(ig_args_float(args, "factor", 8, 1e-3, 1e6, &config->factor));
  IG_TRY(ig_args_float(args, "low", 1, 0, 1e6, &config->low));
  IG_TRY(ig_args_float(args, "high", 4, 0, 1e6, &config->high));
  return ig_args_int(args, "original", 8192, 1, 1 << 30, &config->original);
}

static ig_status llama_config(const ig_model_args *args, const ig_model_spec *spec,
                              ig_llama_config *config) {
  static const char *const biases[] = {"none", "qkv", "all", NULL};
  int64_t tie;
  int bias;
  *config = (ig_llama_config){.vocabulary = spec->n_outputs};
  IG_TRY(ig_args_int(args, "layers", 4, 1, 1024, &config->layers));
  IG_TRY(ig_args_int(args, "heads", 4, 1, 1024, &config->heads));
  IG_TRY(ig_args_int(args, "kv_heads", config->heads, 1, 1024, &config->kv_heads));
  IG_TRY(ig_args_int(args, "embd", 128, 1, 1 << 17, &config->width));
  int64_t size = IG_MAX(config->width / config->heads, 2);
  IG_TRY(ig_args_int(args, "head_dim", size, 2, 1 << 14, &config->head_size));
  /* Two thirds of 4 widths, so that three matrices weigh as much as two of 4 widths (Shazeer 2020). */
  int64_t inner = (8 * config->width / 3 + 31) / 32 * 32;
  IG_TRY(ig_args_int(args, "inner", inner, 1, 1 << 20, &config->inner));
  IG_TRY(ig_args_int(args, "ctx", 64, 1, 1 << 20, &config->context));
  IG_TRY(ig_args_int(args, "positions", config->context, 1, 1 << 30, &config->positions));
  IG_TRY(ig_args_float(args, "eps", 1e-5, 0, 1, &config->epsilon));
  IG_TRY(ig_args_choice(args, "bias", biases, 0, &bias));
  IG_TRY(ig_args_int(args, "tie", 0, 0, 1, &tie));
  config->bias = (ig_llama_bias)bias;
  config->tied = tie;
  return read_rope(args, config);
}

static ig_status llama_build(ig_graph *graph, const ig_model_args *args,
                             const ig_model_spec *spec) {
  ig_llama_config config;
  IG_TRY(llama_config(args, spec, &config));
  return ig_llama_build(graph, &config, spec);
}

static ig_status llama_build_decode(ig_graph *graph, const ig_model_args *args,
                                    const ig_model_spec *spec) {
  ig_llama_config config;
  IG_TRY(llama_config(args, spec, &config));
  return ig_llama_build_decode(graph, &config, spec);
}

static ig_status llama_context(const ig_model_args *args, int64_t *tokens) {
  ig_llama_config config;
  IG_TRY(llama_config(args, &(ig_model_spec){.n_outputs = 1}, &config));
  *tokens = config.context;
  return IG_OK;
}

static ig_status llama_describe(const ig_model_args *args, const ig_model_spec *spec, void *out) {
  return llama_config(args, spec, out);
}

const ig_model_preset ig_preset_llama = {
    .name = "llama",
    .what = "llama:layers=4,heads=4,embd=128,ctx=64[,kv_heads=HEADS,head_dim=EMBD/HEADS,inner=,"
            "bias=none|qkv|all,tie=0,eps=1e-5,theta=10000,rope=plain|linear|llama3]: Llama, Qwen2",
    .named = (const char *const[]){"layers", "heads", "kv_heads", "embd", "head_dim", "inner",
                                   "ctx", "positions", "eps", "bias", "tie", "theta", "rope",
                                   "factor", "low", "high", "original", NULL},
    .tokens = true,
    .build = llama_build,
    .build_decode = llama_build_decode,
    .context = llama_context,
    .describe = llama_describe,
};
