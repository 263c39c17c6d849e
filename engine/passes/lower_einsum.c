/* Writes Einsum of one or two operands as ReduceSum, Transpose, and MatMul or Mul, which have faster
 * kernels, gradients without detours, and run on every device. What needs more (three operands, diagonals,
 * dimensions of 1 that are repeated) stays as it is. */
#include <string.h>

#include "engine/ops/equation.h"
#include "engine/passes/rewrite.h"

typedef struct lowering {
  ig_graph *graph;
  const ig_equation *e;
} lowering;

/* A tensor and the label of each of its dimensions. */
typedef struct labelled {
  ig_value *value;
  ig_term term;
} labelled;

/* No label twice, and every dimension as large as its label's. */
static bool is_plain(const ig_equation *e, const ig_value *x, const ig_term *term) {
  for (int d = 0; d < term->rank; d++) {
    ig_term before = *term;
    before.rank = d;
    if (ig_term_has(&before, term->labels[d])) return false;
    if (x->shape.dims[d] != e->dims[term->labels[d]] || x->shape.dims[d] == 0) return false;
  }
  return true;
}

static int64_t size_of(const lowering *l, const ig_term *term) {
  int64_t size = 1;
  for (int d = 0; d < term->rank; d++) size *= l->e->dims[term->labels[d]];
  return size;
}

/* Summed over the labels that neither of the two other terms has. */
static labelled drop(const lowering *l, labelled x, const ig_term *out, const ig_term *other) {
  int64_t axes[IG_MAX_RANK];
  ig_term kept = {.rank = 0};
  int n = 0;
  for (int d = 0; d < x.term.rank; d++) {
    int label = x.term.labels[d];
    bool keep = ig_term_has(out, label) || (other && ig_term_has(other, label));
    if (keep) {
      kept.labels[kept.rank++] = label;
    } else {
      axes[n++] = d;
    }
  }
  if (n == 0) return x;
  ig_value *list = ig_graph_const_i64s(l->graph, n, axes);
  ig_value *sum =
      ig_op1(l->graph, "ReduceSum", NULL, IG_INS(x.value, list), IG_ATTRS(IG_INT("keepdims", 0)));
  return (labelled){sum, kept};
}

static ig_value *reshape(const lowering *l, ig_value *value, int rank, const int64_t *dims) {
  return ig_op1(l->graph, "Reshape", NULL, IG_INS(value, ig_graph_const_i64s(l->graph, rank, dims)),
                IG_NO_ATTRS);
}

/* The dimensions in the order of `term`, which has the same labels. */
static ig_value *transpose(const lowering *l, labelled x, const ig_term *term) {
  int64_t perm[IG_MAX_RANK];
  bool in_order = true;
  for (int d = 0; d < term->rank; d++) {
    int at = 0;
    while (x.term.labels[at] != term->labels[d]) at++;
    perm[d] = at;
    in_order = in_order && at == d;
  }
  if (in_order) return x.value;
  return ig_op1(l->graph, "Transpose", NULL, IG_INS(x.value),
                IG_ATTRS(IG_INTS("perm", term->rank, perm)));
}

static void append(ig_term *to, const ig_term *from) {
  for (int d = 0; d < from->rank; d++) to->labels[to->rank++] = from->labels[d];
}

/* The labels of `from` that are in `other` and in `out`, or are not, as asked. */
static ig_term labels_of(const ig_term *from, const ig_term *other, const ig_term *out, bool both,
                         bool result) {
  ig_term found = {.rank = 0};
  for (int d = 0; d < from->rank; d++) {
    bool fits =
        ig_term_has(other, from->labels[d]) == both && ig_term_has(out, from->labels[d]) == result;
    if (fits) found.labels[found.rank++] = from->labels[d];
  }
  return found;
}

/* [batch, m, k] times [batch, k, n]; without k, as a product of elements. */
static labelled multiply(const lowering *l, labelled a, labelled b) {
  const ig_term *out = &l->e->out;
  ig_term batch = labels_of(&a.term, &b.term, out, true, true);
  ig_term m = labels_of(&a.term, &b.term, out, false, true);
  ig_term n = labels_of(&b.term, &a.term, out, false, true);
  ig_term k = labels_of(&a.term, &b.term, out, true, false);
  ig_term left = batch, right = batch, result = batch;
  append(&left, &m);
  append(&left, &k);
  append(&right, &k);
  append(&right, &n);
  append(&result, &m);
  append(&result, &n);
  int64_t sizes[4] = {size_of(l, &batch), size_of(l, &m), size_of(l, &k), size_of(l, &n)};
  int64_t left_dims[3] = {sizes[0], sizes[1], sizes[2]},
          right_dims[3] = {sizes[0], sizes[2], sizes[3]};
  int skip = batch.rank == 0; /* plain matrices */
  ig_value *x = reshape(l, transpose(l, a, &left), 3 - skip, left_dims + skip);
  ig_value *y = reshape(l, transpose(l, b, &right), 3 - skip, right_dims + skip);
  ig_value *product = ig_op1(l->graph, k.rank ? "MatMul" : "Mul", NULL, IG_INS(x, y), IG_NO_ATTRS);
  int64_t dims[IG_MAX_RANK];
  for (int d = 0; d < result.rank; d++) dims[d] = l->e->dims[result.labels[d]];
  return (labelled){reshape(l, product, result.rank, dims), result};
}

static ig_value *lower(ig_graph *graph, const ig_node *node, const ig_equation *e) {
  const lowering l = {graph, e};
  labelled a = {node->inputs[0], e->terms[0]};
  a = drop(&l, a, &e->out, e->n > 1 ? &e->terms[1] : NULL);
  if (e->n > 1) {
    labelled b = {node->inputs[1], e->terms[1]};
    a = multiply(&l, a, drop(&l, b, &e->out, &e->terms[0]));
  }
  if (!a.value) return NULL;
  ig_value *y = transpose(&l, a, &e->out);
  return y == node->inputs[0] ? ig_op1(graph, "Identity", NULL, IG_INS(y), IG_NO_ATTRS) : y;
}

static ig_status lower_einsum_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node) || !ig_node_is(node, "Einsum") || node->n_inputs > 2) continue;
    if (!ig_dtype_is_float(node->inputs[0]->dtype)) continue;
    ig_equation e;
    IG_TRY(ig_equation_read(node, ig_attr_string_of(node, "equation", ""), &e));
    bool plain = true;
    for (int k = 0; k < e.n; k++) plain = plain && is_plain(&e, node->inputs[k], &e.terms[k]);
    if (!plain) continue;
    ig_value *y = lower(graph, node, &e);
    IG_TRY(ig_graph_status(graph));
    IG_TRY(ig_node_replace(graph, node, y->producer, 1));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_lower_einsum = {
    .name = "lower_einsum",
    .what = "writes Einsum as sums, transpositions and matrix products",
    .run = lower_einsum_run,
};
