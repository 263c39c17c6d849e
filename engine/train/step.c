/* Building the step graph. The order matters: fusions see the plain forward graph, autodiff sees the
 * fused operators (whose gradients are fused too), and what remains is cleaned up at the end. */
#include "engine/train/step.h"

#include <string.h>

#include "engine/autodiff.h"
#include "engine/passes/pass.h"
#include "engine/train/proximal.h"

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

/* sum_i(weight_i * gradient_i): the weight already entered through the loss' seed. */
static void add_sums(ig_graph *graph, int n, ig_value *const *params, ig_value **grads,
                     bool clear) {
  for (int i = 0; i < n && graph->status == IG_OK; i++) {
    const char *name = ig_arena_format(graph->arena, "optimizer.sum.%s", params[i]->name);
    if (!name) {
      ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "step: out of memory"));
      return;
    }
    ig_value *sum = ig_graph_state(graph, name, grads[i]->dtype, grads[i]->shape,
                                   (ig_init){.kind = IG_INIT_ZERO});
    ig_value *total = ig_op1(graph, "Add", NULL, IG_INS(sum, grads[i]), IG_NO_ATTRS);
    if (!total) return;
    grads[i] = total;
    ig_value *next = total;
    if (clear) {
      ig_value *zero = ig_graph_const_f32(graph, 0.0f);
      ig_value *shape = ig_graph_const_i64s(graph, total->shape.rank, total->shape.dims);
      next = ig_op1(graph, "Expand", NULL, IG_INS(zero, shape), IG_NO_ATTRS);
    }
    ig_graph_assign(graph, sum, next);
  }
}

/* On several ranks the loss that is reported is the sum over all ranks and micro-steps of each one's
 * times its weight: here this rank's part, so far. */
static void weigh_loss(ig_graph *graph, ig_step_kind kind, ig_value *loss, ig_value *weight) {
  ig_value *sum = ig_op1(graph, "Mul", NULL, IG_INS(loss, weight), IG_NO_ATTRS);
  if (kind != IG_STEP_UPDATE && sum) {
    ig_value *before = ig_graph_state(graph, "optimizer.sum.loss", loss->dtype, loss->shape,
                                      (ig_init){.kind = IG_INIT_ZERO});
    sum = ig_op1(graph, "Add", NULL, IG_INS(before, sum), IG_NO_ATTRS);
    bool clear = kind == IG_STEP_UPDATE_FROM_SUM;
    ig_graph_assign(graph, before, clear ? ig_graph_const_f32(graph, 0.0f) : sum);
  }
  if (sum) keep_only_loss(graph, sum);
}

static ig_status add_update(ig_graph *graph, const ig_train_options *options, ig_step_kind kind,
                            ig_value *loss, ig_value **params, ig_value **grads) {
  int n = collect_trainable(graph, params);
  IG_CHECK(n > 0, IG_ERR_INPUT, "model '%s' has no trainable parameter", graph->name);
  ig_value *lr = NULL, *step = NULL, *weight = NULL, *norm = NULL;
  if (kind != IG_STEP_ACCUMULATE) {
    lr = ig_graph_input(graph, "lr", IG_F32, IG_SCALAR);
    step = ig_graph_input(graph, "step", IG_F32, IG_SCALAR);
  }
  bool ranks = options->parallel.size > 1;
  if (ranks || kind != IG_STEP_UPDATE) weight = ig_graph_input(graph, "weight", IG_F32, IG_SCALAR);
  ig_value *scale = options->precision == IG_PRECISION_F16 ? ig_optimizer_loss_scale(graph) : NULL;
  ig_value *seed = scale && weight ? ig_op1(graph, "Mul", NULL, IG_INS(weight, scale), IG_NO_ATTRS)
                   : scale         ? scale
                                   : weight;
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_autodiff(graph, loss, seed, n, params, grads));
  if (ranks) weigh_loss(graph, kind, loss, weight);
  n = drop_without_gradient(n, params, grads);
  IG_CHECK(n > 0, IG_ERR_INPUT, "model '%s': the loss depends on no trainable parameter",
           graph->name);
  if (kind != IG_STEP_UPDATE) add_sums(graph, n, params, grads, kind == IG_STEP_UPDATE_FROM_SUM);
  IG_TRY(ig_graph_status(graph));
  if (kind == IG_STEP_ACCUMULATE) return IG_OK;
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
  ig_pass_options passes = {.device = device, .training = true, .recompute = options->recompute,
                            .compute = ig_precision_dtype(options->precision),
                            .parallel = options->parallel.size > 1 ? &options->parallel : NULL};
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
