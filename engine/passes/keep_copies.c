/* Mixed precision reads each parameter through a cast to 16 bits, every step. Here the update writes
 * that copy, while it has the new parameter in its registers, and the cast goes: the copy is a STATE,
 * "copy.<parameter>", that the store makes from the parameter (ig_store_refresh_copies). After autodiff,
 * which takes gradients through the cast, and before updates are grouped. */
#include "engine/ops/update.h"
#include "engine/passes/rewrite.h"

/* The update whose first output becomes the value of `param`; NULL when something else does. */
static ig_node *update_of(const ig_graph *graph, const ig_value *param) {
  ig_update_rule rule;
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    if (graph->assigns[i].target != param) continue;
    ig_value *source = graph->assigns[i].source;
    ig_node *node = source->producer;
    bool plain = node && source->output == 0 && ig_update_rule_of(node->op->name, &rule) &&
                 rule != IG_RULE_EMA && node->inputs[IG_UPDATE_PARAM] == param &&
                 !ig_update_has_copy(node);
    return plain ? node : NULL;
  }
  return NULL;
}

/* A cast of the parameter to 16 bits; the first, whose type the copy takes. */
static ig_node *cast_of(const ig_value *param, ig_dtype dtype) {
  for (int32_t u = 0; u < param->n_uses; u++) {
    ig_node *node = param->uses[u].node;
    if (!ig_node_is_live(node) || !ig_node_is(node, "Cast")) continue;
    ig_dtype to = node->outputs[0]->dtype;
    if (dtype == IG_NONE ? to == IG_BF16 || to == IG_F16 : to == dtype) return node;
  }
  return NULL;
}

/* The update again, with the copy as one more operand and result. */
static ig_status add_copy(ig_graph *graph, ig_node *update, ig_value *copy) {
  int n = update->n_inputs;
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(update, attrs);
  ig_value **in = ig_arena_alloc(graph->arena, (size_t)(n + 1) * sizeof *in);
  IG_CHECK(in, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  for (int i = 0; i < n; i++) in[i] = update->inputs[i];
  in[n] = copy;
  ig_node *by = ig_graph_node(graph, update->op->name, NULL, n + 1, in, n_attrs, attrs,
                              update->n_outputs + 1);
  IG_TRY(ig_graph_status(graph));
  ig_graph_assign(graph, copy, by->outputs[update->n_outputs]);
  return ig_node_replace(graph, update, by, update->n_outputs);
}

static ig_status keep_copy(ig_graph *graph, ig_value *param, int *changes) {
  ig_node *cast = cast_of(param, IG_NONE), *update = cast ? update_of(graph, param) : NULL;
  if (!update) return IG_OK;
  ig_dtype dtype = cast->outputs[0]->dtype;
  const char *name = ig_arena_format(graph->arena, "copy.%s", param->name);
  IG_CHECK(name, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  ig_value *copy =
      ig_graph_state(graph, name, dtype, param->shape, (ig_init){.kind = IG_INIT_ZERO});
  IG_TRY(ig_graph_status(graph));
  for (; cast; cast = cast_of(param, dtype)) {
    IG_TRY(ig_value_replace(graph, cast->outputs[0], copy));
    ig_node_remove(graph, cast);
  }
  (*changes)++;
  return add_copy(graph, update, copy);
}

static ig_status keep_copies_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  int32_t n = graph->n_values;
  for (int32_t i = 0; i < n; i++) {
    if (graph->values[i]->kind != IG_VALUE_PARAM) continue;
    IG_TRY(keep_copy(graph, graph->values[i], changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_keep_copies = {
    .name = "keep_copies",
    .what = "parameters' copies in 16 bits written by the update, instead of a cast each step",
    .run = keep_copies_run,
};
