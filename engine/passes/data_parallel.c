/* Training on several ranks: every rank's graph computes the gradients of its share of the samples, and
 * the sums over ranks are what norms and updates read. Gradients travel in buckets, in the order in
 * which the backward pass makes them: an operation begins when the last gradient of its bucket is
 * there, and is awaited in front of the updates, behind everything else. The gradients made last form a
 * small bucket of their own, since nothing is left to hide it.
 *
 * The loss and the running statistics of normalisation travel as well, in a bucket that is ready when
 * the forward pass ends. With a sharded optimizer see shard_optimizer.c. */
#include <stdlib.h>
#include <string.h>

#include "engine/ops/update.h"
#include "engine/passes/exchange.h"

/* Where the options say nothing: so many buckets, each of at least LEAST and at most MOST bytes. */
#define BUCKETS 8
#define LEAST_BYTES ((size_t)256 << 10)
#define MOST_BYTES ((size_t)4 << 20)
#define LOSS_DEPTH 6 /* of sums and factors of the loss that are looked through */
#define TAIL_BYTES ((size_t)1 << 20) /* of the last bucket, at most */

/* --- gradients ---------------------------------------------------------------------------------- */

bool ig_is_update(const ig_node *node) {
  ig_update_rule rule;
  return ig_node_is_live(node) && ig_update_rule_of(node->op->name, &rule) && rule != IG_RULE_EMA;
}

/* Additions to an accumulated sum run as soon as what they add is there. */
int32_t ig_ready_after(const ig_value *value) {
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
  const ig_gradient *x = a, *y = b;
  if (x->ready != y->ready) return x->ready < y->ready ? -1 : 1;
  return x->value->id < y->value->id ? -1 : x->value->id > y->value->id;
}

/* What updates read as gradients, in the order of the backward pass. */
static int collect(const ig_graph *graph, ig_gradient *out) {
  int n = 0;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_is_update(node)) continue;
    ig_value *v = node->inputs[IG_UPDATE_GRAD];
    out[n++] = (ig_gradient){
        .value = v, .param = node->inputs[IG_UPDATE_PARAM], .update = node, .ready = ig_ready_after(v)};
  }
  qsort(out, (size_t)n, sizeof *out, compare);
  return n;
}

/* Without those that several updates read: equal ones are neighbours. */
static int unique(ig_gradient *gradients, int n) {
  int kept = 0;
  for (int i = 0; i < n; i++) {
    if (kept == 0 || gradients[kept - 1].value != gradients[i].value) gradients[kept++] = gradients[i];
  }
  return kept;
}

/* A model with few gradients needs several buckets too, or all of them wait for the last. */
static void choose_limit(ig_exchange *x, const ig_gradient *gradients, int n) {
  size_t total = 0;
  x->limit = x->parallel->bucket_bytes;
  if (x->limit) return;
  for (int i = 0; i < n; i++) total += ig_value_bytes(gradients[i].value);
  x->limit = IG_MIN(IG_MAX(total / BUCKETS, LEAST_BYTES), MOST_BYTES);
}

int ig_bucket_tail(const ig_exchange *x, const ig_gradient *gradients, int n) {
  size_t limit = IG_MIN(TAIL_BYTES, x->limit);
  size_t bytes = ig_value_bytes(gradients[n - 1].value);
  int first = n - 1;
  while (first > 0 && bytes + ig_value_bytes(gradients[first - 1].value) <= limit) {
    bytes += ig_value_bytes(gradients[--first].value);
  }
  return first;
}

int ig_bucket_end(const ig_exchange *x, const ig_gradient *gradients, int first, int end) {
  size_t bytes = ig_value_bytes(gradients[first].value);
  int stop = first + 1;
  while (stop < end && bytes + ig_value_bytes(gradients[stop].value) <= x->limit) {
    bytes += ig_value_bytes(gradients[stop++].value);
  }
  return stop;
}

/* --- their sums --------------------------------------------------------------------------------- */

/* Norms and updates read `to` instead. The backward pass may go on with this rank's own gradient. */
static ig_status redirect(ig_graph *graph, ig_value *from, ig_value *to) {
  for (int32_t u = from->n_uses - 1; u >= 0; u--) {
    ig_use use = from->uses[u];
    bool update = ig_is_update(use.node) && use.input == IG_UPDATE_GRAD;
    if (!update && !ig_node_is(use.node, "ingot.GlobalNorm")) continue;
    IG_TRY(ig_node_set_input(graph, use.node, use.input, to));
    u = from->n_uses; /* the list has changed */
  }
  return IG_OK;
}

static ig_status reduce_gradients(ig_exchange *x, const ig_gradient *gradients, int n) {
  int tail = ig_bucket_tail(x, gradients, n);
  ig_value **values = ig_arena_alloc(x->graph->arena, (size_t)n * sizeof *values);
  IG_CHECK(values, IG_ERR_MEMORY, "graph '%s': out of memory", x->graph->name);
  for (int first = 0; first < n;) {
    int end = first < tail ? ig_bucket_end(x, gradients, first, tail) : n;
    for (int i = first; i < end; i++) values[i - first] = gradients[i].value;
    int32_t place = gradients[end - 1].ready;
    ig_node *sums = ig_exchange_reduce(x, values, end - first, x->dtype, place);
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

/* Place of the node after which a number is there, whatever sums and factors it was put to. */
static int32_t loss_ready(const ig_value *value, int depth) {
  int32_t last = -1;
  const ig_node *node = value->producer;
  if (!node) return last;
  bool number = ig_value_count(value) == 1 && (node->op->flags & IG_OP_ELEMENTWISE);
  if (!number || depth == 0) return node->id;
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i]) last = IG_MAX(last, loss_ready(node->inputs[i], depth - 1));
  }
  return last;
}

/* The loss is summed (each rank's is weighted already); statistics are averaged by weight. */
static ig_status reduce_rest(ig_exchange *x) {
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
  int32_t place = loss_ready(graph->outputs[loss], LOSS_DEPTH);
  values[n++] = graph->outputs[loss];
  values[n++] = weight;
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    if (!is_statistic(&graph->assigns[i])) continue;
    ig_value *source = graph->assigns[i].source;
    place = IG_MAX(place, loss_ready(source, LOSS_DEPTH));
    values[n++] = x->parallel->weighted
                      ? source
                      : ig_op1(graph, "Mul", NULL, IG_INS(source, weight), IG_NO_ATTRS);
  }
  IG_TRY(ig_graph_status(graph));
  ig_node *sums = ig_exchange_reduce(x, values, n > 2 ? n : 1, IG_F32, place);
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

/* What a graph sends: all of it when it updates; of one that only adds to sums, gradients whose sums are
 * divided among ranks. */
static ig_status exchange_all(ig_exchange *x, ig_gradient *gradients) {
  bool sharded = x->parallel->shard != IG_SHARD_NONE;
  int n = collect(x->graph, gradients);
  if (n == 0 && x->parallel->shard == IG_SHARD_GRADIENTS) {
    n = ig_shard_sums(x->graph, gradients);
    choose_limit(x, gradients, n);
    return n > 0 ? ig_shard_updates(x, gradients, n) : IG_OK;
  }
  if (n == 0) return IG_OK;
  if (!sharded) n = unique(gradients, n);
  choose_limit(x, gradients, n);
  IG_TRY(reduce_rest(x));
  return sharded ? ig_shard_updates(x, gradients, n)
                 : reduce_gradients(x, gradients, n);
}

static ig_status data_parallel_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  const ig_parallel *parallel = options->parallel;
  if (!parallel || parallel->size <= 1) return IG_OK;
  ig_exchange x = {.graph = graph,
                   .parallel = parallel,
                   .dtype = parallel->grad_dtype == IG_BF16 ? IG_BF16 : IG_F32};
  size_t room = (size_t)(graph->n_nodes + graph->n_assigns) + 1;
  ig_gradient *gradients = ig_alloc_zero(room, sizeof *gradients);
  IG_CHECK(gradients, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  ig_exchange_resume(&x);
  ig_status status = exchange_all(&x, gradients);
  if (status == IG_OK) status = ig_exchange_link(&x);
  *changes += x.n;
  ig_exchange_free(&x);
  ig_free(gradients);
  return status;
}

const ig_pass ig_pass_data_parallel = {
    .name = "data_parallel",
    .what = "gradients, loss and statistics summed over ranks while the backward pass runs",
    .run = data_parallel_run,
};
