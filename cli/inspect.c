/* The parts of `ingot inspect`: each figure is taken from the graph, the plan or the checkpoint at hand
 * and none is kept here. */
#include "cli/inspect.h"

#include <math.h>
#include <string.h>

typedef struct totals {
  int64_t parameters, trained;
  double flops, bytes;
} totals;

static ig_cost step_cost(const ig_plan_step *step) {
  return step->impl && step->node->op->cost ? step->node->op->cost(step->node) : (ig_cost){0};
}

static totals count_totals(const ig_inspected *what) {
  totals t = {0};
  for (int32_t i = 0; i < what->template_graph->n_values; i++) {
    const ig_value *value = what->template_graph->values[i];
    if (value->kind != IG_VALUE_PARAM) continue;
    t.parameters += ig_value_count(value);
    if (!value->frozen) t.trained += ig_value_count(value);
  }
  for (int i = 0; i < ig_plan_step_count(what->plan); i++) {
    ig_plan_step step = ig_plan_step_at(what->plan, i);
    ig_cost cost = step_cost(&step);
    t.flops += cost.flops;
    t.bytes += cost.bytes;
  }
  return t;
}

/* "1.5 MiB" */
static const char *bytes_text(double bytes, char text[32]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  while (bytes >= 1024 && unit + 1 < IG_COUNT(units)) {
    bytes /= 1024;
    unit++;
  }
  snprintf(text, 32, unit ? "%.2f %s" : "%.0f %s", bytes, units[unit]);
  return text;
}
#define BYTES(n) bytes_text((double)(n), (char[32]){0})

/* --- text -------------------------------------------------------------------------------------- */

static void print_snapshot(const ig_snapshot *s, FILE *out) {
  fprintf(out, "%-18s %s\n", "task", s->task ? s->task : "");
  fprintf(out, "%-18s step %lld, epoch %lld, %.1f s of training\n", "progress",
          (long long)s->progress.step, (long long)s->progress.epoch, s->progress.seconds);
  if (!isnan(s->progress.best_metric)) {
    fprintf(out, "%-18s %.6g at step %lld\n", "best score", s->progress.best_metric,
            (long long)s->progress.best_step);
  }
  if (s->metrics_json) fprintf(out, "%-18s %s\n", "metrics", s->metrics_json);
  if (s->data_json) fprintf(out, "%-18s %s\n", "data", s->data_json);
  if (s->config_json) fprintf(out, "%-18s %s\n", "settings", s->config_json);
  if (s->provenance_json) fprintf(out, "%-18s %s\n", "provenance", s->provenance_json);
}

void ig_inspect_summary(const ig_inspected *what, FILE *out) {
  totals t = count_totals(what);
  ig_plan_memory memory = ig_plan_memory_use(what->plan);
  fprintf(out, "%-18s %s\n%-18s %s\n", "file", what->name, "model", what->model);
  if (what->snapshot) print_snapshot(what->snapshot, out);
  fprintf(out, "%-18s %lld (%lld trained)\n", "parameters", (long long)t.parameters,
          (long long)t.trained);
  fprintf(out, "%-18s %s, batch %lld: %d steps, %.4g GFLOP, %s moved\n", "graph",
          what->training ? "training step" : "inference", (long long)what->batch,
          ig_plan_step_count(what->plan), 1e-9 * t.flops, BYTES(t.bytes));
  double bound = (double)IG_MAX(memory.lower_bound, 1);
  fprintf(out, "%-18s slab %s = %.3f x the lower bound %s; unshared %s\n", "memory",
          BYTES(memory.slab), (double)memory.slab / bound, BYTES(memory.lower_bound),
          BYTES(memory.sum));
  fprintf(out, "%-18s workspace %s, fixed %s, parameters and state %s\n", "",
          BYTES(memory.workspace), BYTES(memory.fixed), BYTES(memory.params));
}

void ig_inspect_parameters(const ig_inspected *what, FILE *out) {
  for (int32_t i = 0; i < what->template_graph->n_values; i++) {
    const ig_value *value = what->template_graph->values[i];
    if (value->kind != IG_VALUE_PARAM && value->kind != IG_VALUE_STATE) continue;
    fprintf(out, "%-5s %-40s %-5s %-20s %12lld%s\n",
            value->kind == IG_VALUE_PARAM ? "param" : "state", value->name,
            ig_dtype_name(value->dtype), IG_SHAPE_STR(&value->shape),
            (long long)ig_value_count(value), value->decay ? "  decays" : "");
  }
}

static const char *impl_name(const ig_plan_step *step) {
  return step->impl ? step->impl->name : "view";
}

/* "fastest", "not cublaslt: an operand is empty", or both; empty where the first is taken unmeasured. */
static void why_text(const ig_plan_step *step, char *out, size_t size) {
  snprintf(out, size, "%s%s%s%s%s%s", step->fastest ? "fastest" : "",
           step->fastest && step->passed ? ", " : "", step->passed ? "not " : "",
           step->passed ? step->passed : "", step->passed ? ": " : "",
           step->passed ? step->reason : "");
}

void ig_inspect_steps(const ig_inspected *what, FILE *out) {
  fprintf(out, "%4s %-28s %-26s %-22s %-22s %12s %12s\n", "step", "operator", "node", "output",
          "implementation", "MFLOP", "bytes");
  for (int i = 0; i < ig_plan_step_count(what->plan); i++) {
    ig_plan_step step = ig_plan_step_at(what->plan, i);
    const ig_value *y = step.node->n_outputs > 0 ? step.node->outputs[0] : NULL;
    ig_cost cost = step_cost(&step);
    char why[160];
    why_text(&step, why, sizeof why);
    fprintf(out, "%4d %-28s %-26s %-5s%-17s %-22s %12.3f %12.0f%s%s%s\n", i, step.node->op->name,
            step.node->name, y ? ig_dtype_name(y->dtype) : "", y ? IG_SHAPE_STR(&y->shape) : "",
            impl_name(&step), 1e-6 * cost.flops, cost.bytes, step.fixed ? "  once" : "",
            *why ? "  " : "", why);
  }
}

/* --- JSON -------------------------------------------------------------------------------------- */

static json_t *shape_json(const ig_shape *shape) {
  json_t *array = json_array();
  for (int d = 0; d < shape->rank; d++) json_array_append_new(array, json_integer(shape->dims[d]));
  return array;
}

static json_t *value_json(const ig_value *value) {
  json_t *object = json_object();
  json_object_set_new(object, "name", json_string(value->name));
  json_object_set_new(object, "dtype", json_string(ig_dtype_name(value->dtype)));
  json_object_set_new(object, "shape", shape_json(&value->shape));
  return object;
}

static json_t *parameters_json(const ig_graph *graph) {
  json_t *array = json_array();
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *value = graph->values[i];
    bool state = value->kind == IG_VALUE_STATE;
    if (value->kind != IG_VALUE_PARAM && !state) continue;
    json_t *row = value_json(value);
    json_object_set_new(row, "role", json_string(state ? "state" : "parameter"));
    json_array_append_new(array, row);
  }
  return array;
}

static json_t *names_json(ig_value *const *values, int count) {
  json_t *array = json_array();
  for (int i = 0; i < count; i++) {
    json_array_append_new(array, values[i] ? json_string(values[i]->name) : json_null());
  }
  return array;
}

static json_t *step_json(const ig_plan_step *step) {
  json_t *row = json_object(), *outputs = json_array();
  ig_cost cost = step_cost(step);
  for (int i = 0; i < step->node->n_outputs; i++) {
    const ig_value *value = step->node->outputs[i];
    json_array_append_new(outputs, value ? value_json(value) : json_null());
  }
  json_object_set_new(row, "operator", json_string(step->node->op->name));
  json_object_set_new(row, "node", json_string(step->node->name));
  json_object_set_new(row, "inputs", names_json(step->node->inputs, step->node->n_inputs));
  json_object_set_new(row, "outputs", outputs);
  json_object_set_new(row, "implementation", json_string(impl_name(step)));
  char why[160];
  why_text(step, why, sizeof why);
  json_object_set_new(row, "why", json_string(why));
  json_object_set_new(row, "once", json_boolean(step->fixed));
  json_object_set_new(row, "workspace", json_integer((json_int_t)step->workspace));
  ig_json_real(row, "flops", cost.flops);
  ig_json_real(row, "bytes", cost.bytes);
  return row;
}

static json_t *memory_json(const ig_plan *plan) {
  ig_plan_memory m = ig_plan_memory_use(plan);
  json_t *object = json_object();
  json_object_set_new(object, "slab", json_integer((json_int_t)m.slab));
  json_object_set_new(object, "sum", json_integer((json_int_t)m.sum));
  json_object_set_new(object, "lower_bound", json_integer((json_int_t)m.lower_bound));
  json_object_set_new(object, "workspace", json_integer((json_int_t)m.workspace));
  json_object_set_new(object, "fixed", json_integer((json_int_t)m.fixed));
  json_object_set_new(object, "params", json_integer((json_int_t)m.params));
  return object;
}

static void put_text(json_t *object, const char *key, const char *json) {
  json_t *value = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;
  if (value) json_object_set_new(object, key, value);
}

static void put_snapshot(json_t *object, const ig_snapshot *s) {
  json_t *progress = json_object();
  json_object_set_new(progress, "step", json_integer(s->progress.step));
  json_object_set_new(progress, "epoch", json_integer(s->progress.epoch));
  json_object_set_new(progress, "epoch_samples", json_integer(s->progress.epoch_samples));
  json_object_set_new(progress, "best_step", json_integer(s->progress.best_step));
  ig_json_real(progress, "best_metric", s->progress.best_metric);
  ig_json_real(progress, "seconds", s->progress.seconds);
  json_object_set_new(object, "progress", progress);
  if (s->task) json_object_set_new(object, "task", json_string(s->task));
  put_text(object, "metrics", s->metrics_json);
  put_text(object, "data", s->data_json);
  put_text(object, "settings", s->config_json);
  put_text(object, "provenance", s->provenance_json);
}

json_t *ig_inspect_json(const ig_inspected *what) {
  json_t *object = json_object(), *steps = json_array();
  totals t = count_totals(what);
  json_object_set_new(object, "file", json_string(what->name));
  json_object_set_new(object, "model", json_string(what->model));
  if (what->snapshot) put_snapshot(object, what->snapshot);
  json_object_set_new(object, "parameter_count", json_integer(t.parameters));
  json_object_set_new(object, "parameters", parameters_json(what->template_graph));
  json_object_set_new(object, "training", json_boolean(what->training));
  json_object_set_new(object, "batch", json_integer(what->batch));
  ig_json_real(object, "flops", t.flops);
  ig_json_real(object, "bytes", t.bytes);
  json_object_set_new(object, "memory", memory_json(what->plan));
  for (int i = 0; i < ig_plan_step_count(what->plan); i++) {
    ig_plan_step step = ig_plan_step_at(what->plan, i);
    json_array_append_new(steps, step_json(&step));
  }
  json_object_set_new(object, "steps", steps);
  return object;
}
