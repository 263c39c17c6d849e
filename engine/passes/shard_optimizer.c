/* An optimizer divided among ranks (Rajbhandari et al. 2020, ZeRO). Buckets hold gradients of parameters
 * that are updated alike; ingot.ReduceScatter gives each rank the sum of its part of a bucket, which
 * updates its part of the parameters with its part of the moments, and ingot.AllGather brings the new
 * parameters to all. Each element is computed as without sharding, only on one rank.
 *
 * Stage 2 has no whole sums of gradients: every micro-step sends its gradients, whose parts are added up,
 * and a few buckets' memory serves all, one after the other.
 *
 * What is in which bucket follows from the parameters alone, so that all ranks and all graphs agree:
 * the state of bucket b is of the same parameters in each. */
#include <stdlib.h>
#include <string.h>

#include "engine/ops/update.h"
#include "engine/passes/exchange.h"

#define SLOTS 3 /* of memory for buckets, in stage 2 */

static const char sum_prefix[] = "optimizer.sum.0.gradient.";

/* A bucket of members [first, end), and what becomes of it. */
typedef struct bucket {
  int first, end;
  ig_value *flat, *begun, *part; /* of gradients; part is the sum, of this rank's share */
  ig_value *norm;                /* of all parts */
  ig_value *kept;                /* last of the new parameters: the bucket's memory is free again */
} bucket;

typedef struct shards {
  ig_exchange *x;
  ig_gradient *members;
  int n, n_buckets;
  bucket *buckets;
  int slots, operand; /* operands: [operand, + slots) of whole buckets, then one of each part */
  int32_t *after;     /* by node id: the place behind which it goes; -1 where it is */
  int32_t n_placed;
} shards;

/* --- what is in which bucket -------------------------------------------------------------------- */

/* Those that decay first; then the last parameters, whose gradients come first. */
static int compare(const void *a, const void *b) {
  const ig_gradient *x = a, *y = b;
  if (x->param->decay != y->param->decay) return x->param->decay ? -1 : 1;
  return y->param->id < x->param->id ? -1 : y->param->id > x->param->id;
}

static int compare_buckets(const void *a, const void *b) {
  const bucket *x = a, *y = b; /* by the last gradient to come: of the first parameter */
  return x->end - y->end;
}

static ig_status form_buckets(shards *s) {
  qsort(s->members, (size_t)s->n, sizeof *s->members, compare);
  s->buckets = ig_arena_alloc(s->x->graph->arena, (size_t)s->n * sizeof *s->buckets);
  IG_CHECK(s->buckets, IG_ERR_MEMORY, "graph '%s': out of memory", s->x->graph->name);
  memset(s->buckets, 0, (size_t)s->n * sizeof *s->buckets);
  for (int begin = 0; begin < s->n;) {
    int stop = begin + 1;
    while (stop < s->n && s->members[stop].param->decay == s->members[begin].param->decay) stop++;
    int tail = begin + ig_bucket_tail(s->x, s->members + begin, stop - begin);
    for (int first = begin; first < stop;) {
      int end = first < tail ? ig_bucket_end(s->x, s->members, first, tail) : stop;
      s->buckets[s->n_buckets++] = (bucket){.first = first, .end = end};
      first = end;
    }
    begin = stop;
  }
  qsort(s->buckets, (size_t)s->n_buckets, sizeof *s->buckets, compare_buckets);
  return IG_OK;
}

static bool alike(const ig_node *a, const ig_node *b) {
  return a->op == b->op && a->n_inputs == b->n_inputs &&
         memcmp(a->attrs, b->attrs, a->op->attrs_size) == 0 &&
         a->inputs[IG_UPDATE_LR] == b->inputs[IG_UPDATE_LR] &&
         a->inputs[IG_UPDATE_STEP] == b->inputs[IG_UPDATE_STEP];
}

static ig_status check_members(const shards *s) {
  for (int b = 0; b < s->n_buckets; b++) {
    const ig_node *first = s->members[s->buckets[b].first].update;
    for (int i = s->buckets[b].first; i < s->buckets[b].end && first; i++) {
      const ig_gradient *g = &s->members[i];
      IG_CHECK(!ig_node_is(g->update, "ingot.LAMB"), IG_ERR_UNSUPPORTED,
               "LAMB scales by the length of whole parameters, which a sharded optimizer does not "
               "have: train without --shard, or with another optimizer");
      IG_CHECK(alike(first, g->update), IG_ERR_INTERNAL,
               "the updates of '%s' and '%s' differ, which are in one bucket",
               s->members[s->buckets[b].first].param->name, g->param->name);
    }
  }
  return IG_OK;
}

/* --- sums of micro-steps ------------------------------------------------------------------------ */

/* The STATE to which the value's node adds a gradient, and the latter; NULL for any other value. */
static ig_value *sum_of(const ig_value *value, ig_value **gradient) {
  const ig_node *node = value->producer;
  if (!node || !ig_node_is(node, "Add")) return NULL;
  for (int i = 0; i < 2; i++) {
    ig_value *v = node->inputs[i];
    bool sum = v->kind == IG_VALUE_STATE && strncmp(v->name, sum_prefix, sizeof sum_prefix - 1) == 0;
    *gradient = node->inputs[1 - i];
    if (sum) return v;
  }
  return NULL;
}

static int32_t assign_of(const ig_graph *graph, const ig_value *target) {
  int32_t i = 0;
  while (i < graph->n_assigns && graph->assigns[i].target != target) i++;
  return i;
}

static void drop_assign(ig_graph *graph, const ig_value *target) {
  int32_t i = assign_of(graph, target);
  if (i < graph->n_assigns) graph->assigns[i] = graph->assigns[--graph->n_assigns];
}

int ig_shard_sums(const ig_graph *graph, ig_gradient *out) {
  int n = 0;
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    const ig_assign *a = &graph->assigns[i];
    ig_value *gradient;
    if (sum_of(a->source, &gradient) != a->target) continue;
    ig_value *param = ig_graph_find_value(graph, a->target->name + sizeof sum_prefix - 1);
    if (!param || param->kind != IG_VALUE_PARAM) continue;
    out[n++] = (ig_gradient){.value = a->source, .param = param};
  }
  return n;
}

/* Stage 2: gradients alone travel, and the sums are of parts. Sums that a graph does not both keep and
 * read in every step (those of `elastic` parts) stay whole. */
static void strip_sums(shards *s) {
  ig_graph *graph = s->x->graph;
  for (int i = 0; i < s->n && s->x->parallel->shard == IG_SHARD_GRADIENTS; i++) {
    ig_gradient *g = &s->members[i];
    ig_value *gradient, *sum = sum_of(g->value, &gradient);
    if (!sum || assign_of(graph, sum) == graph->n_assigns) continue;
    drop_assign(graph, sum);
    g->sum = sum;
    g->value = gradient;
    g->ready = ig_ready_after(gradient);
  }
}

static ig_value *zero_like(ig_graph *graph, const ig_value *like) {
  ig_value *shape = ig_graph_const_i64s(graph, like->shape.rank, like->shape.dims);
  return ig_op1(graph, "Expand", NULL, IG_INS(ig_graph_const_f32(graph, 0.0f), shape), IG_NO_ATTRS);
}

static ig_value *part_state(shards *s, const char *prefix, int b, const ig_value *like) {
  ig_graph *graph = s->x->graph;
  const char *name = ig_arena_format(graph->arena, "%s.%d", prefix, b);
  if (!name || !like) return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "out of memory"));
  return ig_graph_state(graph, name, IG_F32, like->shape, (ig_init){.kind = IG_INIT_ZERO});
}

/* The part with those of the micro-steps before; kept for the next, or cleared behind an update. */
static void add_to_sum(shards *s, int b) {
  bucket *k = &s->buckets[b];
  ig_graph *graph = s->x->graph;
  if (!s->members[k->first].sum || !k->part) return;
  ig_value *sum = part_state(s, "optimizer.sum.shard", b, k->part);
  k->part = ig_op1(graph, "Add", NULL, IG_INS(sum, k->part), IG_NO_ATTRS);
  bool updates = s->members[k->first].update != NULL;
  if (k->part) ig_graph_assign(graph, sum, updates ? zero_like(graph, k->part) : k->part);
}

/* --- gradients ---------------------------------------------------------------------------------- */

/* The nodes made since the last call run behind the node at place `after`. */
static ig_status place(shards *s, int32_t after) {
  ig_graph *graph = s->x->graph;
  size_t room = (size_t)graph->n_nodes + 1;
  int32_t *all = ig_arena_alloc(graph->arena, room * sizeof *all);
  IG_CHECK(all, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  for (int32_t i = 0; i < graph->n_nodes; i++) all[i] = i < s->n_placed ? s->after[i] : after;
  s->after = all;
  s->n_placed = graph->n_nodes;
  return IG_OK;
}

static int32_t last_ready(const shards *s, const bucket *k) {
  int32_t last = -1;
  for (int i = k->first; i < k->end; i++) last = IG_MAX(last, s->members[i].ready);
  return last;
}

/* Waits for bucket b's sums. */
static void finish_part(shards *s, int b) {
  bucket *k = &s->buckets[b];
  k->part = ig_exchange_await(s->x, k->begun, k->flat);
  if (k->part && k->part->dtype != IG_F32) {
    k->part = ig_op1(s->x->graph, "Cast", NULL, IG_INS(k->part),
                     IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  }
  add_to_sum(s, b);
}

/* Bucket b takes the memory of bucket b - slots, whose sums are waited for in front of it. */
static ig_status reduce_parts(shards *s) {
  ig_exchange *x = s->x;
  ig_value **values = ig_arena_alloc(x->graph->arena, (size_t)s->n * sizeof *values);
  IG_CHECK(values, IG_ERR_MEMORY, "graph '%s': out of memory", x->graph->name);
  IG_TRY(place(s, INT32_MAX));
  int32_t ready = -1;
  for (int b = 0; b < s->n_buckets; b++) {
    bucket *k = &s->buckets[b];
    for (int i = k->first; i < k->end; i++) values[i - k->first] = s->members[i].value;
    if (b >= s->slots) finish_part(s, b - s->slots);
    ig_value *after = b >= s->slots ? s->buckets[b - s->slots].part : NULL;
    k->flat = ig_exchange_bucket(x, values, k->end - k->first, x->dtype,
                                 s->operand + b % s->slots, after);
    ready = IG_MAX(ready, last_ready(s, k)); /* buckets begin in their order */
    k->begun = ig_exchange_begin(x, "ingot.ReduceScatter", k->flat, s->operand + s->slots + b, ready,
                                 NULL);
    IG_TRY(ig_graph_status(x->graph));
    IG_TRY(place(s, ready));
  }
  for (int b = IG_MAX(s->n_buckets - s->slots, 0); b < s->n_buckets; b++) finish_part(s, b);
  return ig_graph_status(x->graph);
}

/* --- norms -------------------------------------------------------------------------------------- */

/* The norm of each bucket over all ranks, by one exchange of squares. */
static ig_status exchange_norms(shards *s) {
  ig_graph *graph = s->x->graph;
  ig_value **squares = ig_arena_alloc(graph->arena, (size_t)s->n_buckets * sizeof *squares);
  IG_CHECK(squares, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  for (int b = 0; b < s->n_buckets; b++) {
    ig_value *norm =
        ig_op1(graph, "ingot.GlobalNorm", NULL, IG_INS(s->buckets[b].part), IG_NO_ATTRS);
    squares[b] = ig_op1(graph, "Mul", NULL, IG_INS(norm, norm), IG_NO_ATTRS);
  }
  IG_TRY(ig_graph_status(graph));
  ig_node *sums = ig_exchange_reduce(s->x, squares, s->n_buckets, IG_F32, INT32_MAX);
  for (int b = 0; b < s->n_buckets && sums; b++) {
    s->buckets[b].norm = ig_op1(graph, "Sqrt", NULL, IG_INS(sums->outputs[b]), IG_NO_ATTRS);
  }
  return ig_graph_status(graph);
}

static ig_node *norm_reader(const ig_value *value) {
  for (int32_t u = 0; value && u < value->n_uses; u++) {
    if (ig_node_is(value->uses[u].node, "ingot.GlobalNorm")) return value->uses[u].node;
  }
  return NULL;
}

/* The norm of all gradients comes from those of the buckets. */
static ig_status replace_norm(shards *s, ig_value *read) {
  ig_graph *graph = s->x->graph;
  const ig_node *own = norm_reader(read);
  ig_node *total = own ? norm_reader(own->outputs[0]) : NULL;
  ig_value **norms = ig_arena_alloc(graph->arena, (size_t)s->n_buckets * sizeof *norms);
  IG_CHECK(total && norms, total ? IG_ERR_MEMORY : IG_ERR_INTERNAL,
           "graph '%s': no norm of all gradients, or out of memory", graph->name);
  for (int b = 0; b < s->n_buckets; b++) norms[b] = s->buckets[b].norm;
  ig_value *by = ig_op1(graph, "ingot.GlobalNorm", NULL, s->n_buckets, norms, IG_NO_ATTRS);
  IG_TRY(ig_graph_status(graph));
  return ig_value_replace(graph, total->outputs[0], by);
}

/* The factor of the bucket's gradients: the common one of all, or one from their own norm. */
static ig_value *scale_of(shards *s, const bucket *k) {
  const ig_gradient *g = &s->members[k->first];
  ig_value *scale = g->update->inputs[IG_UPDATE_SCALE];
  const ig_node *factor = scale ? scale->producer : NULL;
  if (!factor || !ig_node_is(factor, "ingot.ClipFactor")) return scale;
  const ig_node *norm = factor->inputs[0]->producer;
  bool own = norm && ig_node_is(norm, "ingot.GlobalNorm") && norm->n_inputs == 1 &&
             norm->inputs[0] == g->update->inputs[IG_UPDATE_GRAD];
  if (!own) return scale;
  ig_attr attrs[IG_MOST_ATTRS];
  int n = ig_attr_list(factor, attrs);
  return ig_op1(s->x->graph, "ingot.ClipFactor", NULL, IG_INS(k->norm), n, attrs);
}

/* --- parameters --------------------------------------------------------------------------------- */

/* "optimizer.m.<parameter>" is of the bucket's part "optimizer.shard.m.<bucket>". */
static ig_value *moment_part(shards *s, const bucket *k, int b, const ig_value *like, int input) {
  ig_graph *graph = s->x->graph;
  const ig_value *moment = s->members[k->first].update->inputs[input];
  const char *name = moment->name + strlen("optimizer."), *end = strchr(name, '.');
  const char *prefix = end ? ig_arena_format(graph->arena, "optimizer.shard.%.*s", (int)(end - name), name) : NULL;
  if (!prefix) return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "out of memory"));
  return part_state(s, prefix, b, like);
}

/* This rank's part of the new parameters. */
static ig_value *update_part(shards *s, int b) {
  bucket *k = &s->buckets[b];
  ig_graph *graph = s->x->graph;
  const ig_node *like = s->members[k->first].update;
  ig_value **params = ig_arena_alloc(graph->arena, (size_t)s->n * sizeof *params);
  if (!params) return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "out of memory"));
  for (int i = k->first; i < k->end; i++) params[i - k->first] = s->members[i].param;
  const ig_parallel *p = s->x->parallel;
  ig_value *own = ig_op1(graph, "ingot.BucketPart", NULL, k->end - k->first, params,
                         IG_ATTRS(IG_INT("index", b), IG_INT("ranks", p->size), IG_INT("rank", p->rank)));
  ig_value *in[IG_UPDATE_MOMENT + 2] = {like->inputs[IG_UPDATE_LR], like->inputs[IG_UPDATE_STEP],
                                        scale_of(s, k), own, k->part};
  int n_in = like->n_inputs;
  for (int i = IG_UPDATE_MOMENT; i < n_in; i++) in[i] = moment_part(s, k, b, own, i);
  if (graph->status != IG_OK) return NULL;
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(like, attrs);
  ig_node *update =
      ig_graph_node(graph, like->op->name, NULL, n_in, in, n_attrs, attrs, like->n_outputs);
  if (!update) return NULL;
  for (int i = IG_UPDATE_MOMENT; i < n_in; i++)
    ig_graph_assign(graph, in[i], update->outputs[i - IG_UPDATE_MOMENT + 1]);
  return update->outputs[0];
}

/* The old update goes: its new parameter comes from `to`, its moments are no more. */
static ig_status replace_update(ig_graph *graph, const ig_gradient *g, ig_value *to) {
  for (int i = IG_UPDATE_MOMENT; i < g->update->n_inputs; i++)
    drop_assign(graph, g->update->inputs[i]);
  IG_TRY(ig_value_replace(graph, g->update->outputs[0], to));
  ig_node_remove(graph, g->update);
  return IG_OK;
}

static ig_status spread_new(shards *s, int b, ig_value *gathered, ig_value *part) {
  bucket *k = &s->buckets[b];
  ig_graph *graph = s->x->graph;
  int n = k->end - k->first;
  ig_value **params = ig_arena_alloc(graph->arena, (size_t)n * sizeof *params);
  IG_CHECK(params, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  for (int i = 0; i < n; i++) params[i] = s->members[k->first + i].param;
  ig_value *there = ig_exchange_await(s->x, gathered, part);
  ig_attr attrs[] = {ig_bucket_shapes(graph, params, n), IG_INT("copy", 1)};
  ig_node *news = ig_graph_node(graph, "ingot.Unbucket", NULL, IG_INS(there), 2, attrs, n);
  IG_TRY(ig_graph_status(graph));
  for (int i = 0; i < n; i++) IG_TRY(replace_update(graph, &s->members[k->first + i], news->outputs[i]));
  k->kept = news->outputs[n - 1];
  return IG_OK;
}

static ig_status update_all(shards *s) {
  ig_exchange *x = s->x;
  size_t room = (size_t)s->n_buckets * sizeof(ig_value *);
  ig_value **parts = ig_arena_alloc(x->graph->arena, room);
  ig_value **gathered = ig_arena_alloc(x->graph->arena, room);
  IG_CHECK(parts && gathered, IG_ERR_MEMORY, "graph '%s': out of memory", x->graph->name);
  for (int b = 0; b < s->n_buckets; b++) {
    int before = b - s->slots; /* had the memory until now */
    if (before >= 0) IG_TRY(spread_new(s, before, gathered[before], parts[before]));
    ig_value *part = update_part(s, b); /* into the memory that the gradients' sum was in */
    parts[b] = ig_op1(x->graph, "ingot.Bucket", NULL, IG_INS(part),
                      IG_ATTRS(IG_INT("operand", s->operand + s->slots + b)));
    gathered[b] = ig_exchange_begin(x, "ingot.AllGather", parts[b], s->operand + b % s->slots,
                                    INT32_MAX, before >= 0 ? s->buckets[before].kept : NULL);
    IG_TRY(ig_graph_status(x->graph));
  }
  for (int b = IG_MAX(s->n_buckets - s->slots, 0); b < s->n_buckets; b++)
    IG_TRY(spread_new(s, b, gathered[b], parts[b]));
  return IG_OK;
}

/* --- the whole ---------------------------------------------------------------------------------- */

typedef struct placed {
  ig_node *node;
  int32_t after, place;
} placed;

static int compare_placed(const void *a, const void *b) {
  const placed *x = a, *y = b;
  if (x->after != y->after) return x->after < y->after ? -1 : 1;
  return x->place < y->place ? -1 : x->place > y->place;
}

/* Nodes of the graph as it was keep their places, and made ones go where they were put. */
static ig_status reorder(shards *s, int32_t n_before) {
  ig_graph *graph = s->x->graph;
  IG_TRY(place(s, INT32_MAX));
  placed *all = ig_alloc_zero((size_t)graph->n_nodes + 1, sizeof *all);
  IG_CHECK(all, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  for (int32_t i = 0; i < graph->n_nodes; i++)
    all[i] = (placed){graph->nodes[i], i < n_before ? i : s->after[i], i};
  qsort(all, (size_t)graph->n_nodes, sizeof *all, compare_placed);
  for (int32_t i = 0; i < graph->n_nodes; i++) graph->nodes[i] = all[i].node;
  ig_free(all);
  IG_TRY(ig_graph_sort(graph));
  int dead = 0; /* readers of the states of whole parameters, which go with them */
  IG_TRY(ig_pass_find("dce")->run(graph, &(ig_pass_options){0}, &dead));
  return ig_graph_compact(graph, true);
}

ig_status ig_shard_updates(ig_exchange *x, ig_gradient *gradients, int n) {
  shards s = {.x = x, .members = gradients, .n = n};
  int32_t n_before = x->graph->n_nodes;
  ig_value *read = gradients[0].value;
  bool updates = gradients[0].update != NULL;
  strip_sums(&s);
  IG_TRY(form_buckets(&s));
  IG_TRY(check_members(&s));
  bool recycled = x->parallel->shard == IG_SHARD_GRADIENTS;
  s.slots = recycled ? IG_MIN(SLOTS, s.n_buckets) : s.n_buckets;
  s.operand = x->operands;
  x->operands += s.slots + s.n_buckets;
  IG_TRY(reduce_parts(&s));
  if (updates) {
    IG_TRY(exchange_norms(&s));
    IG_TRY(replace_norm(&s, read));
    IG_TRY(update_all(&s));
  }
  return reorder(&s, n_before);
}
