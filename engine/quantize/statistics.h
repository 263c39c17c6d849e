/* Sums and maxima over the calibration data of what layers read, for the methods that change weights. */
#ifndef IG_QUANTIZE_STATISTICS_H
#define IG_QUANTIZE_STATISTICS_H

#include "engine/quantize/calibrate.h"

typedef enum ig_statistic_kind {
  IG_STATISTIC_MEAN,     /* of each channel */
  IG_STATISTIC_ABS_MOST, /* the greatest magnitude of each channel */
  IG_STATISTIC_GRAM      /* sum of x x' over all rows x that the layer multiplies with its weight: [groups, k,
                            k], a convolution's rows being its windows, k in the order of its filters */
} ig_statistic_kind;

typedef struct ig_statistic {
  ig_statistic_kind kind;
  const char *value; /* its name in the prepared graph */
  int axis;          /* of its channels; negative counts from the end */
  const char *node;  /* IG_STATISTIC_GRAM: the layer */
  /* Filled in: */
  int64_t size; /* numbers of the result; 0 where the tensor is not there, or no float tensor */
  int64_t places; /* of one sample: numbers of a channel, or rows */
  float *result; /* heap, the caller's (ig_statistics_release) */
} ig_statistic;

/* One run over the data for all of them. All ranks of options->comm call it together and get the same. On
 * failure nothing is filled in. */
ig_status ig_quantize_statistics(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                                 ig_dataset *data, const ig_calibration_options *options, int n,
                                 ig_statistic *statistics);
void ig_statistics_release(int n, ig_statistic *statistics);

#endif
