/* What `ingot train` trains on: the data, its held-out part, its tokenizer and its normalisation. */
#ifndef IG_CLI_TRAIN_DATA_H
#define IG_CLI_TRAIN_DATA_H

#include "cli/train_options.h"
#include "api/model_source.h"
#include "formats/tokenizer.h"

/* Where a run starts: with a preset's initial parameters, or from a checkpoint. */
typedef struct ig_train_origin {
  const char *model; /* the preset, with its arguments, or the ONNX file that the graph comes from */
  const ig_model_preset *preset; /* what it names; NULL for an ONNX file */
  ig_model_source *source;       /* the checkpoint; NULL without one */
  ig_model_source *imported;     /* the ONNX file to start from; NULL with a checkpoint or a preset */
  bool softmax;                  /* it ended in one, which is left out */
  bool resumed;                  /* the checkpoint is this run's own */
} ig_train_origin;

typedef struct ig_train_data {
  ig_arena *arena;         /* holds the normalisations */
  ig_dataset *base;        /* all of --data */
  ig_dataset *train;       /* base, or what the held-out part leaves */
  ig_dataset *validation;  /* --val, the held-out part, or NULL */
  bool split;              /* train and validation are views of base */
  ig_tokenizer *tokenizer; /* NULL when the data is not text */
  ig_task task;
  ig_model_spec spec;
  int n_normalizations;
  const ig_normalization *normalizations;
  int n_profiles; /* of the training part, for drift */
  const ig_profile *profiles;
} ig_train_data;

/* Opens everything, and measures nothing yet. All ranks call it, and get the same result. With a checkpoint, which must outlive the data, the data are read as its own were:
 * task, classes, columns, tokenizer and normalisations are its; and of a resumed run, profiles too. */
ig_status ig_train_data_open(const ig_cli *cli, const ig_train_values *values,
                             const ig_train_origin *origin, ig_train_data *out);
/* Normalisation and profiles of the training part; rank 0 measures, and the others are told. */
ig_status ig_train_data_measure(ig_cli *cli, const ig_train_values *values,
                                const ig_train_origin *origin, ig_train_data *data);
void ig_train_data_close(ig_train_data *data);

#endif
