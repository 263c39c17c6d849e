/* The optimizers' operators, one parameter or many, and the moving average on a GPU. */
#include "engine/ops/multi_update.h"

static ig_status update(const ig_call *call, const char *op, ig_update_scalars *scalars,
                        const ig_update_tensor *tensors, int n) {
  ig_update_rule rule;
  ig_update_options options = ig_update_options_of(call->node, op);
  IG_CHECK(ig_update_rule_of(op, &rule), IG_ERR_INTERNAL, "%s is no optimizer", op);
  if (ig_update_is_stochastic(call->node)) {
    scalars->seed = &call->rng->seed;
    scalars->rounding_step = &call->rng->step;
  }
  return ig_cuda_update(rule, &options, scalars, tensors, n, call->workspace, call->stream);
}

/* --- one parameter ------------------------------------------------------------------------------- */

static size_t workspace(const ig_node *node) {
  int64_t count = ig_value_count(node->inputs[IG_UPDATE_PARAM]);
  return ig_cuda_update_workspace(IG_RULE_LAMB, ig_cuda_update_pieces(count), 1);
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  int moments = ig_update_moments(node), last = node->n_outputs - 1;
  ig_update_scalars scalars = {.lr = call->in[IG_UPDATE_LR], .step = call->in[IG_UPDATE_STEP]};
  ig_update_tensor tensor = {.scale = call->in[IG_UPDATE_SCALE],
                             .param = call->in[IG_UPDATE_PARAM],
                             .grad = call->in[IG_UPDATE_GRAD],
                             .m = moments > 0 ? call->in[IG_UPDATE_MOMENT] : NULL,
                             .v = moments > 1 ? call->in[IG_UPDATE_MOMENT + 1] : NULL,
                             .new_param = call->out[0],
                             .new_m = moments > 0 ? call->out[1] : NULL,
                             .new_v = moments > 1 ? call->out[2] : NULL,
                             .copy = ig_update_has_copy(node) ? call->out[last] : NULL,
                             .copy_dtype = node->outputs[last]->dtype,
                             .key = ig_update_key(node->inputs[IG_UPDATE_PARAM]),
                             .count = ig_value_count(node->inputs[IG_UPDATE_PARAM])};
  return update(call, node->op->name, &scalars, &tensor, 1);
}

static ig_status run_ema(const ig_call *call) {
  ig_update_scalars scalars = {.step = call->in[0]};
  ig_update_tensor tensor = {.param = call->in[1],
                             .m = call->in[2],
                             .new_m = call->out[0],
                             .count = ig_value_count(call->node->outputs[0])};
  return update(call, call->node->op->name, &scalars, &tensor, 1);
}

/* --- many ---------------------------------------------------------------------------------------- */

static size_t multi_workspace(const ig_node *node) {
  ig_update_rule rule = IG_RULE_SGD;
  int64_t pieces = 0;
  int n = ig_multi_update_count(node);
  if (!ig_update_rule_of(IG_ATTRS_OF(ig_multi_update_attrs, node)->optimizer, &rule)) return 0;
  for (int i = 0; i < n; i++) {
    const ig_value *param = node->inputs[ig_multi_update_in(node, i) + 1];
    pieces += ig_cuda_update_pieces(ig_value_count(param));
  }
  return ig_cuda_update_workspace(rule, pieces, n);
}

static ig_status run_multi(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_multi_update_attrs *attrs = IG_ATTRS_OF(ig_multi_update_attrs, node);
  int n = ig_multi_update_count(node);
  ig_update_tensor *tensors = ig_alloc_zero((size_t)n, sizeof *tensors);
  IG_CHECK(tensors, IG_ERR_MEMORY, "%s: out of memory", node->name);
  for (int i = 0; i < n; i++) {
    int at = ig_multi_update_in(node, i), to = ig_multi_update_out(node, i);
    int copy = to + 1 + (int)attrs->moments, kept = ig_multi_update_out(node, 1) - 1;
    tensors[i] = (ig_update_tensor){.scale = call->in[at],
                                    .param = call->in[at + 1],
                                    .grad = call->in[at + 2],
                                    .m = attrs->moments > 0 ? call->in[at + 3] : NULL,
                                    .v = attrs->moments > 1 ? call->in[at + 4] : NULL,
                                    .new_param = call->out[to],
                                    .new_m = attrs->moments > 0 ? call->out[to + 1] : NULL,
                                    .new_v = attrs->moments > 1 ? call->out[to + 2] : NULL,
                                    .copy = attrs->copies ? call->out[copy] : NULL,
                                    .copy_dtype =
                                        attrs->copies ? node->outputs[copy]->dtype : IG_NONE,
                                    .key = ig_update_key(node->inputs[at + 1]),
                                    .average = attrs->averages ? call->in[at + 2 + kept] : NULL,
                                    .new_average = attrs->averages ? call->out[to + kept] : NULL,
                                    .count = ig_value_count(node->inputs[at + 1])};
  }
  ig_update_scalars scalars = {.lr = call->in[IG_MULTI_LR], .step = call->in[IG_MULTI_STEP]};
  ig_status status = update(call, attrs->optimizer, &scalars, tensors, n);
  ig_free(tensors);
  return status;
}

static const ig_impl impls[] = {{.name = "pieces", .device = IG_CUDA, .run = run}, {0}};
static const ig_impl lamb_impls[] = {
    {.name = "pieces", .device = IG_CUDA, .workspace = workspace, .run = run}, {0}};
static const ig_impl ema_impls[] = {{.name = "pieces", .device = IG_CUDA, .run = run_ema}, {0}};
static const ig_impl multi_impls[] = {
    {.name = "pieces", .device = IG_CUDA, .workspace = multi_workspace, .run = run_multi}, {0}};

static const struct ig_op_impls ops[] = {{"ingot.SGD", impls},
                                         {"ingot.Adam", impls},
                                         {"ingot.AdamW", impls},
                                         {"ingot.LAMB", lamb_impls},
                                         {"ingot.Lion", impls},
                                         {"ingot.Ema", ema_impls},
                                         {"ingot.MultiUpdate", multi_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_optimizer = {.ops = ops};
