/* ingot.SGD: stochastic gradient descent, with momentum (Nesterov's as an option) when it has a
 * moment. Weight decay enters the gradient, as in torch.optim.SGD with dampening 0. */
#include "engine/ops/update.h"

typedef struct sgd_attrs {
  float momentum, weight_decay;
  int64_t nesterov, stochastic;
} sgd_attrs;

static const ig_attr_field sgd_fields[] = {
    IG_FIELD_FLOAT(sgd_attrs, momentum, 0),
    IG_FIELD_FLOAT(sgd_attrs, weight_decay, 0),
    IG_FIELD_INT(sgd_attrs, nesterov, 0),
    IG_FIELD_INT(sgd_attrs, stochastic, 0),
    {.name = NULL},
};

static ig_status sgd_infer(ig_node *node) {
  return ig_update_infer(node, 0, 1);
}

static ig_status sgd_run(const ig_call *call) {
  const sgd_attrs *attrs = IG_ATTRS_OF(sgd_attrs, call->node);
  ig_update u = ig_update_of(call);
  bool moment = ig_update_moments(call->node) > 0;
  ig_cpu_sgd(&u, (double)attrs->momentum, (double)attrs->weight_decay, attrs->nesterov != 0,
             moment ? call->in[IG_UPDATE_MOMENT] : NULL, moment ? call->out[1] : NULL);
  return IG_OK;
}

static ig_cost sgd_cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl sgd_impls[] = {
    {.name = "simd",  .device = IG_CPU, .run = sgd_run},
    {.name = NULL},
};

const ig_op ig_op_sgd = {
    .name = "ingot.SGD",
    .n_in = {2, 7},
    .n_out = {1, 3},
    .flags = IG_OP_UPDATE,
    .attrs = sgd_fields,
    .attrs_size = sizeof(sgd_attrs),
    .infer = sgd_infer,
    .cost = sgd_cost,
    .inplace = ig_update_inplace,
    .impls = sgd_impls,
};
