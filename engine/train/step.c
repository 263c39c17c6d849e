/* Building the step graph. The order matters: fusions see the plain forward graph, autodiff sees the
 * fused operators (whose gradients are fused too), and what remains is cleaned up at the end. */
#include "engine/train/step.h"

#include <string.h>

#include "engine/autodiff.h"
#include "engine/passes/pass.h"
#include "engine/train/proximal.h"
#include "engine/train/step_sums.h"

int ig_step_input(const ig_graph *graph, const char *name) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    if (strcmp(graph->inputs[i]->name, name) == 0) return i;
  }
  return -1;
}

int ig_step_output(const ig_graph *graph, const char *name) {
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    if (strcmp(graph->output_names[i], name) == 0) return i;
  }
  return -1;
}

/* The logits are not needed on the host, and dropping them lets go of their memory. */
static void keep_only_loss(ig_graph *graph, ig_value *loss) {
  graph->n_outputs = 0;
  ig_graph_output(graph, "loss", loss);
}

static int collect_trainable(const ig_graph *graph, ig_value **params) {
  int n = 0;
  for (int32_t i = 0; i < graph->n_values; i++) {
    ig_value *v = graph->values[i];
    bool trainable = v->kind == IG_VALUE_PARAM && !v->frozen && ig_dtype_is_float(v->dtype);
    if (trainable && v->n_uses > 0) params[n++] = v;
  }
  return n;
}

/* A parameter that the loss does not depend on has no gradient, and no update. */
static int drop_without_gradient(int n, ig_value **params, ig_value **grads) {
  int kept = 0;
  for (int i = 0; i < n; i++) {
    if (!grads[i]) continue;
    params[kept] = params[i];
    grads[kept++] = grads[i];
  }
  return kept;
}

int ig_step_parts(const ig_train_options *options) {
  return options->elastic > 0 ? options->elastic / IG_MAX(options->parallel.size, 1) : 1;
}

static int trailing_zeros(int n) {
  int zeros = 0;
  for (; n % 2 == 0; n /= 2) zeros++;
  return zeros;
}

ig_step_kind ig_step_kind_of_part(const ig_train_options *options, int part) {
  if (part + 1 == ig_step_parts(options)) return IG_STEP_UPDATE_FROM_PARTS;
  return (ig_step_kind)((int)IG_STEP_PART + trailing_zeros(part + 1));
}

static ig_step_sums sums_of(const ig_train_options *options, ig_step_kind kind) {
  switch (kind) {
  case IG_STEP_UPDATE: return (ig_step_sums){.keep_as = -1};
  case IG_STEP_ACCUMULATE: return (ig_step_sums){.n_read = 1, .keep_as = 0};
  case IG_STEP_UPDATE_FROM_SUM: return (ig_step_sums){.n_read = 1, .keep_as = -1, .clear = true};
  case IG_STEP_UPDATE_FROM_PARTS:
    return (ig_step_sums){.n_read = trailing_zeros(ig_step_parts(options)), .keep_as = -1};
  default: return (ig_step_sums){.n_read = kind - IG_STEP_PART, .keep_as = kind - IG_STEP_PART};
  }
}

static void add_sums(ig_graph *graph, const ig_step_sums *sums, int n, ig_value *const *params,
                     ig_value **grads) {
  for (int i = 0; i < n && graph->status == IG_OK; i++) {
    const char *name = ig_arena_format(graph->arena, "gradient.%s", params[i]->name);
    if (!name) {
      ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "step: out of memory"));
      return;
    }
    grads[i] = ig_step_sum(graph, sums, name, grads[i]);
  }
}

/* The loss of the step so far, in the place of that of this batch. */
static void add_loss(ig_graph *graph, const ig_step_sums *sums, ig_value *weight, ig_value *loss) {
  ig_value *term = ig_op1(graph, "Mul", NULL, IG_INS(loss, weight), IG_NO_ATTRS);
  ig_value *total = term ? ig_step_sum(graph, sums, "loss", term) : NULL;
  if (total) keep_only_loss(graph, total);
}

/* Whether a step is more than one batch of one process. */
static bool is_weighted(const ig_train_options *options, ig_step_kind kind) {
  return kind != IG_STEP_UPDATE || options->parallel.size > 1;
}

static ig_status add_update(ig_graph *graph, const ig_train_options *options, ig_step_kind kind,
                            ig_value *loss, ig_value **params, ig_value **grads) {
  int n = collect_trainable(graph, params);
  int n_states = graph->n_assigns;
  IG_CHECK(n > 0, IG_ERR_INPUT, "model '%s' has no trainable parameter", graph->name);
  ig_value *lr = NULL, *step = NULL, *weight = NULL, *norm = NULL;
  if (ig_step_updates(kind)) {
    lr = ig_graph_input(graph, "lr", IG_F32, IG_SCALAR);
    step = ig_graph_input(graph, "step", IG_F32, IG_SCALAR);
  }
  if (is_weighted(options, kind)) weight = ig_graph_input(graph, "weight", IG_F32, IG_SCALAR);
  ig_value *scale = options->precision == IG_PRECISION_F16 ? ig_optimizer_loss_scale(graph) : NULL;
  ig_value *seed = scale && weight ? ig_op1(graph, "Mul", NULL, IG_INS(weight, scale), IG_NO_ATTRS)
                   : scale         ? scale
                                   : weight;
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_autodiff(graph, loss, seed, n, params, grads));
  n = drop_without_gradient(n, params, grads);
  IG_CHECK(n > 0, IG_ERR_INPUT, "model '%s': the loss depends on no trainable parameter",
           graph->name);
  ig_step_sums sums = sums_of(options, kind);
  add_sums(graph, &sums, n, params, grads); /* the weight entered through the loss' seed */
  if (weight) add_loss(graph, &sums, weight, loss);
  if (options->elastic > 0) ig_step_sum_states(graph, &sums, weight, n_states);
  IG_TRY(ig_graph_status(graph));
  if (!ig_step_updates(kind)) return IG_OK;
  if (options->proximal > 0) {
    ig_proximal_append(graph, options->proximal, scale, n, params, grads);
  }
  IG_TRY(ig_optimizer_append(graph, &options->optimizer, lr, step, scale, n, params, grads, &norm));
  ig_graph_output(graph, "grad_norm", norm);
  if (scale) ig_graph_output(graph, "loss_scale", scale);
  return ig_graph_status(graph);
}

ig_status ig_step_build(ig_graph *graph, const ig_train_options *options, ig_device device,
                        ig_step_kind kind) {
  ig_parallel parallel = options->parallel;
  parallel.weighted = options->elastic > 0;
  ig_pass_options passes = {.device = device, .training = true, .recompute = options->recompute,
                            .compute = ig_precision_dtype(options->precision),
                            .fp8 = options->precision == IG_PRECISION_FP8,
                            .parallel = parallel.size > 1 ? &parallel : NULL};
  ig_value *loss;
  IG_TRY(ig_task_add_loss(graph, options->task, options->label_smoothing, &loss));
  keep_only_loss(graph, loss);
  IG_TRY(ig_passes_run(graph, ig_pipeline_forward, &passes));
  loss = graph->outputs[0];
  size_t room = (size_t)graph->n_values + 1;
  ig_value **params = ig_alloc_zero(room, sizeof *params);
  ig_value **grads = ig_alloc_zero(room, sizeof *grads);
  ig_status status = params && grads ? add_update(graph, options, kind, loss, params, grads)
                                     : ig_fail(IG_ERR_MEMORY, "step: out of memory");
  ig_free(params);
  ig_free(grads);
  IG_TRY(status);
  return ig_passes_run(graph, ig_pipeline_training, &passes);
}
