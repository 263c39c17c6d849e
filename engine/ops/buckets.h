/* Buckets: several tensors as one flat one, which ranks send to one another as a whole. Each begins at
 * a multiple of 64 bytes, gaps are zero, and the end is padded so that every rank has an equal part
 * that is a multiple of 64 bytes too. */
#ifndef IG_OPS_BUCKETS_H
#define IG_OPS_BUCKETS_H

#include "engine/ops/op.h"
#include "kernels/convert.h"

/* Attributes of all operators on buckets; those that an operator's table lacks stay 0. */
typedef struct ig_bucket_attrs {
  int64_t index;   /* of the operation in its step; of ingot.BucketPart, of the bucket */
  int64_t operand; /* index of the communicator's memory that the result is in (ig_comm_alloc) */
  int64_t ranks, rank;
  int64_t after; /* trailing inputs that are not read, but come first */
  int64_t copy;  /* of ingot.Unbucket: outputs have memory of their own */
  int64_t to;     /* ONNX's number of the bucket's dtype */
  ig_ints shapes; /* of what is in the bucket: rank and dimensions of each */
} ig_bucket_attrs;

#define IG_BUCKET_ATTRS(node) IG_ATTRS_OF(ig_bucket_attrs, node)

/* Elements of dtype `dtype` from the begin of a tensor of `count` to that of the next; false when that
 * is more than memory can have. */
bool ig_bucket_stride(ig_dtype dtype, int64_t count, int64_t *out);
/* `count` elements made whole parts of so many ranks; likewise. */
bool ig_bucket_pad(ig_dtype dtype, int64_t ranks, int64_t count, int64_t *out);
/* Elements of a bucket of the node's inputs, in dtype `to`. Checks that these are floats of one dtype
 * that can travel. */
ig_status ig_bucket_count(const ig_node *node, ig_dtype to, int64_t ranks, int64_t *count);
/* Inputs but those that only come first. */
int ig_bucket_reads(const ig_node *node);

/* The kernel of a device. */
typedef ig_status (*ig_copy_segments)(ig_dtype from, ig_dtype to, const ig_segment *segments, int n,
                                      void *stream);
/* ingot.Bucket, ingot.BucketPart and ingot.Unbucket by that kernel. */
ig_status ig_bucket_run(const ig_call *call, ig_copy_segments copy);
ig_status ig_bucket_part_run(const ig_call *call, ig_copy_segments copy);
ig_status ig_unbucket_run(const ig_call *call, ig_copy_segments copy);

/* Begins the collective operation of the call from in[0] to out[0]. */
ig_status ig_bucket_begin(const ig_call *call, ig_collective_kind kind);
/* Input 0 is a flat float tensor, and the ranks are within reason; *dtype and *count are its. */
ig_status ig_bucket_check_flat(const ig_node *node, ig_dtype *dtype, int64_t *count);
/* No flops; the bytes that are sent and received, once each. */
ig_cost ig_bucket_cost(const ig_node *node);

#endif
