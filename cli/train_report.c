/* RUN/report.html: gathers what the page shows. The curves come from metrics.jsonl, classes and
 * mistakes from one more pass of the best parameters over the validation data, times from the plan. */
#include "cli/train_report.h"

#include <math.h>
#include <string.h>

#include "cli/eval_report.h"
#include "cli/mistakes.h"
#include "api/model_source.h"
#include "lifecycle/report.h"

#define MOST_OPERATORS 128
#define MOST_HEADLINES 11

/* Everything that the page borrows, for the time of writing it. */
typedef struct page {
  const ig_train_report *report;
  ig_arena *arena;
  ig_report_input input;
  ig_report_pair headlines[MOST_HEADLINES];
  ig_report_group groups[3];
  ig_report_operator operators[MOST_OPERATORS];
  ig_chart *charts;
  ig_metrics metrics;
  ig_mistakes mistakes;
} page;

static void headline(page *p, const char *name, const char *format, double value) {
  if (isnan(value) || p->input.n_headlines >= MOST_HEADLINES) return;
  char text[64];
  snprintf(text, sizeof text, format, value);
  const char *kept = ig_arena_strdup(p->arena, text);
  if (kept) p->headlines[p->input.n_headlines++] = (ig_report_pair){name, kept};
}

static void add_text(page *p, const char *name, const char *text) {
  const char *kept = ig_arena_strdup(p->arena, text);
  if (kept && p->input.n_headlines < MOST_HEADLINES) {
    p->headlines[p->input.n_headlines++] = (ig_report_pair){name, kept};
  }
}

static void add_headlines(page *p) {
  const ig_train_step *last = p->report->last;
  const ig_metrics *m = &p->metrics;
  if (m->samples > 0) {
    headline(p, "validation accuracy", "%.2f %%", 100 * m->accuracy);
    headline(p, "validation loss", "%.4f", m->loss);
    headline(p, "perplexity", "%.3f", m->perplexity);
    headline(p, "R2", "%.4f", m->r2);
  }
  if (!last) return;
  if (last->round) {
    headline(p, "clients in the last round", "%.0f", last->round->clients);
    headline(p, "privacy: epsilon", "%.3f", last->round->epsilon);
    headline(p, "privacy: delta", "%g", last->round->delta);
  }
  headline(p, "training loss", "%.4f", last->loss);
  headline(p, "minutes of training", "%.1f", last->seconds / 60);
  headline(p, "samples a second", "%.0f", last->samples_per_second);
  headline(p, "waiting for data", "%.1f %%", 100 * last->waited);
  char slowest[128];
  if (ig_rank_rates_slowest(p->report->rates, slowest, sizeof slowest)) add_text(p, "ranks", slowest);
}

static void add_classes(page *p) {
  const ig_metrics *m = &p->metrics;
  const ig_field *target = &p->report->data->base->fields[p->report->data->base->n_fields - 1];
  if (m->samples == 0 || !m->class_precision) return;
  p->input.n_classes = m->n_classes;
  p->input.confusion = m->confusion;
  p->input.support = m->class_support;
  p->input.classes = target->classes;
  p->input.precision = m->class_precision;
  p->input.recall = m->class_recall;
  p->input.f1 = m->class_f1;
  if (isnan(m->ece)) return;
  p->input.n_bins = IG_CALIBRATION_BINS;
  p->input.bin_confidence = m->bin_confidence;
  p->input.bin_accuracy = m->bin_accuracy;
  p->input.bin_count = m->bin_count;
  p->input.calibration_error = m->ece;
}

/* --- time by operator -------------------------------------------------------------------------- */

static ig_report_operator *row_of(page *p, const char *name) {
  for (int i = 0; i < p->input.n_operators; i++) {
    if (strcmp(p->operators[i].name, name) == 0) return &p->operators[i];
  }
  if (p->input.n_operators == MOST_OPERATORS) return NULL;
  ig_report_operator *row = &p->operators[p->input.n_operators++];
  *row = (ig_report_operator){.name = name};
  return row;
}

static void add_operators(page *p) {
  ig_plan *plan = p->report->plan;
  if (!plan) return;
  ig_plan_memory memory = ig_plan_memory_use(plan);
  p->input.memory = (ig_report_memory){.params = memory.params,
                                       .slab = memory.slab,
                                       .sum = memory.sum,
                                       .lower_bound = memory.lower_bound,
                                       .workspace = memory.workspace};
  double runs = (double)IG_MAX(ig_plan_profiled_runs(plan), 1);
  for (int i = 0; i < ig_plan_step_count(plan); i++) {
    ig_plan_step step = ig_plan_step_at(plan, i);
    ig_report_operator *row = step.impl ? row_of(p, step.node->op->name) : NULL;
    if (!row) continue;
    ig_cost cost = step.node->op->cost ? step.node->op->cost(step.node) : (ig_cost){0};
    bool first = row->nodes == 0;
    bool same = !first && row->implementation && !strcmp(row->implementation, step.impl->name);
    row->implementation = first || same ? step.impl->name : NULL;
    row->nodes++;
    row->seconds += step.seconds / runs;
    row->flops += cost.flops;
    row->bytes += cost.bytes;
  }
}

/* --- the page ---------------------------------------------------------------------------------- */

static ig_status add_groups(page *p) {
  const ig_train_report *r = p->report;
  IG_TRY(ig_report_group_of_json("Settings", r->config, p->arena, &p->groups[0]));
  IG_TRY(ig_report_group_of_json("Data", r->schema, p->arena, &p->groups[1]));
  IG_TRY(ig_report_group_of_json("Provenance", r->provenance, p->arena, &p->groups[2]));
  p->input.n_groups = 3;
  return IG_OK;
}

static ig_status add_charts(page *p) {
  const char *path = ig_arena_format(p->arena, "%s/metrics.jsonl", p->report->values->out);
  IG_CHECK_ALLOC(path);
  return ig_report_charts(path, p->arena, &p->input.n_charts, &p->charts);
}

static ig_status write_page(page *p) {
  const ig_train_report *r = p->report;
  add_headlines(p);
  add_classes(p);
  add_operators(p);
  IG_TRY(add_charts(p));
  IG_TRY(add_groups(p));
  const char *path = ig_arena_format(p->arena, "%s/report.html", r->values->out);
  p->input.title = ig_arena_format(p->arena, "%s on %s", r->values->model, r->values->data);
  if (r->last) {
    p->input.subtitle =
        ig_arena_format(p->arena, "%lld steps, %.2f epochs", (long long)r->last->step,
                        (double)r->last->epoch + r->last->fraction);
  }
  IG_CHECK(path && p->input.title, IG_ERR_MEMORY, "no memory for the report");
  p->input.headlines = p->headlines;
  p->input.charts = p->charts;
  p->input.operators = p->operators;
  p->input.groups = p->groups;
  p->input.n_mistakes = p->mistakes.count;
  p->input.mistakes = p->mistakes.rows;
  return ig_report_write(path, &p->input);
}

/* --- one more pass over the validation data ---------------------------------------------------- */

static ig_status evaluate_and_write(page *p, const ig_model_source *best, ig_store *store) {
  const ig_train_report *r = p->report;
  ig_dataset *data = r->data->validation;
  ig_eval_options eval = {.task = r->data->task,
                          .batch = r->values->batch,
                          .limit = r->values->eval_limit,
                          .detailed = true,
                          .frozen = true,
                          .workers = (int)r->values->workers,
                          .n_normalizations = r->data->n_normalizations,
                          .normalizations = r->data->normalizations};
  ig_evaluator *evaluator;
  IG_TRY(ig_evaluator_create(best->graph, r->backend, store, data, &eval, &evaluator));
  ig_mistakes_begin(&p->mistakes, r->data->task, data);
  ig_status status = ig_evaluator_run(evaluator, ig_mistakes_take, &p->mistakes, &p->metrics);
  if (status == IG_OK) status = ig_mistakes_end(&p->mistakes, p->arena);
  if (status == IG_OK) status = write_page(p);
  ig_evaluator_destroy(evaluator); /* owns what the metrics point to */
  return status;
}

static ig_status with_best(page *p) {
  const ig_train_report *r = p->report;
  ig_model_source best;
  ig_store *store = NULL;
  IG_TRY(ig_model_source_open(r->values->out, 0, &best));
  ig_status status = ig_model_source_store(&best, r->backend, &store);
  if (status == IG_OK) status = evaluate_and_write(p, &best, store);
  ig_store_destroy(store);
  ig_model_source_close(&best);
  return status;
}

ig_status ig_train_report_write(const ig_train_report *report) {
  page *p = ig_alloc_zero(1, sizeof *p);
  IG_CHECK_ALLOC(p);
  p->report = report;
  p->arena = ig_arena_create();
  ig_status status = p->arena ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory for the report");
  if (status == IG_OK) status = report->data->validation ? with_best(p) : write_page(p);
  ig_arena_destroy(p->arena);
  ig_free(p);
  return status;
}
