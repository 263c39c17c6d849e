/* What `ingot quantize` says: both models side by side, and what became of every layer. */
#include <math.h>
#include <string.h>

#include "cli/quantize_job.h"
#include "lifecycle/report.h"

#define MOST_PRINTED 12

static int count_format(const ig_recipe *recipe, ig_quant_format format) {
  int n = 0;
  for (int i = 0; i < recipe->n_layers; i++) {
    n += recipe->layers[i].weight && recipe->layers[i].format == format;
  }
  return n;
}

/* --- text ---------------------------------------------------------------------------------------- */

static void print_row(const ig_quantize_job *job, const char *name, const char *unit, double scale,
                      double before, double after) {
  if (isnan(before) || isnan(after)) return;
  ig_say(job->cli, "%-18s %12.6g %12.6g   %s\n", name, scale * before, scale * after, unit);
}

static void print_layers(const ig_quantize_job *job) {
  const ig_recipe *recipe = job->recipe;
  int printed = 0;
  for (int i = 0; i < recipe->n_layers; i++) {
    const ig_quant_layer *l = &recipe->layers[i];
    if (!l->why) continue;
    if (++printed > MOST_PRINTED) continue;
    ig_say(job->cli, "  %s (%s): %s: %s\n", l->node, l->op, ig_quant_format_name(l->format), l->why);
  }
  if (printed > MOST_PRINTED) {
    ig_say(job->cli, "  and %d more, which --json and --report list\n", printed - MOST_PRINTED);
  }
}

static void print_formats(const ig_quantize_job *job) {
  bool refused = job->gate_failed && job->mix.tried > 0;
  ig_say(job->cli, "%s to %s:", job->model.path, refused ? "no file" : job->values->out);
  const char *comma = "";
  for (int f = 0; f < IG_QUANT_FORMATS; f++) {
    int n = count_format(job->recipe, (ig_quant_format)f);
    if (n == 0) continue;
    ig_say(job->cli, "%s %d layer%s in %s", comma, n, n == 1 ? "" : "s",
           ig_quant_format_name((ig_quant_format)f));
    comma = ",";
  }
  ig_say(job->cli, "\n");
}

static void print_method(const ig_quantize_job *job, const char *what, int changed) {
  if (changed > 0) ig_say(job->cli, "%-18s %25d\n", what, changed);
}

static void print_all(const ig_quantize_job *job) {
  const ig_quantize_measure *b = &job->before, *a = &job->after;
  print_formats(job);
  print_layers(job);
  ig_say(job->cli, "%-18s %12s %12s\n", "", "before", "after");
  if (job->eval) {
    bool accuracy = strcmp(job->metric_name, "accuracy") == 0;
    if (strcmp(job->metric_name, "loss") != 0) {
      print_row(job, job->metric_name, accuracy ? "%" : "", accuracy ? 100 : 1, b->metric, a->metric);
    }
    print_row(job, "loss", "", 1, b->loss, a->loss);
  }
  print_row(job, "size", "MB", 1e-6, b->bytes, a->bytes);
  print_row(job, "time", "ms a batch", 1e3, b->seconds, a->seconds);
  if (!isnan(b->seconds)) ig_say(job->cli, "%-18s %25.3g x\n", "faster by", b->seconds / a->seconds);
  if (!isnan(job->output_error)) {
    ig_say(job->cli, "%-18s %25.3g   of its size, over the calibration data\n", "change of output",
           sqrt(job->output_error));
  }
  print_method(job, "pairs equalized", job->equalized);
  print_method(job, "layers smoothed", job->smoothed);
  print_method(job, "rounded by GPTQ", job->rounded);
  print_method(job, "biases corrected", job->corrected);
  if (job->mix.tried > 0) {
    ig_say(job->cli, "%-18s %25d   tried; %d layers kept back\n", "mixes", job->mix.tried,
           job->mix.kept_back);
  }
}

/* --- JSON ---------------------------------------------------------------------------------------- */

static json_t *measure_json(const ig_quantize_job *job, const ig_quantize_measure *m) {
  json_t *object = json_object();
  if (job->eval && strcmp(job->metric_name, "loss") != 0) ig_json_real(object, job->metric_name, m->metric);
  ig_json_real(object, "loss", m->loss);
  ig_json_real(object, "bytes", m->bytes);
  ig_json_real(object, "latency_ms", 1e3 * m->seconds);
  return object;
}

static json_t *layer_json(const ig_quant_layer *l) {
  json_t *object = json_object();
  json_object_set_new(object, "node", json_string(l->node));
  json_object_set_new(object, "op", json_string(l->op));
  if (l->weight) json_object_set_new(object, "weight", json_string(l->weight));
  json_object_set_new(object, "format", json_string(ig_quant_format_name(l->format)));
  if (l->why) json_object_set_new(object, "why", json_string(l->why));
  ig_json_real(object, "output_error", sqrt(l->output_error));
  ig_json_real(object, "metric_drop", l->metric_drop);
  return object;
}

static json_t *result_json(const ig_quantize_job *job) {
  json_t *result = json_object(), *layers = json_array();
  for (int i = 0; i < job->recipe->n_layers; i++) {
    json_array_append_new(layers, layer_json(&job->recipe->layers[i]));
  }
  json_object_set_new(result, "model", json_string(job->model.path));
  json_object_set_new(result, "out", json_string(job->values->out));
  json_object_set_new(result, "format", json_string(job->values->format));
  json_object_set_new(result, "before", measure_json(job, &job->before));
  json_object_set_new(result, "after", measure_json(job, &job->after));
  ig_json_real(result, "speedup", job->before.seconds / job->after.seconds);
  ig_json_real(result, "size_ratio", job->after.bytes / job->before.bytes);
  ig_json_real(result, "output_error", sqrt(job->output_error));
  if (job->calibration) {
    json_object_set_new(result, "calibration_samples", json_integer(job->calibration->samples));
  }
  if (job->mix.tried > 0) {
    json_object_set_new(result, "mixes_tried", json_integer(job->mix.tried));
    json_object_set_new(result, "kept_back", json_integer(job->mix.kept_back));
  }
  json_object_set_new(result, "gate_met", json_boolean(!job->gate_failed));
  json_object_set_new(result, "slower", json_boolean(job->slower));
  json_object_set_new(result, "layers", layers);
  return result;
}

/* --- HTML ---------------------------------------------------------------------------------------- */

typedef struct page {
  const ig_quantize_job *job;
  ig_arena *arena;
  ig_report_pair *rows; /* of layers */
  int64_t n_rows;
  double *x, *error, *drop;
} page;

static const char *layer_text(page *p, const ig_quant_layer *l) {
  const char *format = ig_quant_format_name(l->format);
  const char *error = isnan(l->output_error)
                          ? ""
                          : ig_arena_format(p->arena, "; alone changes the output by %.3g of its size",
                                            sqrt(l->output_error));
  const char *drop = isnan(l->metric_drop)
                         ? ""
                         : ig_arena_format(p->arena, ", the metric by %+.4g", -l->metric_drop);
  if (!error || !drop) return NULL;
  return ig_arena_format(p->arena, "%s %s%s%s%s%s", l->op, format, l->why ? ": " : "",
                         l->why ? l->why : "", error, drop);
}

static ig_status fill_layers(page *p) {
  const ig_recipe *recipe = p->job->recipe;
  size_t n = (size_t)recipe->n_layers + 1;
  p->rows = ig_arena_alloc(p->arena, n * sizeof *p->rows);
  p->x = ig_arena_alloc(p->arena, n * sizeof *p->x);
  p->error = ig_arena_alloc(p->arena, n * sizeof *p->error);
  p->drop = ig_arena_alloc(p->arena, n * sizeof *p->drop);
  IG_CHECK(p->rows && p->x && p->error && p->drop, IG_ERR_MEMORY, "report: out of memory");
  for (int i = 0; i < recipe->n_layers; i++) {
    const ig_quant_layer *l = &recipe->layers[i];
    if (!l->weight && !l->why) continue;
    int64_t k = p->n_rows++;
    p->rows[k] = (ig_report_pair){l->node, layer_text(p, l)};
    IG_CHECK(p->rows[k].value, IG_ERR_MEMORY, "report: out of memory");
    p->x[k] = (double)(k + 1);
    p->error[k] = sqrt(l->output_error);
    p->drop[k] = l->metric_drop;
  }
  return IG_OK;
}

static void add_pair(page *p, int *n, ig_report_pair *pairs, const char *name, int digits,
                     double before, double after) {
  if (isnan(before) || isnan(after)) return;
  const char *text =
      ig_arena_format(p->arena, "%.*g \xe2\x86\x92 %.*g", digits, before, digits, after);
  if (text) pairs[(*n)++] = (ig_report_pair){name, text};
}

static ig_status write_page(page *p) {
  const ig_quantize_job *job = p->job;
  const ig_quantize_measure *b = &job->before, *a = &job->after;
  IG_TRY(fill_layers(p));
  ig_report_pair headlines[4];
  int n = 0;
  bool accuracy = job->eval && strcmp(job->metric_name, "accuracy") == 0;
  if (accuracy) add_pair(p, &n, headlines, "accuracy, %", 4, 100 * b->metric, 100 * a->metric);
  else add_pair(p, &n, headlines, "loss", 4, b->loss, a->loss);
  add_pair(p, &n, headlines, "time, ms a batch", 4, 1e3 * b->seconds, 1e3 * a->seconds);
  add_pair(p, &n, headlines, "size, MB", 4, 1e-6 * b->bytes, 1e-6 * a->bytes);
  const ig_chart_series error = {.name = "change of output, each layer alone", .count = p->n_rows, .x = p->x, .y = p->error};
  const ig_chart_series drop = {.name = "drop of the metric, each layer alone", .count = p->n_rows, .x = p->x, .y = p->drop};
  const ig_chart charts[] = {
      {.title = "Change of output by layer", .x_name = "layer", .n_series = 1, .series = &error},
      {.title = "Drop of the metric by layer", .x_name = "layer", .n_series = 1, .series = &drop}};
  bool errors = false, drops = false;
  for (int64_t i = 0; i < p->n_rows; i++) {
    errors = errors || !isnan(p->error[i]);
    drops = drops || !isnan(p->drop[i]);
  }
  const ig_report_group layers = {"Layers", p->n_rows, p->rows};
  const char *title = ig_arena_format(p->arena, "%s in %s", job->model.path, job->values->format);
  const char *subtitle = job->gate_failed ? "the gate is not met" : job->slower ? "slower than before" : "within the gate";
  const ig_report_input input = {.title = title ? title : "quantized",
                                 .subtitle = subtitle,
                                 .n_headlines = n,
                                 .headlines = headlines,
                                 .n_charts = errors ? drops ? 2 : 1 : 0,
                                 .charts = charts,
                                 .n_groups = 1,
                                 .groups = &layers,
                                 .calibration_error = NAN};
  return ig_report_write(job->values->report, &input);
}

ig_status ig_quantize_report(ig_quantize_job *job) {
  if (!job->cli->common->json) print_all(job);
  if (job->values->report && job->cli->rank == 0) {
    page p = {.job = job, .arena = ig_arena_create()};
    IG_CHECK_ALLOC(p.arena);
    ig_status status = write_page(&p);
    ig_arena_destroy(p.arena);
    IG_TRY(status);
  }
  return ig_emit_json(job->cli, result_json(job));
}
