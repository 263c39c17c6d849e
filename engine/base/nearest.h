/* The nearest valid word to a mistyped one, for messages that offer it. */
#ifndef IG_BASE_NEAREST_H
#define IG_BASE_NEAREST_H

/* Edits that turn `a` into `b`: insertions, deletions, substitutions and swaps of neighbours, each
 * 1 (optimal string alignment; Damerau 1964), ignoring case. Words are compared by their first 63
 * bytes. */
int ig_edit_distance(const char *a, const char *b);

/* Goes through candidates one by one, so that any table of names can be searched. */
typedef struct ig_nearest_search {
  const char *text;
  const char *best; /* borrowed from the candidates; NULL while none is near enough */
  int distance;
} ig_nearest_search;

ig_nearest_search ig_nearest_begin(const char *text);
/* Keeps `candidate` when it is nearer than the best so far, and near enough to be meant: at most a
 * third of the longer word is wrong (at least one edit is allowed), or it begins with the text. */
void ig_nearest_offer(ig_nearest_search *search, const char *candidate);

/* The nearest of a NULL-ended list, or NULL when none is near enough. */
const char *ig_nearest(const char *text, const char *const *candidates);

#endif
