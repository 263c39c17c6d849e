/* Calibration: what the activations of a model look like over a user's data. Every tensor that may be
 * quantized is watched by a node ingot.Observe, whose STATE is a histogram with fixed bounds that are the
 * same for all tensors (kernels/observe.h: sign, exponent and the first bits of the fraction), so that
 * memory does not depend on the number of samples, the order of samples changes nothing, and the histograms
 * of ranks add up to exactly what one process would have seen. */
#ifndef IG_QUANTIZE_CALIBRATE_H
#define IG_QUANTIZE_CALIBRATE_H

#include "engine/backend/backend.h"
#include "engine/quantize/recipe.h"
#include "engine/train/feeder.h"

typedef struct ig_calibration_options {
  int64_t samples; /* at most; 0 for all */
  int64_t batch;
  int workers;
  int n_normalizations;
  const ig_normalization *normalizations;
  size_t memory_limit;
  ig_comm *comm; /* ranks see their shares of the data and get the same result; NULL for one process */
} ig_calibration_options;

/* What was seen of one tensor. */
typedef struct ig_seen {
  const char *value; /* its name in the prepared graph */
  int64_t count;     /* numbers, without NaN */
  int64_t nans, infinities;
  float least, most;
  float moving_least, moving_most; /* averages of the extremes of the last IG_OBSERVER_KEPT batches, in
                                      the order of the data, whichever rank saw them */
  const int64_t *bins; /* IG_OBSERVER_BINS counts (kernels/observe.h) */
} ig_seen;

typedef struct ig_calibration {
  ig_arena *arena;
  int64_t samples;
  int n;
  ig_seen *seen;
} ig_calibration;

/* Runs the prepared graph over the data and watches the inputs and outputs of the recipe's layers. Fails,
 * naming the tensor, when it holds NaN or infinities, when the data is empty, or when its fields do not fit
 * the graph. All ranks of options->comm call it together. */
ig_status ig_calibrate(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                       const ig_recipe *recipe, ig_dataset *data,
                       const ig_calibration_options *options, ig_calibration **out);
void ig_calibration_destroy(ig_calibration *calibration); /* NULL is allowed */
/* NULL when the tensor was not watched. */
const ig_seen *ig_calibration_find(const ig_calibration *calibration, const char *value);

typedef struct ig_range {
  float low, high; /* low <= 0 <= high */
} ig_range;

/* The range that the settings' method gives; fails when nothing was seen. A constant tensor gets a range
 * that represents it exactly. */
ig_status ig_range_of(const ig_seen *seen, const ig_quant_settings *settings, ig_range *out);

/* Scale and zero point of a range: i8 with zero point 0 (symmetric) or u8 so that 0 is a whole number
 * (Jacob et al. 2018, section 3). The scale is a normal positive f32. */
void ig_range_quantize(ig_range range, bool symmetric, float *scale, int *zero);

#endif
