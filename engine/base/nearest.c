/* Edit distance by dynamic programming over three rows, bounded in length so that a hostile word
 * costs nothing. */
#include "engine/base/nearest.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/status.h"

#define MOST_LETTERS 64

static int lower(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c; }

int ig_edit_distance(const char *a, const char *b) {
  int n = (int)strnlen(a, MOST_LETTERS), m = (int)strnlen(b, MOST_LETTERS);
  int rows[3][MOST_LETTERS + 1]; /* distances of a's prefixes of length i - 2, i - 1, i */
  for (int j = 0; j <= m; j++) rows[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      int change = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
      now[j] = IG_MIN(change, 1 + IG_MIN(last[j], now[j - 1]));
      bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                     lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) now[j] = IG_MIN(now[j], before[j - 2] + 1);
    }
  }
  return rows[n % 3][m];
}

ig_nearest ig_nearest_begin(const char *word) {
  int length = (int)strnlen(word, MOST_LETTERS);
  return (ig_nearest){.word = word, .distance = IG_MAX(2, (length + 2) / 3 + 1)};
}

void ig_nearest_offer(ig_nearest *nearest, const char *candidate) {
  int distance = ig_edit_distance(nearest->word, candidate);
  /* Replacing every letter is not a slip. */
  if (distance >= nearest->distance || distance >= (int)strnlen(candidate, MOST_LETTERS)) return;
  nearest->distance = distance;
  nearest->best = candidate;
}

const char *ig_nearest_of(const char *word, const char *const *candidates) {
  ig_nearest nearest = ig_nearest_begin(word);
  for (; candidates && *candidates; candidates++) ig_nearest_offer(&nearest, *candidates);
  return nearest.best;
}

const char *ig_nearest_text(const ig_nearest *nearest, char text[IG_NEAREST_TEXT]) {
  text[0] = '\0';
  if (nearest->best) {
    snprintf(text, IG_NEAREST_TEXT, ", did you mean \"%.64s\"?", nearest->best);
  }
  return text;
}
