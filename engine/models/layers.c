/* Layers as operators with named parameters. Nothing here depends on the batch size. */
#include "engine/models/layers.h"

#include <math.h>

ig_init ig_init_he(int64_t fan) {
  return (ig_init){.kind = IG_INIT_NORMAL, .value = (float)sqrt(2.0 / (double)IG_MAX(fan, 1))};
}

ig_init ig_init_linear(int64_t fan_in) {
  return (ig_init){.kind = IG_INIT_UNIFORM, .value = (float)sqrt(1.0 / (double)IG_MAX(fan_in, 1))};
}

ig_init ig_init_normal(float deviation) {
  return (ig_init){.kind = IG_INIT_NORMAL, .value = deviation};
}

static const ig_init zero = {.kind = IG_INIT_ZERO}, one = {.kind = IG_INIT_ONE};

const char *ig_layer_name(ig_graph *graph, const char *prefix, const char *name) {
  const char *full = *prefix ? ig_arena_format(graph->arena, "%s.%s", prefix, name) : name;
  if (!full) ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "%s.%s: out of memory", prefix, name));
  return full ? full : name;
}

ig_value *ig_layer_input(ig_graph *graph, const ig_model_spec *spec, ig_dtype dtype) {
  ig_shape shape = {.rank = spec->input.rank + 1};
  shape.dims[0] = 1;
  for (int i = 0; i < spec->input.rank; i++) shape.dims[i + 1] = spec->input.dims[i];
  ig_value *x = ig_graph_input(graph, "x", dtype, shape);
  if (x) ig_value_set_symbol(graph, x, 0, "N");
  return x;
}

ig_value *ig_layer_image_input(ig_graph *graph, const ig_model_spec *spec, int64_t side) {
  const ig_shape *in = &spec->input;
  if (in->rank != 3 || in->dims[1] < side || in->dims[2] < side) {
    return ig_graph_fail(
        graph, ig_fail(IG_ERR_SHAPE,
                       "expected images [channels, height, width] of at least %d x %d, found "
                       "samples of shape %s",
                       (int)side, (int)side, IG_SHAPE_STR(in)));
  }
  return ig_layer_input(graph, spec, IG_F32);
}

static ig_value *param(ig_graph *graph, const char *prefix, const char *name, ig_shape shape,
                       ig_init init, bool decay) {
  return ig_graph_param(graph, ig_layer_name(graph, prefix, name), IG_F32, shape, init, decay);
}

ig_value *ig_layer_linear(ig_graph *graph, const char *name, ig_value *x, int64_t out, bool bias,
                          ig_init init) {
  if (!x) return NULL;
  ig_value *weight = param(graph, name, "weight", IG_SHAPE(out, x->shape.dims[1]), init, true);
  ig_value *in[] = {x, weight,
                    bias ? param(graph, name, "bias", IG_SHAPE(out), zero, false) : NULL};
  return ig_op1(graph, "Gemm", name, bias ? 3 : 2, in, IG_ATTRS(IG_INT("transB", 1)));
}

ig_value *ig_layer_conv(ig_graph *graph, const char *name, ig_value *x,
                        const ig_layer_conv_options *options) {
  if (!x) return NULL;
  int64_t k = options->kernel, groups = IG_MAX(options->groups, 1);
  int64_t stride = IG_MAX(options->stride, 1), in_channels = x->shape.dims[1] / groups;
  int64_t fan = k * k * (options->fan_out ? options->out / groups : in_channels);
  ig_value *weight = param(graph, name, "weight", IG_SHAPE(options->out, in_channels, k, k),
                           ig_init_he(fan), true);
  ig_value *in[] = {x, weight,
                    options->bias ? param(graph, name, "bias", IG_SHAPE(options->out), zero, false)
                                  : NULL};
  int64_t kernel[] = {k, k}, strides[] = {stride, stride};
  int64_t pads[] = {options->pad, options->pad, options->pad, options->pad};
  return ig_op1(graph, "Conv", name, options->bias ? 3 : 2, in,
                IG_ATTRS(IG_INTS("kernel_shape", 2, kernel), IG_INTS("strides", 2, strides),
                         IG_INTS("pads", 4, pads), IG_INT("group", groups)));
}

ig_value *ig_layer_batch_norm(ig_graph *graph, const char *name, ig_value *x) {
  if (!x) return NULL;
  ig_shape channels = IG_SHAPE(x->shape.dims[1]);
  ig_value *scale = param(graph, name, "weight", channels, one, false);
  ig_value *bias = param(graph, name, "bias", channels, zero, false);
  ig_value *mean =
      ig_graph_state(graph, ig_layer_name(graph, name, "running_mean"), IG_F32, channels, zero);
  ig_value *variance =
      ig_graph_state(graph, ig_layer_name(graph, name, "running_var"), IG_F32, channels, one);
  return ig_op1(graph, "BatchNormalization", name, IG_INS(x, scale, bias, mean, variance),
                IG_ATTRS(IG_FLOAT("epsilon", 1e-5f), IG_FLOAT("momentum", 0.9f)));
}

ig_value *ig_layer_layer_norm(ig_graph *graph, const char *name, ig_value *x, float epsilon,
                              bool bias) {
  if (!x) return NULL;
  ig_shape width = IG_SHAPE(x->shape.dims[x->shape.rank - 1]);
  ig_value *in[] = {x, param(graph, name, "weight", width, one, false),
                    bias ? param(graph, name, "bias", width, zero, false) : NULL};
  return ig_op1(graph, "LayerNormalization", name, bias ? 3 : 2, in,
                IG_ATTRS(IG_INT("axis", -1), IG_FLOAT("epsilon", epsilon)));
}

ig_value *ig_layer_relu(ig_graph *graph, ig_value *x) {
  return ig_op1(graph, "Relu", NULL, IG_INS(x), IG_NO_ATTRS);
}

ig_value *ig_layer_dropout(ig_graph *graph, ig_value *x, double ratio) {
  if (!x || ratio <= 0) return x;
  return ig_op1(graph, "Dropout", NULL, IG_INS(x, ig_graph_const_f32(graph, (float)ratio)),
                IG_NO_ATTRS);
}

ig_value *ig_layer_reshape(ig_graph *graph, ig_value *x, int rank, const int64_t *dims) {
  if (!x) return NULL;
  return ig_op1(graph, "Reshape", NULL, IG_INS(x, ig_graph_const_i64s(graph, rank, dims)),
                IG_NO_ATTRS);
}
