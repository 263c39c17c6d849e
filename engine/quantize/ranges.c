/* From what calibration saw of a tensor to the range that its quantization keeps. All methods read the
 * observer's bins, whose numbers count as spread evenly between the bin's bounds (which the extremes seen
 * make narrower), so that a range is as exact as a bin: within 1/64 of the numbers themselves. Numbers
 * below 2^-28 count as 0, which every range represents: no method looks at them. */
#include <float.h>
#include <math.h>

#include "engine/base/memory.h"
#include "engine/quantize/calibrate.h"
#include "kernels/observe.h"

enum { SIDE = IG_OBSERVER_SIDE, BINS = 2048 /* linear ones, of the entropy method */ };

/* Magnitudes on one side of 0, or on both: n[s] of them lie in [edge[s], edge[s + 1]]. */
typedef struct magnitudes {
  double most, total;
  int first, last; /* bins that are not empty, 1 to SIDE; first > last when all are */
  double n[SIDE + 1], edge[SIDE + 2];
} magnitudes;

typedef struct ranger {
  magnitudes negative, positive, both;
  double linear[BINS], mass[BINS + 1], entropy[BINS + 1];
  int filled[BINS + 1];
} ranger;

static void fill_magnitudes(const ig_seen *seen, bool negative, bool positive, magnitudes *m) {
  double most = 0;
  if (negative) most = fmax(most, -(double)seen->least);
  if (positive) most = fmax(most, (double)seen->most);
  *m = (magnitudes){.most = most, .first = SIDE + 1};
  for (int s = 1; s <= SIDE; s++) {
    if (negative) m->n[s] += (double)seen->bins[SIDE - s];
    if (positive) m->n[s] += (double)seen->bins[SIDE + s];
    m->total += m->n[s];
    if (m->n[s] == 0) continue;
    m->first = IG_MIN(m->first, s);
    m->last = s;
  }
  for (int s = 1; s <= SIDE + 1; s++) m->edge[s] = fmin(ig_observer_edge(s), most);
  m->edge[m->last + 1] = most; /* beyond the last octave too */
}

/* --- percentile ---------------------------------------------------------------------------------- */

/* Below which `percentile` of 100 magnitudes lie. */
static double percentile_of(const magnitudes *m, double percentile) {
  double rank = m->total * percentile / 100, below = 0;
  for (int s = m->first; s <= m->last; s++) {
    if (m->n[s] > 0 && below + m->n[s] >= rank) {
      double part = fmax(rank - below, 0) / m->n[s];
      return m->edge[s] + part * (m->edge[s + 1] - m->edge[s]);
    }
    below += m->n[s];
  }
  return m->most;
}

/* --- mean squared error -------------------------------------------------------------------------- */

/* Integral of the squared rounding error from 0 to x. */
static double rounding_integral(double x, double step) {
  double k = rint(x / step), r = x - k * step;
  return k * step * step * step / 12 + r * r * r / 3;
}

static double square(double x) {
  return x * x;
}
static double cube(double x) {
  return x * x * x;
}

/* Squared error of n numbers spread over [a, b] that are clipped to `top` and rounded to steps. */
static double error_of_bin(double n, double a, double b, double top, double step) {
  if (!(b - a > 1e-9 * b)) {
    double x = fmin(b, top), clipped = b - x;
    return n * (clipped > 0 ? square(clipped) : square(x - rint(x / step) * step));
  }
  double middle = fmin(fmax(top, a), b), sum = 0;
  if (middle > a) sum += rounding_integral(middle, step) - rounding_integral(a, step);
  if (b > middle) sum += (cube(b - top) - cube(middle - top)) / 3;
  return n * sum / (b - a);
}

static double error_of(const magnitudes *m, double top, double step) {
  double sum = 0;
  for (int s = m->first; s <= m->last; s++) {
    if (m->n[s] > 0) sum += error_of_bin(m->n[s], m->edge[s], m->edge[s + 1], top, step);
  }
  return sum;
}

/* The error of clipping to [-low, high]: with one scale for both sides, or 255 steps over both. */
static double clipping_error(const ranger *r, bool symmetric, double low, double high) {
  if (symmetric) return error_of(&r->both, high, high / 127);
  double step = (low + high) / 255;
  return error_of(&r->negative, low, step) + error_of(&r->positive, high, step);
}

/* The factors of *low and *high out of 2^(-from / per) ... 2^(-to / per) with the least error. */
static void shrink(const ranger *r, bool symmetric, bool move_low, bool move_high, int from, int to,
                   double per, double *low, double *high) {
  double best = INFINITY, l = *low, h = *high;
  for (int i = from; i <= to; i++) {
    double factor = exp2(-(double)i / per);
    double low_i = move_low ? fmin(l * factor, r->negative.most) : l;
    double high_i = move_high ? fmin(h * factor, symmetric ? r->both.most : r->positive.most) : h;
    double error = clipping_error(r, symmetric, low_i, high_i);
    if (error < best) {
      best = error;
      *low = low_i;
      *high = high_i;
    }
  }
}

/* Both ends together first, then each by itself. */
static void least_error(const ranger *r, bool symmetric, double *low, double *high) {
  shrink(r, symmetric, true, true, 0, 160, 16, low, high);
  for (int round = 0; round < 2 && !symmetric && *low > 0 && *high > 0; round++) {
    shrink(r, symmetric, true, false, -32, 32, 16, low, high);
    shrink(r, symmetric, false, true, -32, 32, 16, low, high);
  }
  shrink(r, symmetric, true, true, -8, 8, 128, low, high);
}

/* --- entropy ------------------------------------------------------------------------------------- */

/* Spreads magnitudes over equal bins of [0, most], and adds up from the left what divergences are made of:
 * mass, p log p, and bins that are not empty. */
static void spread(ranger *r) {
  const magnitudes *m = &r->both;
  double width = m->most / BINS;
  for (int i = 0; i < BINS; i++) r->linear[i] = 0;
  for (int s = m->first; s <= m->last; s++) {
    double a = m->edge[s], b = m->edge[s + 1];
    int from = IG_MIN((int)(a / width), BINS - 1), to = IG_MIN((int)(b / width), BINS - 1);
    for (int i = from; i <= to && m->n[s] > 0; i++) {
      double left = fmax(a, i * width), right = i == BINS - 1 ? b : fmin(b, (i + 1) * width);
      double part = b > a ? fmax(right - left, 0) / (b - a) : 1.0 / (to - from + 1);
      r->linear[i] += m->n[s] * part;
    }
  }
  for (int i = 0; i < BINS; i++) {
    double p = r->linear[i];
    r->mass[i + 1] = r->mass[i] + p;
    r->entropy[i + 1] = r->entropy[i] + (p > 0 ? p * log(p) : 0);
    r->filled[i + 1] = r->filled[i] + (p > 0);
  }
}

/* Kullback-Leibler divergence of the first `bins` bins, with what lies beyond in the last of them, from the
 * same in `levels` groups, in each of which the mass is the same in all bins that are not empty. */
static double divergence(const ranger *r, int bins, int levels) {
  double total = r->mass[BINS], inside = r->mass[bins], beyond = total - inside;
  double last = r->linear[bins - 1], clipped = last + beyond;
  if (inside <= 0 || (last <= 0 && beyond > 0)) return INFINITY;
  double sum = r->entropy[bins];
  if (last > 0) sum += clipped * log(clipped) - last * log(last);
  for (int g = 0; g < levels; g++) {
    int from = (int)((int64_t)bins * g / levels), to = (int)((int64_t)bins * (g + 1) / levels);
    double mass = r->mass[to] - r->mass[from];
    if (mass <= 0) continue;
    double level = mass / (r->filled[to] - r->filled[from]);
    sum -= (mass + (to == bins ? beyond : 0)) * log(level);
  }
  /* Both made to sum to 1. */
  return sum / total - log(total) + log(inside);
}

static double least_divergence(ranger *r, int levels) {
  double best = INFINITY, top = r->both.most;
  spread(r);
  for (int bins = levels; bins <= BINS; bins++) {
    double d = divergence(r, bins, levels);
    if (d > best) continue;
    best = d;
    top = r->both.most * bins / BINS;
  }
  return top;
}

/* --- all ----------------------------------------------------------------------------------------- */

void ig_range_quantize(ig_range range, bool symmetric, float *scale, int *zero) {
  double low = fmin((double)range.low, 0), high = fmax((double)range.high, 0);
  double step = symmetric ? fmax(-low, high) / 127 : (high - low) / 255;
  *scale = step > 0 ? fmaxf((float)step, FLT_MIN) : 1;
  *zero = symmetric ? 0 : (int)fmin(fmax(rint(-low / (double)*scale), 0), 255);
}

/* A range with a scale of which the constant is a whole multiple. Multiples are tried from the largest
 * down; one fails where no float divides to the scale. */
static ig_range range_of_constant(float value, bool symmetric) {
  int steps = symmetric ? 127 : 255;
  float size = fabsf(value);
  for (int q = steps; q >= 1; q--) {
    float scale = size / (float)q, high = scale * (float)steps, got;
    float tries[] = {high, nextafterf(high, 0), nextafterf(high, INFINITY)};
    for (int i = 0; i < IG_COUNT(tries) && scale * (float)q == size; i++) {
      ig_range range = {value < 0 ? -tries[i] : 0, value < 0 ? 0 : tries[i]};
      int zero;
      ig_range_quantize(range, symmetric, &got, &zero);
      if (got == scale && isfinite(tries[i])) return range;
    }
  }
  return (ig_range){fminf(value, 0), fmaxf(value, 0)};
}

/* Ends as magnitudes. */
static void find_ends(ranger *r, const ig_seen *seen, const ig_quant_settings *settings,
                      double *low, double *high) {
  bool symmetric = settings->symmetric;
  *low = r->negative.most;
  *high = symmetric ? r->both.most : r->positive.most;
  double top;
  switch (settings->ranges) {
  case IG_RANGE_PERCENTILE:
    *low = percentile_of(symmetric ? &r->both : &r->negative, settings->percentile);
    *high = percentile_of(symmetric ? &r->both : &r->positive, settings->percentile);
    break;
  case IG_RANGE_MOVING_AVERAGE:
    *low = fmax(-(double)seen->moving_least, 0);
    *high = fmax((double)seen->moving_most, 0);
    break;
  case IG_RANGE_ENTROPY:
    top = least_divergence(r, !symmetric && (*low == 0 || *high == 0) ? 256 : 128);
    *low = fmin(*low, top);
    *high = fmin(*high, top);
    break;
  case IG_RANGE_MSE: least_error(r, symmetric, low, high); break;
  default: break;
  }
}

ig_status ig_range_of(const ig_seen *seen, const ig_quant_settings *settings, ig_range *out) {
  IG_CHECK(seen->count > 0, IG_ERR_INPUT, "tensor '%s': calibration saw no number of it",
           seen->value);
  IG_CHECK(settings->ranges != IG_RANGE_PERCENTILE ||
               (settings->percentile > 0 && settings->percentile <= 100),
           IG_ERR_USAGE, "percentile %g: expected more than 0 and at most 100",
           settings->percentile);
  IG_CHECK(seen->infinities == 0 && isfinite(seen->least) && isfinite(seen->most), IG_ERR_INPUT,
           "tensor '%s': infinities have no range", seen->value);
  if (seen->least == seen->most) {
    *out = range_of_constant(seen->least, settings->symmetric);
    return IG_OK;
  }
  ranger *r = ig_alloc_zero(1, sizeof *r);
  IG_CHECK(r, IG_ERR_MEMORY, "tensor '%s': no memory for its range", seen->value);
  fill_magnitudes(seen, true, false, &r->negative);
  fill_magnitudes(seen, false, true, &r->positive);
  fill_magnitudes(seen, true, true, &r->both);
  double low, high;
  find_ends(r, seen, settings, &low, &high);
  if (settings->symmetric) low = high = fmax(low, high);
  /* A side never seen needs nothing; what the bins rounded up was not seen either. */
  *out = (ig_range){-(float)fmin(low, r->negative.most), (float)fmin(high, r->positive.most)};
  ig_free(r);
  return IG_OK;
}
