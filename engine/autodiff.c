/* Reverse sweep: nodes are visited last to first; each hands the gradients of its outputs to
 * op->grad, whose results are added up by value. Only values on a path from `wrt` to the loss get
 * gradients, so nothing is computed to be thrown away. */
#include "engine/autodiff.h"

#include "engine/ops/op.h"

typedef struct sweep {
  ig_graph *graph;
  int32_t n_values, n_nodes; /* before the first gradient node */
  bool *depends;             /* by value id: depends on some wrt */
  ig_value **gradient;       /* by value id */
} sweep;

static void mark_dependents(sweep *s, int n, ig_value *const *wrt) {
  for (int i = 0; i < n; i++) s->depends[wrt[i]->id] = true;
  for (int32_t i = 0; i < s->n_nodes; i++) {
    const ig_node *node = s->graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    bool any = false;
    for (int k = 0; k < node->n_inputs; k++) {
      any = any || (node->inputs[k] && s->depends[node->inputs[k]->id]);
    }
    for (int k = 0; k < node->n_outputs && any; k++) {
      const ig_value *out = node->outputs[k];
      s->depends[out->id] = ig_dtype_is_float(out->dtype);
    }
  }
}

static ig_status accumulate(sweep *s, const ig_node *node, int input, ig_value *dx) {
  const ig_value *x = node->inputs[input];
  IG_CHECK(dx->dtype == x->dtype && ig_shape_equal(&dx->shape, &x->shape), IG_ERR_INTERNAL,
           "node '%s' (%s): gradient of input %d is %s%s, expected %s%s", node->name,
           node->op->name, input, ig_dtype_name(dx->dtype), IG_SHAPE_STR(&dx->shape),
           ig_dtype_name(x->dtype), IG_SHAPE_STR(&x->shape));
  ig_value **sum = &s->gradient[x->id];
  *sum = *sum ? ig_op1(s->graph, "Add", NULL, IG_INS(*sum, dx), IG_NO_ATTRS) : dx;
  return ig_graph_status(s->graph);
}

/* Room for one node's gradients and flags, in one block. */
typedef struct frame {
  ig_value **dy, **dx;
  bool *need;
} frame;

static ig_status back_node(sweep *s, ig_node *node, const frame *f) {
  bool flows = false, wanted = false;
  for (int k = 0; k < node->n_outputs; k++) {
    f->dy[k] = s->gradient[node->outputs[k]->id];
    flows = flows || f->dy[k];
  }
  for (int k = 0; k < node->n_inputs; k++) {
    f->dx[k] = NULL;
    f->need[k] = node->inputs[k] && s->depends[node->inputs[k]->id];
    wanted = wanted || f->need[k];
  }
  if (!flows || !wanted) return IG_OK;
  IG_CHECK(node->op->grad, IG_ERR_UNSUPPORTED, "node '%s': operator %s has no gradient",
           node->name, node->op->name);
  s->graph->forward = node;
  ig_grad grad = {.graph = s->graph, .node = node, .dy = f->dy, .dx = f->dx, .need = f->need};
  node->op->grad(&grad);
  IG_TRY(ig_graph_status(s->graph));
  for (int k = 0; k < node->n_inputs; k++) {
    if (f->need[k] && f->dx[k]) IG_TRY(accumulate(s, node, k, f->dx[k]));
  }
  return IG_OK;
}

static ig_status sweep_back(sweep *s) {
  int widest = 1;
  for (int32_t i = 0; i < s->n_nodes; i++) {
    widest = IG_MAX(widest, IG_MAX(s->graph->nodes[i]->n_inputs, s->graph->nodes[i]->n_outputs));
  }
  size_t n = (size_t)widest;
  frame f = {.dy = ig_alloc_zero(n, sizeof *f.dy),
             .dx = ig_alloc_zero(n, sizeof *f.dx),
             .need = ig_alloc_zero(n, sizeof *f.need)};
  ig_status status = f.dy && f.dx && f.need ? IG_OK : ig_fail(IG_ERR_MEMORY, "out of memory");
  for (int32_t i = s->n_nodes - 1; i >= 0 && status == IG_OK; i--) {
    ig_node *node = s->graph->nodes[i];
    if (ig_node_is_live(node)) status = back_node(s, node, &f);
  }
  s->graph->forward = NULL;
  ig_free(f.dy);
  ig_free(f.dx);
  ig_free(f.need);
  return status;
}

static ig_value *ones_like(ig_graph *graph, const ig_value *loss) {
  uint64_t one = 0;
  ig_store_f64(loss->dtype, &one, 0, 1.0);
  return ig_graph_const(graph, NULL, loss->dtype, loss->shape, &one);
}

ig_status ig_autodiff(ig_graph *graph, ig_value *loss, ig_value *seed, int n,
                      ig_value *const *wrt, ig_value **grads) {
  IG_TRY(ig_graph_status(graph));
  IG_CHECK(loss && ig_value_count(loss) == 1 && ig_dtype_is_float(loss->dtype), IG_ERR_SHAPE,
           "the loss must be one floating-point number");
  sweep s = {.graph = graph, .n_values = graph->n_values, .n_nodes = graph->n_nodes};
  s.depends = ig_alloc_zero((size_t)s.n_values + 1, sizeof *s.depends);
  s.gradient = ig_alloc_zero((size_t)s.n_values + 1, sizeof *s.gradient);
  ig_status status = IG_OK;
  if (!s.depends || !s.gradient) {
    status = ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  } else {
    mark_dependents(&s, n, wrt);
    s.gradient[loss->id] = seed ? seed : ones_like(graph, loss);
    status = sweep_back(&s);
    for (int i = 0; i < n && status == IG_OK; i++) grads[i] = s.gradient[wrt[i]->id];
  }
  ig_free(s.depends);
  ig_free(s.gradient);
  return status;
}
