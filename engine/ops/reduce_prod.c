/* ReduceProd: the product over `axes`. */
#include "engine/ops/reduce.h"
#include "engine/ops/view.h"

IG_REDUCE_IMPLS(IG_REDUCE_PROD)

/* With the reduced dimensions made one, last: each element's factor is the product of all before it and
 * of all behind it, which needs no division by what may be 0. */
static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  const ig_shape *shape = &g->node->inputs[0]->shape;
  int64_t perm[IG_MAX_RANK], back[IG_MAX_RANK], rows[2] = {1, 1};
  bool reduced[IG_MAX_RANK] = {false};
  ig_status status = ig_reduce_dims(g->node, reduced);
  if (status != IG_OK) {
    ig_graph_fail(graph, status);
    return;
  }
  int n = 0;
  for (int last = 0; last < 2; last++) {
    for (int d = 0; d < shape->rank; d++) {
      if (reduced[d] != (last == 1)) continue;
      rows[last] *= shape->dims[d];
      back[d] = n;
      perm[n++] = d;
    }
  }
  ig_value *x = ig_op1(graph, "Transpose", NULL, IG_INS(g->node->inputs[0]),
                       IG_ATTRS(IG_INTS("perm", n, perm)));
  ig_value *flat = ig_op1(graph, "Reshape", NULL, IG_INS(x, ig_graph_const_i64s(graph, 2, rows)),
                          IG_ATTRS(IG_INT("allowzero", 1)));
  ig_value *axis = ig_graph_const_i64s(graph, 1, (int64_t[]){1});
  ig_value *before =
      ig_op1(graph, "CumProd", NULL, IG_INS(flat, axis), IG_ATTRS(IG_INT("exclusive", 1)));
  ig_value *behind = ig_op1(graph, "CumProd", NULL, IG_INS(flat, axis),
                            IG_ATTRS(IG_INT("exclusive", 1), IG_INT("reverse", 1)));
  ig_value *others = ig_op1(graph, "Mul", NULL, IG_INS(before, behind), IG_NO_ATTRS);
  others = x ? ig_reshape_like(graph, others, x) : NULL;
  others = ig_op1(graph, "Transpose", NULL, IG_INS(others), IG_ATTRS(IG_INTS("perm", n, back)));
  g->dx[0] = ig_op1(graph, "Mul", NULL, IG_INS(ig_reduce_kept(g, g->dy[0]), others), IG_NO_ATTRS);
}

const ig_op ig_op_reduce_prod = {
    .name = "ReduceProd",
    .since = 18,
    .n_in = {1, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_reduce_fields,
    .attrs_size = sizeof(ig_reduce_attrs),
    .infer = ig_reduce_infer,
    .grad = grad,
    .cost = ig_reduce_cost,
    .impls = impls,
};
