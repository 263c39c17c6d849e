/* What the columns of a data set look like. A column is
 * one of a FEATURES or TARGETS field, a channel of an IMAGE, or a CLASS or TOKENS field as a whole. */
#ifndef IG_LIFECYCLE_PROFILE_H
#define IG_LIFECYCLE_PROFILE_H

#include "engine/train/dataset.h"
#include "engine/train/snapshot.h"

typedef struct ig_column {
  /* name is FIELD or FIELD.COLUMN; samples counts values; min, max, mean and std leave out missing
   * (NaN) and infinite ones. Numbers have a histogram of 10 parts of about equal count, classes and
   * tokens a count each. */
  ig_profile profile;
  int64_t infinite;
  int field; /* of the data set */
  /* A sample of the values of a column of numbers, evenly taken in the order of the data, when asked
   * for: what tests of drift need beyond the histogram. */
  int64_t n_values;
  const float *values;
} ig_column;

/* Fields of more columns than this are one column. */
#define IG_MOST_COLUMNS 4096

/* Reads at most `limit` samples, evenly spaced (0 for all). Histograms are over the edges of the column
 * of the same name among `like`, where there is one. Everything is in `arena`; with `keep_values`, so
 * are up to 16,384 values of each column (at most 64 MiB in all). */
ig_status ig_profile_columns(ig_dataset *dataset, int64_t limit, int n_like, const ig_profile *like,
                             bool keep_values, ig_arena *arena, int *count, ig_column **out);
/* The column of that name, or NULL. */
const ig_profile *ig_profile_find(int count, const ig_profile *profiles, const char *name);
#endif
