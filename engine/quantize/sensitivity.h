/* How much each layer's quantization costs, and the fastest mix of formats that stays within a drop. */
#ifndef IG_QUANTIZE_SENSITIVITY_H
#define IG_QUANTIZE_SENSITIVITY_H

#include "engine/eval/evaluator.h"
#include "engine/quantize/apply.h"

/* What a mix is judged by: the program makes it of an evaluator over --eval, or of the output's error where
 * there is no metric. */
typedef struct ig_quant_judge {
  void *context;
  /* The metric of a model, higher is better (accuracy; -loss; -output error). */
  ig_status (*metric)(void *context, const ig_graph *graph, ig_store *store, double *out);
  /* Seconds of one run at the batch that counts. */
  ig_status (*seconds)(void *context, const ig_graph *graph, ig_store *store, double *out);
} ig_quant_judge;

/* Fills output_error of every layer with a weight, by quantizing it alone, over at most `samples` of the
 * data; and metric_drop when the judge has a metric. */
ig_status ig_quantize_sensitivity(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                                  ig_recipe *recipe, const ig_calibration *calibration,
                                  ig_dataset *data, const ig_calibration_options *options,
                                  const ig_quant_judge *judge);

typedef struct ig_mix_result {
  double metric_f32, metric, seconds_f32, seconds;
  int tried, kept_back; /* mixes measured; layers that are not in the format asked for */
  bool met;             /* the drop is within bounds */
} ig_mix_result;

/* Changes formats in the recipe: from all quantized, layers go back to 16 bits or f32 in the order of their
 * damage until the metric has dropped by at most `max_drop`; then those that cost no accuracy return. Each
 * layer kept back gets its reason. When no mix will do, *result says how close the best came and the recipe
 * is that one. */
ig_status ig_quantize_mix(const ig_graph *prepared, ig_store *store, ig_recipe *recipe,
                          const ig_calibration *calibration, const ig_quant_judge *judge,
                          double max_drop, ig_mix_result *result);

#endif
