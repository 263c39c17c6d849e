/* The charts of chart.h. Geometry is in the units of the SVG's view box, chosen near the pixels of a
 * phone's screen, so that text stays readable there and only grows on larger ones. */
#include "lifecycle/chart.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"

#define WIDTH 420.0
#define HEIGHT 250.0
#define LEFT 48.0
#define RIGHT 20.0
#define TOP 10.0
#define BOTTOM 38.0
#define COLUMNS 360 /* at most this many buckets of points a curve, each drawn by its extremes */
#define MAX_TICKS 12

/* An axis: values from low to high onto [from, to] of the view box. */
typedef struct axis {
  double low, high, from, to;
  bool logarithmic;
  int n_ticks;
  double ticks[MAX_TICKS];
} axis;

static double place(const axis *a, double value) {
  double low = a->low, high = a->high;
  if (a->logarithmic) {
    low = log(low);
    high = log(high);
    value = log(value);
  }
  double share = high > low ? (value - low) / (high - low) : 0.5;
  return a->from + share * (a->to - a->from);
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into about `parts`. */
static double nice_step(double range, int parts) {
  double raw = range / parts, power = pow(10, floor(log10(raw)));
  double ratio = raw / power;
  return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

static void linear_ticks(axis *a, int parts, bool round_out) {
  if (!(a->high > a->low)) {
    double margin = a->low == 0 ? 1 : fabs(a->low) * 0.1;
    a->low -= margin;
    a->high += margin;
  }
  double step = nice_step(a->high - a->low, parts);
  if (round_out) {
    a->low = floor(a->low / step) * step;
    a->high = ceil(a->high / step) * step;
  }
  double first = ceil(a->low / step - 1e-9);
  for (int i = 0; i < MAX_TICKS; i++) {
    double tick = (first + i) * step;
    if (tick > a->high + step * 1e-9) break;
    a->ticks[a->n_ticks++] = fabs(tick) < step * 1e-9 ? 0 : tick;
  }
}

/* Powers of ten, with 2 and 5 in between where there are few. */
static void log_ticks(axis *a) {
  a->logarithmic = true;
  double decades = log10(a->high / a->low);
  int first = (int)floor(log10(a->low)), stride = 1 + (int)(decades / 7);
  static const double factors[] = {1, 2, 5};
  int n_factors = decades < 3 ? 3 : 1;
  for (int e = first; a->n_ticks < MAX_TICKS && pow(10, e) <= a->high; e += stride) {
    for (int f = 0; f < n_factors && a->n_ticks < MAX_TICKS; f++) {
      double tick = factors[f] * pow(10, e);
      if (tick >= a->low * 0.999 && tick <= a->high * 1.001) a->ticks[a->n_ticks++] = tick;
    }
  }
}

static bool shown(const ig_chart_series *s, int64_t i) {
  return isfinite(s->x[i]) && isfinite(s->y[i]);
}

/* Ranges over all finite points; false when there are none. */
static bool ranges(const ig_chart *chart, axis *x, axis *y) {
  *x = *y = (axis){.low = INFINITY, .high = -INFINITY};
  for (int k = 0; k < chart->n_series; k++) {
    const ig_chart_series *s = &chart->series[k];
    for (int64_t i = 0; i < s->count; i++) {
      if (!shown(s, i)) continue;
      x->low = fmin(x->low, s->x[i]);
      x->high = fmax(x->high, s->x[i]);
      y->low = fmin(y->low, s->y[i]);
      y->high = fmax(y->high, s->y[i]);
    }
  }
  return x->low <= x->high;
}

static void make_axes(const ig_chart *chart, axis *x, axis *y) {
  x->from = LEFT;
  x->to = WIDTH - RIGHT;
  y->from = HEIGHT - BOTTOM;
  y->to = TOP;
  linear_ticks(x, 5, false);
  if (chart->y_high > chart->y_low) {
    y->low = chart->y_low;
    y->high = chart->y_high;
    linear_ticks(y, 5, false);
  } else if (chart->zero) {
    y->low = fmin(y->low, 0);
    linear_ticks(y, 5, true);
  } else if (y->low > 0 && y->high / y->low >= 50) {
    log_ticks(y);
  } else {
    linear_ticks(y, 5, true);
  }
}

static void draw_axes(ig_html *html, const char *x_name, const axis *x, const axis *y) {
  for (int i = 0; i < y->n_ticks; i++) {
    double at = place(y, y->ticks[i]);
    ig_html_format(html,
                   "<line class=\"grid\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\"/>"
                   "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                   LEFT, at, WIDTH - RIGHT, at, LEFT - 6, at + 4, IG_NUMBER_STR(y->ticks[i]));
  }
  for (int i = 0; i < x->n_ticks; i++) {
    double at = place(x, x->ticks[i]);
    ig_html_format(html, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>", at,
                   HEIGHT - BOTTOM + 16, IG_NUMBER_STR(x->ticks[i]));
  }
  ig_html_format(html, "<line class=\"axis\" x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\"/>",
                 LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
  ig_html_format(html, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">", WIDTH - RIGHT,
                 HEIGHT - 5);
  ig_html_text(html, x_name);
  ig_html_raw(html, "</text>");
}

/* --- curves ---------------------------------------------------------------------------------- */

typedef struct pen {
  ig_html *html;
  const axis *x, *y;
  bool down;
} pen;

static void move(pen *p, double x, double y) {
  /* A log axis has no place for 0 and below; a fixed range clips. */
  if (p->y->logarithmic && y <= 0) {
    p->down = false;
    return;
  }
  double at = place(p->y, y);
  at = fmin(fmax(at, p->y->to - 4), p->y->from + 4);
  ig_html_format(p->html, "%c%.1f %.1f", p->down ? 'L' : 'M', place(p->x, x), at);
  p->down = true;
}

/* Points of one bucket: the first, the least, the greatest and the last, in their order, so that a
 * spike of one step stays visible among thousands. */
static void draw_bucket(pen *p, const ig_chart_series *s, const double *y, int64_t from,
                        int64_t to) {
  int64_t picks[4] = {from, from, from, to - 1};
  for (int64_t i = from; i < to; i++) {
    if (y[i] < y[picks[1]]) picks[1] = i;
    if (y[i] > y[picks[2]]) picks[2] = i;
  }
  if (picks[1] > picks[2]) {
    int64_t swap = picks[1];
    picks[1] = picks[2];
    picks[2] = swap;
  }
  for (int k = 0; k < 4; k++) {
    if (k > 0 && picks[k] <= picks[k - 1]) continue;
    int64_t i = picks[k];
    if (isfinite(s->x[i]) && isfinite(y[i])) {
      move(p, s->x[i], y[i]);
    } else {
      p->down = false;
    }
  }
}

static void draw_curve(ig_html *html, const ig_chart_series *s, const double *y, const axis *x_axis,
                       const axis *y_axis, const char *classes) {
  ig_html_format(html, "<path class=\"%s\" d=\"", classes);
  pen p = {html, x_axis, y_axis, false};
  for (int64_t b = 0, from = 0; b < COLUMNS && from < s->count; b++) {
    int64_t to =
        s->count <= COLUMNS ? from + 1 : (int64_t)((double)s->count * (double)(b + 1) / COLUMNS);
    if (to > from) draw_bucket(&p, s, y, from, to);
    from = to;
  }
  ig_html_raw(html, "\"/>");
}

/* The exponential average over about a fiftieth of the curve, corrected for its start (Kingma and Ba
 * 2015, section 3) and left out while it rests on a few points. NULL when memory is short. */
static double *smoothed(const ig_chart_series *s) {
  double *out = ig_alloc((size_t)s->count * sizeof *out);
  if (!out) return NULL;
  double decay = 1 - 1 / fmax(2, (double)s->count / 50), sum = 0, weight = 0;
  for (int64_t i = 0; i < s->count; i++) {
    if (isfinite(s->y[i])) {
      sum = decay * sum + (1 - decay) * s->y[i];
      weight = decay * weight + (1 - decay);
    }
    out[i] = weight > 0.2 ? sum / weight : NAN;
  }
  return out;
}

static void draw_series(ig_html *html, const ig_chart_series *s, int color, const axis *x,
                        const axis *y) {
  char classes[32];
  bool smooth = s->smooth && s->count > 100;
  snprintf(classes, sizeof classes, "line c%d%s", color, smooth ? " faint" : "");
  draw_curve(html, s, s->y, x, y, classes);
  if (smooth) {
    double *average = smoothed(s);
    if (!average) {
      html->failed = true;
      return;
    }
    snprintf(classes, sizeof classes, "line c%d", color);
    draw_curve(html, s, average, x, y, classes);
    ig_free(average);
  } else if (s->count <= 30) {
    for (int64_t i = 0; i < s->count; i++) {
      if (!shown(s, i) || (y->logarithmic && s->y[i] <= 0)) continue;
      ig_html_format(html, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"><title>",
                     color, place(x, s->x[i]), place(y, s->y[i]));
      ig_html_format(html, "%.6g: %.6g</title></circle>", s->x[i], s->y[i]);
    }
  }
}

static void draw_legend(ig_html *html, const ig_chart *chart) {
  ig_html_raw(html, "<p class=\"legend\">");
  for (int k = 0; k < chart->n_series; k++) {
    const ig_chart_series *s = &chart->series[k];
    double last = NAN;
    for (int64_t i = 0; i < s->count; i++) {
      if (shown(s, i)) last = s->y[i];
    }
    ig_html_format(html, "<span><i class=\"c%d\"></i>", k % 6);
    ig_html_text(html, s->name);
    ig_html_format(html, " <b>%s</b></span> ", IG_NUMBER_STR(last));
  }
  ig_html_raw(html, "</p>");
}

void ig_chart_lines(ig_html *html, const ig_chart *chart) {
  axis x, y;
  if (!ranges(chart, &x, &y)) return;
  make_axes(chart, &x, &y);
  ig_html_raw(html, "<figure class=\"card\"><figcaption>");
  ig_html_text(html, chart->title);
  if (y.logarithmic) ig_html_raw(html, " <small>log scale</small>");
  ig_html_raw(html, "</figcaption>");
  draw_legend(html, chart);
  ig_html_format(html, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>", WIDTH, HEIGHT);
  ig_html_text(html, chart->title);
  ig_html_raw(html, "</title>");
  draw_axes(html, chart->x_name, &x, &y);
  for (int k = 0; k < chart->n_series; k++) {
    draw_series(html, &chart->series[k], k % 6, &x, &y);
  }
  ig_html_raw(html, "</svg></figure>");
}

/* --- confusion ------------------------------------------------------------------------------- */

/* A class's name, cut to `most` characters (bytes of UTF-8 continuation do not count). */
static void class_name(ig_html *html, const char *const *classes, int64_t i, int most) {
  char name[64];
  if (!classes) {
    ig_html_format(html, "%" PRId64, i);
    return;
  }
  size_t used = 0;
  const char *c = classes[i];
  for (int n = 0; *c && used < sizeof name - 8; c++) {
    if (((unsigned char)*c & 0xc0) != 0x80 && ++n > most) break;
    name[used++] = *c;
  }
  name[used] = '\0';
  ig_html_text(html, name);
  if (*c) ig_html_raw(html, "\xe2\x80\xa6");
}

/* Room for names of up to 12 characters, at about 6.2 units each. */
static double label_margin(int64_t n, const char *const *classes) {
  size_t most = 3;
  for (int64_t i = 0; i < n && classes; i++) most = IG_MAX(most, strlen(classes[i]));
  return 16 + 6.2 * (double)IG_MIN(most, 12);
}

static void confusion_cell(ig_html *html, double x, double y, double side, int64_t count,
                           double share, bool diagonal, bool number) {
  ig_html_format(html,
                 "<g><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                 "fill-opacity=\"%.3f\"/><title>%" PRId64 " (%.1f %% of its row)</title>",
                 diagonal ? "hit" : "miss", x, y, side - 1, side - 1,
                 count ? 0.08 + 0.92 * share : 0, count, 100 * share);
  if (number && count) {
    ig_html_format(
        html, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
        share > 0.55 ? "over" : "", x + side / 2, y + side / 2 + 4, IG_NUMBER_STR((double)count));
  }
  ig_html_raw(html, "</g>");
}

void ig_chart_confusion(ig_html *html, int64_t n, const int64_t *counts,
                        const char *const *classes) {
  if (n < 1 || n > IG_CHART_CLASSES) return;
  double margin = label_margin(n, classes), side = n <= 4 ? 60 : n <= 12 ? 36 : 440.0 / (double)n;
  double size = margin + side * (double)n + 8;
  ig_html_format(html,
                 "<svg class=\"square\" viewBox=\"0 0 %.0f %.0f\" style=\"max-width:%.0fpx\" "
                 "role=\"img\"><title>Confusion matrix</title>",
                 size, size, size * 1.25);
  for (int64_t r = 0; r < n; r++) {
    int64_t total = 0;
    for (int64_t c = 0; c < n; c++) total += counts[r * n + c];
    for (int64_t c = 0; c < n; c++) {
      double share = total ? (double)counts[r * n + c] / (double)total : 0;
      confusion_cell(html, margin + side * (double)c, margin + side * (double)r, side,
                     counts[r * n + c], share, r == c, n <= 16);
    }
    double middle = margin + side * ((double)r + 0.5);
    ig_html_format(html, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", margin - 5,
                   middle + 4);
    class_name(html, classes, r, 12);
    ig_html_format(html, "</text><text x=\"%.1f\" y=\"%.1f\" transform=\"rotate(%d %.1f %.1f)\">",
                   middle + 4, margin - 6, classes ? -60 : 0, middle + 4, margin - 6);
    class_name(html, classes, r, 12);
    ig_html_raw(html, "</text>");
  }
  ig_html_raw(html, "</svg>");
}

/* --- calibration ----------------------------------------------------------------------------- */

void ig_chart_reliability(ig_html *html, int n, const double *confidence, const double *accuracy,
                          const int64_t *counts) {
  axis x = {.low = 0, .high = 1, .from = LEFT, .to = WIDTH - RIGHT};
  axis y = {.low = 0, .high = 1, .from = HEIGHT - BOTTOM, .to = TOP};
  linear_ticks(&x, 5, false);
  linear_ticks(&y, 5, false);
  ig_html_format(html,
                 "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>Accuracy against "
                 "confidence</title>",
                 WIDTH, HEIGHT);
  draw_axes(html, "confidence", &x, &y);
  for (int i = 0; i < n; i++) {
    if (!counts[i] || !isfinite(accuracy[i]) || !isfinite(confidence[i])) continue;
    double left = place(&x, (double)i / n) + 1, right = place(&x, (double)(i + 1) / n) - 1;
    double top = place(&y, accuracy[i]);
    ig_html_format(html,
                   "<rect class=\"bar c0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                   "<title>confidence %.3f, accuracy %.3f, %" PRId64 " samples</title></rect>",
                   left, top, right - left, y.from - top, confidence[i], accuracy[i], counts[i]);
  }
  ig_html_format(html, "<path class=\"diagonal\" d=\"M%.1f %.1fL%.1f %.1f\"/></svg>", x.from,
                 y.from, x.to, y.to);
}
