/* ingot.AdamW (Loshchilov and Hutter 2019): weight decay shrinks the parameter, as in
 * torch.optim.AdamW. */
#include "engine/ops/update.h"

typedef struct adamw_attrs {
  float beta1, beta2, epsilon, weight_decay;
  int64_t stochastic; /* see ig_update_is_stochastic */
} adamw_attrs;

static const ig_attr_field adamw_fields[] = {
    IG_FIELD_FLOAT(adamw_attrs, beta1, 0.9f),
    IG_FIELD_FLOAT(adamw_attrs, beta2, 0.999f),
    IG_FIELD_FLOAT(adamw_attrs, epsilon, 1e-8f),
    IG_FIELD_FLOAT(adamw_attrs, weight_decay, 0),
    IG_FIELD_INT(adamw_attrs, stochastic, 0),
    {.name = NULL},
};

static ig_status adamw_infer(ig_node *node) {
  return ig_update_infer(node, 2, 2);
}

static ig_status adamw_run(const ig_call *call) {
  const adamw_attrs *attrs = IG_ATTRS_OF(adamw_attrs, call->node);
  ig_update u = ig_update_of(call);
  ig_adam adam = {.beta1 = ig_update_beta(attrs->beta1),
                  .beta2 = ig_update_beta(attrs->beta2),
                  .epsilon = (double)attrs->epsilon,
                  .decay = (double)attrs->weight_decay,
                  .decoupled = true};
  ig_cpu_adam(&u, &adam, call->in[IG_UPDATE_MOMENT], call->in[IG_UPDATE_MOMENT + 1], call->out[1],
              call->out[2]);
  return IG_OK;
}

static ig_cost adamw_cost(const ig_node *node) {
  return (ig_cost){16.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl adamw_impls[] = {
    {.name = "simd",    .device = IG_CPU, .run = adamw_run},
    {.name = NULL},
};

const ig_op ig_op_adamw = {
    .name = "ingot.AdamW",
    .n_in = {2, 8},
    .n_out = {3, 4},
    .flags = IG_OP_UPDATE,
    .attrs = adamw_fields,
    .attrs_size = sizeof(adamw_attrs),
    .infer = adamw_infer,
    .cost = adamw_cost,
    .inplace = ig_update_inplace,
    .impls = adamw_impls,
};
