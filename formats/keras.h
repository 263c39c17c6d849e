/* Weights of Keras: the .h5 files of Keras 2 ("legacy": `save_weights`, or a whole model) and the
 * .weights.h5 of Keras 3, onto the parameters of a network built here. */
#ifndef IG_FORMATS_KERAS_H
#define IG_FORMATS_KERAS_H

#include "engine/graph/graph.h"
#include "engine/train/snapshot.h"

#define IG_KERAS_MOST_LAYERS 4096
#define IG_KERAS_MOST_WEIGHTS 8 /* of a layer */

typedef struct ig_keras_weight {
  const char *name; /* "kernel"; "0" and so on in Keras 3's files, which keep no names */
  ig_shape shape;
  float *data;
} ig_keras_weight;

typedef struct ig_keras_layer {
  const char *name;
  int n;
  ig_keras_weight weights[IG_KERAS_MOST_WEIGHTS];
} ig_keras_layer;

/* The layers with weights, in the model's order (Keras 2), or by class and number, which is the order
 * within each class (Keras 3). All in `arena`. IG_ERR_INPUT for a file of neither kind. */
ig_status ig_keras_read(const char *path, ig_arena *arena, int64_t *count, ig_keras_layer **out);

/* Adds every PARAM and STATE of a template to the snapshot. Layers go by name where all names fit, and
 * otherwise convolutions to convolutions, dense layers to linear ones and so on, each kind in order; kernels
 * [H, W, in, out] and [in, out] become [out, in, H, W] and what the operator wants, and a matrix behind a
 * flattened image has its rows reordered from [H, W, C] to [C, H, W]. Fails with IG_ERR_INPUT, naming
 * both layers, when counts or shapes differ. */
ig_status ig_keras_load(const char *path, const ig_graph *graph, ig_snapshot *snapshot);

#endif
