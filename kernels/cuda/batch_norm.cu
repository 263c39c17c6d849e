/* Batch normalisation, forward. The batch's statistics are sums of d and d^2 in f32, where d is the
 * distance from the channel's first element: a sample of the channel, so that nothing is lost where the
 * mean is far from 0 (a plain sum of squares would lose it), partial sums that share it simply add up,
 * and no division is made for an element, as Welford's update would. Memory-bound: training reads x
 * twice and writes y once, inference reads x once; a residual is read once; 7 and 3 flops an
 * element. */
#include "kernels/cuda/channels.cuh"

/* First element of the channel. */
template <typename T> struct statistics_body {
  const T *x;
  int64_t stride; /* between the first elements of channels */
  struct channel {
    float shift;
  };
  __device__ inline channel of(int64_t c) const {
    channel ch = {ig_to_f32(x[c * stride])};
    return ch;
  }
  template <int V, bool SAME>
  __device__ inline void sums(int64_t i, const channel *ch, float *u, float *w) const {
    ig_pack<T, V> in = ig_load_pack<T, V>(x + i);
#pragma unroll
    for (int j = 0; j < V; j++) {
      float d = ig_to_f32(in.v[j]) - ch[SAME ? 0 : j].shift;
      u[SAME ? 0 : j] += d;
      w[SAME ? 0 : j] += d * d;
    }
  }
};

template <typename T> struct normalize_body {
  const T *x, *residual;
  T *y;
  const void *scale, *bias, *mean, *variance;
  ig_dtype scale_dtype, stats_dtype;
  float epsilon;
  bool relu;
  struct channel {
    float mean, gain, bias;
  };
  __device__ inline channel of(int64_t c) const {
    channel ch;
    ch.mean = ig_load_any(stats_dtype, mean, c);
    ch.gain =
        ig_load_any(scale_dtype, scale, c) / sqrtf(ig_load_any(stats_dtype, variance, c) + epsilon);
    ch.bias = ig_load_any(scale_dtype, bias, c);
    return ch;
  }
  template <int V, bool SAME> __device__ inline void apply(int64_t i, const channel *ch) const {
    ig_pack<T, V> in = ig_load_pack<T, V>(x + i), more = in, out;
    if (residual) more = ig_load_pack<T, V>(residual + i);
#pragma unroll
    for (int j = 0; j < V; j++) {
      const channel &k = ch[SAME ? 0 : j];
      float value = (ig_to_f32(in.v[j]) - k.mean) * k.gain + k.bias;
      if (residual) value += ig_to_f32(more.v[j]);
      out.v[j] = ig_from_f32<T>(relu && value < 0 ? 0.0f : value);
    }
    ig_store_pack<T, V>(y + i, out);
  }
};

/* What the second kernel makes of the sums. */
template <typename T> struct statistics_results {
  const T *x;
  int64_t stride;
  float count, momentum;
  float *mean, *variance;
  ig_dtype running_dtype;
  const void *old_mean, *old_variance; /* read only where the new ones are wanted */
  void *new_mean, *new_variance;
};

template <typename T>
__global__ void statistics_kernel(int segments, int64_t channels, const float *partial,
                                  statistics_results<T> r) {
  IG_SHARED(float, tile, [2][8][IG_WARP]);
  int64_t c = (int64_t)blockIdx.x * IG_WARP + threadIdx.x;
  float2 sums = ig_channel_totals(segments, channels, partial, tile);
  if (threadIdx.y != 0 || c >= channels) return;
  float d = sums.x / r.count;
  float mean = ig_to_f32(r.x[c * r.stride]) + d;
  float variance = fmaxf(sums.y / r.count - d * d, 0.0f);
  r.mean[c] = mean;
  r.variance[c] = variance;
  float keep = r.momentum, take = 1.0f - r.momentum;
  if (r.new_mean) {
    float old = ig_load_any(r.running_dtype, r.old_mean, c);
    ig_store_any(r.running_dtype, r.new_mean, c, keep * old + take * mean);
  }
  if (r.new_variance) {
    float old = ig_load_any(r.running_dtype, r.old_variance, c);
    ig_store_any(r.running_dtype, r.new_variance, c, keep * old + take * variance);
  }
}

size_t ig_cuda_batch_norm_workspace(const ig_batch_norm *norm, ig_dtype dtype) {
  return ig_channel_room(&norm->at, (int)(16 / ig_dtype_size(dtype)));
}

template <typename T, int V>
static ig_status batch_norm(const ig_batch_norm *norm, ig_batch_norm_types types,
                            const ig_batch_norm_any *t, const ig_batch_norm_running *running,
                            float *workspace, void *stream) {
  ig_channel_cut cut = ig_channel_cut_of(&norm->at, V);
  if (t->batch_stats) {
    int64_t count = norm->at.outer * norm->at.inner, stride = cut.fastest ? 1 : cut.inner;
    if (count == 0) return ig_fail(IG_ERR_SHAPE, "batch normalisation: an empty batch");
    statistics_body<T> body = {(const T *)t->x, stride};
    statistics_results<T> results = {(const T *)t->x,       stride,
                                     (float)count,          (float)running->momentum,
                                     (float *)t->mean,      (float *)t->variance,
                                     running->dtype,        running->old_mean,
                                     running->old_variance, running->new_mean,
                                     running->new_variance};
    IG_TRY(ig_channel_sums<V>(&cut, body, workspace, stream));
    IG_TRY(IG_LAUNCH(statistics_kernel<T>, ig_blocks(cut.channels, IG_WARP), IG_TOTAL_BLOCK, 0,
                     stream, (int)cut.segments, cut.channels, workspace, results));
  }
  if (!t->out) return IG_OK;
  normalize_body<T> body = {(const T *)t->x, (const T *)t->residual,
                            (T *)t->out,     t->scale,
                            t->bias,         t->mean,
                            t->variance,     types.scale,
                            types.stats,     (float)norm->epsilon,
                            norm->relu};
  return ig_channel_apply<V>(&cut, body, stream);
}

ig_status ig_cuda_batch_norm(const ig_batch_norm *norm, ig_batch_norm_types types,
                             const ig_batch_norm_any *t, const ig_batch_norm_running *running,
                             void *workspace, void *stream) {
  if (norm->at.channels == 0) return IG_OK;
  float *room = (float *)workspace;
  bool aligned = ig_aligned16(t->x) && ig_aligned16(t->residual) && ig_aligned16(t->out);
  IG_FOR_FLOAT(types.x, "batch normalisation", {
    if (aligned && ig_channel_packs(&norm->at, IG_PACK(T))) {
      return batch_norm<T, IG_PACK(T)>(norm, types, t, running, room, stream);
    }
    return batch_norm<T, 1>(norm, types, t, running, room, stream);
  })
}
