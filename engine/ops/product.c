/* Matrix products as operators. A node is turned into the kernels' description once, with
 * leading dimensions merged where that makes fewer and larger products: [B, T, K] x [K, N] is
 * one product of B T rows. */
#include "engine/ops/product.h"

#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/activation.h"
#include "kernels/lib/onednn.h"

/* --- shapes ----------------------------------------------------------------------------------- */

/* As a matrix: a vector on the left is a row, on the right a column. */
static ig_shape as_matrix(const ig_shape *shape, bool left, bool transposed) {
  ig_shape m = *shape;
  if (m.rank == 1) return left ? IG_SHAPE(1, m.dims[0]) : IG_SHAPE(m.dims[0], 1);
  if (transposed) {
    m.dims[m.rank - 1] = shape->dims[m.rank - 2];
    m.dims[m.rank - 2] = shape->dims[m.rank - 1];
  }
  return m;
}

static const ig_value *addend_of(const ig_node *node) {
  return node->n_inputs > 2 ? node->inputs[2] : NULL;
}

static ig_status check_addend(const ig_node *node, const ig_shape *result) {
  const ig_value *c = addend_of(node);
  if (!c) return IG_OK;
  ig_shape joined;
  IG_CHECK(node->inputs[0]->shape.rank > 1 && node->inputs[1]->shape.rank > 1, IG_ERR_SHAPE,
           "nothing can be added to a product of vectors");
  IG_CHECK(c->dtype == node->inputs[0]->dtype, IG_ERR_SHAPE, "input 2 is %s where input 0 is %s",
           ig_dtype_name(c->dtype), ig_dtype_name(node->inputs[0]->dtype));
  IG_CHECK(ig_shape_broadcast(&c->shape, result, &joined) && ig_shape_equal(&joined, result),
           IG_ERR_SHAPE, "input 2 of shape %s does not broadcast to the product's %s",
           IG_SHAPE_STR(&c->shape), IG_SHAPE_STR(result));
  return IG_OK;
}

ig_status ig_product_infer(ig_node *node, const ig_product *p) {
  const ig_value *a = node->inputs[0], *b = node->inputs[1];
  ig_activation activation;
  bool whole = a->dtype == IG_I32 || a->dtype == IG_I64 || a->dtype == IG_U32 || a->dtype == IG_U64;
  IG_CHECK(ig_dtype_is_float(a->dtype) || (whole && !(p->activation && p->activation[0])),
           IG_ERR_SHAPE, "input 0 must have a float type, or i32, i64, u32 or u64, found %s",
           ig_dtype_name(a->dtype));
  IG_CHECK(a->dtype == b->dtype, IG_ERR_SHAPE, "input 1 is %s where input 0 is %s",
           ig_dtype_name(b->dtype), ig_dtype_name(a->dtype));
  bool plain = !p->trans_a && !p->trans_b;
  IG_CHECK(a->shape.rank >= (plain ? 1 : 2) && b->shape.rank >= (plain ? 1 : 2), IG_ERR_SHAPE,
           "expected matrices, found %s and %s", IG_SHAPE_STR(&a->shape), IG_SHAPE_STR(&b->shape));
  IG_TRY(ig_activation_parse(p->activation, p->activation_alpha, p->activation_beta, &activation));
  ig_shape left = as_matrix(&a->shape, true, p->trans_a);
  ig_shape right = as_matrix(&b->shape, false, p->trans_b);
  IG_CHECK(left.dims[left.rank - 1] == right.dims[right.rank - 2], IG_ERR_SHAPE,
           "the inner dimensions of %s%s and %s%s differ", IG_SHAPE_STR(&a->shape),
           p->trans_a ? " transposed" : "", IG_SHAPE_STR(&b->shape),
           p->trans_b ? " transposed" : "");
  int64_t m = left.dims[left.rank - 2], n = right.dims[right.rank - 1];
  ig_shape result;
  left.rank -= 2;
  right.rank -= 2;
  IG_CHECK(ig_shape_broadcast(&left, &right, &result), IG_ERR_SHAPE,
           "the batches of %s and %s do not fit together", IG_SHAPE_STR(&a->shape),
           IG_SHAPE_STR(&b->shape));
  if (a->shape.rank > 1) result.dims[result.rank++] = m;
  if (b->shape.rank > 1) result.dims[result.rank++] = n;
  IG_TRY(check_addend(node, &result));
  return ig_infer_set(node, 0, a->dtype, &result);
}

/* --- the kernels' description ----------------------------------------------------------------- */

/* Right-aligned in `rank` dims, with ones before. */
static void align(const ig_shape *shape, int rank, int64_t *dims) {
  for (int i = 0; i < rank; i++) {
    int own = i - (rank - shape->rank);
    dims[i] = own >= 0 ? shape->dims[own] : 1;
  }
}

static void matrix_strides(const int64_t *dims, int rank, bool transposed, int64_t *strides) {
  ig_shape stored = ig_shape_of(rank, dims);
  if (transposed) {
    stored.dims[rank - 1] = dims[rank - 2];
    stored.dims[rank - 2] = dims[rank - 1];
  }
  ig_shape_strides(&stored, strides);
  if (transposed) {
    int64_t inner = strides[rank - 1];
    strides[rank - 1] = strides[rank - 2];
    strides[rank - 2] = inner;
  }
}

static bool all_ones(const int64_t *dims, int n) {
  for (int i = 0; i < n; i++) {
    if (dims[i] != 1) return false;
  }
  return true;
}

static bool same_dims(const int64_t *a, const int64_t *b, int n) {
  return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* Drops the dims before the last `keep` of an operand, after `first` took them over. */
static void drop_dims(int64_t *dims, int64_t *strides, int rank, int keep, int64_t first,
                      int64_t first_stride) {
  memmove(dims, dims + rank - keep, (size_t)keep * sizeof *dims);
  if (strides) memmove(strides, strides + rank - keep, (size_t)keep * sizeof *strides);
  dims[0] = first;
  if (strides) strides[0] = first_stride;
}

/* One matrix on the right: the batch joins the rows. */
static bool merge_rows(ig_matmul *s, bool trans_a) {
  int batch = s->rank - 2, row = s->rank - 2;
  bool full = same_dims(s->addend_dims, s->c_dims, s->rank);
  bool fits = !s->addend || full || all_ones(s->addend_dims, s->rank - 1);
  if (batch == 0 || trans_a || !fits || !all_ones(s->b_dims, batch) ||
      !same_dims(s->a_dims, s->c_dims, batch)) {
    return false;
  }
  ig_shape c = ig_shape_of(s->rank, s->c_dims);
  int64_t rows = ig_shape_span(&c, 0, s->rank - 1);
  drop_dims(s->a_dims, s->a_strides, s->rank, 2, rows, s->a_strides[row]);
  drop_dims(s->b_dims, s->b_strides, s->rank, 2, s->b_dims[row], s->b_strides[row]);
  drop_dims(s->c_dims, s->c_strides, s->rank, 2, rows, s->c_strides[row]);
  drop_dims(s->addend_dims, NULL, s->rank, 2, full ? rows : 1, 0);
  s->rank = 2;
  return true;
}

/* Equal batches of several dims become one dim. */
static void merge_batch(ig_matmul *s) {
  int batch = s->rank - 2;
  bool full = same_dims(s->addend_dims, s->c_dims, batch);
  bool fits = !s->addend || full || all_ones(s->addend_dims, batch);
  if (batch < 2 || !fits || !same_dims(s->a_dims, s->c_dims, batch) ||
      !same_dims(s->b_dims, s->c_dims, batch)) {
    return;
  }
  ig_shape c = ig_shape_of(s->rank, s->c_dims);
  int64_t count = ig_shape_span(&c, 0, batch);
  drop_dims(s->a_dims, s->a_strides, s->rank, 3, count, s->a_strides[batch - 1]);
  drop_dims(s->b_dims, s->b_strides, s->rank, 3, count, s->b_strides[batch - 1]);
  drop_dims(s->c_dims, s->c_strides, s->rank, 3, count, s->c_strides[batch - 1]);
  drop_dims(s->addend_dims, NULL, s->rank, 3, full ? count : 1, 0);
  s->rank = 3;
}

void ig_product_describe(const ig_node *node, const ig_product *p, ig_matmul *s) {
  const ig_value *a = node->inputs[0], *b = node->inputs[1], *c = addend_of(node);
  ig_shape left = as_matrix(&a->shape, true, p->trans_a);
  ig_shape right = as_matrix(&b->shape, false, p->trans_b);
  ig_shape joined, out;
  memset(s, 0, sizeof *s);
  s->dtype = a->dtype;
  s->b_dtype = b->dtype;
  s->c_dtype = node->outputs[0]->dtype;
  s->rank = IG_MAX(left.rank, right.rank);
  align(&left, s->rank, s->a_dims);
  align(&right, s->rank, s->b_dims);
  ig_shape left_batch = ig_shape_of(s->rank - 2, s->a_dims);
  ig_shape right_batch = ig_shape_of(s->rank - 2, s->b_dims);
  ig_shape_broadcast(&left_batch, &right_batch, &joined); /* inference has checked that it fits */
  out = joined;
  out.dims[out.rank++] = left.dims[left.rank - 2];
  out.dims[out.rank++] = right.dims[right.rank - 1];
  align(&out, s->rank, s->c_dims);
  matrix_strides(s->a_dims, s->rank, p->trans_a, s->a_strides);
  matrix_strides(s->b_dims, s->rank, p->trans_b, s->b_strides);
  ig_shape_strides(&out, s->c_strides);
  s->alpha = p->alpha;
  s->addend = c && p->beta != 0;
  if (s->addend) align(&c->shape, s->rank, s->addend_dims);
  ig_activation_parse(p->activation, p->activation_alpha, p->activation_beta, &s->activation);
  if (!merge_rows(s, p->trans_a)) merge_batch(s);
}

ig_cost ig_product_cost(const ig_node *node, const ig_product *p) {
  const ig_shape *a = &node->inputs[0]->shape;
  int64_t depth = a->dims[p->trans_a ? a->rank - 2 : a->rank - 1];
  double results = (double)ig_value_count(node->outputs[0]);
  return (ig_cost){2.0 * results * (double)depth, ig_cost_copy(node).bytes};
}

/* --- gradients -------------------------------------------------------------------------------- */

static ig_value *reshape(ig_graph *graph, ig_value *value, const ig_shape *shape) {
  if (!value || ig_shape_equal(&value->shape, shape)) return value;
  return ig_op1(graph, "Reshape", NULL,
                IG_INS(value, ig_graph_const_i64s(graph, shape->rank, shape->dims)), IG_NO_ATTRS);
}

static ig_value *multiply(ig_graph *graph, ig_value *a, bool trans_a, ig_value *b, bool trans_b,
                          float alpha) {
  return ig_op1(
      graph, "ingot.FusedMatMul", NULL, IG_INS(a, b),
      IG_ATTRS(IG_INT("trans_a", trans_a), IG_INT("trans_b", trans_b), IG_FLOAT("alpha", alpha)));
}

/* The gradient of the addend: summed where it was broadcast, times beta. */
static ig_value *addend_grad(const ig_grad *g, const ig_product *p, ig_value *dy) {
  ig_value *dc = ig_grad_unbroadcast(g->graph, dy, g->node->inputs[2]);
  if (p->beta == 1) return dc;
  ig_value *beta = ig_graph_const_f32(g->graph, p->beta);
  if (dc && dc->dtype != IG_F32) {
    beta = ig_op1(g->graph, "Cast", NULL, IG_INS(beta), IG_ATTRS(IG_INT("to", dc->dtype)));
  }
  return ig_op1(g->graph, "Mul", NULL, IG_INS(dc, beta), IG_NO_ATTRS);
}

/* With a' and b' the operands as multiplied: da' = dy b'^T and db' = a'^T dy. */
void ig_product_grad(const ig_grad *g, const ig_product *p) {
  ig_graph *graph = g->graph;
  ig_value *a = g->node->inputs[0], *b = g->node->inputs[1];
  ig_value *dy = ig_activation_grad(graph, p->activation, g->dy[0], g->node->outputs[0]);
  if (!dy) return;
  if (g->node->n_inputs > 2 && g->need[2]) g->dx[2] = addend_grad(g, p, dy);
  ig_shape left = as_matrix(&a->shape, true, false), right = as_matrix(&b->shape, false, false);
  ig_shape result = dy->shape;
  if (b->shape.rank == 1) result.dims[result.rank++] = 1;
  if (a->shape.rank == 1) {
    result.dims[result.rank] = result.dims[result.rank - 1];
    result.dims[result.rank - 1] = 1;
    result.rank++;
  }
  if (right.rank == 2 && left.rank > 2 && !p->trans_a) { /* one product over all rows */
    left = IG_SHAPE(ig_shape_span(&left, 0, left.rank - 1), left.dims[left.rank - 1]);
    result = IG_SHAPE(left.dims[0], result.dims[result.rank - 1]);
  }
  ig_value *x = reshape(graph, a, &left), *w = reshape(graph, b, &right);
  dy = reshape(graph, dy, &result);
  if (g->need[0]) {
    ig_value *da = p->trans_a ? multiply(graph, w, p->trans_b, dy, true, p->alpha)
                              : multiply(graph, dy, false, w, !p->trans_b, p->alpha);
    g->dx[0] = reshape(graph, ig_grad_unbroadcast(graph, da, x), &a->shape);
  }
  if (g->need[1]) {
    ig_value *db = p->trans_b ? multiply(graph, dy, true, x, p->trans_a, p->alpha)
                              : multiply(graph, x, !p->trans_a, dy, false, p->alpha);
    g->dx[1] = reshape(graph, ig_grad_unbroadcast(graph, db, w), &b->shape);
  }
}

/* --- execution -------------------------------------------------------------------------------- */

/* Bytes of beta times the addend, which lies at the start of the workspace where beta is not 1:
 * this is rare, so that kernels need not know of it. */
static size_t scaled_bytes(const ig_node *node, const ig_product *p) {
  const ig_value *c = addend_of(node);
  return c && p->beta != 0 && p->beta != 1 ? ig_value_bytes(c) : 0;
}

size_t ig_product_workspace(const ig_node *node, const ig_product *p) {
  size_t size = scaled_bytes(node, p);
  return (size + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
}

static const void *scaled_addend(const ig_call *call, const ig_product *p) {
  const ig_value *c = addend_of(call->node);
  if (!scaled_bytes(call->node, p)) return c && p->beta != 0 ? call->in[2] : NULL;
  int64_t count = ig_value_count(c);
  for (int64_t i = 0; i < count; i++) {
    ig_store_f64(c->dtype, call->workspace, i, p->beta * ig_load_f64(c->dtype, call->in[2], i));
  }
  return call->workspace;
}

const char *ig_product_reject_one_row(const ig_node *node, const ig_product *p) {
  ig_matmul s;
  ig_product_describe(node, p, &s);
  if (s.dtype != IG_F32) return "an operand is not f32";
  if (s.rank != 2 || s.c_dims[0] != 1) return "more than one row";
  if (s.b_strides[0] != 1) return "not contiguous along the inner dimension";
  return s.activation.on ? "an activation is fused" : NULL;
}

ig_status ig_product_run_one_row(const ig_call *call, const ig_product *p) {
  ig_matmul s;
  ig_product_describe(call->node, p, &s);
  ig_cpu_matmul_one_row(&s, call->in[0], call->in[1], scaled_addend(call, p), call->out[0]);
  return IG_OK;
}

const char *ig_product_reject_onednn(const ig_node *node, const ig_product *p) {
  IG_UNUSED(p);
  if (!ig_dnn_supports(node->inputs[0]->dtype)) return "no fast code for this type here";
  if (ig_value_count(node->inputs[0]) == 0 || ig_value_count(node->inputs[1]) == 0) {
    return "an operand is empty";
  }
  return NULL;
}

ig_status ig_product_prepare_onednn(ig_call *call, const ig_product *p) {
  ig_matmul s;
  ig_dnn *dnn;
  ig_product_describe(call->node, p, &s);
  IG_TRY(ig_dnn_matmul_create(&s, call->in[1], &dnn));
  call->state = dnn;
  if (ig_dnn_keeps(dnn, 1)) call->packed = 1u << 1;
  IG_CHECK(ig_add_size(call->workspace_size, ig_dnn_workspace(dnn), &call->workspace_size),
           IG_ERR_MEMORY, "the workspace exceeds the address space");
  return IG_OK;
}

void ig_product_release_onednn(ig_call *call) {
  ig_dnn_destroy(call->state);
  call->state = NULL;
}

ig_status ig_product_run_onednn(const ig_call *call, const ig_product *p) {
  const void *operands[] = {call->in[0], call->in[1], scaled_addend(call, p), call->out[0]};
  size_t offset = ig_product_workspace(call->node, p);
  void *workspace = offset ? (char *)call->workspace + offset : call->workspace;
  return ig_dnn_run(call->state, operands, workspace);
}

ig_status ig_product_run_reference(const ig_call *call, const ig_product *p) {
  ig_matmul s;
  ig_product_describe(call->node, p, &s);
  ig_cpu_matmul_reference(&s, call->in[0], call->in[1], scaled_addend(call, p), call->out[0]);
  return IG_OK;
}
