/* Sum, mean, maximum and minimum of the elements that several tensors have in one place. Results are made
 * a chunk at a time in a wider type, each operand being added to the chunk while it is in the cache. */
#include <math.h>

#include "kernels/cpu/integers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/walk.h"
#include "kernels/elementwise.h"

#define CHUNK 512

typedef union chunk {
  float f32[CHUNK];
  double f64[CHUNK];
  int64_t i64[CHUNK];
} chunk;

typedef struct fold_job {
  ig_fold fold;
  ig_dtype dtype, wide; /* wide: f32, f64 or i64 */
  const void *x;
  int64_t stride, begin; /* begin: of the chunk */
  bool first;
  chunk *sums;
} fold_job;

/* A number that is not equal to itself is NaN, and stays. */
#define COMBINE_REALS(type, member)                                                                \
  do {                                                                                             \
    type *sums = j->sums->member + (at - j->begin);                                                \
    for (int64_t i = 0; i < n; i++) {                                                              \
      type next = values.member[j->stride ? i : 0], s = sums[i];                                   \
      if (j->first) sums[i] = next;                                                                \
      else if (j->fold == IG_FOLD_MAX) sums[i] = s >= next || s != s ? s : next;                   \
      else if (j->fold == IG_FOLD_MIN) sums[i] = s <= next || s != s ? s : next;                   \
      else sums[i] = s + next;                                                                     \
    }                                                                                              \
  } while (0)

static void combine_integers(const fold_job *j, const int64_t *values, int64_t *sums, int64_t n) {
  bool natural = j->dtype == IG_U64;
  for (int64_t i = 0; i < n; i++) {
    int64_t x = values[j->stride ? i : 0], s = sums[i];
    bool more = ig_int_less(s, x, natural), less = ig_int_less(x, s, natural);
    if (j->first) sums[i] = x;
    else if (j->fold == IG_FOLD_MAX) sums[i] = more ? x : s;
    else if (j->fold == IG_FOLD_MIN) sums[i] = less ? x : s;
    else sums[i] = ig_wrap_add(s, x);
  }
}

static void fold_segment(void *context, const int64_t *offset, int64_t at, int64_t n) {
  const fold_job *j = context;
  chunk values;
  const char *x = (const char *)j->x + offset[0] * (int64_t)ig_dtype_size(j->dtype);
  ig_convert(j->dtype, x, j->wide, &values, j->stride ? n : 1);
  if (j->wide == IG_F32) COMBINE_REALS(float, f32);
  else if (j->wide == IG_F64) COMBINE_REALS(double, f64);
  else combine_integers(j, values.i64, j->sums->i64 + (at - j->begin), n);
}

static void divide(chunk *sums, ig_dtype wide, int64_t count, int n) {
  for (int64_t i = 0; i < count; i++) {
    if (wide == IG_F32) sums->f32[i] /= (float)n;
    else sums->f64[i] /= n;
  }
}

void ig_cpu_fold(ig_fold fold, ig_dtype dtype, int n, const ig_walk *walks, const void *const *x,
                 void *y) {
  int64_t count = ig_walk_count(&walks[0]), size = (int64_t)ig_dtype_size(dtype);
  ig_dtype wide = dtype == IG_F64 ? IG_F64 : ig_dtype_is_float(dtype) ? IG_F32 : IG_I64;
  int64_t chunks = (count + CHUNK - 1) / CHUNK;
  IG_PARALLEL_FOR(ig_worth_team(count * size * (n + 1)))
  for (int64_t c = 0; c < chunks; c++) {
    int64_t begin = c * CHUNK, end = IG_MIN(begin + CHUNK, count);
    chunk sums;
    for (int k = 0; k < n; k++) {
      fold_job job = {.fold = fold,
                      .dtype = dtype,
                      .wide = wide,
                      .x = x[k],
                      .stride = walks[k].strides[0][walks[k].rank - 1],
                      .begin = begin,
                      .first = k == 0,
                      .sums = &sums};
      ig_walk_range(&walks[k], begin, end, fold_segment, &job);
    }
    if (fold == IG_FOLD_MEAN) divide(&sums, wide, end - begin, n);
    ig_convert(wide, &sums, dtype, (char *)y + begin * size, end - begin);
  }
}
