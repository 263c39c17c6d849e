/* ReduceLogSumExp: log sum e^x over `axes`, the maximum subtracted first. */
#include <math.h>

#include "engine/ops/reduce.h"
#include "kernels/softmax.h"

/* dx = dy e^(x - y). */
static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_value *y = ig_reduce_kept(g, g->node->outputs[0]);
  ig_value *share = ig_op1(graph, "Sub", NULL, IG_INS(g->node->inputs[0], y), IG_NO_ATTRS);
  share = ig_op1(graph, "Exp", NULL, IG_INS(share), IG_NO_ATTRS);
  g->dx[0] = ig_op1(graph, "Mul", NULL, IG_INS(share, ig_reduce_kept(g, g->dy[0])), IG_NO_ATTRS);
}

/* The reduction as rows, where what is reduced lies together. */
static bool rows_of(const ig_node *node, ig_rows *rows) {
  ig_reduction r = ig_reduction_of(node);
  *rows = (ig_rows){1, 1, 1};
  int at = 0;
  if (at < r.rank && !r.reduced[at]) rows->outer = r.dims[at++];
  if (at < r.rank) rows->n = r.dims[at++];
  if (at < r.rank) rows->inner = r.dims[at++];
  return at == r.rank;
}

static const char *reject_rows(const ig_node *node) {
  ig_rows rows;
  if (!rows_of(node, &rows)) return "what is reduced does not lie together";
  if (ig_value_count(node->inputs[0]) == 0) return "there is nothing to reduce";
  return ig_reject_reduce_vector(node);
}

static size_t workspace(const ig_node *node) {
  return (size_t)ig_value_count(node->outputs[0]) * sizeof(ig_normalizer);
}

static ig_status run_rows(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_normalizer *normalizer = call->workspace;
  ig_rows rows;
  rows_of(call->node, &rows);
  ig_cpu_softmax_normalizer(x->dtype, &rows, call->in[0], normalizer, NULL);
  for (int64_t i = 0; i < rows.outer * rows.inner; i++) {
    float most = normalizer[i].most;
    float sum = isinf(most) ? most : most + normalizer[i].log_total;
    ig_store_f64(x->dtype, call->out[0], i, (double)sum);
  }
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  return ig_reduce_reference(call, IG_REDUCE_LOG_SUM_EXP);
}

static const ig_impl impls[] = {
    {.name = "rows", .reject = reject_rows, .workspace = workspace, .run = run_rows},
    {.name = "reference", .run = run_reference},
    {0}};

const ig_op ig_op_reduce_log_sum_exp = {
    .name = "ReduceLogSumExp",
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
