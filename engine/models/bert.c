/* BERT in any size, for classes, masked words or vectors; the defaults are small enough for a CPU. */
#include "engine/models/bert_network.h"

static ig_status bert_config(const ig_model_args *args, const ig_model_spec *spec,
                             ig_bert_config *config) {
  static const char *const heads[] = {"class", "mlm", "none", NULL};
  static const char *const gelu[] = {"none", "tanh", NULL};
  int head, approximate;
  *config = (ig_bert_config){.classes = spec->n_outputs};
  IG_TRY(ig_args_int(args, "layers", 4, 1, 1024, &config->layers));
  IG_TRY(ig_args_int(args, "heads", 4, 1, 1024, &config->heads));
  IG_TRY(ig_args_int(args, "embd", 128, 1, 1 << 17, &config->width));
  IG_TRY(ig_args_int(args, "inner", 4 * config->width, 1, 1 << 20, &config->inner));
  IG_TRY(ig_args_int(args, "ctx", 512, 1, 1 << 20, &config->context));
  IG_TRY(ig_args_int(args, "vocab", 30522, 1, 1 << 24, &config->vocabulary));
  IG_TRY(ig_args_int(args, "types", 2, 1, 1 << 16, &config->types));
  IG_TRY(ig_args_int(args, "pad", 0, -1, 1 << 24, &config->pad));
  IG_TRY(ig_args_choice(args, "head", heads, IG_BERT_CLASS, &head));
  IG_TRY(ig_args_choice(args, "gelu", gelu, 0, &approximate));
  IG_TRY(ig_args_float(args, "eps", 1e-12, 0, 1, &config->epsilon));
  config->head = (ig_bert_head)head;
  config->tanh_gelu = approximate;
  return ig_args_float(args, "dropout", 0, 0, 0.95, &config->dropout);
}

static ig_status bert_build(ig_graph *graph, const ig_model_args *args, const ig_model_spec *spec) {
  ig_bert_config config;
  IG_TRY(bert_config(args, spec, &config));
  return ig_bert_build(graph, &config, spec);
}

static ig_status bert_describe(const ig_model_args *args, const ig_model_spec *spec, void *out) {
  return bert_config(args, spec, out);
}

const ig_model_preset ig_preset_bert = {
    .name = "bert",
    .what = "bert:layers=4,heads=4,embd=128,ctx=512,vocab=30522[,inner=4*EMBD,head=class|mlm|none,"
            "types=2,pad=0,gelu=none|tanh,eps=1e-12,dropout=0]: BERT over arrays of tokens",
    .named = (const char *const[]){"layers", "heads", "embd", "inner", "ctx", "vocab", "types",
                                   "pad", "head", "gelu", "eps", "dropout", NULL},
    .build = bert_build,
    .describe = bert_describe,
};
