/* Shared parts of the optimizer operators. */
#include "engine/ops/update.h"

#include <math.h>
#include <string.h>

#include "engine/base/rng.h"

static ig_status check_scalar(const ig_node *node, int i, const char *what) {
  const ig_value *v = node->inputs[i];
  IG_CHECK(!v || (v->dtype == IG_F32 && ig_value_count(v) == 1), IG_ERR_SHAPE,
           "%s must be one f32, found %s %s", what, ig_dtype_name(v ? v->dtype : IG_NONE),
           v ? IG_SHAPE_STR(&v->shape) : "");
  return IG_OK;
}

bool ig_update_has_copy(const ig_node *node) {
  const ig_value *last = node->inputs[node->n_inputs - 1];
  return node->n_inputs > IG_UPDATE_MOMENT && last &&
         (last->dtype == IG_BF16 || last->dtype == IG_F16);
}

int ig_update_moments(const ig_node *node) {
  return node->n_inputs - IG_UPDATE_MOMENT - ig_update_has_copy(node);
}

ig_status ig_update_infer(ig_node *node, int least_moments, int most_moments) {
  int moments = ig_update_moments(node), copies = ig_update_has_copy(node);
  IG_CHECK(moments >= least_moments && moments <= most_moments, IG_ERR_SHAPE,
           "takes %d to %d moments, found %d", least_moments, most_moments, moments);
  IG_CHECK(node->n_outputs == 1 + moments + copies, IG_ERR_SHAPE, "has %d outputs, found %d",
           1 + moments + copies, node->n_outputs);
  IG_TRY(check_scalar(node, IG_UPDATE_LR, "lr"));
  IG_TRY(check_scalar(node, IG_UPDATE_STEP, "step"));
  IG_TRY(check_scalar(node, IG_UPDATE_SCALE, "scale"));
  const ig_value *param = node->inputs[IG_UPDATE_PARAM];
  for (int i = IG_UPDATE_PARAM; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    bool copy = copies && i == node->n_inputs - 1;
    IG_CHECK(v && param && (copy || v->dtype == IG_F32) && ig_shape_equal(&v->shape, &param->shape),
             IG_ERR_SHAPE, "input %d must be f32 like the parameter, found %s %s", i,
             ig_dtype_name(v ? v->dtype : IG_NONE), v ? IG_SHAPE_STR(&v->shape) : "nothing");
  }
  for (int i = 0; i <= moments; i++) IG_TRY(ig_infer_set(node, i, IG_F32, &param->shape));
  if (!copies) return IG_OK;
  return ig_infer_set(node, moments + 1, node->inputs[node->n_inputs - 1]->dtype, &param->shape);
}

int ig_update_inplace(const ig_node *node, int output) {
  int input = output == 0 ? IG_UPDATE_PARAM : IG_UPDATE_MOMENT + output - 1;
  return input < node->n_inputs ? input : -1;
}

double ig_update_beta(float attribute) {
  return round((double)attribute * 1e7) / 1e7;
}

/* An attribute of the node, whatever its type; 0 where its operator has none of the name. */
static double number(const ig_node *node, const char *name) {
  for (const ig_attr_field *f = node->op->attrs; f && f->name; f++) {
    if (strcmp(f->name, name) != 0) continue;
    const char *at = (const char *)node->attrs + f->offset;
    return f->type == IG_ATTR_FLOAT ? (double)*(const float *)(const void *)at
                                    : (double)*(const int64_t *)(const void *)at;
  }
  return 0;
}

bool ig_update_is_stochastic(const ig_node *node) {
  return number(node, "stochastic") != 0;
}

uint64_t ig_update_key(const ig_value *param) {
  return ig_hash_name(param->name);
}

ig_rounding ig_update_rounding(const ig_call *call, int param) {
  if (!ig_update_is_stochastic(call->node) || !call->rng) return (ig_rounding){.stochastic = false};
  return (ig_rounding){.stochastic = true,
                       .seed = call->rng->seed,
                       .step = call->rng->step,
                       .key = ig_update_key(call->node->inputs[param])};
}

ig_update ig_update_of(const ig_call *call) {
  const float *scale = call->in[IG_UPDATE_SCALE];
  const ig_node *node = call->node;
  int last = node->n_outputs - 1;
  bool copies = ig_update_has_copy(node);
  return (ig_update){.copy = copies ? call->out[last] : NULL,
                     .copy_dtype = node->outputs[last]->dtype,
                     .rounding = ig_update_rounding(call, IG_UPDATE_PARAM),
                     .count = ig_value_count(call->node->inputs[IG_UPDATE_PARAM]),
                     .lr = *(const float *)call->in[IG_UPDATE_LR],
                     .step = *(const float *)call->in[IG_UPDATE_STEP],
                     .scale = scale ? *scale : 1,
                     .param = call->in[IG_UPDATE_PARAM],
                     .grad = call->in[IG_UPDATE_GRAD],
                     .new_param = call->out[0]};
}

/* --- any rule ------------------------------------------------------------------------------------ */

bool ig_update_rule_of(const char *op, ig_update_rule *rule) {
  static const struct {
    const char *op;
    ig_update_rule rule;
  } rules[] = {{"ingot.SGD", IG_RULE_SGD},   {"ingot.Adam", IG_RULE_ADAM},
               {"ingot.AdamW", IG_RULE_ADAM}, {"ingot.LAMB", IG_RULE_LAMB},
               {"ingot.Lion", IG_RULE_LION},  {"ingot.Ema", IG_RULE_EMA}};
  for (int i = 0; i < IG_COUNT(rules); i++) {
    if (strcmp(rules[i].op, op) != 0) continue;
    *rule = rules[i].rule;
    return true;
  }
  return false;
}

ig_update_options ig_update_options_of(const ig_node *node, const char *op) {
  bool ema = strcmp(op, "ingot.Ema") == 0;
  return (ig_update_options){.momentum = number(node, "momentum"),
                             .decay = number(node, ema ? "decay" : "weight_decay"),
                             .beta1 = ig_update_beta((float)number(node, "beta1")),
                             .beta2 = ig_update_beta((float)number(node, "beta2")),
                             .epsilon = number(node, "epsilon"),
                             .average_decay = number(node, "average_decay"),
                             .nesterov = number(node, "nesterov") != 0,
                             .decoupled = strcmp(op, "ingot.AdamW") == 0};
}
