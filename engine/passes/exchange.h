/* The inside of the data_parallel pass, for the files that make it: gradients and buckets of them
 * (data_parallel.c), and a sharded optimizer (shard_optimizer.c). */
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

/* Operations of a graph, in the order in which all ranks begin them. */
typedef struct ig_exchange {
  ig_graph *graph;
  const ig_parallel *parallel;
  ig_dtype dtype;   /* that gradients travel in */
  size_t limit;     /* bytes of a bucket */
  int operations;   /* so far */
  int operands;     /* of the communicator's memory, so far */
  ig_value *begun;  /* result of the last operation that was begun */
  ig_value *waited; /* of the last that is awaited */
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
 * memory, `after` something else or not: */
ig_value *ig_exchange_bucket(ig_exchange *x, ig_value *const *values, int n, ig_dtype dtype,
                             int operand, ig_value *after);
/* begins ingot.<op> on it, behind the operations before and, where not NULL, `after`: */
ig_value *ig_exchange_begin(ig_exchange *x, const char *op, ig_value *in, int operand,
                            ig_value *after);
/* and waits for it; what it reads stays until then, where that is not NULL. */
ig_value *ig_exchange_await(ig_exchange *x, ig_value *begun, ig_value *reads);
/* The sums over ranks of n f32 values. */
ig_node *ig_exchange_reduce(ig_exchange *x, ig_value *const *values, int n, ig_dtype dtype);

/* --- a sharded optimizer ------------------------------------------------------------------------- */

/* Updates of the n gradients, in any order, become updates of each rank's part of their buckets. */
ig_status ig_shard_updates(ig_exchange *x, ig_gradient *gradients, int n);
/* Of a graph that only adds gradients to sums: those that can be added to sums of parts. */
int ig_shard_sums(const ig_graph *graph, ig_gradient *out);

#endif
