/* Any number of operands to one; see fold.h. */
#include "engine/ops/fold.h"

const char *ig_fold_reject(const ig_node *node) {
  ig_walk walk;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *operand = node->inputs[i];
    const char *reason = ig_walk_between(&operand, 1, node->outputs[0], &walk);
    if (reason) return reason;
  }
  return NULL;
}

size_t ig_fold_workspace(const ig_node *node) {
  return (size_t)node->n_inputs * sizeof(ig_walk);
}

/* One walk for each operand. All go through the result in the same order, whatever its layout. */
ig_status ig_fold_run(const ig_call *call, ig_fold fold) {
  const ig_value *y = call->node->outputs[0];
  ig_walk *walks = call->workspace;
  if (ig_value_count(y) == 0) return IG_OK;
  for (int i = 0; i < call->node->n_inputs; i++) {
    const ig_value *operand = call->node->inputs[i];
    ig_walk_between(&operand, 1, y, &walks[i]);
  }
  ig_cpu_fold(fold, y->dtype, call->node->n_inputs, walks, call->in, call->out[0]);
  ig_zero_padding(y, call->out[0]);
  return IG_OK;
}

ig_cost ig_fold_cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  cost.flops = (double)ig_value_count(node->outputs[0]) * node->n_inputs;
  return cost;
}

void ig_fold_grad_sum(const ig_grad *g, ig_value *dy) {
  for (int i = 0; i < g->node->n_inputs; i++) {
    if (g->need[i]) g->dx[i] = ig_grad_unbroadcast(g->graph, dy, g->node->inputs[i]);
  }
}

void ig_fold_grad_extreme(const ig_grad *g) {
  ig_value *y = g->node->outputs[0], *holders = NULL;
  for (int i = 0; i < g->node->n_inputs; i++) {
    ig_value *has = ig_op1(g->graph, "Equal", NULL, IG_INS(g->node->inputs[i], y), IG_NO_ATTRS);
    ig_value *one = ig_cast(g->graph, has, y->dtype);
    holders = i ? ig_op1(g->graph, "Add", NULL, IG_INS(holders, one), IG_NO_ATTRS) : one;
  }
  ig_value *share = ig_op1(g->graph, "Div", NULL, IG_INS(g->dy[0], holders), IG_NO_ATTRS);
  ig_value *zero = ig_scalar_like(g->graph, y, 0);
  for (int i = 0; i < g->node->n_inputs; i++) {
    if (!g->need[i]) continue;
    ig_value *x = g->node->inputs[i];
    ig_value *has = ig_op1(g->graph, "Equal", NULL, IG_INS(x, y), IG_NO_ATTRS);
    ig_value *part = ig_op1(g->graph, "Where", NULL, IG_INS(has, share, zero), IG_NO_ATTRS);
    g->dx[i] = ig_grad_unbroadcast(g->graph, part, x);
  }
}
