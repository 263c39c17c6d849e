/* Which initializers are the tables of a rotary embedding, and thus no parameters: exporters fold what a model computes
 * from the positions alone, and a model's own parameters do not look different. The form is x cos + (-x2, x1) sin; the
 * operand of the joined halves is the table of sines, that of the other product the table of cosines. */
#include <string.h>

#include "formats/onnx_import_parts.h"

typedef struct search {
  const ig_onnx_names *roles; /* what initializers are */
  ig_onnx_names negated, joined, turned, straight; /* results of nodes */
} search;

static bool is(const ig_onnx_node *node, const char *op, int64_t n_inputs) {
  bool plain = !node->domain || !*node->domain;
  return plain && node->op && strcmp(node->op, op) == 0 && node->n_inputs == n_inputs && node->n_outputs == 1;
}

static ig_status note(ig_onnx_names *names, const ig_onnx_node *node, void *what) {
  void *taken;
  return ig_onnx_names_set(names, node->outputs[0], what, &taken);
}

static ig_status visit(search *s, const ig_onnx_node *node, void (*mark)(void *role)) {
  if (is(node, "Neg", 1)) return note(&s->negated, node, s);
  if (is(node, "Concat", 2)) {
    return ig_onnx_names_find(&s->negated, node->inputs[0]) ? note(&s->joined, node, s) : IG_OK;
  }
  for (int i = 0; i < 2 && is(node, "Mul", 2); i++) {
    void *table = ig_onnx_names_find(s->roles, node->inputs[1 - i]);
    if (!table) continue;
    bool halves = ig_onnx_names_find(&s->joined, node->inputs[i]) != NULL;
    return note(halves ? &s->turned : &s->straight, node, table);
  }
  for (int i = 0; i < 2 && is(node, "Add", 2); i++) {
    void *sines = ig_onnx_names_find(&s->turned, node->inputs[i]);
    void *cosines = ig_onnx_names_find(&s->straight, node->inputs[1 - i]);
    if (!sines || !cosines) continue;
    mark(sines);
    mark(cosines);
  }
  return IG_OK;
}

ig_status ig_onnx_mark_tables(const ig_onnx_graph *g, const ig_onnx_names *roles, void (*mark)(void *role)) {
  search s = {.roles = roles};
  ig_status status = IG_OK;
  for (int64_t i = 0; i < g->n_nodes && status == IG_OK; i++) status = visit(&s, &g->nodes[i], mark);
  ig_onnx_names_release(&s.negated);
  ig_onnx_names_release(&s.joined);
  ig_onnx_names_release(&s.turned);
  ig_onnx_names_release(&s.straight);
  return status;
}
