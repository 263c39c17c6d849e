/* The next loss scale: one thread, since there is one number. */
#include "kernels/cuda/device.cuh"
extern "C" {
#include "kernels/optimizer.h"
}

__global__ void loss_scale_kernel(const float *scale, const float *steps, const float *norm,
                                  float interval, float *new_scale, float *new_steps) {
  bool finite = isfinite(*norm), doubles = finite && *steps + 1 >= interval;
  float old = *scale, count = *steps;
  *new_scale = !finite   ? fmaxf(old / 2, IG_LOSS_SCALE_LEAST)
               : doubles ? fminf(old * 2, IG_LOSS_SCALE_MOST)
                         : old;
  *new_steps = finite && !doubles ? count + 1 : 0;
}

ig_status ig_cuda_loss_scale(const float *scale, const float *steps, const float *norm,
                             float interval, float *new_scale, float *new_steps, void *stream) {
  return IG_LAUNCH(loss_scale_kernel, 1, 1, 0, stream, scale, steps, norm, interval, new_scale,
                   new_steps);
}
