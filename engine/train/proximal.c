/* The proximal term's gradient as nodes in front of the optimizer, whichever that is. w0 is a state
 * that no step assigns: who begins a round writes it. */
#include "engine/train/proximal.h"

void ig_proximal_append(ig_graph *graph, double mu, ig_value *loss_scale, int n,
                        ig_value *const *params, ig_value **grads) {
  ig_value *factor = ig_graph_const_f32(graph, (float)mu);
  if (loss_scale) factor = ig_op1(graph, "Mul", NULL, IG_INS(factor, loss_scale), IG_NO_ATTRS);
  for (int i = 0; i < n && graph->status == IG_OK; i++) {
    const char *name = ig_arena_format(graph->arena, IG_ANCHOR_PREFIX "%s", params[i]->name);
    if (!name) {
      ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "proximal term: out of memory"));
      return;
    }
    ig_value *anchor = ig_graph_state(graph, name, params[i]->dtype, params[i]->shape,
                                      (ig_init){.kind = IG_INIT_ZERO});
    ig_value *way = ig_op1(graph, "Sub", NULL, IG_INS(params[i], anchor), IG_NO_ATTRS);
    ig_value *pull = ig_op1(graph, "Mul", NULL, IG_INS(way, factor), IG_NO_ATTRS);
    ig_value *total = ig_op1(graph, "Add", NULL, IG_INS(grads[i], pull), IG_NO_ATTRS);
    if (total) grads[i] = total;
  }
}
