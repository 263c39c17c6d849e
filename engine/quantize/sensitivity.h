/* How much each layer's quantization costs, and the fastest mix of formats that stays within a drop. */
#ifndef IG_QUANTIZE_SENSITIVITY_H
#define IG_QUANTIZE_SENSITIVITY_H

#include "engine/eval/evaluator.h"
#include "engine/quantize/apply.h"

/* What a model gives for the first samples of the data, to hold other models' results against. */
typedef struct ig_quant_outputs ig_quant_outputs;

/* Runs the model over at most `samples` (0: all; fewer where the results would take more than 256 MiB). Each
 * rank runs it for itself. Borrows backend, data and options. */
ig_status ig_quant_outputs_create(const ig_graph *graph, ig_backend *backend, ig_store *store,
                                  ig_dataset *data, const ig_calibration_options *options,
                                  int64_t samples, ig_quant_outputs **out);
void ig_quant_outputs_destroy(ig_quant_outputs *outputs); /* NULL is allowed */
/* |y - y0|^2 / |y0|^2 of another model with the same inputs and outputs over the same samples. */
ig_status ig_quant_outputs_error(ig_quant_outputs *outputs, const ig_graph *graph, ig_store *store,
                                 double *error);

/* What a mix is judged by: the program makes it of an evaluator over --eval, or of the output's error where
 * there is no metric. */
typedef struct ig_quant_judge {
  void *context;
  /* The metric of a model, higher is better (accuracy; -loss; -output error). */
  ig_status (*metric)(void *context, const ig_graph *graph, ig_store *store, double *out);
  /* Seconds of one run at the batch that counts. */
  ig_status (*seconds)(void *context, const ig_graph *graph, ig_store *store, double *out);
} ig_quant_judge;

/* Fills output_error of every layer with a weight by quantizing it alone, over the samples of `outputs`, which
 * are of the prepared graph; and with a judge (may be NULL) the metric_drop of the IG_QUANT_JUDGED layers that
 * change the output most. */
#define IG_QUANT_JUDGED 8
ig_status ig_quantize_sensitivity(const ig_graph *prepared, ig_store *store, ig_recipe *recipe,
                                  const ig_calibration *calibration, ig_quant_outputs *outputs,
                                  const ig_quant_judge *judge);

typedef struct ig_mix_result {
  double metric_f32, metric, seconds_f32, seconds;
  int tried, kept_back; /* mixes measured; layers that are not in the format asked for */
  bool met;             /* the drop is within bounds */
} ig_mix_result;

/* Changes formats in the recipe: from all quantized, layers go back to `back` (f32 or 16 bits) in the order of
 * their output_error (one of them stays at least), by bisection over how many, until the metric has dropped by at most `max_drop`; then up
 * to IG_QUANT_RETURNS of those return one by one where that stays within it. Each layer kept back gets its
 * reason. When no mix will do, *result says how close the best came and the recipe is that one. Measures the
 * metric of about log2(layers) + IG_QUANT_RETURNS mixes; the same recipe for the same numbers. */
#define IG_QUANT_RETURNS 8
ig_status ig_quantize_mix(const ig_graph *prepared, ig_store *store, ig_recipe *recipe,
                          const ig_calibration *calibration, const ig_quant_judge *judge,
                          double max_drop, ig_quant_format back, ig_mix_result *result);

#endif
