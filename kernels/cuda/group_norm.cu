/* Group normalisation. A group is a contiguous row of depth x inner elements, a block each (several
 * short ones share it); a channel of a sample is a segment of `inner` of them. Forward: statistics in
 * two passes and the result in a third; all but the first are served by the caches where a group fits
 * them: x and y pass memory once, 7 flops an element. Gradient: a pass for each segment's sums of dy
 * and dy h, one for dx, and a small one for the channels': dy and x are read twice, 9 flops an
 * element. */
#include "kernels/cuda/rows.cuh"
extern "C" {
#include "kernels/group_norm.h"
}

#define THREADS 256
#define CHANNEL_THREADS 128

/* The channel within its group of the elements that a thread meets, found anew by a division only where
 * it does not walk on to the next element. */
struct group_channel {
  int64_t inner, next, channel, end;
  __device__ explicit inline group_channel(int64_t inner_)
      : inner(inner_), next(-1), channel(0), end(0) {}
  __device__ inline int64_t at(int64_t i) {
    if (i != next) {
      channel = i <= 0x7fffffff && inner <= 0x7fffffff ? (int64_t)((uint32_t)i / (uint32_t)inner)
                                                       : i / inner;
      end = (channel + 1) * inner;
    } else if (i == end) {
      channel++;
      end += inner;
    }
    next = i + 1;
    return channel;
  }
};

template <typename T> struct group_operands {
  const T *x, *scale, *bias;
  T *y;
  float *mean, *invstd;
};

template <typename T>
__global__ void __launch_bounds__(1024) group_norm_kernel(ig_group_norm norm, group_operands<T> t) {
  IG_SHARED(float, partial, [64]);
  int64_t group = (int64_t)blockIdx.x * blockDim.y + threadIdx.y, n = norm.depth * norm.inner;
  int64_t count = group < norm.batch * norm.groups ? n : 0;
  const T *x = t.x + group * n;
  float total = 0;
  ig_row_each(x, count, threadIdx.x, blockDim.x, [&](int64_t, float v) { total += v; });
  float mean = ig_row_reduce<ig_sum>(total, partial) / (float)n;
  total = 0;
  ig_row_each(x, count, threadIdx.x, blockDim.x,
              [&](int64_t, float v) { total += (v - mean) * (v - mean); });
  float variance = ig_row_reduce<ig_sum>(total, partial + 32) / (float)n;
  float invstd = 1.0f / sqrtf(variance + (float)norm.epsilon);
  int64_t first = group % norm.groups * norm.depth;
  group_channel channel(norm.inner);
  ig_row_map(x, t.y + group * n, count, threadIdx.x, blockDim.x, [&](int64_t i, float v) {
    int64_t c = first + channel.at(i);
    return (v - mean) * invstd * ig_to_f32(t.scale[c]) + ig_to_f32(t.bias[c]);
  });
  if (group >= norm.batch * norm.groups || threadIdx.x != 0) return;
  if (t.mean) t.mean[group] = mean;
  if (t.invstd) t.invstd[group] = invstd;
}

ig_status ig_cuda_group_norm(ig_dtype dtype, const ig_group_norm *norm,
                             const ig_group_norm_forward *t, void *stream) {
  int64_t rows = norm->batch * norm->groups;
  if (rows == 0) return IG_OK;
  ig_row_grid grid = ig_row_grid_of(rows, norm->depth * norm->inner, THREADS, IG_ROW_BLOCKS);
  IG_FOR_FLOAT(dtype, "group normalisation", {
    group_operands<T> operands = {(const T *)t->x, (const T *)t->scale, (const T *)t->bias,
                                  (T *)t->y,       (float *)t->mean,    (float *)t->invstd};
    return IG_LAUNCH(group_norm_kernel<T>, grid.blocks, grid.block, 0, stream, *norm, operands);
  })
}

/* --- the gradient ------------------------------------------------------------------------------ */

template <typename T> struct group_grad_operands {
  const T *dy, *x, *scale;
  const float *mean, *invstd;
  T *dx, *dscale, *dbias;
  float *sums; /* [2][batch * channels]: of dy, of dy h */
};

template <typename T>
__global__ void __launch_bounds__(1024)
    segment_sums_kernel(ig_group_norm norm, group_grad_operands<T> t) {
  IG_SHARED(float, partial, [64]);
  int64_t segments = norm.batch * norm.groups * norm.depth;
  int64_t segment = (int64_t)blockIdx.x * blockDim.y + threadIdx.y, at = segment * norm.inner;
  bool present = segment < segments;
  float mean = present ? t.mean[segment / norm.depth] : 0.0f;
  float invstd = present ? t.invstd[segment / norm.depth] : 0.0f;
  float2 sums = make_float2(0, 0);
  ig_row_each2(t.dy + at, t.x + at, present ? norm.inner : 0, threadIdx.x, blockDim.x,
               [&](int64_t, float dy, float x) {
                 sums.x += dy;
                 sums.y += dy * (x - mean) * invstd;
               });
  sums = ig_row_sums(sums, partial);
  if (!present || threadIdx.x != 0) return;
  t.sums[segment] = sums.x;
  t.sums[segments + segment] = sums.y;
}

/* dx = invstd (dy scale - mean(dy scale) - h mean(dy scale h)), the means over the group: its segments'
 * sums times their scales. */
template <typename T>
__global__ void __launch_bounds__(1024)
    group_dx_kernel(ig_group_norm norm, group_grad_operands<T> t) {
  IG_SHARED(float, partial, [64]);
  int64_t groups = norm.batch * norm.groups, n = norm.depth * norm.inner;
  int64_t group = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  bool present = group < groups;
  int64_t count = present ? n : 0, first = group % norm.groups * norm.depth;
  float mean = present ? t.mean[group] : 0.0f, invstd = present ? t.invstd[group] : 0.0f;
  float2 sums = make_float2(0, 0);
  for (int64_t d = threadIdx.x; present && d < norm.depth; d += blockDim.x) {
    float scale = ig_to_f32(t.scale[first + d]);
    sums.x += scale * t.sums[group * norm.depth + d];
    sums.y += scale * t.sums[(groups + group) * norm.depth + d];
  }
  sums = ig_row_sums(sums, partial);
  float mean_g = sums.x / (float)n, mean_gh = sums.y / (float)n;
  group_channel channel(norm.inner);
  ig_row_map2(t.dy + group * n, t.x + group * n, t.dx + group * n, count, threadIdx.x, blockDim.x,
              [&](int64_t i, float dy, float x) {
                float g = dy * ig_to_f32(t.scale[first + channel.at(i)]);
                return invstd * (g - mean_g - (x - mean) * invstd * mean_gh);
              });
}

/* By channel, over the samples in order. */
template <typename T>
__global__ void channel_sums_kernel(ig_group_norm norm, group_grad_operands<T> t) {
  int64_t channels = norm.groups * norm.depth;
  int64_t c = (int64_t)blockIdx.x * CHANNEL_THREADS + threadIdx.x;
  if (c >= channels) return;
  float dbias = 0, dscale = 0;
#pragma unroll 4
  for (int64_t b = 0; b < norm.batch; b++) {
    dbias += t.sums[b * channels + c];
    dscale += t.sums[(norm.batch + b) * channels + c];
  }
  t.dbias[c] = ig_from_f32<T>(dbias);
  t.dscale[c] = ig_from_f32<T>(dscale);
}

size_t ig_cuda_group_norm_grad_workspace(const ig_group_norm *norm) {
  return 2 * (size_t)(norm->batch * norm->groups * norm->depth) * sizeof(float);
}

template <typename T>
static ig_status group_norm_grad(const ig_group_norm *norm, const ig_group_norm_backward *t,
                                 float *workspace, void *stream) {
  int64_t groups = norm->batch * norm->groups, channels = norm->groups * norm->depth;
  group_grad_operands<T> operands = {(const T *)t->dy,
                                     (const T *)t->x,
                                     (const T *)t->scale,
                                     (const float *)t->mean,
                                     (const float *)t->invstd,
                                     (T *)t->dx,
                                     (T *)t->dscale,
                                     (T *)t->dbias,
                                     workspace};
  if (groups > 0) {
    ig_row_grid segments =
        ig_row_grid_of(groups * norm->depth, norm->inner, THREADS, IG_ROW_BLOCKS);
    ig_row_grid rows = ig_row_grid_of(groups, norm->depth * norm->inner, THREADS, IG_ROW_BLOCKS);
    IG_TRY(IG_LAUNCH(segment_sums_kernel<T>, segments.blocks, segments.block, 0, stream, *norm,
                     operands));
    IG_TRY(IG_LAUNCH(group_dx_kernel<T>, rows.blocks, rows.block, 0, stream, *norm, operands));
  }
  return IG_LAUNCH(channel_sums_kernel<T>, ig_blocks(channels, CHANNEL_THREADS), CHANNEL_THREADS, 0,
                   stream, *norm, operands);
}

ig_status ig_cuda_group_norm_grad(ig_dtype dtype, const ig_group_norm *norm,
                                  const ig_group_norm_backward *t, void *workspace, void *stream) {
  IG_FOR_FLOAT(dtype, "group normalisation gradient",
               { return group_norm_grad<T>(norm, t, (float *)workspace, stream); })
}
