/* From samples as a reader delivers them to what a model takes: one batch of augmented, normalised
 * and converted fields. For the feeder and for the C interface: the feeder's workers call
 * ig_prepare_batch at the same time, each with its own scratch, and the result depends on nothing but
 * the arguments. */
#ifndef IG_TRAIN_PREPARE_H
#define IG_TRAIN_PREPARE_H

#include "engine/train/feeder.h"

typedef struct ig_prepare_field {
  ig_dtype delivered;
  bool direct;         /* the reader writes straight into the batch */
  int64_t elements;    /* of one sample */
  size_t raw_bytes;    /* of one sample as read */
  size_t ready_bytes;  /* of one sample as delivered */
  int64_t n_columns;   /* channels or columns that `gain` and `offset` cover; 0: not normalised */
  double *gain, *offset; /* ready = raw * gain + offset */
} ig_prepare_field;

typedef struct ig_prepare {
  ig_dataset *dataset;
  ig_augment augment;
  uint64_t seed;
  ig_arena *arena;
  ig_prepare_field fields[IG_MAX_FIELDS];
} ig_prepare;

/* Checks that normalisations and augmentation fit the fields. */
ig_status ig_prepare_create(ig_prepare *prepare, ig_dataset *dataset,
                            const ig_feeder_options *options);
void ig_prepare_destroy(ig_prepare *prepare);
/* Bytes that ig_prepare_batch needs at `scratch` for `count` samples. */
ig_status ig_prepare_scratch(const ig_prepare *prepare, int64_t count, size_t *bytes);
/* Reads samples `indices` and writes them, ready, to ready[f] for every field; NULL leaves a field out. */
ig_status ig_prepare_batch(const ig_prepare *prepare, int64_t epoch, const int64_t *indices,
                           int64_t count, char *scratch, void *const *ready);

/* augment.c: one image, source [C, H, W] of `dtype` (u8 or f32) to target f32, as gain * v + offset
 * by channel (NULL for 1 and 0), changed as (seed, epoch, sample) says. */
void ig_augment_image(const ig_augment *augment, uint64_t seed, int64_t epoch, int64_t sample,
                      const ig_shape *shape, ig_dtype dtype, const void *source,
                      const double *gain, const double *offset, float *target);

#endif
