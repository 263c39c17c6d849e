/* Layers that presets share: an operator with its parameters, named as PyTorch names them
 * ("NAME.weight", "NAME.bias"). All are sticky builders: given NULL they return NULL. */
#ifndef IG_MODELS_LAYERS_H
#define IG_MODELS_LAYERS_H

#include "engine/models/model.h"

/* Normal with standard deviation sqrt(2 / fan): keeps the variance of activations through a ReLU
 * when fan is the fan-in, of gradients when it is the fan-out (He, Zhang, Ren, Sun, "Delving Deep
 * into Rectifiers", ICCV 2015, equations 10 and 14). */
ig_init ig_init_he(int64_t fan);
/* Uniform in +-1 / sqrt(fan_in), PyTorch's default for a linear layer. */
ig_init ig_init_linear(int64_t fan_in);
ig_init ig_init_normal(float deviation);

/* "PREFIX.NAME" in the graph's arena; NAME alone when the prefix is "". */
const char *ig_layer_name(ig_graph *graph, const char *prefix, const char *name);

/* The template's input "x": [N, ...sample] of `dtype`, N free. */
ig_value *ig_layer_input(ig_graph *graph, const ig_model_spec *spec, ig_dtype dtype);
/* Fails, and returns NULL, unless samples are images [C, H, W] with sides of at least `side`. */
ig_value *ig_layer_image_input(ig_graph *graph, const ig_model_spec *spec, int64_t side);

/* x [rows, in] -> [rows, out] with weight [out, in] (Gemm, transB) and a zero bias. */
ig_value *ig_layer_linear(ig_graph *graph, const char *name, ig_value *x, int64_t out, bool bias,
                          ig_init init);

typedef struct ig_layer_conv_options {
  int64_t out, kernel, stride, pad; /* 0 for stride means 1 */
  int64_t groups;                   /* 0 means 1 */
  bool bias;
  bool fan_out; /* He initialisation by fan-out, as torchvision's models */
} ig_layer_conv_options;
/* x [N, C, H, W], weight [out, C / groups, kernel, kernel]. */
ig_value *ig_layer_conv(ig_graph *graph, const char *name, ig_value *x,
                        const ig_layer_conv_options *options);

/* Inference form over x [N, C, ...]; "running_mean" and "running_var" are STATE. */
ig_value *ig_layer_batch_norm(ig_graph *graph, const char *name, ig_value *x);
/* Over the last dimension. */
ig_value *ig_layer_layer_norm(ig_graph *graph, const char *name, ig_value *x, float epsilon,
                              bool bias);
ig_value *ig_layer_relu(ig_graph *graph, ig_value *x);
/* Inference form; the ratio stays in the graph for the train_mode pass. A ratio of 0 adds nothing. */
ig_value *ig_layer_dropout(ig_graph *graph, ig_value *x, double ratio);
/* ONNX Reshape: 0 copies the dimension at that place, -1 is what is left. */
ig_value *ig_layer_reshape(ig_graph *graph, ig_value *x, int rank, const int64_t *dims);
#define IG_RESHAPE(graph, x, ...)                                                                  \
  ig_layer_reshape((graph), (x), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),        \
                   (int64_t[]){__VA_ARGS__})

#endif
