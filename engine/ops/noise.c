/* Streams, types and gradients of random tensors; see noise.h. */
#include "engine/ops/noise.h"

#include <string.h>

#include "engine/base/rng.h"

ig_noise ig_noise_of(const ig_call *call, float seed, bool whole) {
  const ig_shape *shape = &call->node->outputs[0]->shape;
  int64_t count = ig_shape_count(shape), samples = whole || !shape->rank ? 1 : shape->dims[0];
  uint32_t bits;
  memcpy(&bits, &seed, sizeof bits);
  return (ig_noise){
      .seed = call->rng->seed ^ ig_hash_name(call->node->name) ^ bits,
      .step = call->rng->step,
      .first_sample = whole ? 0 : call->rng->first_sample,
      .samples = samples,
      .sample_elements = samples ? count / samples : 0,
  };
}

ig_status ig_noise_dtype(int64_t onnx, ig_dtype fallback, ig_dtype *out) {
  ig_dtype dtype = onnx ? ig_dtype_from_onnx(onnx) : fallback;
  IG_CHECK(ig_dtype_is_float(dtype), IG_ERR_SHAPE, "results of ONNX type %lld, expected a float",
           (long long)(onnx ? onnx : ig_dtype_to_onnx(fallback)));
  *out = dtype;
  return IG_OK;
}

void ig_noise_grad(const ig_grad *grad) {
  IG_UNUSED(grad);
}
