/* Transpose: output dimension d is input dimension perm[d]; without perm, the order is reversed. */
#include "engine/ops/op.h"
#include "kernels/movement.h"

typedef struct transpose_attrs {
  ig_ints perm;
} transpose_attrs;

static const ig_attr_field transpose_fields[] = {
    IG_FIELD_INTS(transpose_attrs, perm),
    {.name = NULL},
};

static int source_dim(const ig_node *node, int d) {
  ig_ints perm = IG_ATTRS_OF(transpose_attrs, node)->perm;
  return perm.n ? (int)perm.v[d] : node->inputs[0]->shape.rank - 1 - d;
}

static ig_status transpose_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_ints perm = IG_ATTRS_OF(transpose_attrs, node)->perm;
  int rank = x->shape.rank;
  IG_CHECK(perm.n == 0 || perm.n == rank, IG_ERR_SHAPE, "perm has %d entries for %s", perm.n,
           IG_SHAPE_STR(&x->shape));
  bool seen[IG_MAX_RANK] = {false};
  for (int d = 0; d < perm.n; d++) {
    IG_CHECK(perm.v[d] >= 0 && perm.v[d] < rank && !seen[perm.v[d]], IG_ERR_SHAPE,
             "perm is not a permutation of 0 to %d: entry %d is %lld", rank - 1, d,
             (long long)perm.v[d]);
    seen[perm.v[d]] = true;
  }
  ig_shape out = {.rank = rank};
  for (int d = 0; d < rank; d++) out.dims[d] = x->shape.dims[source_dim(node, d)];
  return ig_infer_set(node, 0, x->dtype, &out);
}

static void transpose_grad(const ig_grad *grad) {
  int rank = grad->node->inputs[0]->shape.rank;
  int64_t inverse[IG_MAX_RANK];
  for (int d = 0; d < rank; d++) inverse[source_dim(grad->node, d)] = d;
  grad->dx[0] = ig_op1(grad->graph, "Transpose", NULL, IG_INS(grad->dy[0]),
                       IG_ATTRS(IG_INTS("perm", rank, inverse)));
}

static ig_status transpose_run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  int64_t own[IG_MAX_RANK], from[IG_MAX_RANK], to[IG_MAX_RANK];
  ig_shape_strides(&x->shape, own);
  ig_shape_strides(&y->shape, to);
  for (int d = 0; d < y->shape.rank; d++) from[d] = own[source_dim(call->node, d)];
  ig_cpu_strided_copy(ig_dtype_size(x->dtype), y->shape.rank, y->shape.dims, call->in[0], from,
                      call->out[0], to);
  return IG_OK;
}

static const ig_impl transpose_impls[] = {
    {.name = "cpu",         .device = IG_CPU, .run = transpose_run},
    {.name = NULL},
};

const ig_op ig_op_transpose = {
    .name = "Transpose",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = transpose_fields,
    .attrs_size = sizeof(transpose_attrs),
    .infer = transpose_infer,
    .grad = transpose_grad,
    .cost = ig_cost_copy,
    .impls = transpose_impls,
};
