/* Rotary embedding in pieces, as exporters write it, becomes RotaryEmbedding (Su et al. 2021): of heads
 * x [batch, heads, tokens, size] the sum of x cos and (-x2, x1) sin, where x1 and x2 are the halves of x. The tables
 * hold each angle twice, side by side, which must be known: by their numbers, or because they are functions of the
 * same thing twice. In training they must be constants, since the operator has no gradient for them. Before
 * autodiff. */
#include "engine/passes/rewrite.h"

typedef struct pattern {
  ig_value *x, *cosines, *sines;
} pattern;

static bool one_number(const ig_value *value, int64_t *out) {
  int n = 0;
  return ig_value_is_const(value) && value->dtype == IG_I64 && ig_value_count(value) == 1 &&
         ig_value_const_ints(value, "number", 1, out, &n) == IG_OK;
}

/* x of x[..., from : to], of its last dimension. */
static ig_value *part_of(const ig_value *value, int64_t from, int64_t to) {
  const ig_node *slice = value->kind == IG_VALUE_RESULT ? value->producer : NULL;
  int64_t start, end, axis, step = 1;
  if (!ig_node_is(slice, "Slice") || slice->n_inputs < 4 || !slice->inputs[3]) return NULL;
  ig_value *x = slice->inputs[0];
  int last = x->shape.rank - 1;
  if (!one_number(slice->inputs[1], &start) || !one_number(slice->inputs[2], &end)) return NULL;
  if (!one_number(slice->inputs[3], &axis) || (axis != last && axis != -1)) return NULL;
  if (slice->n_inputs > 4 && slice->inputs[4] && (!one_number(slice->inputs[4], &step) || step != 1)) return NULL;
  if (start != from || (end < to && end != to) || value->shape.dims[last] != to - from) return NULL;
  return x;
}

/* x of (-x2, x1). */
static ig_value *rotated(const ig_graph *graph, ig_value *value) {
  ig_node *join = ig_sole_producer(graph, value, "Concat");
  if (!join || join->n_inputs != 2) return NULL;
  int64_t size = value->shape.dims[value->shape.rank - 1], half = size / 2;
  if (ig_shape_axis(&value->shape, ig_attr_int_of(join, "axis", 0)) != value->shape.rank - 1) return NULL;
  ig_node *neg = ig_sole_producer(graph, join->inputs[0], "Neg");
  ig_value *x = size % 2 == 0 && neg ? part_of(neg->inputs[0], half, size) : NULL;
  return x && part_of(join->inputs[1], 0, half) == x ? x : NULL;
}

/* --- tables ------------------------------------------------------------------------------------ */

static bool halves_are_equal(const ig_value *table) {
  int64_t size = table->shape.dims[table->shape.rank - 1], count = ig_value_count(table);
  for (int64_t i = 0; i < count; i++) {
    if (i % size >= size / 2) continue;
    if (ig_load_f64(table->dtype, table->data, i) != ig_load_f64(table->dtype, table->data, i + size / 2)) return false;
  }
  return true;
}

/* Whether the first half of the last dimension is made as the second is: a function of elements, or another shape of
 * as long rows, of something joined to itself. */
static bool is_twice(const ig_value *value, int64_t size) {
  for (int depth = 0; depth < 12 && value->kind == IG_VALUE_RESULT && value->shape.rank > 0; depth++) {
    const ig_node *node = value->producer;
    double factor;
    if (value->shape.dims[value->shape.rank - 1] != size) return false;
    if (ig_node_is(node, "Concat")) {
      int last = value->shape.rank - 1;
      return node->n_inputs == 2 && node->inputs[0] == node->inputs[1] &&
             ig_shape_axis(&value->shape, ig_attr_int_of(node, "axis", 0)) == last;
    }
    bool shapes = ig_node_is(node, "Reshape") || ig_node_is(node, "Unsqueeze") || ig_node_is(node, "Squeeze");
    bool maps = ig_node_is(node, "Cos") || ig_node_is(node, "Sin") || ig_node_is(node, "Cast") || ig_node_is(node, "Identity");
    bool scales = ig_node_is(node, "Mul") && ig_const_splat(node->inputs[1], &factor);
    if (!shapes && !maps && !scales) return false;
    value = node->inputs[0];
  }
  return false;
}

/* [tokens, size] behind dimensions of 1, or the batch as the first of four. */
static bool is_table(const ig_value *table, const ig_value *x, bool training) {
  int rank = table->shape.rank, missing = 4 - rank;
  if (rank < 2 || rank > 4 || table->dtype != x->dtype || (training && !ig_value_is_const(table))) return false;
  for (int d = missing; d < 4; d++) {
    int64_t dim = table->shape.dims[d - missing];
    bool fits = d >= 2 ? dim == x->shape.dims[d] : dim == 1 || (d == 0 && dim == x->shape.dims[0]);
    if (!fits) return false;
  }
  return ig_value_is_const(table) ? halves_are_equal(table) : is_twice(table, x->shape.dims[3]);
}

static int64_t entries(const ig_value *table) { return table->shape.rank == 4 ? table->shape.dims[0] : 1; }

/* The first halves as [1 or batch, tokens, half]. */
static ig_value *halved(ig_graph *graph, ig_value *table, const ig_value *x) {
  int64_t from = 0, to = x->shape.dims[3] / 2, axis = -1;
  ig_value *part = ig_op1(graph, "Slice", NULL,
                          IG_INS(table, ig_graph_const_i64s(graph, 1, &from), ig_graph_const_i64s(graph, 1, &to),
                                 ig_graph_const_i64s(graph, 1, &axis)),
                          IG_NO_ATTRS);
  const int64_t dims[] = {entries(table), x->shape.dims[2], to};
  return ig_op1(graph, "Reshape", NULL, IG_INS(part, ig_graph_const_i64s(graph, 3, dims)), IG_NO_ATTRS);
}

/* --- the pass ---------------------------------------------------------------------------------- */

static bool read_pattern(const ig_graph *graph, const ig_node *add, bool training, pattern *p) {
  for (int i = 0; i < 2; i++) {
    ig_node *straight = ig_sole_producer(graph, add->inputs[i], "Mul");
    ig_node *turned = ig_sole_producer(graph, add->inputs[1 - i], "Mul");
    for (int k = 0; k < 2 && straight && turned; k++) {
      p->x = rotated(graph, turned->inputs[k]);
      p->sines = turned->inputs[1 - k];
      if (!p->x || p->x->shape.rank != 4 || !ig_shape_equal(&p->x->shape, &add->outputs[0]->shape)) continue;
      if (straight->inputs[0] != p->x && straight->inputs[1] != p->x) continue;
      p->cosines = straight->inputs[straight->inputs[0] == p->x];
      if (!is_table(p->cosines, p->x, training) || !is_table(p->sines, p->x, training)) continue;
      return entries(p->cosines) == entries(p->sines) && ig_value_count(p->x) > 0;
    }
  }
  return false;
}

static ig_status recognise_rotary_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    pattern p;
    if (!ig_node_is_live(node) || !ig_node_is(node, "Add")) continue;
    if (!read_pattern(graph, node, options->training, &p)) continue;
    ig_value *made = ig_op1(graph, "RotaryEmbedding", node->name,
                            IG_INS(p.x, halved(graph, p.cosines, p.x), halved(graph, p.sines, p.x)), IG_NO_ATTRS);
    IG_TRY(ig_graph_status(graph));
    IG_TRY(ig_value_replace(graph, node->outputs[0], made));
    ig_node_remove(graph, node);
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_recognise_rotary = {
    .name = "recognise_rotary",
    .what = "rotary embedding in pieces as one operator",
    .run = recognise_rotary_run,
};
