/* Resampling along one dimension, once for each element type. Forward, threads share the lines of the
 * output; backward, the outer index, since lines of the output add into shared lines of the input. */
#include "kernels/resize.h"

#include <string.h>

#include "kernels/cpu/parallel.h"

#define DEFINE_RESAMPLE(type, suffix)                                                              \
  static void line_##suffix(const ig_resample *axis, int64_t j, int64_t inner, const type *x,      \
                            type *y) {                                                             \
    const int64_t *index = axis->index + j * axis->taps;                                           \
    const double *weight = axis->weight + j * axis->taps;                                          \
    if (index[0] < 0) {                                                                            \
      for (int64_t i = 0; i < inner; i++) y[i] = (type)axis->outside;                              \
      return;                                                                                      \
    }                                                                                              \
    const type *first = x + index[0] * inner;                                                      \
    type w = (type)weight[0];                                                                      \
    for (int64_t i = 0; i < inner; i++) y[i] = w * first[i];                                       \
    for (int64_t t = 1; t < axis->taps; t++) {                                                     \
      const type *next = x + index[t] * inner;                                                     \
      w = (type)weight[t];                                                                         \
      for (int64_t i = 0; i < inner; i++) y[i] += w * next[i];                                     \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  /* Along the innermost dimension; the usual one and two taps without a loop over them. */          \
  static void row_##suffix(const ig_resample *axis, const type *x, type *y) {                      \
    const int64_t *index = axis->index;                                                            \
    const double *weight = axis->weight;                                                           \
    for (int64_t j = 0; j < axis->out; j++, index += axis->taps, weight += axis->taps) {           \
      if (index[0] < 0) {                                                                          \
        y[j] = (type)axis->outside;                                                                \
        continue;                                                                                  \
      }                                                                                            \
      type sum = (type)weight[0] * x[index[0]];                                                    \
      if (axis->taps == 2) {                                                                       \
        sum += (type)weight[1] * x[index[1]];                                                      \
      } else {                                                                                     \
        for (int64_t t = 1; t < axis->taps; t++) sum += (type)weight[t] * x[index[t]];             \
      }                                                                                            \
      y[j] = sum;                                                                                  \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  void ig_cpu_resample_##suffix(const ig_resample *axis, int64_t outer, int64_t inner,             \
                                const type *x, type *y) {                                          \
    int64_t lines = outer * axis->out;                                                             \
    int64_t work = lines * inner * (axis->taps + 1) * (int64_t)sizeof(type);                       \
    if (inner == 1) {                                                                              \
      IG_PARALLEL_FOR(ig_worth_team(work))                                                         \
      for (int64_t o = 0; o < outer; o++) {                                                        \
        row_##suffix(axis, x + o * axis->in, y + o * axis->out);                                   \
      }                                                                                            \
      return;                                                                                      \
    }                                                                                              \
    IG_PARALLEL_FOR(ig_worth_team(work))                                                           \
    for (int64_t line = 0; line < lines; line++) {                                                 \
      int64_t o = line / axis->out, j = line % axis->out;                                          \
      line_##suffix(axis, j, inner, x + o * axis->in * inner, y + line * inner);                   \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  void ig_cpu_resample_grad_##suffix(const ig_resample *axis, int64_t outer, int64_t inner,        \
                                     const type *dy, type *dx) {                                   \
    int64_t work = outer * axis->out * inner * (axis->taps + 1) * (int64_t)sizeof(type);           \
    IG_PARALLEL_FOR(ig_worth_team(work))                                                           \
    for (int64_t o = 0; o < outer; o++) {                                                          \
      type *to = dx + o * axis->in * inner;                                                        \
      memset(to, 0, (size_t)(axis->in * inner) * sizeof *to);                                      \
      for (int64_t k = 0; k < axis->out * axis->taps; k++) {                                       \
        if (axis->index[k / axis->taps * axis->taps] < 0) continue;                                \
        const type *from = dy + (o * axis->out + k / axis->taps) * inner;                          \
        type *sum = to + axis->index[k] * inner, w = (type)axis->weight[k];                        \
        for (int64_t i = 0; i < inner; i++) sum[i] += w * from[i];                                 \
      }                                                                                            \
    }                                                                                              \
  }

DEFINE_RESAMPLE(float, f32)
DEFINE_RESAMPLE(double, f64)
