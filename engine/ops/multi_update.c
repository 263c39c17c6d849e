/* ingot.MultiUpdate: what one optimizer does to many parameters, as one node, for devices that do it by
 * one launch. Here it is a loop. */
#include "engine/ops/multi_update.h"

static const ig_attr_field multi_update_fields[] = {
    {.name = "optimizer",
     .type = IG_ATTR_STRING,
     .offset = offsetof(ig_multi_update_attrs, optimizer),
     .required = true},
    IG_FIELD_INT(ig_multi_update_attrs, moments, 0),
    IG_FIELD_FLOAT(ig_multi_update_attrs, momentum, 0),
    IG_FIELD_FLOAT(ig_multi_update_attrs, weight_decay, 0),
    IG_FIELD_FLOAT(ig_multi_update_attrs, beta1, 0.9f),
    IG_FIELD_FLOAT(ig_multi_update_attrs, beta2, 0.999f),
    IG_FIELD_FLOAT(ig_multi_update_attrs, epsilon, 1e-8f),
    IG_FIELD_INT(ig_multi_update_attrs, nesterov, 0),
    IG_FIELD_INT(ig_multi_update_attrs, copies, 0),
    IG_FIELD_INT(ig_multi_update_attrs, averages, 0),
    IG_FIELD_INT(ig_multi_update_attrs, stochastic, 0),
    IG_FIELD_FLOAT(ig_multi_update_attrs, average_decay, 0.999f),
    {.name = NULL},
};

static int moments_of(const ig_node *node) {
  return (int)IG_ATTRS_OF(ig_multi_update_attrs, node)->moments;
}

/* Moments, copy and average of a parameter. */
static int kept_of(const ig_node *node) {
  const ig_multi_update_attrs *attrs = IG_ATTRS_OF(ig_multi_update_attrs, node);
  return (int)attrs->moments + (attrs->copies != 0) + (attrs->averages != 0);
}

int ig_multi_update_count(const ig_node *node) {
  return (node->n_inputs - IG_MULTI_ITEMS) / (3 + kept_of(node));
}

int ig_multi_update_in(const ig_node *node, int item) {
  return IG_MULTI_ITEMS + item * (3 + kept_of(node));
}

int ig_multi_update_out(const ig_node *node, int item) {
  return item * (1 + kept_of(node));
}

static ig_status check_scalar(const ig_node *node, int i) {
  const ig_value *v = node->inputs[i];
  IG_CHECK(v && v->dtype == IG_F32 && ig_value_count(v) == 1, IG_ERR_SHAPE,
           "input %d must be one f32, found %s %s", i, ig_dtype_name(v ? v->dtype : IG_NONE),
           v ? IG_SHAPE_STR(&v->shape) : "nothing");
  return IG_OK;
}

/* Moments that the rule works with, between least and most. */
static ig_status check_moments(const ig_multi_update_attrs *attrs, ig_update_rule *rule) {
  static const int least[] = {0, 2, 2, 1}, most[] = {1, 2, 2, 1};
  IG_CHECK(ig_update_rule_of(attrs->optimizer, rule) && *rule != IG_RULE_EMA, IG_ERR_USAGE,
           "attribute optimizer is '%s', expected an optimizer's operator", attrs->optimizer);
  IG_CHECK(attrs->moments >= least[*rule] && attrs->moments <= most[*rule], IG_ERR_USAGE,
           "%s takes %d to %d moments, found %lld", attrs->optimizer, least[*rule], most[*rule],
           (long long)attrs->moments);
  return IG_OK;
}

static ig_status multi_update_infer(ig_node *node) {
  ig_update_rule rule;
  IG_TRY(check_moments(IG_ATTRS_OF(ig_multi_update_attrs, node), &rule));
  int moments = moments_of(node), n = ig_multi_update_count(node);
  int copy = IG_ATTRS_OF(ig_multi_update_attrs, node)->copies ? 3 + moments : -1;
  IG_CHECK(n > 0 && ig_multi_update_in(node, n) == node->n_inputs &&
               ig_multi_update_out(node, n) == node->n_outputs,
           IG_ERR_SHAPE, "%d inputs and %d outputs are not whole parameters with %d moments",
           node->n_inputs, node->n_outputs, moments);
  IG_TRY(check_scalar(node, IG_MULTI_LR));
  IG_TRY(check_scalar(node, IG_MULTI_STEP));
  for (int item = 0; item < n; item++) {
    int at = ig_multi_update_in(node, item), to = ig_multi_update_out(node, item);
    const ig_value *param = node->inputs[at + 1];
    if (node->inputs[at]) IG_TRY(check_scalar(node, at));
    for (int i = at + 1; i < ig_multi_update_in(node, item + 1); i++) {
      const ig_value *v = node->inputs[i];
      ig_dtype dtype = v ? v->dtype : IG_NONE;
      bool narrow = i == at + copy;
      bool fits = narrow ? dtype == IG_BF16 || dtype == IG_F16 : dtype == IG_F32;
      IG_CHECK(fits && param && ig_shape_equal(&v->shape, &param->shape), IG_ERR_SHAPE,
               "input %d must be %s like its parameter, found %s %s", i,
               narrow ? "of 16 bits" : "f32", ig_dtype_name(dtype),
               v ? IG_SHAPE_STR(&v->shape) : "nothing");
    }
    for (int i = 0; i <= kept_of(node); i++) {
      IG_TRY(ig_infer_set(node, to + i, node->inputs[i == 0 ? at + 1 : at + 2 + i]->dtype,
                          &param->shape));
    }
  }
  return IG_OK;
}

static int multi_update_inplace(const ig_node *node, int output) {
  int each = 1 + kept_of(node), item = output / each, which = output % each;
  return ig_multi_update_in(node, item) + (which == 0 ? 1 : 2 + which);
}

static size_t multi_update_workspace(const ig_node *node) {
  size_t most = 0;
  for (int item = 0; item < ig_multi_update_count(node); item++) {
    const ig_value *param = node->inputs[ig_multi_update_in(node, item) + 1];
    most = IG_MAX(most, ig_cpu_lamb_workspace(ig_value_count(param)));
  }
  return most;
}

static void update_one(const ig_call *call, int item, ig_update_rule rule,
                       const ig_update_options *o) {
  const ig_multi_update_attrs *attrs = IG_ATTRS_OF(ig_multi_update_attrs, call->node);
  int at = ig_multi_update_in(call->node, item), to = ig_multi_update_out(call->node, item);
  const void *const *in = call->in + at;
  const float *scale = in[0], *m = NULL, *v = NULL;
  float *new_m = NULL, *new_v = NULL;
  if (moments_of(call->node) > 0) {
    m = in[3];
    new_m = call->out[to + 1];
  }
  if (moments_of(call->node) > 1) {
    v = in[4];
    new_v = call->out[to + 2];
  }
  ig_update u = {.count = ig_value_count(call->node->inputs[at + 1]),
                 .lr = *(const float *)call->in[IG_MULTI_LR],
                 .step = *(const float *)call->in[IG_MULTI_STEP],
                 .scale = scale ? *scale : 1,
                 .param = in[1],
                 .grad = in[2],
                 .new_param = call->out[to]};
  if (attrs->copies) {
    int copy = to + 1 + moments_of(call->node);
    u.copy = call->out[copy];
    u.copy_dtype = call->node->outputs[copy]->dtype;
    u.rounding = ig_update_rounding(call, at + 1);
  }
  ig_adam adam = {o->beta1, o->beta2, o->epsilon, o->decay, o->decoupled || rule == IG_RULE_LAMB};
  switch (rule) {
  case IG_RULE_SGD: ig_cpu_sgd(&u, o->momentum, o->decay, o->nesterov, m, new_m); break;
  case IG_RULE_LION: ig_cpu_lion(&u, o->beta1, o->beta2, o->decay, m, new_m); break;
  case IG_RULE_LAMB: ig_cpu_lamb(&u, &adam, m, v, new_m, new_v, call->workspace); break;
  default: ig_cpu_adam(&u, &adam, m, v, new_m, new_v);
  }
  if (!attrs->averages) return;
  int kept = kept_of(call->node);
  ig_cpu_ema(in[2 + kept], u.new_param, u.step <= 1 ? 0 : o->average_decay, u.count,
             call->out[to + kept]);
}

static ig_status multi_update_run(const ig_call *call) {
  const ig_multi_update_attrs *attrs = IG_ATTRS_OF(ig_multi_update_attrs, call->node);
  ig_update_options options = ig_update_options_of(call->node, attrs->optimizer);
  ig_update_rule rule;
  IG_TRY(check_moments(attrs, &rule));
  for (int item = 0; item < ig_multi_update_count(call->node); item++) {
    update_one(call, item, rule, &options);
  }
  return IG_OK;
}

/* As its optimizer's operator, and the average's. */
static ig_cost multi_update_cost(const ig_node *node) {
  static const double flops[] = {8, 16, 28, 12};
  ig_cost cost = ig_cost_copy(node);
  bool averages = IG_ATTRS_OF(ig_multi_update_attrs, node)->averages != 0;
  ig_update_rule rule;
  if (check_moments(IG_ATTRS_OF(ig_multi_update_attrs, node), &rule) != IG_OK) return cost;
  for (int item = 0; item < ig_multi_update_count(node); item++) {
    const ig_value *param = node->inputs[ig_multi_update_in(node, item) + 1];
    cost.flops += (flops[rule] + (averages ? 3 : 0)) * (double)ig_value_count(param);
  }
  return cost;
}

static const ig_impl multi_update_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .workspace = multi_update_workspace,
     .run = multi_update_run},
    {.name = NULL},
};

const ig_op ig_op_multi_update = {
    .name = "ingot.MultiUpdate",
    .n_in = {2, IG_VARIADIC},
    .n_out = {1, IG_VARIADIC},
    .flags = IG_OP_UPDATE,
    .attrs = multi_update_fields,
    .attrs_size = sizeof(ig_multi_update_attrs),
    .infer = multi_update_infer,
    .cost = multi_update_cost,
    .inplace = multi_update_inplace,
    .impls = multi_update_impls,
};
