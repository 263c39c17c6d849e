/* Rows of `ingot train`'s table that other verbs which train have too. Their values are an ig_train_values
 * at the start of the verb's own. */
#ifndef IG_CLI_TRAIN_ROWS_H
#define IG_CLI_TRAIN_ROWS_H

#include "cli/train_options.h"

#define IG_OWN_VALUE NULL /* the usual value of optimizer or model */

/* How data is read. */
#define IG_TRAIN_DATA_ROWS                                                                         \
  IG_STRING_OPTION(ig_train_values, target, "target", "NAMES", 0,                                  \
                   "target columns or array, comma-separated"),                                    \
      IG_FLOAT_OPTION(ig_train_values, holdout, "holdout", "0.1", 0, 0.9,                          \
                      "share held out for validation without --val, 0 for none"),                  \
      IG_STRING_OPTION(                                                                            \
          ig_train_values, tokenizer, "tokenizer", "T", 0,                                         \
          "for text: characters, bytes, bpe, tokenizer.json, or a folder with a tokenizer's files"), \
      IG_INT_OPTION(ig_train_values, vocabulary, "vocabulary", "4096", 257, 1 << 20,               \
                    "tokens that bpe learns"),                                                     \
      IG_INT_OPTION(ig_train_values, context, "context", IG_OWN_VALUE, 1, 1 << 20,                 \
                    "tokens of a training window; the model's context otherwise"),                 \
  {                                                                                                \
    .name = "normalize", .type = IG_OPTION_FLAG, .offset = offsetof(ig_train_values, normalize),   \
    .fallback = "true", .what = "bring inputs to mean 0 and deviation 1 of the training data"      \
  }

/* How training data is changed and prepared. */
#define IG_TRAIN_AUGMENT_ROWS                                                                      \
  IG_FLAG_OPTION(ig_train_values, flip, "flip",                                                    \
                 "mirror each training image in every other epoch"),                               \
      IG_INT_OPTION(ig_train_values, crop, "crop", "0", 0, 256,                                    \
                    "shift training images by up to N pixels"),                                    \
      IG_ENUM_OPTION(ig_train_values, crop_border, "crop-border", "zero", "zero|reflect",          \
                     "what is shown beyond the image's border"),                                   \
      IG_INT_OPTION(ig_train_values, cutout, "cutout", "0", 0, 4096,                               \
                    "blank a square of N pixels"),                                                 \
      IG_INT_OPTION(ig_train_values, workers, "workers", "0", 0, 16,                               \
                    "threads that prepare data, 0 for what suits the machine")

/* The optimizer's and the schedule's numbers. */
#define IG_TRAIN_OPTIMIZER_ROWS                                                                    \
  IG_INT_OPTION(ig_train_values, warmup, "warmup", "0", 0, INT64_MAX, "steps of linear warm-up"),  \
      IG_FLOAT_OPTION(ig_train_values, lr_floor, "lr-floor", "0", 0, 1,                            \
                      "last learning rate, as a share of --lr"),                                   \
      IG_FLOAT_OPTION(ig_train_values, decay, "decay", "0.1", 0, 1, "factor of --schedule step"),  \
      IG_INT_OPTION(ig_train_values, decay_every, "decay-every", "1000", 1, INT64_MAX,             \
                    "steps between its factors"),                                                  \
      IG_FLOAT_OPTION(ig_train_values, momentum, "momentum", IG_OWN_VALUE, 0, 1, "of sgd"),        \
      IG_FLAG_OPTION(ig_train_values, nesterov, "nesterov", "Nesterov's momentum"),                \
      IG_FLOAT_OPTION(ig_train_values, beta1, "beta1", IG_OWN_VALUE, 0, 1,                         \
                      "decay of the first moment"),                                                \
      IG_FLOAT_OPTION(ig_train_values, beta2, "beta2", IG_OWN_VALUE, 0, 1,                         \
                      "decay of the second moment"),                                               \
      IG_FLOAT_OPTION(ig_train_values, epsilon, "epsilon", IG_OWN_VALUE, 0, 1,                     \
                      "added to the denominator"),                                                 \
      IG_FLOAT_OPTION(ig_train_values, bias_lr, "bias-lr", "1", 1e-6, 1e6,                         \
                      "learning rate of biases and norms, as a multiple of --lr"),                 \
      IG_FLOAT_OPTION(ig_train_values, weight_decay, "weight-decay", IG_OWN_VALUE, 0, 100,         \
                      "of matrices and filters"),                                                  \
      IG_FLOAT_OPTION(ig_train_values, clip, "clip", "0", 0, 1e9,                                  \
                      "largest global norm of a gradient, 0 for any")

/* Loss and computation. */
#define IG_TRAIN_COMPUTE_ROWS                                                                      \
  IG_FLOAT_OPTION(ig_train_values, label_smoothing, "label-smoothing", "0", 0, 0.99,               \
                  "of class targets"),                                                             \
      IG_ENUM_OPTION(ig_train_values, precision, "precision", "f32", "f32|tf32|bf16|f16|fp8",      \
                     "of computation"),                                                            \
      IG_ENUM_OPTION(ig_train_values, recompute, "recompute", "none", "none|light|full",           \
                     "activations made again for the gradient, to save memory")

#endif
