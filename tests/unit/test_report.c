/* report.html: well-formed, self-contained, nothing of the input unescaped, and what it shows is what
 * was given. Called with a path, the program writes the sample page there, for looking at. */
#include "scratch.h"

#include <ctype.h>
#include <math.h>
#include <png.h>

#include "engine/base/base64.h"
#include "lifecycle/report.h"

#define HOSTILE "<script>alert(\"1\")</script>&'\x01\xff"

/* --- a page with everything ------------------------------------------------------------------ */

enum { STEPS = 3000, EVALS = 12, CLASSES = 10, SIDE = 28, MISTAKES = 12 };

typedef struct sample {
  double step[STEPS], loss[STEPS], lr[STEPS], eval_step[EVALS], val_loss[EVALS], accuracy[EVALS];
  ig_chart_series series[4];
  ig_chart charts[3];
  int64_t confusion[CLASSES * CLASSES], support[CLASSES], bin_count[15];
  double precision[CLASSES], recall[CLASSES], f1[CLASSES], bin_confidence[15], bin_accuracy[15];
  uint8_t pixels[MISTAKES][SIDE * SIDE];
  ig_report_mistake mistakes[MISTAKES];
  ig_report_input input;
} sample;

static const char *const class_names[CLASSES] = {"zero", "one", "two",   "three", "four",
                                                 "five", "six", "seven", "eight", "nine"};

static void draw_curves(sample *s) {
  for (int i = 0; i < STEPS; i++) {
    double noise = (double)((unsigned)i * 2654435761u >> 8) / (1 << 24) - 0.5;
    s->step[i] = i + 1;
    s->loss[i] = (2.2 * exp(-i / 250.0) + 0.05 + 0.2 * exp(-i / 900.0)) * (1 + 0.7 * noise);
    s->lr[i] = 1e-3 * 0.5 * (1 + cos(3.14159 * i / STEPS));
  }
  for (int i = 0; i < EVALS; i++) {
    s->eval_step[i] = (i + 1) * 250;
    s->val_loss[i] = 0.09 + 0.8 * exp(-i / 1.7);
    s->accuracy[i] = 0.992 - 0.25 * exp(-i / 1.4);
  }
  s->series[0] = (ig_chart_series){"training", STEPS, s->step, s->loss, true};
  s->series[1] = (ig_chart_series){"validation", EVALS, s->eval_step, s->val_loss, false};
  s->series[2] = (ig_chart_series){"accuracy", EVALS, s->eval_step, s->accuracy, false};
  s->series[3] = (ig_chart_series){"learning rate", STEPS, s->step, s->lr, false};
  s->charts[0] = (ig_chart){"Loss", "step", 2, &s->series[0], false, 0, 0};
  s->charts[1] = (ig_chart){"Validation accuracy", "step", 1, &s->series[2], false, 0, 0};
  s->charts[2] = (ig_chart){"Learning rate", "step", 1, &s->series[3], true, 0, 0};
}

static void count_classes(sample *s) {
  for (int t = 0; t < CLASSES; t++) {
    for (int p = 0; p < CLASSES; p++) {
      s->confusion[t * CLASSES + p] = t == p ? 950 + 7 * t : (t * 7 + p * 3) % 11 == 0 ? 6 + p : 0;
      s->support[t] += s->confusion[t * CLASSES + p];
    }
    s->precision[t] = 0.95 + 0.004 * t;
    s->recall[t] = 0.999 - 0.006 * t;
    s->f1[t] = 0.97 + 0.002 * t;
  }
  s->f1[3] = NAN;
  for (int i = 0; i < 15; i++) {
    s->bin_confidence[i] = (i + 0.5) / 15;
    s->bin_accuracy[i] = fmin(1, 0.06 + 0.9 * (i + 0.5) / 15);
    s->bin_count[i] = i > 3 ? 10 * i * i : 0;
  }
}

static void draw_mistakes(sample *s) {
  for (int k = 0; k < MISTAKES; k++) {
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        double r = hypot(x - 13.5 + 2 * sin(y * 0.4 + k), (y - 13.5) * 0.8) - 7 - k % 3;
        s->pixels[k][y * SIDE + x] = (uint8_t)(255 * exp(-r * r / 4));
      }
    }
    s->mistakes[k] = (ig_report_mistake){1,
                                         SIDE,
                                         SIDE,
                                         s->pixels[k],
                                         class_names[k % CLASSES],
                                         class_names[(k * 3 + 1) % CLASSES],
                                         0.99 - 0.03 * k,
                                         1000 + 17 * k};
  }
}

static const ig_report_operator operators[] = {
    {"Conv", "onednn", 2, 1.31e-3, 64 * 2.3e6, 4.1e6},
    {"ingot.ConvGrad", "onednn", 2, 2.61e-3, 64 * 4.6e6, 8.3e6},
    {"Gemm", "onednn", 3, 0.22e-3, 64 * 0.12e6, 0.5e6},
    {"MaxPool", "onednn", 2, 0.18e-3, 0, 3.3e6},
    {"Relu", "avx", 4, 0.03e-3, 1e5, 2.2e6},
    {"SoftmaxCrossEntropyLoss", "reference", 1, 0.011e-3, 1e4, 1e4},
    {"ingot.AdamW", NULL, 8, 0.09e-3, 6.1e5, 1.2e6},
};

static sample *make_sample(void) {
  static const ig_report_pair headlines[] = {{"validation accuracy", "99.2 %"},
                                             {"validation loss", "0.091"},
                                             {"training time", "2 min 14 s"},
                                             {"samples per second", "22.4k"},
                                             {"waiting for data", "1.3 %"}};
  static const ig_report_pair settings[] = {{"model", "lenet"},
                                            {"data", "mnist:train"},
                                            {"optimizer", "adamw"},
                                            {"lr", "0.001"},
                                            {"note", HOSTILE}};
  static const ig_report_pair origin[] = {{"commit", "7e9cd6a0"},
                                          {"command",
                                           "ingot train --model lenet --data mnist:train "
                                           "--out runs/mnist --epochs 5"},
                                          {"libraries", "hdf5 1.10.8, onednn 2.6.3"}};
  static const ig_report_group groups[] = {{"Options", 5, settings}, {"Provenance", 3, origin}};
  sample *s = calloc(1, sizeof *s);
  assert_non_null(s);
  draw_curves(s);
  count_classes(s);
  draw_mistakes(s);
  s->input = (ig_report_input){
      .title = "lenet on mnist:train",
      .subtitle = "finished after 5 epochs, 3,000 steps, 24 November 2026",
      .n_headlines = 5,
      .headlines = headlines,
      .n_charts = 3,
      .charts = s->charts,
      .n_classes = CLASSES,
      .confusion = s->confusion,
      .support = s->support,
      .classes = class_names,
      .precision = s->precision,
      .recall = s->recall,
      .f1 = s->f1,
      .n_bins = 15,
      .bin_confidence = s->bin_confidence,
      .bin_accuracy = s->bin_accuracy,
      .bin_count = s->bin_count,
      .calibration_error = 0.0123,
      .n_mistakes = MISTAKES,
      .mistakes = s->mistakes,
      .n_operators = IG_COUNT(operators),
      .operators = operators,
      .memory = {1720000, 9800000, 31000000, 9700000, 1200000},
      .n_groups = 2,
      .groups = groups,
  };
  return s;
}

/* --- what a page must be --------------------------------------------------------------------- */

static bool is_void(const char *name) {
  static const char *const names[] = {"meta", "br", "img", "link", "hr"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(name, names[i]) == 0) return true;
  }
  return false;
}

/* Every tag closed by its own kind, attributes quoted, no stray '<' or '&'. */
static void is_well_formed(const char *html) {
  char stack[64][32];
  int depth = 0;
  for (const char *c = html; *c;) {
    if (*c == '&') {
      size_t n = strspn(c + 1, "#abcdefghijklmnopqrstuvwxyz0123456789");
      assert_true(n > 0 && c[1 + n] == ';');
    }
    if (*c != '<') {
      assert_true(*c != '>');
      c++;
      continue;
    }
    if (strncmp(c, "<!DOCTYPE html>", 15) == 0) {
      c += 15;
      continue;
    }
    bool closing = c[1] == '/';
    c += closing ? 2 : 1;
    char name[32] = "";
    for (int n = 0; isalnum((unsigned char)*c) && n < 31; c++) name[n++] = *c;
    assert_true(name[0] != '\0');
    bool quoted = false;
    for (; *c && (quoted || *c != '>'); c++) {
      if (*c == '"') quoted = !quoted;
      assert_true(*c != '<');
    }
    assert_int_equal(*c, '>');
    bool empty = c[-1] == '/';
    c++;
    if (closing) {
      assert_true(depth > 0);
      if (strcmp(stack[--depth], name) != 0) fail_msg("</%s> closes <%s>", name, stack[depth]);
    } else if (!empty && !is_void(name)) {
      assert_true(depth < 64);
      snprintf(stack[depth++], sizeof stack[0], "%s", name);
      if (strcmp(name, "style") == 0) c = strstr(c, "</style>");
    }
  }
  assert_int_equal(depth, 0);
}

static void is_self_contained(const char *html) {
  static const char *const words[] = {"http:",       "https:",  "url(",    "@import",
                                      "<script",     "<link",   "<iframe", "<object",
                                      "javascript:", " onload", "srcset"};
  for (int i = 0; i < IG_COUNT(words); i++) {
    if (strstr(html, words[i])) fail_msg("the page has %s", words[i]);
  }
  for (const char *c = html; (c = strstr(c, "src=")) != NULL; c++) {
    assert_int_equal(strncmp(c, "src=\"data:image/png;base64,", 27), 0);
  }
  for (const char *c = html; (c = strstr(c, "href=")) != NULL; c++) fail_msg("the page has a link");
}

/* Not inlined: gcc 12 then takes the text for the variable that held its address, and warns. */
__attribute__((noinline)) static char *page(const ig_report_input *input) {
  char *html = NULL;
  if (ig_report_html(input, &html) != IG_OK) fail_msg("%s", ig_last_error());
  return html;
}

static void the_page_is_well_formed(void **state) {
  (void)state;
  sample *s = make_sample();
  char *html = page(&s->input);
  is_well_formed(html);
  is_self_contained(html);
  assert_non_null(strstr(html, "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;"
                               "\xef\xbf\xbd\xef\xbf\xbd"));
  assert_non_null(strstr(html, "<title>lenet on mnist:train</title>"));
  assert_true(strlen(html) < 200000);
  ig_free(html);
  free(s);
}

/* Every text of the input may be hostile. */
static void nothing_comes_through_unescaped(void **state) {
  (void)state;
  sample *s = make_sample();
  const char *names[CLASSES];
  for (int i = 0; i < CLASSES; i++) names[i] = HOSTILE;
  for (int i = 0; i < MISTAKES; i++) s->mistakes[i].truth = s->mistakes[i].predicted = HOSTILE;
  for (int i = 0; i < 4; i++) s->series[i].name = HOSTILE;
  for (int i = 0; i < 3; i++) s->charts[i].title = s->charts[i].x_name = HOSTILE;
  ig_report_pair pair = {HOSTILE, HOSTILE};
  ig_report_group group = {HOSTILE, 1, &pair};
  ig_report_operator op = {HOSTILE, HOSTILE, 1, 1, 1, 1};
  s->input.title = s->input.subtitle = HOSTILE;
  s->input.classes = names;
  s->input.headlines = &pair;
  s->input.n_headlines = 1;
  s->input.groups = &group;
  s->input.n_groups = 1;
  s->input.operators = &op;
  s->input.n_operators = 1;
  char *html = page(&s->input);
  is_well_formed(html);
  is_self_contained(html);
  for (const unsigned char *c = (const unsigned char *)html; *c; c++) {
    assert_true(*c >= 0x20 || *c == '\n');
    assert_true(*c != 0xff);
  }
  ig_free(html);
  free(s);
}

static void parts_may_be_missing(void **state) {
  (void)state;
  ig_report_input input = {.title = "nothing"};
  char *html = page(&input);
  is_well_formed(html);
  assert_null(strstr(html, "<section>"));
  ig_free(html);
  const double gap[] = {NAN, INFINITY};
  ig_chart_series series[] = {{"none", 0, NULL, NULL, false}, {"gaps", 2, gap, gap, true}};
  ig_chart chart = {"Nothing to see", "step", 2, series, false, 0, 0};
  input.charts = &chart;
  input.n_charts = 1;
  html = page(&input);
  is_well_formed(html);
  assert_null(strstr(html, "Nothing to see"));
  ig_free(html);
}

/* Values to places: a curve from (0, 0) to (10, 10) runs from the lower left to the upper right of the
 * plotting area, and its middle lies in the middle. */
static void a_line_goes_where_it_should(void **state) {
  (void)state;
  const double x[] = {0, 5, 10}, y[] = {0, 5, 10};
  ig_chart_series series = {"line", 3, x, y, false};
  ig_chart chart = {"A line", "step", 1, &series, false, 0, 0};
  ig_html html = {0};
  ig_chart_lines(&html, &chart);
  assert_non_null(strstr(html.text, "d=\"M48.0 212.0L224.0 111.0L400.0 10.0\""));
  assert_null(strstr(html.text, "log scale"));
  ig_free(html.text);
  /* 1, 100 and 10,000 on a log scale are evenly spaced as well. */
  const double powers[] = {1, 100, 10000};
  series.y = powers;
  html = (ig_html){0};
  ig_chart_lines(&html, &chart);
  assert_non_null(strstr(html.text, "log scale"));
  assert_non_null(strstr(html.text, "d=\"M48.0 212.0L224.0 111.0L400.0 10.0\""));
  ig_free(html.text);
}

/* One spike among 100,000 points survives the thinning, which keeps the page small. */
static void a_spike_stays_visible(void **state) {
  (void)state;
  int64_t n = 100000;
  double *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y);
  for (int64_t i = 0; i < n; i++) {
    x[i] = (double)i;
    y[i] = 1;
  }
  y[77777] = 9;
  ig_chart_series series = {"spiky", n, x, y, false};
  ig_chart chart = {"Spike", "step", 1, &series, false, 0, 10};
  ig_html html = {0};
  ig_chart_lines(&html, &chart);
  char place[32];
  snprintf(place, sizeof place, "L%.1f %.1f", 48 + 352 * 77777.0 / 99999, 212 - 202 * 0.9);
  assert_non_null(strstr(html.text, place));
  assert_true(html.size < 40000);
  ig_free(html.text);
  free(x);
  free(y);
}

static void the_confusion_matrix_counts(void **state) {
  (void)state;
  const int64_t counts[] = {8, 2, 1, 9};
  ig_html html = {0};
  ig_chart_confusion(&html, 2, counts, NULL);
  assert_non_null(strstr(html.text, "class=\"hit\" x=\"34.6\" y=\"34.6\" width=\"59.0\" "
                                    "height=\"59.0\" fill-opacity=\"0.816\"/>"
                                    "<title>8 (80.0 % of its row)</title>"));
  assert_non_null(strstr(html.text, "class=\"miss\" x=\"94.6\" y=\"34.6\""));
  assert_non_null(strstr(html.text, "<title>2 (20.0 % of its row)</title>"));
  assert_non_null(strstr(html.text, "<title>9 (90.0 % of its row)</title>"));
  ig_free(html.text);
}

/* The picture in the page is the picture that was given. */
static void a_picture_survives(void **state) {
  (void)state;
  uint8_t pixels[3 * 2 * 5];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
  ig_report_mistake mistake = {3, 2, 5, pixels, "a", "b", NAN, 7};
  ig_report_input input = {.title = "t", .n_mistakes = 1, .mistakes = &mistake};
  char *html = page(&input);
  const char *start = strstr(html, "base64,");
  assert_non_null(start);
  start += strlen("base64,");
  size_t length = strcspn(start, "\"");
  size_t size = length / 4 * 3 - (start[length - 1] == '=') - (start[length - 2] == '=');
  uint8_t *bytes = malloc(size);
  assert_true(ig_base64_decode(start, length, bytes, size));
  png_image image = {.version = PNG_IMAGE_VERSION};
  assert_true(png_image_begin_read_from_memory(&image, bytes, size));
  assert_int_equal(image.width, 5);
  assert_int_equal(image.height, 2);
  image.format = PNG_FORMAT_RGB;
  uint8_t rows[30];
  assert_true(png_image_finish_read(&image, NULL, rows, 0, NULL));
  for (int i = 0; i < 10; i++) {
    for (int c = 0; c < 3; c++) assert_int_equal(rows[i * 3 + c], pixels[c * 10 + i]);
  }
  mistake.channels = 2;
  char *none = NULL;
  assert_int_equal(ig_report_html(&input, &none), IG_ERR_USAGE);
  free(bytes);
  ig_free(html);
}

static void numbers_for_people(void **state) {
  (void)state;
  assert_string_equal(IG_NUMBER_STR(0.12345), "0.1235");
  assert_string_equal(IG_NUMBER_STR(1234), "1234");
  assert_string_equal(IG_NUMBER_STR(12345), "12.35k");
  assert_string_equal(IG_NUMBER_STR(-2.5e6), "-2.5M");
  assert_string_equal(IG_NUMBER_STR(3e9), "3G");
  assert_string_equal(IG_NUMBER_STR(1e-5), "1e-05");
  assert_string_equal(IG_NUMBER_STR(NAN), "-");
  assert_string_equal(IG_NUMBER_STR(INFINITY), "inf");
}

/* --- from a run's files ---------------------------------------------------------------------- */

static void curves_from_metrics(void **state) {
  (void)state;
  static const char lines[] =
      "{\"step\":10,\"loss\":2.5,\"lr\":0.001}\n"
      "not json\n"
      "{\"step\":20,\"loss\":1.5,\"lr\":0.001,\"val_loss\":1.75,\"val_accuracy\":0.5}\n"
      "{\"step\":30,\"loss\":null}\n"
      "{\"step\":40,\"loss\":1.25,\"lr";
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "metrics.jsonl");
  scratch_write(path, lines, sizeof lines - 1);
  ig_arena *arena = ig_arena_create();
  ig_chart *charts;
  int count;
  assert_int_equal(ig_report_charts(path, arena, &count, &charts), IG_OK);
  assert_int_equal(count, 3);
  assert_string_equal(charts[0].title, "Loss");
  assert_int_equal(charts[0].n_series, 2);
  assert_int_equal(charts[0].series[0].count, 2);
  assert_true(charts[0].series[0].x[1] == 20 && charts[0].series[0].y[1] == 1.5);
  assert_true(charts[0].series[1].x[0] == 20 && charts[0].series[1].y[0] == 1.75);
  assert_string_equal(charts[1].title, "Validation accuracy");
  assert_string_equal(charts[2].title, "Learning rate");
  assert_int_equal(ig_report_charts(scratch_path(&dir, "absent"), arena, &count, &charts),
                   IG_ERR_INPUT);
  ig_arena_destroy(arena);
  scratch_remove(&dir);
}

static void settings_from_json(void **state) {
  (void)state;
  ig_arena *arena = ig_arena_create();
  ig_report_group group;
  assert_int_equal(ig_report_group_of_json("Options",
                                           "{\"model\":\"mlp\",\"lr\":0.001,\"deep\":{\"a\":[1,2],"
                                           "\"b\":{\"c\":true}}}",
                                           arena, &group),
                   IG_OK);
  static const char *const want[][2] = {
      {"model", "mlp"}, {"lr", "0.001"}, {"deep.a", "[1, 2]"}, {"deep.b.c", "true"}};
  assert_int_equal(group.count, IG_COUNT(want));
  for (int i = 0; i < IG_COUNT(want); i++) {
    assert_string_equal(group.pairs[i].name, want[i][0]);
    assert_string_equal(group.pairs[i].value, want[i][1]);
  }
  assert_int_equal(ig_report_group_of_json("Options", "[1]", arena, &group), IG_ERR_INPUT);
  assert_int_equal(ig_report_group_of_json("Options", "{", arena, &group), IG_ERR_INPUT);
  ig_arena_destroy(arena);
}

static void writing_replaces_in_one_step(void **state) {
  (void)state;
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "report.html");
  ig_report_input input = {.title = "first"};
  assert_int_equal(ig_report_write(path, &input), IG_OK);
  input.title = "second";
  assert_int_equal(ig_report_write(path, &input), IG_OK);
  assert_int_equal(scratch_count(&dir), 1);
  char *text = (char *)scratch_read(path, NULL);
  assert_non_null(strstr(text, "<h1>second</h1>"));
  free(text);
  assert_int_equal(ig_report_write("/nonexistent/report.html", &input), IG_ERR_INPUT);
  scratch_remove(&dir);
}

int main(int argc, char **argv) {
  if (argc == 2) {
    sample *s = make_sample();
    ig_status status = ig_report_write(argv[1], &s->input);
    if (status != IG_OK) fprintf(stderr, "%s\n", ig_last_error());
    free(s);
    return status != IG_OK;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_page_is_well_formed),
      cmocka_unit_test(nothing_comes_through_unescaped),
      cmocka_unit_test(parts_may_be_missing),
      cmocka_unit_test(a_line_goes_where_it_should),
      cmocka_unit_test(a_spike_stays_visible),
      cmocka_unit_test(the_confusion_matrix_counts),
      cmocka_unit_test(a_picture_survives),
      cmocka_unit_test(numbers_for_people),
      cmocka_unit_test(curves_from_metrics),
      cmocka_unit_test(settings_from_json),
      cmocka_unit_test(writing_replaces_in_one_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
