/* Canonical decomposition and composition (Unicode Standard, 3.11 and 3.12) by the tables of
 * unicode_ranges.c; Hangul syllables by arithmetic. */
#include "engine/base/checked.h"
#include "engine/base/status.h"
#include "formats/unicode.h"

/* First letters of the three kinds, and how many of each; a syllable is (l * 21 + v) * 28 + t. */
enum { SYLLABLES = 0xac00, LEADS = 0x1100, VOWELS = 0x1161, TAILS = 0x11a7 };
enum { N_LEADS = 19, N_VOWELS = 21, N_TAILS = 28 };

static const ig_unicode_pair *find_pair(uint32_t point) {
  int low = 0, high = ig_unicode_pairs_count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (ig_unicode_pairs[middle].point < point) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  bool found = low < ig_unicode_pairs_count && ig_unicode_pairs[low].point == point;
  return found ? &ig_unicode_pairs[low] : NULL;
}

int ig_unicode_decompose(uint32_t point, uint32_t out[IG_UNICODE_MOST_PARTS]) {
  if (point >= SYLLABLES && point < SYLLABLES + N_LEADS * N_VOWELS * N_TAILS) {
    uint32_t index = point - SYLLABLES, tail = index % N_TAILS;
    out[0] = LEADS + index / (N_VOWELS * N_TAILS);
    out[1] = VOWELS + index / N_TAILS % N_VOWELS;
    out[2] = TAILS + tail;
    return tail ? 3 : 2;
  }
  /* The first part may have parts again; what follows is in the end put in order. */
  uint32_t rest[IG_UNICODE_MOST_PARTS];
  int n = 0, filled = 0;
  const ig_unicode_pair *pair = find_pair(point);
  for (; pair; pair = find_pair(point)) {
    if (pair->second && n < IG_UNICODE_MOST_PARTS - 1) rest[n++] = pair->second;
    point = pair->first;
  }
  out[filled++] = point;
  while (n > 0) out[filled++] = rest[--n];
  return filled;
}

static uint32_t combining_class(uint32_t point) {
  int low = 0, high = ig_unicode_classes_count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (point > ig_unicode_classes[middle].last) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  bool found = low < ig_unicode_classes_count && point >= ig_unicode_classes[low].first;
  return found ? ig_unicode_classes[low].value : 0;
}

static uint32_t composed(uint32_t first, uint32_t second) {
  if (first >= LEADS && first < LEADS + N_LEADS && second >= VOWELS && second < VOWELS + N_VOWELS) {
    return SYLLABLES + ((first - LEADS) * N_VOWELS + (second - VOWELS)) * N_TAILS;
  }
  bool open = first >= SYLLABLES && first < SYLLABLES + N_LEADS * N_VOWELS * N_TAILS &&
              (first - SYLLABLES) % N_TAILS == 0;
  if (open && second > TAILS && second < TAILS + N_TAILS) return first + (second - TAILS);
  /* No second part lies outside: ASCII and the ideographs of most texts need no search. */
  if (second < 0x300 || (second > 0x309a && second < 0x11000)) return 0;
  for (int i = 0; i < ig_unicode_pairs_count; i++) {
    const ig_unicode_pair *pair = &ig_unicode_pairs[i];
    if (pair->composes && pair->first == first && pair->second == second) return pair->point;
  }
  return 0;
}

/* Neighbouring marks in order of their classes; runs are short, and equal classes keep their order. A
 * hostile run is cut at a length where sorting by insertion is still quick. */
static void order_marks(uint32_t *points, int64_t count) {
  enum { LONGEST = 256 };
  for (int64_t i = 1; i < count; i++) {
    uint32_t point = points[i], own = combining_class(point);
    int64_t at = i;
    for (; own && at > 0 && i - at < LONGEST && combining_class(points[at - 1]) > own; at--) {
      points[at] = points[at - 1];
    }
    points[at] = point;
  }
}

int64_t ig_unicode_normalize(uint32_t *points, int64_t count, bool compose) {
  order_marks(points, count);
  if (!compose) return count;
  int64_t filled = 0, starter = -1;
  uint32_t last = 0; /* class of what stands before, after the starter */
  for (int64_t i = 0; i < count; i++) {
    uint32_t own = combining_class(points[i]);
    bool blocked = starter < 0 || (starter < filled - 1 && (last == 0 || last >= own));
    uint32_t joined = blocked ? 0 : composed(points[starter], points[i]);
    if (joined) {
      points[starter] = joined;
      continue;
    }
    if (own == 0) starter = filled;
    last = own;
    points[filled++] = points[i];
  }
  return filled;
}

uint32_t ig_unicode_to_lower(uint32_t point) {
  if (point < 0x80) return point >= 'A' && point <= 'Z' ? point + 32 : point;
  int low = 0, high = ig_unicode_lower_count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (point > ig_unicode_lower[middle].last) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const ig_unicode_shift *shift = &ig_unicode_lower[low];
  bool found = low < ig_unicode_lower_count && point >= shift->first &&
               (point - shift->first) % shift->step == 0;
  return found ? (uint32_t)((int64_t)point + shift->delta) : point;
}

/* A byte that is no UTF-8, among code points; none is this large. */
#define RAW_BYTE 0x80000000u

ig_status ig_normal_form(const char *text, size_t length, ig_arena *arena, size_t gap, char **out,
                         size_t *bytes) {
  size_t room, most;
  /* A byte gives at most 4 points, a point at most 4 bytes. */
  IG_CHECK(ig_mul_size(length, IG_UNICODE_MOST_PARTS * sizeof(uint32_t), &room) &&
               ig_add_size(room, gap + 1, &most),
           IG_ERR_MEMORY, "text: too long");
  uint32_t *points = ig_alloc(room);
  IG_CHECK_ALLOC(points);
  int64_t count = 0;
  for (size_t at = 0; at < length;) {
    uint32_t point;
    int size = ig_utf8_decode(text + at, length - at, &point);
    if (point == IG_UTF8_INVALID) {
      points[count++] = RAW_BYTE | (unsigned char)text[at];
    } else {
      count += ig_unicode_decompose(point, points + count);
    }
    at += (size_t)size;
  }
  count = ig_unicode_normalize(points, count, true);
  char *made = ig_arena_alloc(arena, gap + 4 * (size_t)count + 1);
  if (made) {
    size_t used = gap;
    for (int64_t i = 0; i < count; i++) {
      if (points[i] & RAW_BYTE) {
        made[used++] = (char)points[i];
      } else {
        used += (size_t)ig_utf8_encode(points[i], made + used);
      }
    }
    *out = made;
    *bytes = used - gap;
  }
  ig_free(points);
  IG_CHECK_ALLOC(made);
  return IG_OK;
}
