/* A prepared graph run over calibration data for what nodes added to it collect in STATEs: observers, and
 * sums of what layers read. */
#ifndef IG_QUANTIZE_DATA_RUN_H
#define IG_QUANTIZE_DATA_RUN_H

#include "engine/quantize/calibrate.h"

typedef struct ig_data_run {
  const ig_graph *graph; /* a template */
  ig_backend *backend;
  ig_store *store;
  ig_dataset *data;
  const ig_calibration_options *options;
  /* Adds nodes, and entries of the store for their STATEs, to the graph for one batch size, before the
   * passes of inference run over it. */
  ig_status (*add)(ig_graph *concrete, void *context);
  void *context;
} ig_data_run;

/* Names of such STATEs begin so; no model has them, and who made them removes them (ig_store_remove). */
#define IG_DATA_RUN_PREFIX "observe."

/* Samples that all ranks together see. */
int64_t ig_data_run_samples(const ig_data_run *run);
/* This rank's share: whole batches, of those that one process would form. It does not speak to the others:
 * the caller settles. */
ig_status ig_data_run_own(const ig_data_run *run);
/* An entry of the store under the prefix and a name, with its STATE in the graph. */
ig_value *ig_data_run_state(const ig_data_run *run, ig_graph *graph, const char *name, ig_dtype dtype,
                            const ig_shape *shape);

#endif
