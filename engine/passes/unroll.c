/* Bodies in the place of their nodes: of an If whose condition is known, and once for each turn of a Loop or
 * Scan whose number of turns is known, so that gradients flow through them. Bodies that would become too
 * many nodes stay. */
#include "engine/ops/body.h"
#include "engine/ops/loop.h"
#include "engine/ops/scan.h"
#include "engine/passes/rewrite.h"

/* What one node may become. */
#define MOST_NODES 20000

typedef struct unrolling {
  ig_graph *graph;
  ig_node *node;
  const ig_graph *body;
  int64_t turns;
  int states, stacked; /* outputs of the node: states first */
  ig_value **in, **out; /* of the body */
  ig_value **pieces;    /* `stacked` rows of `turns` */
} unrolling;

static ig_status begin(unrolling *u) {
  ig_arena *arena = u->graph->arena;
  size_t n_in = (size_t)u->body->n_inputs + 1, n_out = (size_t)u->body->n_outputs + 1;
  u->in = ig_arena_alloc(arena, n_in * sizeof *u->in);
  u->out = ig_arena_alloc(arena, n_out * sizeof *u->out);
  u->pieces = ig_arena_alloc(arena, (size_t)u->turns * ((size_t)u->stacked + 1) * sizeof *u->pieces);
  IG_CHECK(u->in && u->out && u->pieces, IG_ERR_MEMORY, "graph '%s': out of memory",
           u->graph->name);
  return IG_OK;
}

static bool too_many(const ig_graph *body, int64_t turns) {
  return turns > MOST_NODES / IG_MAX(body->n_nodes, 1);
}

/* Row `i` of pieces along a new axis. */
static ig_value *stack(unrolling *u, int i, int64_t axis, bool backwards) {
  ig_value **row = u->pieces + i * u->turns;
  ig_value *at = ig_graph_const_i64s(u->graph, 1, &axis);
  for (int64_t t = 0; t < u->turns; t++) {
    row[t] = ig_op1(u->graph, "Unsqueeze", NULL, IG_INS(row[t], at), IG_NO_ATTRS);
  }
  for (int64_t t = 0; t < u->turns / 2 && backwards; t++) {
    ig_value *other = row[t];
    row[t] = row[u->turns - 1 - t];
    row[u->turns - 1 - t] = other;
  }
  if (u->turns == 1) return row[0];
  return ig_op1(u->graph, "Concat", NULL, (int)u->turns, row, IG_ATTRS(IG_INT("axis", axis)));
}

/* The node's outputs become the last states and the stacked pieces. */
static ig_status finish(unrolling *u, ig_value *const *states, const ig_scan_form *scan) {
  for (int i = 0; i < u->node->n_outputs; i++) {
    int k = i - u->states;
    ig_value *made = NULL;
    if (k < 0) made = states[i];
    else if (scan) made = stack(u, k, ig_scan_output_axis(scan, k),
                                ig_scan_backwards(&scan->attrs->scan_output_directions, k));
    else made = stack(u, k, 0, false);
    IG_TRY(ig_graph_status(u->graph));
    IG_TRY(ig_value_replace(u->graph, u->node->outputs[i], made));
  }
  ig_node_remove(u->graph, u->node);
  return IG_OK;
}

/* --- If -------------------------------------------------------------------------------------- */

static ig_status unroll_if(ig_graph *graph, ig_node *node, int *changes) {
  unrolling u = {.graph = graph, .node = node, .states = node->n_outputs};
  IG_TRY(ig_body_branch(node, node->inputs, &u.body));
  if (!u.body) return IG_OK;
  IG_TRY(begin(&u));
  IG_TRY(ig_graph_inline(graph, u.body, node->inputs + 1, u.out));
  ++*changes;
  return finish(&u, u.out, NULL);
}

/* --- Loop ------------------------------------------------------------------------------------ */

static ig_status loop_turn(unrolling *u, const ig_loop_form *form, int64_t turn) {
  static const uint8_t yes = 1;
  u->in[0] = ig_graph_const(u->graph, NULL, IG_I64, IG_SCALAR, &turn);
  u->in[1] = ig_graph_const(u->graph, NULL, IG_BOOL, IG_SCALAR, &yes);
  IG_TRY(ig_graph_status(u->graph));
  IG_TRY(ig_graph_inline(u->graph, u->body, u->in, u->out));
  for (int i = 0; i < form->carried; i++) u->in[2 + i] = u->out[1 + i];
  for (int i = 0; i < form->stacked; i++) {
    u->pieces[i * u->turns + turn] = u->out[1 + form->carried + i];
  }
  return IG_OK;
}

static ig_status unroll_loop(ig_graph *graph, ig_node *node, int *changes) {
  ig_loop_form form;
  ig_graph *body = NULL;
  unrolling u = {.graph = graph, .node = node};
  IG_TRY(ig_loop_form_of(node, &form));
  IG_TRY(ig_loop_specialize(node, &form, &body));
  ig_status status = ig_loop_turns(node, &form, body, &u.turns);
  ig_graph_destroy(body);
  bool known = status == IG_OK && !too_many(form.body, u.turns) && (u.turns || !form.stacked);
  if (status == IG_ERR_UNSUPPORTED || (status == IG_OK && !known)) return IG_OK;
  IG_TRY(status);
  u.body = form.body;
  u.states = form.carried;
  u.stacked = form.stacked;
  IG_TRY(begin(&u));
  for (int i = form.head; i < node->n_inputs; i++) u.in[2 + i - form.head] = node->inputs[i];
  for (int64_t t = 0; t < u.turns; t++) IG_TRY(loop_turn(&u, &form, t));
  ++*changes;
  return finish(&u, u.in + 2, NULL);
}

/* --- Scan ------------------------------------------------------------------------------------ */

/* The elements of a scanned input, in the order in which they are taken. */
static ig_status cut(unrolling *u, const ig_scan_form *form, int i, ig_value **elements) {
  ig_value *x = u->node->inputs[form->states + i];
  int axis;
  int64_t length = -1;
  IG_TRY(ig_scan_axis(form, i, &x->shape, &axis, &length));
  bool backwards = ig_scan_backwards(&form->attrs->scan_input_directions, i);
  int64_t at = axis;
  ig_value *axes = ig_graph_const_i64s(u->graph, 1, &at);
  ig_node *split = NULL;
  if (length > 1) {
    split = ig_graph_node(u->graph, "Split", NULL, IG_INS(x),
                          IG_ATTRS(IG_INT("axis", axis), IG_INT("num_outputs", length)),
                          (int)length);
    IG_TRY(ig_graph_status(u->graph));
  }
  for (int64_t t = 0; t < length; t++) {
    ig_value *part = split ? split->outputs[backwards ? length - 1 - t : t] : x;
    elements[t] = ig_op1(u->graph, "Squeeze", NULL, IG_INS(part, axes), IG_NO_ATTRS);
  }
  return ig_graph_status(u->graph);
}

static ig_status scan_turns(unrolling *u, const ig_scan_form *form, ig_value **elements) {
  for (int i = 0; i < form->scanned; i++) IG_TRY(cut(u, form, i, elements + i * u->turns));
  for (int i = 0; i < u->node->n_inputs; i++) u->in[i] = u->node->inputs[i];
  for (int64_t t = 0; t < u->turns; t++) {
    for (int i = 0; i < form->scanned; i++) u->in[form->states + i] = elements[i * u->turns + t];
    IG_TRY(ig_graph_inline(u->graph, u->body, u->in, u->out));
    for (int i = 0; i < form->states; i++) u->in[i] = u->out[i];
    for (int i = 0; i < form->stacked; i++) {
      u->pieces[i * u->turns + t] = u->out[form->states + i];
    }
  }
  return IG_OK;
}

static ig_status unroll_scan(ig_graph *graph, ig_node *node, int *changes) {
  ig_scan_form form;
  unrolling u = {.graph = graph, .node = node, .turns = -1};
  int axis;
  IG_TRY(ig_scan_form_of(node, &form));
  for (int i = 0; i < form.scanned; i++) {
    IG_TRY(ig_scan_axis(&form, i, &node->inputs[form.states + i]->shape, &axis, &u.turns));
  }
  if (too_many(form.body, u.turns) || (u.turns == 0 && form.stacked)) return IG_OK;
  u.body = form.body;
  u.states = form.states;
  u.stacked = form.stacked;
  IG_TRY(begin(&u));
  ig_value **elements = ig_arena_alloc(
      graph->arena, (size_t)u.turns * (size_t)form.scanned * sizeof *elements + sizeof *elements);
  IG_CHECK(elements, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  IG_TRY(scan_turns(&u, &form, elements));
  ++*changes;
  return finish(&u, u.in, &form);
}

/* Nodes that are appended are visited in their turn: bodies may hold others. */
static ig_status unroll_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    ig_status status = ig_node_is(node, "If")     ? unroll_if(graph, node, changes)
                       : ig_node_is(node, "Loop") ? unroll_loop(graph, node, changes)
                       : ig_node_is(node, "Scan") ? unroll_scan(graph, node, changes)
                                                  : IG_OK;
    if (status != IG_OK) return ig_fail_in(status, "node '%s' (%s)", node->name, node->op->name);
  }
  return IG_OK;
}

const ig_pass ig_pass_unroll = {
    .name = "unroll",
    .what = "put bodies in the place of Ifs, Loops and Scans of known turns",
    .run = unroll_run,
};
