/* Tensors into buckets and out of them on a GPU, by few launches. */
#include "engine/ops/buckets.h"

static ig_status run_bucket(const ig_call *call) {
  return ig_bucket_run(call, ig_cuda_copy_segments);
}

static ig_status run_part(const ig_call *call) {
  return ig_bucket_part_run(call, ig_cuda_copy_segments);
}

static ig_status run_unbucket(const ig_call *call) {
  return ig_unbucket_run(call, ig_cuda_copy_segments);
}

static const ig_impl bucket_impls[] = {
    {.name = "segments", .device = IG_CUDA, .run = run_bucket}, {0}};
static const ig_impl part_impls[] = {
    {.name = "segments", .device = IG_CUDA, .run = run_part}, {0}};
static const ig_impl unbucket_impls[] = {
    {.name = "segments", .device = IG_CUDA, .run = run_unbucket}, {0}};

static const struct ig_op_impls ops[] = {{"ingot.Bucket", bucket_impls},
                                         {"ingot.BucketPart", part_impls},
                                         {"ingot.Unbucket", unbucket_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_bucket = {.ops = ops};
