/* ingot.LAMB (You et al. 2020, algorithm 2): Adam's direction plus weight decay, scaled for each
 * parameter tensor so that its length is the learning rate times the parameter's. */
#include "engine/ops/update.h"

typedef struct lamb_attrs {
  float beta1, beta2, epsilon, weight_decay;
  int64_t stochastic; /* see ig_update_is_stochastic */
} lamb_attrs;

static const ig_attr_field lamb_fields[] = {
    IG_FIELD_FLOAT(lamb_attrs, beta1, 0.9f),
    IG_FIELD_FLOAT(lamb_attrs, beta2, 0.999f),
    IG_FIELD_FLOAT(lamb_attrs, epsilon, 1e-6f),
    IG_FIELD_FLOAT(lamb_attrs, weight_decay, 0),
    IG_FIELD_INT(lamb_attrs, stochastic, 0),
    {.name = NULL},
};

static ig_status lamb_infer(ig_node *node) {
  return ig_update_infer(node, 2, 2);
}

static size_t lamb_workspace(const ig_node *node) {
  return ig_cpu_lamb_workspace(ig_value_count(node->inputs[IG_UPDATE_PARAM]));
}

static ig_status lamb_run(const ig_call *call) {
  const lamb_attrs *attrs = IG_ATTRS_OF(lamb_attrs, call->node);
  ig_update u = ig_update_of(call);
  ig_adam adam = {.beta1 = ig_update_beta(attrs->beta1),
                  .beta2 = ig_update_beta(attrs->beta2),
                  .epsilon = (double)attrs->epsilon,
                  .decay = (double)attrs->weight_decay,
                  .decoupled = true};
  ig_cpu_lamb(&u, &adam, call->in[IG_UPDATE_MOMENT], call->in[IG_UPDATE_MOMENT + 1], call->out[1],
              call->out[2], call->workspace);
  return IG_OK;
}

static ig_cost lamb_cost(const ig_node *node) {
  return (ig_cost){28.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl lamb_impls[] = {
    {.name = "simd",               .device = IG_CPU, .workspace = lamb_workspace, .run = lamb_run},
    {.name = NULL},
};

const ig_op ig_op_lamb = {
    .name = "ingot.LAMB",
    .n_in = {2, 8},
    .n_out = {3, 4},
    .flags = IG_OP_UPDATE,
    .attrs = lamb_fields,
    .attrs_size = sizeof(lamb_attrs),
    .infer = lamb_infer,
    .cost = lamb_cost,
    .inplace = ig_update_inplace,
    .impls = lamb_impls,
};
