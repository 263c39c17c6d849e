/* A kernel for the test of `mutate`: one barrier that is needed, and one that is not. */
#include "kernels/cuda/device.cuh"

__global__ static void rotate_kernel(const float *x, float *y) {
  IG_SHARED(float, tile, [64]);
  tile[threadIdx.x] = x[threadIdx.x]; /* not a call: __syncthreads() */
  __syncthreads();
  y[threadIdx.x] = tile[(threadIdx.x + 1) % 64];
  __syncthreads();
}

int main(void) {
  float *x, *y, from[64], to[64];
  for (int i = 0; i < 64; i++) from[i] = (float)i;
  if (cudaMalloc(&x, sizeof from) || cudaMalloc(&y, sizeof to)) return 2;
  if (cudaMemcpy(x, from, sizeof from, cudaMemcpyHostToDevice)) return 2;
  if (IG_LAUNCH(rotate_kernel, 1, 64, 0, NULL, x, y)) return 2;
  if (cudaMemcpy(to, y, sizeof to, cudaMemcpyDeviceToHost)) return 2;
  for (int i = 0; i < 64; i++) {
    if (to[i] != (float)((i + 1) % 64)) return 1;
  }
  return 0;
}
