/* What the passes for several ranks share: operations between ranks (exchange.c), which exchange batch
 * statistics (sync_batch_norm.c) and gradients (data_parallel.c), whose updates may be divided among
 * ranks (shard_optimizer.c). */
#ifndef IG_PASSES_EXCHANGE_H
#define IG_PASSES_EXCHANGE_H

#include "engine/passes/rewrite.h"

/* One parameter's gradient as its update reads it. */
typedef struct ig_gradient {
  ig_value *value;
  ig_value *param;
  ig_node *update; /* NULL in a graph that only adds to sums */
  ig_value *sum;   /* the STATE of the sum that `value` was added to, once it is not any more */
  int32_t ready;   /* place of the node after which the gradient is there */
} ig_gradient;

/* An operation, which begins once the node at that place of the graph as it was has run. */
typedef struct ig_operation {
  ig_node *node;
  ig_node *await; /* where this pass waits for it */
  int32_t place, number;
} ig_operation;

/* Operations that a pass adds. */
typedef struct ig_exchange {
  ig_graph *graph;
  const ig_parallel *parallel;
  ig_dtype dtype;   /* that gradients travel in */
  size_t limit;     /* bytes of a bucket */
  int n;            /* operations so far */
  int64_t capacity;
  ig_operation *operations; /* heap */
  int operands;     /* of the communicator's memory, so far */
} ig_exchange;

/* An optimizer's node, which reads a gradient. */
bool ig_is_update(const ig_node *node);
/* Place of the node after which a gradient is there. */
int32_t ig_ready_after(const ig_value *value);
/* Index of the first gradient of the last bucket of n: at least one, and as many as are small together. */
int ig_bucket_tail(const ig_exchange *x, const ig_gradient *gradients, int n);
/* End of the bucket that begins at `first`, not beyond `end`. */
int ig_bucket_end(const ig_exchange *x, const ig_gradient *gradients, int first, int end);
/* Attribute `shapes` of ingot.Unbucket. */
ig_attr ig_bucket_shapes(ig_graph *graph, ig_value *const *values, int n);

/* The steps of an exchange; each gives NULL once the graph failed. n values into a bucket in `operand`'s
 * memory, behind `after` where that is not NULL: */
ig_value *ig_exchange_bucket(ig_exchange *x, ig_value *const *values, int n, ig_dtype dtype,
                             int operand, ig_value *after);
/* begins ingot.<op> on it, likewise: */
ig_value *ig_exchange_begin(ig_exchange *x, const char *op, ig_value *in, int operand, int32_t place,
                            ig_value *after);
/* and waits for it; what it reads stays until then, where that is not NULL. */
ig_value *ig_exchange_await(ig_exchange *x, ig_value *begun, ig_value *reads);
/* The sums over ranks of n f32 values that are there after the node at `place`. */
ig_node *ig_exchange_reduce(ig_exchange *x, ig_value *const *values, int n, ig_dtype dtype,
                            int32_t place);
/* Gives all operations of the graph, those of an earlier pass too, their numbers, and has them begin in
 * one order: by place, and at one place as they were made. So all ranks begin them alike, whatever
 * order their plans would find best. Those of this pass are awaited in that order too. */
ig_status ig_exchange_link(ig_exchange *x);
/* Counts what an earlier pass added; call it first. */
void ig_exchange_resume(ig_exchange *x);
void ig_exchange_free(ig_exchange *x);

/* --- a sharded optimizer ------------------------------------------------------------------------- */

/* Updates of the n gradients, in any order, become updates of each rank's part of their buckets. */
ig_status ig_shard_updates(ig_exchange *x, ig_gradient *gradients, int n);
/* Of a graph that only adds gradients to sums: those that can be added to sums of parts. */
int ig_shard_sums(const ig_graph *graph, ig_gradient *out);

#endif
