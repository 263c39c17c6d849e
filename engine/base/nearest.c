/* Edit distance and the search for the nearest word behind nearest.h. Memory is fixed: words longer
 * than the table are cut, which can only make a far word nearer by its unseen end. */
#include "engine/base/nearest.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "engine/base/status.h"

#define WORD_BYTES 63

static bool same(char a, char b) {
  return tolower((unsigned char)a) == tolower((unsigned char)b);
}

int ig_edit_distance(const char *a, const char *b) {
  int rows = (int)strnlen(a, WORD_BYTES), columns = (int)strnlen(b, WORD_BYTES);
  int table[3][WORD_BYTES + 1]; /* the last three rows; a swap looks two rows back */
  for (int j = 0; j <= columns; j++) table[0][j] = j;
  for (int i = 1; i <= rows; i++) {
    int *row = table[i % 3], *above = table[(i + 2) % 3], *above2 = table[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= columns; j++) {
      int cost = above[j - 1] + !same(a[i - 1], b[j - 1]);
      cost = IG_MIN(cost, IG_MIN(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
        cost = IG_MIN(cost, above2[j - 2] + 1);
      }
      row[j] = cost;
    }
  }
  return table[rows % 3][columns];
}

ig_nearest_search ig_nearest_begin(const char *text) {
  return (ig_nearest_search){.text = text, .distance = INT_MAX};
}

void ig_nearest_offer(ig_nearest_search *search, const char *candidate) {
  int typed = (int)strnlen(search->text, WORD_BYTES), length = (int)strnlen(candidate, WORD_BYTES);
  if (typed == 0 || length == 0) return;
  int distance = ig_edit_distance(search->text, candidate);
  int allowed = IG_MAX(1, IG_MAX(typed, length) / 3);
  /* A single letter is one edit from any other: that says nothing. */
  bool near_enough = distance <= allowed && distance < IG_MAX(typed, length);
  bool begins = typed >= 2 && strncasecmp(search->text, candidate, (size_t)typed) == 0;
  if (begins) distance = IG_MIN(distance, allowed);
  if ((near_enough || begins) && distance < search->distance) {
    search->best = candidate;
    search->distance = distance;
  }
}

const char *ig_nearest(const char *text, const char *const *candidates) {
  ig_nearest_search search = ig_nearest_begin(text);
  for (; *candidates; candidates++) ig_nearest_offer(&search, *candidates);
  return search.best;
}
