/* What the report takes from a run's files: the curves in metrics.jsonl, and settings as JSON. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/checked.h"
#include "lifecycle/report.h"

#define MAX_LINES 4000000
#define MAX_DEPTH 8
#define MAX_PAIRS 4096

/* --- curves ---------------------------------------------------------------------------------- */

/* The charts, and which numbers of a line they show. */
static const struct plan {
  const char *title;
  struct {
    const char *key, *name;
  } curves[4];
  bool smooth, zero;
} plans[] = {
    {"Loss", {{"loss", "training"}, {"val_loss", "validation"}}, true, false},
    {"Validation accuracy",
     {{"val_accuracy", "accuracy"}, {"val_top5_accuracy", "top 5"}, {"val_f1", "F1"}},
     false,
     false},
    {"Validation perplexity", {{"val_perplexity", "perplexity"}}, false, false},
    {"Validation R\xc2\xb2", {{"val_r2", "R\xc2\xb2"}}, false, false},
    {"Learning rate", {{"lr", "learning rate"}}, false, true},
    {"Gradient norm", {{"grad_norm", "norm"}}, true, false},
    {"Samples per second", {{"samples_per_second", "speed"}}, false, true},
};

enum { MAX_CURVES = 4 };

typedef struct curve {
  int64_t count, x_capacity, y_capacity;
  double *x, *y; /* heap while growing */
} curve;

typedef struct curves {
  curve of[IG_COUNT(plans)][MAX_CURVES];
} curves;

static bool add_point(curve *c, double x, double y) {
  void *xs = c->x, *ys = c->y;
  bool ok = ig_grow(&xs, &c->x_capacity, c->count + 1, sizeof *c->x);
  c->x = xs;
  ok = ok && ig_grow(&ys, &c->y_capacity, c->count + 1, sizeof *c->y);
  c->y = ys;
  if (!ok) return false;
  c->x[c->count] = x;
  c->y[c->count++] = y;
  return true;
}

/* False only when memory is short. */
static bool take_line(curves *all, const char *line, size_t length) {
  json_t *object = json_loadb(line, length, 0, NULL);
  const json_t *step = json_object_get(object, "step");
  bool ok = true;
  for (int p = 0; p < IG_COUNT(plans) && json_is_number(step); p++) {
    for (int k = 0; k < MAX_CURVES && plans[p].curves[k].key; k++) {
      const json_t *value = json_object_get(object, plans[p].curves[k].key);
      if (!json_is_number(value)) continue;
      ok = ok && add_point(&all->of[p][k], json_number_value(step), json_number_value(value));
    }
  }
  json_decref(object);
  return ok;
}

static ig_status read_lines(const char *path, curves *all) {
  FILE *file = fopen(path, "r");
  if (!file) return ig_fail_errno("open", path);
  char *line = NULL;
  size_t capacity = 0;
  ig_status status = IG_OK;
  ssize_t length;
  for (int64_t n = 0; n < MAX_LINES && (length = getline(&line, &capacity, file)) > 0; n++) {
    if (take_line(all, line, (size_t)length)) continue;
    status = ig_fail(IG_ERR_MEMORY, "%s: no memory for its curves", path);
    break;
  }
  if (status == IG_OK && ferror(file)) status = ig_fail_errno("read", path);
  free(line);
  fclose(file);
  return status;
}

/* Copies the curves of one chart into the arena; *chart has none when nothing was measured. */
static ig_status make_chart(const struct plan *plan, const curve *from, ig_arena *arena,
                            ig_chart *chart) {
  *chart = (ig_chart){.title = plan->title, .x_name = "step", .zero = plan->zero};
  ig_chart_series *series = ig_arena_alloc(arena, MAX_CURVES * sizeof *series);
  IG_CHECK_ALLOC(series);
  for (int k = 0; k < MAX_CURVES && plan->curves[k].key; k++) {
    const curve *c = &from[k];
    if (c->count == 0) continue;
    ig_chart_series *s = &series[chart->n_series++];
    *s = (ig_chart_series){.name = plan->curves[k].name,
                           .count = c->count,
                           .x = ig_arena_copy(arena, c->x, (size_t)c->count * sizeof *c->x),
                           .y = ig_arena_copy(arena, c->y, (size_t)c->count * sizeof *c->y),
                           .smooth = plan->smooth && k == 0};
    IG_CHECK(s->x && s->y, IG_ERR_MEMORY, "no memory for a chart");
  }
  chart->series = series;
  return IG_OK;
}

ig_status ig_report_charts(const char *metrics_path, ig_arena *arena, int *count, ig_chart **out) {
  curves *all = ig_alloc_zero(1, sizeof *all);
  IG_CHECK_ALLOC(all);
  ig_chart *charts = ig_arena_alloc(arena, sizeof plans / sizeof plans[0] * sizeof *charts);
  int n = 0;
  ig_status status = charts ? read_lines(metrics_path, all)
                            : ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  for (int p = 0; p < IG_COUNT(plans) && status == IG_OK; p++) {
    status = make_chart(&plans[p], all->of[p], arena, &charts[n]);
    if (status == IG_OK && charts[n].n_series > 0) n++;
  }
  for (int p = 0; p < IG_COUNT(plans); p++) {
    for (int k = 0; k < MAX_CURVES; k++) {
      ig_free(all->of[p][k].x);
      ig_free(all->of[p][k].y);
    }
  }
  ig_free(all);
  IG_TRY(status);
  *count = n;
  *out = charts;
  return IG_OK;
}

/* --- settings -------------------------------------------------------------------------------- */

typedef struct flattening {
  ig_arena *arena;
  int64_t count;
  ig_report_pair *pairs;
} flattening;

static ig_status put_pair(flattening *f, const char *name, const json_t *value) {
  char *text = json_is_string(value) ? strdup(json_string_value(value))
                                     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
  ig_report_pair pair = {ig_arena_strdup(f->arena, name),
                         text ? ig_arena_strdup(f->arena, text) : NULL};
  free(text);
  IG_CHECK(pair.name && pair.value, IG_ERR_MEMORY, "no memory for the settings");
  f->pairs[f->count++] = pair;
  return IG_OK;
}

static ig_status flatten(flattening *f, const char *prefix, json_t *object, int depth) {
  const char *key;
  json_t *value;
  json_object_foreach(object, key, value) {
    if (f->count >= MAX_PAIRS) return IG_OK;
    char *name = ig_arena_format(f->arena, "%s%s%s", prefix, *prefix ? "." : "", key);
    IG_CHECK(name, IG_ERR_MEMORY, "no memory for the settings");
    if (json_is_object(value) && depth < MAX_DEPTH) {
      IG_TRY(flatten(f, name, value, depth + 1));
    } else {
      IG_TRY(put_pair(f, name, value));
    }
  }
  return IG_OK;
}

ig_status ig_report_group_of_json(const char *title, const char *json, ig_arena *arena,
                                  ig_report_group *out) {
  json_error_t error;
  json_t *object = json_loads(json, 0, &error);
  if (!json_is_object(object)) {
    json_decref(object);
    return ig_fail(IG_ERR_INPUT, "%s: not a JSON object%s%s", title, object ? "" : ": ",
                   object ? "" : error.text);
  }
  flattening f = {.arena = arena, .pairs = ig_arena_alloc(arena, MAX_PAIRS * sizeof *f.pairs)};
  ig_status status =
      f.pairs ? flatten(&f, "", object, 0) : ig_fail(IG_ERR_MEMORY, "no memory for the settings");
  json_decref(object);
  IG_TRY(status);
  *out = (ig_report_group){title, f.count, f.pairs};
  return IG_OK;
}
