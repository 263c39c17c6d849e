/* `ingot train --quantize`: a trained model made trainable with its numbers rounded as they will be. */
#ifndef IG_CLI_TRAIN_QUANTIZE_H
#define IG_CLI_TRAIN_QUANTIZE_H

#include "cli/train_data.h"

/* The graph to train and its first parameters, on a CPU backend of its own. */
typedef struct ig_train_quantized {
  ig_graph *graph; /* NULL where nothing was to be done */
  ig_backend *backend;
  ig_store *store;
} ig_train_quantized;

/* Calibrates the model that the run starts from on the training data and makes it trainable with rounding;
 * `graph` stays as it is, while the source's tensors are moved. Leaves *out zero where there is nothing to do: --quantize is
 * off, or the run is resumed, whose graph is in that form already. The caller closes it in any case.
 * Collective. */
ig_status ig_train_quantize(ig_cli *cli, const ig_train_values *values, const ig_train_origin *origin,
                            const ig_train_data *data, const ig_graph *graph, ig_train_quantized *out);
/* Its parameters into a store that has entries for all of them. */
ig_status ig_train_quantized_load(const ig_train_quantized *from, ig_store *to);
void ig_train_quantized_close(ig_train_quantized *quantized);

#endif
