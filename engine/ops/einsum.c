/* Einsum: the sum over all labels that the result lacks of the product of the operands. */
#include "engine/ops/contraction.h"
#include "engine/ops/view.h"

typedef struct einsum_attrs {
  const char *equation;
} einsum_attrs;

static const ig_attr_field attrs[] = {
    {.name = "equation",
     .type = IG_ATTR_STRING,
     .offset = offsetof(einsum_attrs, equation),
     .required = true},
    {0},
};

static ig_status read(const ig_node *node, ig_equation *e) {
  return ig_equation_read(node, IG_ATTRS_OF(einsum_attrs, node)->equation, e);
}

static ig_status infer(ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  ig_equation e;
  ig_contraction c;
  IG_CHECK(ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype), IG_ERR_SHAPE,
           "input 0 must be numbers, found %s", ig_dtype_name(dtype));
  for (int i = 1; i < node->n_inputs; i++) {
    IG_CHECK(node->inputs[i]->dtype == dtype, IG_ERR_SHAPE, "input %d is %s, input 0 is %s", i,
             ig_dtype_name(node->inputs[i]->dtype), ig_dtype_name(dtype));
  }
  IG_TRY(read(node, &e));
  ig_shape shape = {.rank = e.out.rank};
  for (int d = 0; d < shape.rank; d++) shape.dims[d] = e.dims[e.out.labels[d]];
  IG_TRY(ig_infer_set(node, 0, dtype, &shape));
  return ig_contraction_plan(node, &e, &c);
}

/* --- gradients ------------------------------------------------------------------------------- */

/* An equation in the making: operands, and terms of labels, those of ellipses written as letters. */
typedef struct draft {
  const ig_grad *g;
  int n;
  ig_value *operands[IG_EINSUM_OPERANDS + IG_MAX_RANK];
  char text[(IG_EINSUM_OPERANDS + IG_MAX_RANK) * (IG_MAX_RANK + 1) + 16];
  int length;
  char letters[IG_LABELS]; /* the letter of each label; 0 for none yet */
  int taken;
  bool failed;
} draft;

static char letter_of(draft *d, int label) {
  static const char all[IG_LETTERS + 1] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (!d->letters[label] && d->taken < IG_LETTERS) d->letters[label] = all[d->taken++];
  if (!d->letters[label]) d->failed = true;
  return d->failed ? 'a' : d->letters[label];
}

static void add_operand(draft *d, ig_value *value, const ig_term *term) {
  if (d->n) d->text[d->length++] = ',';
  for (int i = 0; i < term->rank; i++) d->text[d->length++] = letter_of(d, term->labels[i]);
  d->operands[d->n++] = value;
}

static ig_value *finish(draft *d, const ig_term *out) {
  d->text[d->length++] = '-';
  d->text[d->length++] = '>';
  for (int i = 0; i < out->rank; i++) d->text[d->length++] = letter_of(d, out->labels[i]);
  d->text[d->length] = '\0';
  if (d->failed || d->n > IG_EINSUM_OPERANDS) {
    return ig_graph_fail(
        d->g->graph,
        ig_fail(IG_ERR_UNSUPPORTED, "Einsum: the gradient has too many labels or operands"));
  }
  return ig_op1(d->g->graph, "Einsum", NULL, d->n, d->operands,
                IG_ATTRS(IG_STRING("equation", d->text)));
}

/* dy times the other operands, summed to the different labels of operand `k` that are in them and of its
 * dimensions; then spread over the labels that operand k alone has. */
static ig_value *to_labels(const ig_grad *g, const ig_equation *e, int k, const ig_term *labels) {
  const ig_shape *x = &g->node->inputs[k]->shape;
  draft d = {.g = g};
  ig_term out = {.rank = 0};
  ig_shape kept = {.rank = labels->rank}, whole = kept;
  add_operand(&d, g->dy[0], &e->out);
  for (int i = 0; i < e->n; i++) {
    if (i != k) add_operand(&d, g->node->inputs[i], &e->terms[i]);
  }
  for (int i = 0; i < labels->rank; i++) {
    int label = labels->labels[i];
    int64_t own = 1;
    for (int j = 0; j < x->rank; j++) {
      if (e->terms[k].labels[j] == label) own = IG_MAX(own, x->dims[j]);
      if (e->terms[k].labels[j] == label && x->dims[j] == 0) own = 0;
    }
    bool elsewhere = ig_term_has(&e->out, label);
    for (int t = 0; t < e->n && !elsewhere; t++)
      elsewhere = t != k && ig_term_has(&e->terms[t], label);
    bool keep = elsewhere && own == e->dims[label];
    if (keep) out.labels[out.rank++] = label;
    kept.dims[i] = keep ? own : 1;
    whole.dims[i] = own;
  }
  ig_value *part = finish(&d, &out);
  ig_value *shape = ig_graph_const_i64s(g->graph, kept.rank, kept.dims);
  part = ig_op1(g->graph, "Reshape", NULL, IG_INS(part, shape), IG_ATTRS(IG_INT("allowzero", 1)));
  if (ig_shape_equal(&kept, &whole)) return part;
  shape = ig_graph_const_i64s(g->graph, whole.rank, whole.dims);
  return ig_op1(g->graph, "Expand", NULL, IG_INS(part, shape), IG_NO_ATTRS);
}

static ig_value *identity_matrix(const ig_grad *g, ig_dtype dtype, int64_t n) {
  ig_shape shape = IG_SHAPE(n, n);
  void *bytes = ig_arena_alloc(g->graph->arena, ig_shape_bytes(&shape, dtype));
  if (!bytes) return ig_graph_fail(g->graph, ig_fail(IG_ERR_MEMORY, "Einsum: out of memory"));
  for (int64_t i = 0; i < n; i++) ig_store_f64(dtype, bytes, i * n + i, 1);
  return ig_graph_const(g->graph, NULL, dtype, shape, bytes);
}

/* Repeated labels: an element off the diagonal has no part in the result. */
static ig_value *onto_diagonal(const ig_grad *g, int k, const ig_term *labels, const ig_term *term,
                               ig_value *part) {
  const ig_value *x = g->node->inputs[k];
  draft d = {.g = g};
  ig_term out = {.rank = 0};
  int fresh = 0;
  add_operand(&d, part, labels);
  for (int i = 0; i < term->rank; i++) {
    int label = term->labels[i];
    if (ig_term_has(&out, label)) { /* a label that no term of this equation has */
      while (ig_term_has(term, fresh) || ig_term_has(&out, fresh)) fresh++;
      ig_term pair = {2, {label, fresh}};
      add_operand(&d, identity_matrix(g, x->dtype, x->shape.dims[i]), &pair);
      label = fresh;
    }
    out.labels[out.rank++] = label;
  }
  return finish(&d, &out);
}

static void grad(const ig_grad *g) {
  ig_equation e;
  ig_status status = read(g->node, &e);
  if (status != IG_OK) {
    ig_graph_fail(g->graph, status);
    return;
  }
  for (int k = 0; k < e.n; k++) {
    if (!g->need[k]) continue;
    const ig_term *term = &e.terms[k];
    const ig_shape *x = &g->node->inputs[k]->shape;
    ig_term labels = {.rank = 0};
    bool mixed = false; /* a diagonal of dimensions 1 and n */
    for (int d = 0; d < term->rank; d++) {
      if (!ig_term_has(&labels, term->labels[d])) labels.labels[labels.rank++] = term->labels[d];
      for (int c = 0; c < d; c++)
        mixed = mixed || (term->labels[c] == term->labels[d] && x->dims[c] != x->dims[d]);
    }
    if (mixed) {
      ig_graph_fail(g->graph, ig_fail(IG_ERR_UNSUPPORTED,
                                      "Einsum: no gradient of a diagonal of unequal dimensions"));
      return;
    }
    ig_value *part = to_labels(g, &e, k, &labels);
    g->dx[k] = labels.rank == term->rank ? part : onto_diagonal(g, k, &labels, term, part);
  }
}

/* --- execution ------------------------------------------------------------------------------- */

static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  ig_equation e;
  ig_contraction c = {0};
  if (read(node, &e) == IG_OK && ig_contraction_plan(node, &e, &c) == IG_OK) total.flops = c.flops;
  return total;
}

static size_t workspace(const ig_node *node) {
  ig_equation e;
  ig_contraction c = {0};
  bool fits = read(node, &e) == IG_OK && ig_contraction_plan(node, &e, &c) == IG_OK;
  return fits ? c.workspace : 0; /* inference accepted it before */
}

static ig_status run(const ig_call *call) {
  ig_equation e;
  IG_TRY(read(call->node, &e));
  return ig_contraction_run(call, &e);
}

static const ig_impl impls[] = {{.name = "cpu", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_einsum = {
    .name = "Einsum",
    .since = 12,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(einsum_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
