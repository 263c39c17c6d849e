/* Sums over ranks, block by block: what is read and added stays in the first cache level, so that
 * memory is read once and written once. The tree is walked like a binary counter: a partial sum
 * waits until its right neighbour of equal size is there, and what waits at the end is added from
 * the right. */
#include "kernels/collective.h"

#include <string.h>

#define BLOCK 1024
#define LEVELS 16 /* partial sums that wait at once, of up to 2^16 sources */

static const void *at(const void *base, int64_t offset, size_t size) {
  return (const char *)base + (size_t)offset * size;
}

/* The commonest case in one pass: both targets may be the sources themselves. */
static void sum_pair(const float *a, const float *b, float *out, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) out[i] = a[i] + b[i];
}

static void sum_quad(const float *a, const float *b, const float *c, const float *d, float *out,
                     int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) out[i] = (a[i] + b[i]) + (c[i] + d[i]);
}

/* Source `s` of the block as f32: itself, or converted into `scratch`. */
static const float *load(const void *source, ig_dtype from, int64_t begin, int64_t count,
                         float *scratch) {
  const void *data = at(source, begin, ig_dtype_size(from));
  if (from == IG_F32) return data;
  ig_convert(from, data, IG_F32, scratch, count);
  return scratch;
}

static void sum_block(int n, const void *const *sources, ig_dtype from, int64_t begin,
                      int64_t count, float *out) {
  float waiting[LEVELS][BLOCK], scratch[4][BLOCK];
  int level = 0, s = 0;
  for (; s + 4 <= n; s += 4) {
    const float *x[4];
    for (int i = 0; i < 4; i++) x[i] = load(sources[s + i], from, begin, count, scratch[i]);
    sum_quad(x[0], x[1], x[2], x[3], waiting[level++], count);
    for (int pairs = s / 4; pairs & 1; pairs >>= 1) {
      level--;
      sum_pair(waiting[level - 1], waiting[level], waiting[level - 1], count);
    }
  }
  if (n - s >= 2) {
    const float *a = load(sources[s], from, begin, count, scratch[0]);
    const float *b = load(sources[s + 1], from, begin, count, scratch[1]);
    sum_pair(a, b, waiting[level++], count);
    s += 2;
  }
  if (n - s == 1) {
    memcpy(waiting[level++], load(sources[s], from, begin, count, scratch[0]),
           (size_t)count * sizeof(float));
  }
  for (; level > 1; level--) {
    sum_pair(waiting[level - 2], waiting[level - 1], waiting[level - 2], count);
  }
  memcpy(out, waiting[0], (size_t)count * sizeof(float));
}

void ig_cpu_sum_tree(int n, const void *const *sources, ig_dtype from, int m, void *const *targets,
                     ig_dtype to, int64_t count) {
  size_t size = ig_dtype_size(to);
  float sum[BLOCK];
  for (int64_t begin = 0; begin < count; begin += BLOCK) {
    int64_t part = IG_MIN(BLOCK, count - begin);
    void *first = (char *)targets[0] + (size_t)begin * size;
    if (from == IG_F32 && to == IG_F32 && n == 2) {
      sum_pair(at(sources[0], begin, size), at(sources[1], begin, size), first, part);
    } else if (from == to && n == 1) {
      if (first != at(sources[0], begin, size))
        memcpy(first, at(sources[0], begin, size), (size_t)part * size);
    } else {
      sum_block(n, sources, from, begin, part, sum);
      ig_convert(IG_F32, sum, to, first, part);
    }
    for (int t = 1; t < m; t++) {
      void *target = (char *)targets[t] + (size_t)begin * size;
      if (target != first) memcpy(target, first, (size_t)part * size);
    }
  }
}
