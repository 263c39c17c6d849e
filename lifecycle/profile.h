/* What the columns of a data set look like, and how far other data has drifted from that. A column is
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
} ig_column;

/* Fields of more columns than this are one column. */
#define IG_MOST_COLUMNS 4096

/* Reads at most `limit` samples, evenly spaced (0 for all). Histograms are over the edges of the column
 * of the same name among `like`, where there is one. Everything is in `arena`. */
ig_status ig_profile_columns(ig_dataset *dataset, int64_t limit, int n_like, const ig_profile *like,
                             ig_arena *arena, int *count, ig_column **out);
/* The column of that name, or NULL. */
const ig_profile *ig_profile_find(int count, const ig_profile *profiles, const char *name);
/* Population stability index of two histograms over the same edges or categories (Siddiqi, "Credit
 * Risk Scorecards", 2006): sum of (p - q) ln(p / q), empty parts counted as half a value. Below 0.1
 * is stable, above 0.2 is a shift. NaN when the histograms do not compare. */
double ig_profile_drift(const ig_profile *reference, const ig_profile *now);

#endif
