/* Training on several ranks: every rank's graph computes the gradients of its share of the samples, and
 * the sums over ranks are what norms and updates read. Gradients travel in buckets, in the order in
 * which the backward pass makes them: an operation begins when the last gradient of its bucket is
 * there, and is awaited in front of the updates, behind everything else. The gradients made last form a
 * small bucket of their own, since nothing is left to hide it. All ranks begin the operations in one
 * order, whatever the shapes of their batches: each names the one before it.
 *
 * The loss and the running statistics of normalisation travel as well, in a bucket that is ready when
 * the forward pass ends. */
#include <stdlib.h>
#include <string.h>

#include "engine/ops/update.h"
#include "engine/passes/rewrite.h"

#define BUCKET_BYTES ((size_t)8 << 20) /* where the options say nothing */
#define TAIL_BYTES ((size_t)1 << 20)   /* of the last bucket */

typedef struct gradient {
  ig_value *value;
  int32_t ready; /* place of the node after which it is there */
} gradient;

typedef struct exchange {
  ig_graph *graph;
  const ig_parallel *parallel;
  int operations;   /* so far; also numbers operands */
  ig_value *begun;  /* result of the last operation that was begun */
  ig_value *waited; /* of the last that is awaited */
} exchange;

/* --- gradients ---------------------------------------------------------------------------------- */

static bool is_update(const ig_node *node) {
  ig_update_rule rule;
  return ig_node_is_live(node) && ig_update_rule_of(node->op->name, &rule) && rule != IG_RULE_EMA;
}

/* Additions to an accumulated sum run as soon as what they add is there. */
static int32_t ready_after(const ig_value *value) {
  const ig_node *node = value->producer;
  if (!node) return -1;
  bool adds = false;
  int32_t last = -1;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    if (v && v->kind == IG_VALUE_STATE) adds = true;
    if (v && v->producer) last = IG_MAX(last, v->producer->id);
  }
  return adds && (node->op->flags & IG_OP_ELEMENTWISE) ? last : node->id;
}

static int compare(const void *a, const void *b) {
  const gradient *x = a, *y = b;
  if (x->ready != y->ready) return x->ready < y->ready ? -1 : 1;
  return x->value->id < y->value->id ? -1 : x->value->id > y->value->id;
}

/* What updates read as gradients, each once, in the order of the backward pass. */
static int collect(const ig_graph *graph, bool *seen, gradient *out) {
  int n = 0;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (!is_update(graph->nodes[i])) continue;
    ig_value *v = graph->nodes[i]->inputs[IG_UPDATE_GRAD];
    if (seen[v->id]) continue;
    seen[v->id] = true;
    out[n++] = (gradient){v, ready_after(v)};
  }
  qsort(out, (size_t)n, sizeof *out, compare);
  return n;
}

/* Index of the first gradient of the last bucket: at least one, and as many as are small together. */
static int tail_of(const gradient *gradients, int n) {
  size_t bytes = ig_value_bytes(gradients[n - 1].value);
  int first = n - 1;
  while (first > 0 && bytes + ig_value_bytes(gradients[first - 1].value) <= TAIL_BYTES) {
    bytes += ig_value_bytes(gradients[--first].value);
  }
  return first;
}

/* End of the bucket that begins at `first`. */
static int bucket_end(const gradient *gradients, int first, int tail, size_t limit) {
  size_t bytes = ig_value_bytes(gradients[first].value);
  int end = first + 1;
  while (end < tail && bytes + ig_value_bytes(gradients[end].value) <= limit) {
    bytes += ig_value_bytes(gradients[end++].value);
  }
  return end;
}

/* --- operations --------------------------------------------------------------------------------- */

/* Their shapes, as ingot.Unbucket takes them. */
static ig_attr shapes_of(ig_graph *graph, ig_value *const *values, int n) {
  int64_t *list = ig_arena_alloc(graph->arena, (size_t)n * (1 + IG_MAX_RANK) * sizeof *list);
  int count = 0;
  for (int i = 0; i < n && list; i++) {
    list[count++] = values[i]->shape.rank;
    for (int d = 0; d < values[i]->shape.rank; d++) list[count++] = values[i]->shape.dims[d];
  }
  if (!list) ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "data_parallel: out of memory"));
  return IG_INTS("shapes", count, list);
}

/* The sums over ranks of n f32 values, which travel as `dtype`; NULL when the graph failed. */
static ig_node *reduce(exchange *x, ig_value *const *values, int n, ig_dtype dtype) {
  ig_graph *graph = x->graph;
  int index = x->operations++;
  ig_attr attrs[] = {IG_INT("ranks", x->parallel->size), IG_INT("operand", index),
                     IG_INT("to", ig_dtype_to_onnx(dtype))};
  ig_value *bucket = ig_op1(graph, "ingot.Bucket", NULL, n, values, IG_COUNT(attrs), attrs);
  ig_value *sum = ig_op1(graph, "ingot.AllReduce", NULL, x->begun ? 2 : 1,
                         (ig_value *[]){bucket, x->begun}, IG_ATTRS(IG_INT("index", index)));
  ig_value *there = ig_op1(graph, "ingot.Await", NULL, x->waited ? 2 : 1,
                           (ig_value *[]){sum, x->waited}, IG_NO_ATTRS);
  ig_attr shapes = shapes_of(graph, values, n);
  x->begun = sum;
  x->waited = there;
  return ig_graph_node(graph, "ingot.Unbucket", NULL, IG_INS(there), 1, &shapes, n);
}

/* Norms and updates read `to` instead. The backward pass may go on with this rank's own gradient. */
static ig_status redirect(ig_graph *graph, ig_value *from, ig_value *to) {
  for (int32_t u = from->n_uses - 1; u >= 0; u--) {
    ig_use use = from->uses[u];
    bool update = is_update(use.node) && use.input == IG_UPDATE_GRAD;
    if (!update && !ig_node_is(use.node, "ingot.GlobalNorm")) continue;
    IG_TRY(ig_node_set_input(graph, use.node, use.input, to));
    u = from->n_uses; /* the list has changed */
  }
  return IG_OK;
}

static ig_status reduce_gradients(exchange *x, const gradient *gradients, int n) {
  ig_dtype dtype = x->parallel->grad_dtype == IG_BF16 ? IG_BF16 : IG_F32;
  int tail = tail_of(gradients, n);
  size_t limit = x->parallel->bucket_bytes ? x->parallel->bucket_bytes : BUCKET_BYTES;
  ig_value **values = ig_arena_alloc(x->graph->arena, (size_t)n * sizeof *values);
  IG_CHECK(values, IG_ERR_MEMORY, "graph '%s': out of memory", x->graph->name);
  for (int first = 0; first < n;) {
    int end = bucket_end(gradients, first, first < tail ? tail : n, limit);
    for (int i = first; i < end; i++) values[i - first] = gradients[i].value;
    ig_node *sums = reduce(x, values, end - first, dtype);
    IG_TRY(ig_graph_status(x->graph));
    for (int i = first; i < end; i++) {
      IG_TRY(redirect(x->graph, gradients[i].value, sums->outputs[i - first]));
    }
    first = end;
  }
  return IG_OK;
}

/* --- loss and statistics ------------------------------------------------------------------------ */

/* A new value of running statistics, which differs between ranks. */
static bool is_statistic(const ig_assign *assign) {
  return assign->target->kind == IG_VALUE_STATE && assign->target->dtype == IG_F32 &&
         strncmp(assign->target->name, "optimizer.", 10) != 0 &&
         strncmp(assign->target->name, "ema.", 4) != 0;
}

static int32_t find_output(const ig_graph *graph, const char *name) {
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    if (strcmp(graph->output_names[i], name) == 0) return i;
  }
  return -1;
}

/* The loss is summed (each rank's is weighted already); statistics are averaged by weight. */
static ig_status reduce_rest(exchange *x) {
  ig_graph *graph = x->graph;
  ig_value *weight = ig_graph_find_value(graph, "weight");
  int32_t loss = find_output(graph, "loss");
  IG_CHECK(weight && loss >= 0 && graph->outputs[loss]->dtype == IG_F32, IG_ERR_INTERNAL,
           "graph '%s': a step of several ranks has an input 'weight' and an f32 output 'loss'",
           graph->name);
  size_t room = (size_t)graph->n_assigns + 2;
  ig_value **values = ig_arena_alloc(graph->arena, room * sizeof *values);
  IG_CHECK(values, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  int n = 0;
  values[n++] = graph->outputs[loss];
  values[n++] = weight;
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    if (!is_statistic(&graph->assigns[i])) continue;
    ig_value *source = graph->assigns[i].source;
    values[n++] = x->parallel->weighted
                      ? source
                      : ig_op1(graph, "Mul", NULL, IG_INS(source, weight), IG_NO_ATTRS);
  }
  IG_TRY(ig_graph_status(graph));
  ig_node *sums = reduce(x, values, n > 2 ? n : 1, IG_F32);
  IG_TRY(ig_graph_status(graph));
  graph->outputs[loss] = sums->outputs[0];
  for (int32_t i = 0, k = 2; i < graph->n_assigns; i++) {
    if (!is_statistic(&graph->assigns[i])) continue;
    ig_value *sum = sums->outputs[k++];
    graph->assigns[i].source =
        x->parallel->weighted
            ? sum
            : ig_op1(graph, "Div", NULL, IG_INS(sum, sums->outputs[1]), IG_NO_ATTRS);
  }
  return ig_graph_status(graph);
}

static ig_status data_parallel_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  const ig_parallel *parallel = options->parallel;
  if (!parallel || parallel->size <= 1) return IG_OK;
  IG_CHECK(parallel->shard == IG_SHARD_NONE, IG_ERR_UNSUPPORTED, "a sharded optimizer");
  gradient *gradients = ig_alloc_zero((size_t)graph->n_nodes + 1, sizeof *gradients);
  bool *seen = ig_alloc_zero((size_t)graph->n_values + 1, sizeof *seen);
  ig_status status = gradients && seen ? IG_OK : ig_fail(IG_ERR_MEMORY, "out of memory");
  int n = status == IG_OK ? collect(graph, seen, gradients) : 0;
  exchange x = {.graph = graph, .parallel = parallel};
  if (n > 0) {
    status = reduce_rest(&x);
    if (status == IG_OK) status = reduce_gradients(&x, gradients, n);
    *changes += x.operations;
  }
  ig_free(gradients);
  ig_free(seen);
  return status;
}

const ig_pass ig_pass_data_parallel = {
    .name = "data_parallel",
    .what = "gradients, loss and statistics summed over ranks while the backward pass runs",
    .run = data_parallel_run,
};
