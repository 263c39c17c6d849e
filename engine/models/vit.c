/* Vision transformer (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; the smaller
 * sizes of Touvron et al., DeiT, ICML 2021), pre-norm, with timm's names. Tokens are rows of one
 * matrix [N * T, width], so that every linear layer is one Gemm. Weights start normal with deviation
 * 0.02, biases and the head at zero. */
#include <inttypes.h>
#include <string.h>

#include "engine/models/layers.h"

typedef struct config {
  int64_t width, depth, heads, patch;
  int64_t tokens; /* T, the class token included */
  bool class_token;
  double dropout;
} config;

static ig_status read_config(const ig_model_args *args, const ig_model_spec *spec, config *c) {
  static const struct {
    const char *word;
    int64_t width, depth, heads;
  } sizes[] = {
      {"tiny", 192, 12, 3}, {"small", 384, 12, 6}, {"base", 768, 12, 12}, {"large", 1024, 24, 16}};
  static const char *const pools[] = {"token", "mean", NULL};
  const char *word = ig_args_word(args, 0);
  int size = 0, pool;
  for (int i = 0; word && i < IG_COUNT(sizes); i++) {
    if (strcmp(sizes[i].word, word) == 0) size = i;
  }
  IG_CHECK(spec->input.rank == 3, IG_ERR_SHAPE,
           "expected images [channels, height, width], found samples of shape %s",
           IG_SHAPE_STR(&spec->input));
  int64_t height = spec->input.dims[1], width = spec->input.dims[2];
  IG_TRY(ig_args_int(args, "patch", height >= 128 ? 16 : 4, 1, 1024, &c->patch));
  IG_TRY(ig_args_int(args, "width", sizes[size].width, 1, 1 << 16, &c->width));
  IG_TRY(ig_args_int(args, "depth", sizes[size].depth, 1, 1024, &c->depth));
  IG_TRY(ig_args_int(args, "heads", sizes[size].heads, 1, 1024, &c->heads));
  IG_TRY(ig_args_choice(args, "pool", pools, 0, &pool));
  IG_TRY(ig_args_float(args, "dropout", 0, 0, 0.95, &c->dropout));
  IG_CHECK(c->width % c->heads == 0, IG_ERR_USAGE,
           "a width of %" PRId64 " is not divisible into %" PRId64 " heads", c->width, c->heads);
  IG_CHECK(height % c->patch == 0 && width % c->patch == 0, IG_ERR_SHAPE,
           "images of %" PRId64 " x %" PRId64 " do not divide into patches of %" PRId64, height,
           width, c->patch);
  c->class_token = pool == 0;
  c->tokens = (height / c->patch) * (width / c->patch) + c->class_token;
  return IG_OK;
}

/* Patches as tokens [N, T, width] with positions. The class token is added where the patches are
 * padded with zeros, which needs no Expand to the batch size. */
static ig_value *embed(ig_graph *g, const config *c, ig_value *x) {
  ig_layer_conv_options conv = {
      .out = c->width, .kernel = c->patch, .stride = c->patch, .bias = true};
  x = ig_layer_conv(g, "patch_embed.proj", x, &conv);
  int64_t patches = c->tokens - c->class_token, perm[] = {0, 2, 1};
  x = IG_RESHAPE(g, x, 0, c->width, patches);
  x = ig_op1(g, "Transpose", NULL, IG_INS(x), IG_ATTRS(IG_INTS("perm", 3, perm)));
  ig_value *places = ig_graph_param(g, "pos_embed", IG_F32, IG_SHAPE(1, c->tokens, c->width),
                                    ig_init_normal(0.02f), false);
  if (c->class_token) {
    int64_t front[] = {0, 1, 0, 0, 0, 0}, back[] = {0, 0, 0, 0, patches, 0};
    ig_value *token = ig_graph_param(g, "cls_token", IG_F32, IG_SHAPE(1, 1, c->width),
                                     ig_init_normal(0.02f), false);
    x = ig_op1(g, "Pad", NULL, IG_INS(x, ig_graph_const_i64s(g, 6, front)), IG_NO_ATTRS);
    token = ig_op1(g, "Pad", NULL, IG_INS(token, ig_graph_const_i64s(g, 6, back)), IG_NO_ATTRS);
    places = ig_op1(g, "Add", NULL, IG_INS(places, token), IG_NO_ATTRS);
  }
  return ig_op1(g, "Add", NULL, IG_INS(x, places), IG_NO_ATTRS);
}

static ig_value *linear(ig_graph *g, const char *prefix, const char *name, ig_value *x,
                        int64_t out) {
  return ig_layer_linear(g, ig_layer_name(g, prefix, name), x, out, true, ig_init_normal(0.02f));
}

static ig_value *norm(ig_graph *g, const char *prefix, const char *name, ig_value *x) {
  return ig_layer_layer_norm(g, ig_layer_name(g, prefix, name), x, 1e-6f, true);
}

static ig_value *attention(ig_graph *g, const config *c, const char *prefix, ig_value *x) {
  x = IG_RESHAPE(g, linear(g, prefix, "attn.qkv", x, 3 * c->width), -1, c->tokens, 3 * c->width);
  int64_t sizes[] = {c->width, c->width, c->width};
  ig_node *split = ig_graph_node(g, "Split", NULL, IG_INS(x, ig_graph_const_i64s(g, 3, sizes)),
                                 IG_ATTRS(IG_INT("axis", 2)), 3);
  if (!split) return NULL;
  x = ig_op1(g, "Attention", ig_layer_name(g, prefix, "attn"), 3, split->outputs,
             IG_ATTRS(IG_INT("q_num_heads", c->heads), IG_INT("kv_num_heads", c->heads)));
  return linear(g, prefix, "attn.proj", IG_RESHAPE(g, x, -1, c->width), c->width);
}

/* Dropout sees whole images: its masks are drawn by sample, which is the first dimension. */
static ig_value *dropout(ig_graph *g, const config *c, ig_value *x) {
  if (c->dropout <= 0) return x;
  x = ig_layer_dropout(g, IG_RESHAPE(g, x, -1, c->tokens, c->width), c->dropout);
  return IG_RESHAPE(g, x, -1, c->width);
}

static ig_value *residual(ig_graph *g, const config *c, ig_value *x, ig_value *branch) {
  return ig_op1(g, "Add", NULL, IG_INS(x, dropout(g, c, branch)), IG_NO_ATTRS);
}

static ig_value *block(ig_graph *g, const config *c, int64_t index, ig_value *x) {
  const char *prefix = ig_arena_format(g->arena, "blocks.%" PRId64, index);
  if (!prefix) return ig_graph_fail(g, ig_fail(IG_ERR_MEMORY, "vit: out of memory"));
  x = residual(g, c, x, attention(g, c, prefix, norm(g, prefix, "norm1", x)));
  ig_value *y = linear(g, prefix, "mlp.fc1", norm(g, prefix, "norm2", x), 4 * c->width);
  y = ig_op1(g, "Gelu", NULL, IG_INS(y), IG_NO_ATTRS);
  return residual(g, c, x, linear(g, prefix, "mlp.fc2", y, c->width));
}

/* [N, T, width] -> [N, width]. */
static ig_value *pool(ig_graph *g, const config *c, ig_value *x) {
  if (c->class_token) {
    int64_t first = 0;
    ig_value *index = ig_graph_const(g, NULL, IG_I64, IG_SCALAR, &first);
    return ig_op1(g, "Gather", NULL, IG_INS(x, index), IG_ATTRS(IG_INT("axis", 1)));
  }
  int64_t axis = 1;
  return ig_op1(g, "ReduceMean", NULL, IG_INS(x, ig_graph_const_i64s(g, 1, &axis)),
                IG_ATTRS(IG_INT("keepdims", 0)));
}

static ig_status vit_build(ig_graph *g, const ig_model_args *args, const ig_model_spec *spec) {
  config c;
  IG_TRY(read_config(args, spec, &c));
  ig_value *x = embed(g, &c, ig_layer_image_input(g, spec, 1));
  x = dropout(g, &c, IG_RESHAPE(g, x, -1, c.width));
  for (int64_t i = 0; i < c.depth && x; i++) x = block(g, &c, i, x);
  x = pool(g, &c, IG_RESHAPE(g, norm(g, "", "norm", x), -1, c.tokens, c.width));
  x = ig_layer_linear(g, "head", x, spec->n_outputs, true, (ig_init){.kind = IG_INIT_ZERO});
  ig_graph_output(g, "y", x);
  return ig_graph_status(g);
}

const ig_model_preset ig_preset_vit = {
    .name = "vit",
    .what = "vit[:tiny|small|base|large,patch=4,width=192,depth=12,heads=3,pool=token|mean,"
            "dropout=0]: vision transformer",
    .named = (const char *const[]){"patch", "width", "depth", "heads", "pool", "dropout", NULL},
    .words = (const char *const[]){"tiny", "small", "base", "large", NULL},
    .build = vit_build,
};
