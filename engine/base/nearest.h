/* "Did you mean ...?": the candidate closest to a mistyped word. */
#ifndef IG_BASE_NEAREST_H
#define IG_BASE_NEAREST_H

#include "engine/ingot.h"

/* The word, and the closest candidate offered so far: best is NULL until one is close enough to be
 * a plausible slip (about a third of the letters). Pointers are borrowed. */
typedef struct ig_nearest {
  const char *word;
  const char *best;
  int distance;
} ig_nearest;

ig_nearest ig_nearest_begin(const char *word);
void ig_nearest_offer(ig_nearest *nearest, const char *candidate);
/* The closest of a NULL-ended list (which may be NULL itself), or NULL. */
const char *ig_nearest_of(const char *word, const char *const *candidates);
/* Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`, letters
 * compared without case (optimal string alignment). Counts at most the first 64 bytes of each. */
int ig_edit_distance(const char *a, const char *b);

#define IG_NEAREST_TEXT 96
/* ", did you mean \"best\"?" or "" when there is none; returns `text`, for use in a printf. */
const char *ig_nearest_text(const ig_nearest *nearest, char text[IG_NEAREST_TEXT]);
#define IG_NEAREST_STR(nearest) ig_nearest_text((nearest), (char[IG_NEAREST_TEXT]){0})

#endif
