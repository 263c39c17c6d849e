/* report.html: one self-contained page about a run, without scripts and without anything loaded from
 * elsewhere, readable on a phone and in the dark. The input is plain; each part is left out when it is
 * empty. Nothing is kept: everything is borrowed for the call. */
#ifndef IG_LIFECYCLE_REPORT_H
#define IG_LIFECYCLE_REPORT_H

#include "engine/base/memory.h"
#include "lifecycle/chart.h"

typedef struct ig_report_pair {
  const char *name, *value;
} ig_report_pair;

/* A table of names and values: settings, provenance, data. */
typedef struct ig_report_group {
  const char *title;
  int64_t count;
  const ig_report_pair *pairs;
} ig_report_group;

/* A sample that the model got wrong, most confident first. */
typedef struct ig_report_mistake {
  int channels, height, width; /* 1 or 3 channels */
  const uint8_t *pixels;       /* [C, H, W]; NULL when there is no picture */
  const char *truth, *predicted;
  double confidence; /* of the wrong answer; NaN when unknown */
  int64_t index;     /* in the data set */
} ig_report_mistake;

typedef struct ig_report_operator {
  const char *name;           /* "Conv" */
  const char *implementation; /* "onednn"; NULL when they differ */
  int64_t nodes;
  double seconds;      /* of one step */
  double flops, bytes; /* of one step, counted; 0 when unknown */
} ig_report_operator;

typedef struct ig_report_memory {
  size_t params, slab, sum, lower_bound, workspace; /* as ig_plan_memory */
} ig_report_memory;

typedef struct ig_report_input {
  const char *title, *subtitle; /* "lenet on mnist:train", "finished after 5 epochs" */
  int n_headlines;
  const ig_report_pair *headlines; /* the few numbers that matter, large */
  int n_charts;
  const ig_chart *charts;
  /* Classes: confusion [n, n] with rows of truths, and measures by class; any may be NULL. */
  int64_t n_classes;
  const int64_t *confusion, *support;
  const char *const *classes;
  const double *precision, *recall, *f1;
  int n_bins; /* of the calibration */
  const double *bin_confidence, *bin_accuracy;
  const int64_t *bin_count;
  double calibration_error;
  int n_mistakes;
  const ig_report_mistake *mistakes;
  int n_operators;
  const ig_report_operator *operators;
  ig_report_memory memory; /* all zero when unknown */
  int n_groups;
  const ig_report_group *groups;
} ig_report_input;

/* The page as text; ig_free releases it. */
ig_status ig_report_html(const ig_report_input *input, char **out);
/* Writes it to `path`, replacing an earlier one in one step. */
ig_status ig_report_write(const char *path, const ig_report_input *input);

/* Charts of the numbers in a metrics.jsonl: loss, validation measures, learning rate, gradient norm,
 * speed; by step. Lines that are not JSON objects with a "step" are passed over (a killed run tears
 * its last). Everything is in `arena`. */
ig_status ig_report_charts(const char *metrics_path, ig_arena *arena, int *count, ig_chart **out);
/* A group of a JSON object's members, nested ones as "outer.inner". */
ig_status ig_report_group_of_json(const char *title, const char *json, ig_arena *arena,
                                  ig_report_group *out);

#endif
