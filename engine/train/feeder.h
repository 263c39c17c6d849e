/* The feeder turns a data set into batches on background threads: order by seed, decode, augment,
 * normalise. The order is a pure function of (seed, epoch) and augmentation one of (seed, epoch,
 * index of the sample), so resuming needs only the position, and the number of workers changes
 * nothing. Each worker prepares whole batches; they come out in order. */
#ifndef IG_TRAIN_FEEDER_H
#define IG_TRAIN_FEEDER_H

#include "engine/train/dataset.h"
#include "engine/train/snapshot.h"

typedef struct ig_augment {
  /* Horizontally, in every other epoch, each sample beginning at random: a model sees every sample
   * both ways equally often (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU"). */
  bool flip;
  int crop_padding; /* random crop after padding by this many pixels; 0 for none */
  bool reflect;     /* pad with what lies as far inside of the border, and not with zero pixels */
  int cutout;       /* side of a square set to the mean (to 0 when not normalised); 0 for none */
} ig_augment;

typedef struct ig_feeder_options {
  int64_t batch; /* samples of a batch, over all ranks together */
  uint64_t seed;
  bool shuffle;
  bool once; /* end after one epoch (evaluation) instead of going on with the next */
  ig_augment augment;
  int workers; /* background threads, 1 to 16; 0 for a number that suits the machine */
  int64_t start; /* samples of the first epoch that are left out, before its first batch */
  int depth;   /* batches prepared ahead, 2 to 64; 0 for a number that suits the workers */
  int n_normalizations;
  const ig_normalization *normalizations; /* by field name; borrowed */
  /* Each batch of b samples is cut into `parts`, part p being [b * p / parts, b * (p + 1) / parts), and
   * this process gets `n_parts` of them from `first_part` on, one after the other as a batch each. All 0
   * for whole batches. An empty part comes with the batch's first sample instead, and `share` 0: what is
   * computed from it counts nothing, but a rank has to go along with the others. */
  int parts, first_part, n_parts;
} ig_feeder_options;

/* One batch. Normalised fields are f32; CLASS and TOKENS fields are i64; INTEGERS what the model takes;
 * TARGETS f32. The last
 * batch of an epoch may be short. */
typedef struct ig_batch {
  int64_t count;          /* samples in `fields`, at least 1 */
  int64_t share;          /* of them that count: `count`, or 0 for an empty part */
  int64_t total;          /* samples of the batch, all parts together */
  int part;               /* 0 <= part < parts */
  int64_t first;          /* where this part begins in its batch */
  int64_t epoch;          /* of these samples */
  int64_t epoch_samples;  /* used in that epoch before this batch, by all ranks */
  const int64_t *indices; /* in the data set, `count` of them */
  void *fields[IG_MAX_FIELDS];
} ig_batch;

typedef struct ig_feeder ig_feeder;

ig_status ig_feeder_create(ig_dataset *dataset, const ig_feeder_options *options, ig_feeder **out);
void ig_feeder_destroy(ig_feeder *feeder); /* joins its threads; NULL is allowed */
/* Goes on from that position; what was prepared is dropped. */
ig_status ig_feeder_seek(ig_feeder *feeder, int64_t epoch, int64_t epoch_samples);
/* The next batch, borrowed until the next call; *batch is NULL at the end of a `once` feeder. A
 * reader's failure comes out here with its message, again at each call until a seek. So do a class
 * or token outside its range, an integer that the model's type lacks, and a NaN or Inf in FEATURES or TARGETS. */
ig_status ig_feeder_next(ig_feeder *feeder, const ig_batch **batch);
/* Seconds that ig_feeder_next has spent waiting for data since creation. */
double ig_feeder_waited(const ig_feeder *feeder);
/* The dtype in which field `f` of the data set is delivered. */
ig_dtype ig_feeder_dtype(const ig_dataset *dataset, int f);

/* Mean and (population) standard deviation of every IMAGE (by channel) and FEATURES (by column)
 * field over the whole data set (at most `limit` samples, evenly spaced; 0 for all); constant
 * columns get std 1. The arrays are in `arena`. IG_ERR_INPUT names field, sample and column of a
 * NaN or Inf. */
ig_status ig_normalization_measure(ig_dataset *dataset, int64_t limit, ig_arena *arena,
                                   int *count, ig_normalization **out);

#endif
