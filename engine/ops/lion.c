/* ingot.Lion (Chen et al. 2023): the sign of an interpolation between momentum and gradient. */
#include "engine/ops/update.h"

typedef struct lion_attrs {
  float beta1, beta2, weight_decay;
  int64_t stochastic; /* see ig_update_is_stochastic */
} lion_attrs;

static const ig_attr_field lion_fields[] = {
    IG_FIELD_FLOAT(lion_attrs, beta1, 0.9f),
    IG_FIELD_FLOAT(lion_attrs, beta2, 0.99f),
    IG_FIELD_FLOAT(lion_attrs, weight_decay, 0),
    IG_FIELD_INT(lion_attrs, stochastic, 0),
    {.name = NULL},
};

static ig_status lion_infer(ig_node *node) {
  return ig_update_infer(node, 1, 1);
}

static ig_status lion_run(const ig_call *call) {
  const lion_attrs *attrs = IG_ATTRS_OF(lion_attrs, call->node);
  ig_update u = ig_update_of(call);
  ig_cpu_lion(&u, ig_update_beta(attrs->beta1), ig_update_beta(attrs->beta2),
              (double)attrs->weight_decay, call->in[IG_UPDATE_MOMENT], call->out[1]);
  return IG_OK;
}

static ig_cost lion_cost(const ig_node *node) {
  return (ig_cost){12.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl lion_impls[] = {
    {.name = "simd",   .device = IG_CPU, .run = lion_run},
    {.name = NULL},
};

const ig_op ig_op_lion = {
    .name = "ingot.Lion",
    .n_in = {2, 7},
    .n_out = {2, 3},
    .flags = IG_OP_UPDATE,
    .attrs = lion_fields,
    .attrs_size = sizeof(lion_attrs),
    .infer = lion_infer,
    .cost = lion_cost,
    .inplace = ig_update_inplace,
    .impls = lion_impls,
};
