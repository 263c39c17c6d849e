/* Operations between ranks as nodes: a bucket, the operation on it, waiting for it, and one order of
 * beginning for all. */
#include "engine/passes/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "engine/ops/buckets.h"

static bool add_operation(ig_exchange *x, ig_node *node, int32_t place) {
  if (!ig_grow((void **)&x->operations, &x->capacity, x->n + 1, sizeof *x->operations)) {
    ig_graph_fail(x->graph, ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", x->graph->name));
    return false;
  }
  x->operations[x->n] = (ig_operation){node, NULL, place, x->n};
  x->n++;
  return true;
}

void ig_exchange_resume(ig_exchange *x) {
  for (int32_t i = 0; i < x->graph->n_nodes; i++) {
    ig_node *node = x->graph->nodes[i];
    if (ig_node_is(node, "ingot.AllReduce")) add_operation(x, node, node->id);
    if (ig_node_is(node, "ingot.Bucket")) x->operands++;
  }
}

void ig_exchange_free(ig_exchange *x) {
  ig_free(x->operations);
  x->operations = NULL;
}

static int compare(const void *a, const void *b) {
  const ig_operation *x = a, *y = b;
  if (x->place != y->place) return x->place < y->place ? -1 : 1;
  return x->number < y->number ? -1 : x->number > y->number;
}

ig_status ig_exchange_link(ig_exchange *x) {
  IG_TRY(ig_graph_status(x->graph));
  if (x->n == 0) return IG_OK;
  qsort(x->operations, (size_t)x->n, sizeof *x->operations, compare);
  ig_node *waited = NULL;
  for (int i = 0; i < x->n; i++) {
    ig_node *node = x->operations[i].node, *await = x->operations[i].await;
    if (await && waited)
      IG_TRY(ig_node_set_input(x->graph, await, await->n_inputs - 1, waited->outputs[0]));
    if (await) waited = await;
    ((ig_bucket_attrs *)node->attrs)->index = i;
    if (i == 0) continue;
    ig_value *before = x->operations[i - 1].node->outputs[0];
    IG_TRY(ig_node_set_input(x->graph, node, node->n_inputs - 1, before));
  }
  return IG_OK;
}

ig_attr ig_bucket_shapes(ig_graph *graph, ig_value *const *values, int n) {
  int64_t *list = ig_arena_alloc(graph->arena, (size_t)n * (1 + IG_MAX_RANK) * sizeof *list);
  int count = 0;
  for (int i = 0; i < n && list; i++) {
    list[count++] = values[i]->shape.rank;
    for (int d = 0; d < values[i]->shape.rank; d++) list[count++] = values[i]->shape.dims[d];
  }
  if (!list) ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "data_parallel: out of memory"));
  return IG_INTS("shapes", count, list);
}

ig_value *ig_exchange_bucket(ig_exchange *x, ig_value *const *values, int n, ig_dtype dtype,
                             int operand, ig_value *after) {
  ig_value **in = ig_arena_alloc(x->graph->arena, ((size_t)n + 1) * sizeof *in);
  if (!in) return ig_graph_fail(x->graph, ig_fail(IG_ERR_MEMORY, "data_parallel: out of memory"));
  memcpy(in, values, (size_t)n * sizeof *in);
  in[n] = after;
  ig_attr attrs[] = {IG_INT("ranks", x->parallel->size), IG_INT("operand", operand),
                     IG_INT("to", ig_dtype_to_onnx(dtype)), IG_INT("after", after != NULL)};
  return ig_op1(x->graph, "ingot.Bucket", NULL, after ? n + 1 : n, in, IG_COUNT(attrs), attrs);
}

/* The last input is what ig_exchange_link puts there; until then, the operand itself. */
ig_value *ig_exchange_begin(ig_exchange *x, const char *op, ig_value *in, int operand, int32_t place,
                            ig_value *after) {
  ig_value *inputs[3] = {in};
  int n = 1;
  if (after) inputs[n++] = after;
  inputs[n++] = in;
  ig_attr attrs[] = {IG_INT("after", n - 1), IG_INT("ranks", x->parallel->size),
                     IG_INT("operand", operand)};
  bool in_place = strcmp(op, "ingot.AllReduce") == 0;
  ig_value *result = ig_op1(x->graph, op, NULL, n, inputs, in_place ? 1 : 3, attrs);
  return result && add_operation(x, result->producer, place) ? result : NULL;
}

ig_value *ig_exchange_await(ig_exchange *x, ig_value *begun, ig_value *reads) {
  ig_value *inputs[3] = {begun};
  int n = 1;
  if (reads) inputs[n++] = reads;
  inputs[n++] = begun;
  ig_value *there =
      ig_op1(x->graph, "ingot.Await", NULL, n, inputs, IG_ATTRS(IG_INT("after", 1)));
  for (int i = 0; i < x->n && there; i++) {
    if (x->operations[i].node == begun->producer) x->operations[i].await = there->producer;
  }
  return there;
}

ig_node *ig_exchange_reduce(ig_exchange *x, ig_value *const *values, int n, ig_dtype dtype,
                            int32_t place) {
  int operand = x->operands++;
  ig_value *bucket = ig_exchange_bucket(x, values, n, dtype, operand, NULL);
  ig_value *sum = ig_exchange_begin(x, "ingot.AllReduce", bucket, operand, place, NULL);
  ig_value *there = ig_exchange_await(x, sum, NULL);
  ig_attr shapes = ig_bucket_shapes(x->graph, values, n);
  return ig_graph_node(x->graph, "ingot.Unbucket", NULL, IG_INS(there), 1, &shapes, n);
}
