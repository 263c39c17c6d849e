/* Charts as inline SVG. Colours come from the page's style sheet (classes c0, c1, ... and axis, grid),
 * so that they follow the reader's light or dark theme; numbers appear on hovering (SVG titles). */
#ifndef IG_LIFECYCLE_CHART_H
#define IG_LIFECYCLE_CHART_H

#include "lifecycle/html.h"

/* A curve; points whose x or y is not finite are gaps. */
typedef struct ig_chart_series {
  const char *name;
  int64_t count;
  const double *x, *y; /* x ascending */
  bool smooth;         /* noisy: drawn faint, with its exponential average on top */
} ig_chart_series;

typedef struct ig_chart {
  const char *title, *x_name;
  int n_series;
  const ig_chart_series *series;
  bool zero;            /* the y axis starts at 0 */
  double y_low, y_high; /* fixed range when y_high > y_low */
} ig_chart;

/* A figure with title, legend with last values, and the curves. The y axis is logarithmic when all
 * values are positive and span a factor of 50 or more, unless `zero` or a range is given. */
void ig_chart_lines(ig_html *html, const ig_chart *chart);
/* Counts [n, n], rows are truths; cells shaded by the share of their row. At most IG_CHART_CLASSES. */
#define IG_CHART_CLASSES 40
void ig_chart_confusion(ig_html *html, int64_t n, const int64_t *counts,
                        const char *const *classes);
/* Accuracy against confidence by bins, with the diagonal. */
void ig_chart_reliability(ig_html *html, int n, const double *confidence, const double *accuracy,
                          const int64_t *counts);

#endif
