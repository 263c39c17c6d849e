/* Parameters from elsewhere for a network that is built here. */
#ifndef IG_API_INIT_WEIGHTS_H
#define IG_API_INIT_WEIGHTS_H

#include "engine/graph/graph.h"
#include "engine/plan/store.h"

/* Writes every parameter and state of the template into the store, which has entries for them, from a
 * checkpoint, a run's or Hugging Face's folder or a .safetensors file, by names; or from a Keras .h5
 * (formats/keras.h). Fails, naming the parameter or layer, when one is missing or of another shape. */
ig_status ig_init_weights_load(const char *path, const ig_graph *graph, ig_store *store);

#endif
