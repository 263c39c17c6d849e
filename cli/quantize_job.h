/* `ingot quantize` under way: what it works on, and what it found. */
#ifndef IG_CLI_QUANTIZE_JOB_H
#define IG_CLI_QUANTIZE_JOB_H

#include "api/model_source.h"
#include "cli/verb.h"
#include "engine/quantize/sensitivity.h"
#include "formats/tokenizer.h"

typedef struct ig_quantize_values {
  const char *model, *calib, *eval, *format, *out, *target, *observer, *rounding, *report;
  int64_t group, samples, batch, limit, workers, latency_batch;
  double percentile, max_drop, latency_seconds, smooth;
  bool symmetric, per_tensor, equalize, correct_bias;
} ig_quantize_values;

/* A model measured. */
typedef struct ig_quantize_measure {
  double metric; /* NaN without --eval */
  double loss;
  double seconds; /* of one run at --latency-batch; NaN when it was not timed */
  double bytes;   /* of parameters and states, as files have them */
} ig_quantize_measure;

typedef struct ig_quantize_job {
  ig_cli *cli;
  const ig_quantize_values *values;
  ig_quant_settings settings;
  ig_model_source model;
  ig_tokenizer *tokenizer;
  ig_text_encoder encoder;
  ig_dataset *calib, *eval; /* NULL where not given */
  ig_backend *backend;
  ig_store *store;          /* of the model as it was */
  ig_graph *prepared, *quantized;
  ig_store *prepared_store, *quantized_store;
  ig_recipe *recipe;
  ig_calibration *calibration;
  ig_quant_outputs *outputs;
  const char *metric_name; /* "accuracy", "loss" or "f1"; NULL without --eval */
  ig_quantize_measure before, after;
  double output_error; /* NaN without --calib */
  ig_mix_result mix;   /* tried is 0 without --max-drop */
  int equalized, smoothed, rounded, corrected; /* pairs, and layers, that methods changed */
  bool trained;        /* with its numbers rounded: its scales are learned, and nothing is calibrated */
  bool gate_failed, slower;
} ig_quantize_job;

/* The change of output is measured over a part of the calibration data. */
#define IG_QUANTIZE_OUTPUT_SAMPLES 64

/* The model of a run with --quantize, whose scales are learned, as int8. */
ig_status ig_quantize_settle_trained(ig_quantize_job *job);

/* How data are read for this model. */
ig_calibration_options ig_quantize_reading(const ig_quantize_job *job);
/* Metric and time of both models, the latter in turns, so that both see the same machine. */
ig_status ig_quantize_measure_both(ig_quantize_job *job);
/* The metric of --eval, or less the output's error without. Its context is the job. */
ig_quant_judge ig_quantize_judge(ig_quantize_job *job);
/* Whether the gate is met, in a warning where not; sets cli->exit_code. */
void ig_quantize_gate(ig_quantize_job *job);

/* Writes the model to --out in one step. */
ig_status ig_quantize_write(ig_quantize_job *job);

/* Text, JSON, and --report. */
ig_status ig_quantize_report(ig_quantize_job *job);

#endif
