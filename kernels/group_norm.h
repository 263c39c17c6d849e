/* Group normalisation (Wu and He 2018): each sample's channels in groups, each group normalised over
 * its channels and positions. With one channel a group it is instance normalisation. */
#ifndef IG_KERNELS_GROUP_NORM_H
#define IG_KERNELS_GROUP_NORM_H

#include "engine/base/dtype.h"
#include "engine/base/status.h"

/* x is [batch, groups, depth, inner], contiguous: `depth` channels a group. */
typedef struct ig_group_norm {
  int64_t batch, groups, depth, inner;
  double epsilon;
} ig_group_norm;

/* y = (x - mean) * invstd * scale + bias, with scale and bias by channel [groups * depth] and mean
 * and invstd by [batch, groups], which may be NULL. y may be x. */
typedef struct ig_group_norm_forward {
  const void *x, *scale, *bias;
  void *y, *mean, *invstd;
} ig_group_norm_forward;

/* dx may be dy. */
typedef struct ig_group_norm_backward {
  const void *dy, *x, *scale, *mean, *invstd;
  void *dx, *dscale, *dbias;
} ig_group_norm_backward;

void ig_cpu_group_norm_f32(const ig_group_norm *norm, const ig_group_norm_forward *t);
void ig_cpu_group_norm_reference(ig_dtype dtype, ig_dtype stats, const ig_group_norm *norm,
                                 const ig_group_norm_forward *t);

/* Scratch bytes of either gradient. */
size_t ig_cpu_group_norm_grad_workspace(const ig_group_norm *norm);
void ig_cpu_group_norm_grad_f32(const ig_group_norm *norm, const ig_group_norm_backward *t,
                                void *workspace);
void ig_cpu_group_norm_grad_reference(ig_dtype dtype, ig_dtype stats, const ig_group_norm *norm,
                                      const ig_group_norm_backward *t, void *workspace);

/* On a GPU: f32, bf16 and f16, statistics in f32. */
ig_status ig_cuda_group_norm(ig_dtype dtype, const ig_group_norm *norm,
                             const ig_group_norm_forward *t, void *stream);
size_t ig_cuda_group_norm_grad_workspace(const ig_group_norm *norm);
ig_status ig_cuda_group_norm_grad(ig_dtype dtype, const ig_group_norm *norm,
                                  const ig_group_norm_backward *t, void *workspace, void *stream);

#endif
