/* Sums that outlive a graph: of the micro-batches of a step, and of the parts that one rank computes of
 * a batch. Parts are added as the nodes of a balanced binary tree: level l holds the sum of 2^l parts,
 * as a digit of a binary counter, so that every sum has the order that it would have if each part were
 * a rank of its own, and log2(parts) tensors wait for the other half of their pair. */
#include "engine/train/step_sums.h"


static ig_value *sum_state(ig_graph *graph, int level, const char *name, const ig_value *like) {
  const char *full = ig_arena_format(graph->arena, "optimizer.sum.%d.%s", level, name);
  if (!full) return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "step: out of memory"));
  return ig_graph_state(graph, full, like->dtype, like->shape, (ig_init){.kind = IG_INIT_ZERO});
}

static ig_value *zero_like(ig_graph *graph, const ig_value *like) {
  ig_value *zero = ig_graph_const_f32(graph, 0.0f);
  ig_value *shape = ig_graph_const_i64s(graph, like->shape.rank, like->shape.dims);
  return ig_op1(graph, "Expand", NULL, IG_INS(zero, shape), IG_NO_ATTRS);
}

ig_value *ig_step_sum(ig_graph *graph, const ig_step_sums *sums, const char *name, ig_value *term) {
  ig_value *total = term, *kept = NULL;
  for (int level = 0; level < sums->n_read && total; level++) {
    ig_value *sum = sum_state(graph, level, name, term);
    total = sum ? ig_op1(graph, "Add", NULL, IG_INS(sum, total), IG_NO_ATTRS) : NULL;
    if (total && sums->clear) ig_graph_assign(graph, sum, zero_like(graph, total));
    if (level == sums->keep_as) kept = sum;
  }
  if (!total || sums->keep_as < 0) return total;
  if (!kept) kept = sum_state(graph, sums->keep_as, name, term);
  if (kept) ig_graph_assign(graph, kept, total);
  return total;
}

/* A model's own states (running statistics) are functions of their old value and of the batch, which
 * average over parts as gradients do: each part starts from the same old value, and the weighted mean
 * of what they make of it is the new one. */
void ig_step_sum_states(ig_graph *graph, const ig_step_sums *sums, ig_value *weight,
                        int n_assigns) {
  int kept = 0;
  ig_assign *own = graph->assigns;
  for (int i = 0; i < n_assigns && graph->status == IG_OK; i++) {
    ig_value *target = graph->assigns[i].target, *source = graph->assigns[i].source;
    const char *name = ig_arena_format(graph->arena, "state.%s", target->name);
    if (!name) {
      ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "step: out of memory"));
      return;
    }
    ig_value *term = ig_op1(graph, "Mul", NULL, IG_INS(source, weight), IG_NO_ATTRS);
    ig_value *total = term ? ig_step_sum(graph, sums, name, term) : NULL;
    own = graph->assigns; /* which may have moved */
    if (total && sums->keep_as < 0) own[kept++] = (ig_assign){target, total};
  }
  for (int i = n_assigns; i < graph->n_assigns; i++) own[kept + i - n_assigns] = own[i];
  graph->n_assigns -= n_assigns - kept;
}
