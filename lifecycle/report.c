/* The page of report.h, part by part. Whatever comes from outside passes through ig_html_text. */
#include "lifecycle/report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/base64.h"
#include "engine/base/checked.h"
#include "lifecycle/append.h"
#include "lifecycle/report_style.h"

#define MAX_PICTURE_SIDE 1024
#define SHOWN_CLASSES 200
#define SHOWN_CONFUSIONS 20
#define SHOWN_OPERATORS 40

static void open_section(ig_html *html, const char *title) {
  ig_html_raw(html, "<section><h2>");
  ig_html_raw(html, title);
  ig_html_raw(html, "</h2>");
}

static void put_head(ig_html *html, const ig_report_input *in) {
  ig_html_raw(html, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                    "<meta name=\"color-scheme\" content=\"light dark\"><title>");
  ig_html_text(html, in->title);
  ig_html_raw(html, "</title><style>");
  ig_html_raw(html, ig_report_style);
  ig_html_raw(html, "</style></head><body><header><p class=\"brand\">Ingot</p><h1>");
  ig_html_text(html, in->title);
  ig_html_raw(html, "</h1>");
  if (in->subtitle) {
    ig_html_raw(html, "<p class=\"sub\">");
    ig_html_text(html, in->subtitle);
    ig_html_raw(html, "</p>");
  }
  ig_html_raw(html, "</header>");
}

static void put_headlines(ig_html *html, const ig_report_input *in) {
  if (in->n_headlines == 0) return;
  ig_html_raw(html, "<div class=\"tiles\">");
  for (int i = 0; i < in->n_headlines; i++) {
    ig_html_raw(html, "<div class=\"tile\"><b>");
    ig_html_text(html, in->headlines[i].value);
    ig_html_raw(html, "</b><span>");
    ig_html_text(html, in->headlines[i].name);
    ig_html_raw(html, "</span></div>");
  }
  ig_html_raw(html, "</div>");
}

static void put_charts(ig_html *html, const ig_report_input *in) {
  if (in->n_charts == 0) return;
  open_section(html, "Training");
  ig_html_raw(html, "<div class=\"charts\">");
  for (int i = 0; i < in->n_charts; i++) ig_chart_lines(html, &in->charts[i]);
  ig_html_raw(html, "</div></section>");
}

/* --- classes --------------------------------------------------------------------------------- */

static void put_class_name(ig_html *html, const ig_report_input *in, int64_t i) {
  if (in->classes) {
    ig_html_text(html, in->classes[i]);
  } else {
    ig_html_format(html, "%" PRId64, i);
  }
}

static void put_measure(ig_html *html, const double *values, int64_t i) {
  if (!values) return;
  double v = isfinite(values[i]) ? fmin(fmax(values[i], 0), 1) : 0;
  ig_html_format(html, "<td class=\"n\"><span class=\"meter\" style=\"--v:%.3f\">", v);
  if (isfinite(values[i])) {
    ig_html_format(html, "%.3f", values[i]);
  } else {
    ig_html_raw(html, "-");
  }
  ig_html_raw(html, "</span></td>");
}

static void put_class_table(ig_html *html, const ig_report_input *in) {
  if (!in->precision && !in->recall && !in->f1) return;
  ig_html_raw(html, "<div class=\"card wide\"><table><thead><tr><th>class</th>");
  if (in->support) ig_html_raw(html, "<th class=\"n\">samples</th>");
  if (in->precision) ig_html_raw(html, "<th class=\"n\">precision</th>");
  if (in->recall) ig_html_raw(html, "<th class=\"n\">recall</th>");
  if (in->f1) ig_html_raw(html, "<th class=\"n\">F1</th>");
  ig_html_raw(html, "</tr></thead><tbody>");
  for (int64_t i = 0; i < IG_MIN(in->n_classes, SHOWN_CLASSES); i++) {
    ig_html_raw(html, "<tr><td>");
    put_class_name(html, in, i);
    ig_html_raw(html, "</td>");
    if (in->support) ig_html_format(html, "<td class=\"n\">%" PRId64 "</td>", in->support[i]);
    put_measure(html, in->precision, i);
    put_measure(html, in->recall, i);
    put_measure(html, in->f1, i);
    ig_html_raw(html, "</tr>");
  }
  ig_html_raw(html, "</tbody></table>");
  if (in->n_classes > SHOWN_CLASSES) {
    ig_html_format(html, "<p class=\"note\">The first %d of %" PRId64 " classes.</p>",
                   SHOWN_CLASSES, in->n_classes);
  }
  ig_html_raw(html, "</div>");
}

typedef struct confusion {
  int64_t truth, predicted, count;
} confusion;

static int larger_first(const void *a, const void *b) {
  const confusion *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  if (x->truth != y->truth) return x->truth < y->truth ? -1 : 1;
  return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

/* The most frequent confusions, as words: what a matrix of many classes does not show. */
static void put_confusions(ig_html *html, const ig_report_input *in) {
  confusion top[SHOWN_CONFUSIONS + 1];
  int n = 0;
  for (int64_t t = 0; t < in->n_classes; t++) {
    for (int64_t p = 0; p < in->n_classes; p++) {
      int64_t count = in->confusion[t * in->n_classes + p];
      if (t == p || count == 0) continue;
      if (n == SHOWN_CONFUSIONS && count <= top[n - 1].count) continue;
      top[n] = (confusion){t, p, count};
      qsort(top, (size_t)n + 1, sizeof *top, larger_first);
      n = IG_MIN(n + 1, SHOWN_CONFUSIONS);
    }
  }
  if (n == 0) return;
  ig_html_raw(html, "<div class=\"card\"><h3>Most frequent confusions</h3><table><thead><tr>"
                    "<th>truth</th><th>predicted</th><th class=\"n\">samples</th></tr></thead>"
                    "<tbody>");
  for (int i = 0; i < n; i++) {
    ig_html_raw(html, "<tr><td>");
    put_class_name(html, in, top[i].truth);
    ig_html_raw(html, "</td><td>");
    put_class_name(html, in, top[i].predicted);
    ig_html_format(html, "</td><td class=\"n\">%" PRId64 "</td></tr>", top[i].count);
  }
  ig_html_raw(html, "</tbody></table></div>");
}

static void put_classes(ig_html *html, const ig_report_input *in) {
  if (in->n_classes < 1 || (!in->confusion && !in->precision)) return;
  open_section(html, "Classes");
  ig_html_raw(html, "<div class=\"charts\">");
  if (in->confusion && in->n_classes <= IG_CHART_CLASSES) {
    ig_html_raw(html, "<figure class=\"card\"><figcaption>Confusion matrix <small>rows: truth, "
                      "columns: predicted, shade: share of the row</small></figcaption>");
    ig_chart_confusion(html, in->n_classes, in->confusion, in->classes);
    ig_html_raw(html, "</figure>");
  }
  if (in->confusion) put_confusions(html, in);
  ig_html_raw(html, "</div>");
  put_class_table(html, in);
  ig_html_raw(html, "</section>");
}

static void put_calibration(ig_html *html, const ig_report_input *in) {
  if (in->n_bins == 0) return;
  open_section(html, "Calibration");
  ig_html_raw(html, "<div class=\"charts\"><figure class=\"card\"><figcaption>Accuracy against "
                    "confidence</figcaption><p class=\"legend\"><span>expected calibration error ");
  ig_html_format(html, "<b>%.4f</b></span></p>", in->calibration_error);
  ig_chart_reliability(html, in->n_bins, in->bin_confidence, in->bin_accuracy, in->bin_count);
  ig_html_raw(html, "</figure></div></section>");
}

/* --- mistakes -------------------------------------------------------------------------------- */

/* The picture as a PNG in a data URI. [C, H, W] becomes PNG's [H, W, C] in `rows`. */
static ig_status put_png(ig_html *html, const ig_report_mistake *m, uint8_t *rows) {
  int64_t plane = (int64_t)m->height * m->width;
  for (int64_t i = 0; i < plane; i++) {
    for (int c = 0; c < m->channels; c++) rows[i * m->channels + c] = m->pixels[c * plane + i];
  }
  png_image image = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)m->width,
                     .height = (png_uint_32)m->height,
                     .format = m->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  size_t length;
  IG_CHECK(ig_base64_length(size, &length), IG_ERR_USAGE, "a picture is too large");
  void *png = ig_alloc(size);
  char *text = ig_alloc(length + 1);
  ig_status status = IG_OK;
  IG_CHECK_DONE(png && text, IG_ERR_MEMORY, "no memory for a picture");
  IG_CHECK_DONE(png_image_write_to_memory(&image, png, &size, 0, rows, 0, NULL), IG_ERR_INTERNAL,
                "a picture cannot be written: %s", image.message);
  ig_base64_encode(png, size, text);
  ig_html_raw(html, "<img alt=\"\" src=\"data:image/png;base64,");
  ig_html_raw(html, text);
  ig_html_raw(html, "\">");
done:
  ig_free(png);
  ig_free(text);
  return status;
}

static ig_status put_picture(ig_html *html, const ig_report_mistake *m) {
  if (!m->pixels) return IG_OK;
  IG_CHECK((m->channels == 1 || m->channels == 3) && m->height > 0 && m->width > 0 &&
               m->height <= MAX_PICTURE_SIDE && m->width <= MAX_PICTURE_SIDE,
           IG_ERR_USAGE, "a picture of %d x %d x %d; expected 1 or 3 channels, sides up to %d",
           m->channels, m->height, m->width, MAX_PICTURE_SIDE);
  uint8_t *rows = ig_alloc((size_t)m->channels * (size_t)m->height * (size_t)m->width);
  IG_CHECK_ALLOC(rows);
  ig_status status = put_png(html, m, rows);
  ig_free(rows);
  return status;
}

static ig_status put_mistakes(ig_html *html, const ig_report_input *in) {
  if (in->n_mistakes == 0) return IG_OK;
  open_section(html, "Worst mistakes");
  ig_html_raw(html, "<p class=\"note\">Wrong answers that the model was surest of.</p>"
                    "<div class=\"mistakes\">");
  for (int i = 0; i < in->n_mistakes; i++) {
    const ig_report_mistake *m = &in->mistakes[i];
    ig_html_raw(html, "<figure class=\"card\">");
    IG_TRY(put_picture(html, m));
    ig_html_raw(html, "<figcaption><b class=\"bad\">");
    ig_html_text(html, m->predicted);
    ig_html_raw(html, "</b>");
    if (isfinite(m->confidence)) ig_html_format(html, " %.1f\xc2\xa0%%", 100 * m->confidence);
    ig_html_raw(html, "<br>is <b>");
    ig_html_text(html, m->truth);
    ig_html_format(html, "</b><br><small>sample %" PRId64 "</small></figcaption></figure>",
                   m->index);
  }
  ig_html_raw(html, "</div></section>");
  return IG_OK;
}

/* --- time and memory ------------------------------------------------------------------------- */

/* Seconds with a unit. */
static void put_seconds(ig_html *html, double s) {
  if (s < 1e-3) {
    ig_html_format(html, "%.3g \xc2\xb5s", s * 1e6);
  } else if (s < 1) {
    ig_html_format(html, "%.3g ms", s * 1e3);
  } else {
    ig_html_format(html, "%.3g s", s);
  }
}

static void put_rate(ig_html *html, double amount, double seconds) {
  bool known = amount > 0 && seconds > 0;
  ig_html_format(html, "<td class=\"n\">%s</td>",
                 known ? IG_NUMBER_STR(amount / seconds / 1e9) : "");
}

/* Time and share come first: a phone shows the left part of a row. */
static void put_operator(ig_html *html, const ig_report_operator *op, double total, double most) {
  ig_html_raw(html, "<tr><td>");
  ig_html_text(html, op->name);
  ig_html_raw(html, "</td><td class=\"n\">");
  put_seconds(html, op->seconds);
  ig_html_format(html,
                 "</td><td class=\"share\"><i style=\"--v:%.4f\"></i><span>%.1f\xc2\xa0%%</span>"
                 "</td><td class=\"n\">%" PRId64 "</td><td class=\"dim\">",
                 most > 0 ? op->seconds / most : 0, total > 0 ? 100 * op->seconds / total : 0,
                 op->nodes);
  ig_html_text(html, op->implementation ? op->implementation : "");
  ig_html_raw(html, "</td>");
  put_rate(html, op->flops, op->seconds);
  put_rate(html, op->bytes, op->seconds);
  ig_html_raw(html, "</tr>");
}

static int slower_first(const void *a, const void *b) {
  const ig_report_operator *x = *(const ig_report_operator *const *)a;
  const ig_report_operator *y = *(const ig_report_operator *const *)b;
  if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
  return strcmp(x->name, y->name);
}

static ig_status put_operators(ig_html *html, const ig_report_input *in) {
  if (in->n_operators == 0) return IG_OK;
  const ig_report_operator **order = ig_alloc((size_t)in->n_operators * sizeof *order);
  IG_CHECK_ALLOC(order);
  double total = 0, rest = 0;
  for (int i = 0; i < in->n_operators; i++) {
    order[i] = &in->operators[i];
    total += order[i]->seconds;
  }
  qsort(order, (size_t)in->n_operators, sizeof *order, slower_first);
  ig_html_raw(html, "<div class=\"card wide\"><h3>Time by operator <small>one training step, ");
  put_seconds(html, total);
  ig_html_raw(html, "</small></h3><table><thead><tr><th>operator</th><th class=\"n\">time</th>"
                    "<th>share</th><th class=\"n\">nodes</th><th>implementation</th>"
                    "<th class=\"n\">GFLOP/s</th><th class=\"n\">GB/s</th></tr></thead><tbody>");
  for (int i = 0; i < in->n_operators; i++) {
    if (i < SHOWN_OPERATORS) {
      put_operator(html, order[i], total, order[0]->seconds);
    } else {
      rest += order[i]->seconds;
    }
  }
  ig_html_raw(html, "</tbody></table>");
  if (rest > 0) {
    ig_html_format(html, "<p class=\"note\">%d more operators take ",
                   in->n_operators - SHOWN_OPERATORS);
    put_seconds(html, rest);
    ig_html_raw(html, " together.</p>");
  }
  ig_html_raw(html, "</div>");
  ig_free(order);
  return IG_OK;
}

static void put_bytes_row(ig_html *html, const char *name, size_t bytes, size_t most) {
  double mib = (double)bytes / 1048576;
  ig_html_format(html,
                 "<tr><td>%s</td><td class=\"n\">%.*f MiB</td><td class=\"share\">"
                 "<i style=\"--v:%.4f\"></i></td></tr>",
                 name, mib < 10 ? 2 : 0, mib, most ? (double)bytes / (double)most : 0);
}

static void put_memory(ig_html *html, const ig_report_memory *m) {
  size_t most = IG_MAX(IG_MAX(m->params, m->sum), IG_MAX(m->slab, m->workspace));
  if (most == 0) return;
  ig_html_raw(html,
              "<div class=\"card wide\"><h3>Memory <small>one training step</small></h3><table>"
              "<tbody>");
  put_bytes_row(html, "parameters and optimizer", m->params, most);
  put_bytes_row(html, "intermediate tensors, if none shared memory", m->sum, most);
  put_bytes_row(html, "slab: intermediate tensors and workspace, as planned", m->slab, most);
  put_bytes_row(html, "lower bound of the slab (live at once)", m->lower_bound, most);
  put_bytes_row(html, "largest workspace, inside the slab", m->workspace, most);
  ig_html_raw(html, "</tbody></table></div>");
}

static ig_status put_costs(ig_html *html, const ig_report_input *in) {
  bool memory = in->memory.params || in->memory.slab || in->memory.sum;
  if (in->n_operators == 0 && !memory) return IG_OK;
  open_section(html, "Time and memory");
  IG_TRY(put_operators(html, in));
  put_memory(html, &in->memory);
  ig_html_raw(html, "</section>");
  return IG_OK;
}

/* --- settings -------------------------------------------------------------------------------- */

static void put_groups(ig_html *html, const ig_report_input *in) {
  if (in->n_groups == 0) return;
  open_section(html, "Settings");
  ig_html_raw(html, "<div class=\"charts\">");
  for (int g = 0; g < in->n_groups; g++) {
    ig_html_raw(html, "<div class=\"card\"><h3>");
    ig_html_text(html, in->groups[g].title);
    ig_html_raw(html, "</h3><table class=\"pairs\"><tbody>");
    for (int64_t i = 0; i < in->groups[g].count; i++) {
      ig_html_raw(html, "<tr><th>");
      ig_html_text(html, in->groups[g].pairs[i].name);
      ig_html_raw(html, "</th><td>");
      ig_html_text(html, in->groups[g].pairs[i].value);
      ig_html_raw(html, "</td></tr>");
    }
    ig_html_raw(html, "</tbody></table></div>");
  }
  ig_html_raw(html, "</div></section>");
}

static ig_status put_page(ig_html *html, const ig_report_input *in) {
  put_head(html, in);
  ig_html_raw(html, "<main>");
  put_headlines(html, in);
  put_charts(html, in);
  put_classes(html, in);
  put_calibration(html, in);
  IG_TRY(put_mistakes(html, in));
  IG_TRY(put_costs(html, in));
  put_groups(html, in);
  ig_html_format(html, "</main><footer>Ingot %s</footer></body></html>\n", ig_version());
  IG_CHECK(!html->failed, IG_ERR_MEMORY, "no memory for the report");
  return IG_OK;
}

ig_status ig_report_html(const ig_report_input *input, char **out) {
  ig_html html = {0};
  ig_status status = put_page(&html, input);
  if (status == IG_OK) {
    *out = html.text;
  } else {
    ig_free(html.text);
  }
  return status;
}

ig_status ig_report_write(const char *path, const ig_report_input *input) {
  char *text = NULL, *partial = ig_format("%s.partial", path);
  ig_append *file = NULL;
  IG_CHECK_ALLOC(partial);
  ig_status status = ig_report_html(input, &text);
  if (status == IG_OK) status = ig_append_open(partial, true, &file);
  if (status == IG_OK) {
    status = ig_append_write(file, text, strlen(text));
    ig_status closed = ig_append_close(file);
    if (status == IG_OK) status = closed;
    if (status == IG_OK && rename(partial, path) != 0) status = ig_fail_errno("replace", path);
    if (status != IG_OK) unlink(partial);
  }
  ig_free(text);
  ig_free(partial);
  return status;
}
