/* The gradient of batch normalisation: a pass for the sums of dy and dy (x - mean), and one for dx. With ReLU, where dy counts is found again in both, from x with the arithmetic of the
 * forward direction or from y. Memory-bound: dy and x (and y) are read twice, dx (and the residual's
 * gradient) written once; 8 flops an element, 12 with ReLU. */
#include "kernels/cuda/channels.cuh"

template <typename T> struct gradient_body {
  const T *dy, *x, *y;
  T *dx, *dresidual;
  const void *scale, *bias, *mean, *variance;
  const float *totals; /* [2][channels] sums of dy and of dy h; NULL with fixed statistics */
  int64_t channels;
  ig_dtype scale_dtype, stats_dtype;
  float epsilon, count;
  bool relu;
  struct channel {
    float mean, gain, bias, mean_g, slope; /* of dx: mean of dy, and of dy h times 1 / std */
  };
  __device__ inline channel of(int64_t c) const {
    channel ch;
    ch.mean = ig_load_any(stats_dtype, mean, c);
    float scale_c = ig_load_any(scale_dtype, scale, c);
    float root = sqrtf(ig_load_any(stats_dtype, variance, c) + epsilon);
    ch.gain = scale_c / root;
    ch.bias = relu && !y ? ig_load_any(scale_dtype, bias, c) : 0.0f;
    ch.mean_g = totals ? totals[c] / count : 0.0f;
    ch.slope = totals ? totals[channels + c] / (count * root) : 0.0f;
    return ch;
  }
  /* dy where the mask lets it through. */
  __device__ inline float masked(const channel &k, float g, float value, float result) const {
    if (!relu) return g;
    return (y ? result : (value - k.mean) * k.gain + k.bias) > 0 ? g : 0.0f;
  }
  template <int V, bool SAME>
  __device__ inline void sums(int64_t i, const channel *ch, float *u, float *w) const {
    ig_pack<T, V> a = ig_load_pack<T, V>(dy + i), b = ig_load_pack<T, V>(x + i), r = a;
    if (y) r = ig_load_pack<T, V>(y + i);
#pragma unroll
    for (int j = 0; j < V; j++) {
      const channel &k = ch[SAME ? 0 : j];
      float value = ig_to_f32(b.v[j]);
      float g = masked(k, ig_to_f32(a.v[j]), value, ig_to_f32(r.v[j]));
      u[SAME ? 0 : j] += g;
      w[SAME ? 0 : j] += g * (value - k.mean);
    }
  }
  template <int V, bool SAME> __device__ inline void apply(int64_t i, const channel *ch) const {
    ig_pack<T, V> a = ig_load_pack<T, V>(dy + i), b = ig_load_pack<T, V>(x + i), r = a, out;
    if (y) r = ig_load_pack<T, V>(y + i);
#pragma unroll
    for (int j = 0; j < V; j++) {
      const channel &k = ch[SAME ? 0 : j];
      float value = ig_to_f32(b.v[j]);
      float g = masked(k, ig_to_f32(a.v[j]), value, ig_to_f32(r.v[j]));
      out.v[j] = ig_from_f32<T>(k.gain * (g - k.mean_g - (value - k.mean) * k.slope));
      r.v[j] = ig_from_f32<T>(g);
    }
    ig_store_pack<T, V>(dx + i, out);
    if (dresidual) ig_store_pack<T, V>(dresidual + i, r);
  }
};

/* dscale is the sum of dy h, where h = (x - mean) / std. */
__global__ void totals_kernel(int segments, int64_t channels, const float *partial, float *totals,
                              ig_batch_norm_types types, const void *variance, float epsilon,
                              void *dscale, void *dbias) {
  IG_SHARED(float, tile, [2][8][IG_WARP]);
  int64_t c = (int64_t)blockIdx.x * IG_WARP + threadIdx.x;
  float2 sums = ig_channel_totals(segments, channels, partial, tile);
  if (threadIdx.y != 0 || c >= channels) return;
  sums.y /= sqrtf(ig_load_any(types.stats, variance, c) + epsilon);
  totals[c] = sums.x;
  totals[channels + c] = sums.y;
  ig_store_any(types.scale, dbias, c, sums.x);
  ig_store_any(types.scale, dscale, c, sums.y);
}

size_t ig_cuda_batch_norm_grad_workspace(const ig_batch_norm *norm, ig_dtype dtype) {
  size_t totals = 2 * (size_t)norm->at.channels * sizeof(float);
  return totals + ig_channel_room(&norm->at, (int)(16 / ig_dtype_size(dtype)));
}

template <typename T, int V>
static ig_status batch_norm_grad(const ig_batch_norm *norm, ig_batch_norm_types types,
                                 const ig_batch_norm_any *t, float *totals, void *stream) {
  ig_channel_cut cut = ig_channel_cut_of(&norm->at, V);
  float *partial = totals + 2 * cut.channels;
  gradient_body<T> body = {};
  body.dy = (const T *)t->dy;
  body.x = (const T *)t->x;
  body.y = norm->relu ? (const T *)t->y : NULL;
  body.dx = (T *)t->dx;
  body.dresidual = (T *)t->dresidual;
  body.scale = t->scale;
  body.bias = t->bias;
  body.mean = t->mean;
  body.variance = t->variance;
  body.channels = cut.channels;
  body.scale_dtype = types.scale;
  body.stats_dtype = types.stats;
  body.epsilon = (float)norm->epsilon;
  body.count = (float)(norm->at.outer * norm->at.inner);
  body.relu = norm->relu;
  IG_TRY(ig_channel_sums<V>(&cut, body, partial, stream));
  IG_TRY(IG_LAUNCH(totals_kernel, ig_blocks(cut.channels, IG_WARP), IG_TOTAL_BLOCK, 0, stream,
                   (int)cut.segments, cut.channels, partial, totals, types, t->variance,
                   body.epsilon, t->dscale, t->dbias));
  if (t->batch_stats) body.totals = totals;
  return ig_channel_apply<V>(&cut, body, stream);
}

ig_status ig_cuda_batch_norm_grad(const ig_batch_norm *norm, ig_batch_norm_types types,
                                  const ig_batch_norm_any *t, void *workspace, void *stream) {
  if (norm->at.channels == 0) return IG_OK;
  float *room = (float *)workspace;
  bool aligned = ig_aligned16(t->dy) && ig_aligned16(t->x) && ig_aligned16(t->y) &&
                 ig_aligned16(t->dx) && ig_aligned16(t->dresidual);
  IG_FOR_FLOAT(types.x, "batch normalisation gradient", {
    if (aligned && ig_channel_packs(&norm->at, IG_PACK(T))) {
      return batch_norm_grad<T, IG_PACK(T)>(norm, types, t, room, stream);
    }
    return batch_norm_grad<T, 1>(norm, types, t, room, stream);
  })
}
