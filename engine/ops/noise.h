/* What the operators that make random tensors share. */
#ifndef IG_OPS_NOISE_H
#define IG_OPS_NOISE_H

#include "engine/ops/op.h"
#include "kernels/random.h"

/* A float attribute, as ONNX has it; mixed in, so that equal nodes may differ. 0 where it is absent. */
#define IG_NOISE_SEED(type) IG_FIELD_FLOAT(type, seed, 0)

/* The call's streams: one a sample, the first dimension of output 0 being the batch. With `whole` one
 * for all, of sample 0, the same on every rank. */
ig_noise ig_noise_of(const ig_call *call, float seed, bool whole);
/* The element type that the attribute names, or `fallback` where it is 0; a float to compute in. */
ig_status ig_noise_dtype(int64_t onnx, ig_dtype fallback, ig_dtype *out);
/* No gradient flows through a draw. */
void ig_noise_grad(const ig_grad *grad);

#endif
