/* Quantization as training sees it, and its gradient: by channel, as channels.cuh cuts them. Memory-bound:
 * forward reads x and writes y; the gradient reads dy and x for the scale's sums, then again for dx.
 * A division, rounding and two comparisons each. */
#include "kernels/cuda/channels.cuh"
extern "C" {
#include "kernels/fake_quantize.h"
}

#define MOST_INNER 4096 /* of a tensor with one scale, which is cut into rows of a power of two */

/* One scale: rows as long as the count allows, so that blocks share the sums. */
static ig_channels channels_of(const ig_fake_quantize *q) {
  ig_channels at = {};
  at.outer = q->outer;
  at.channels = q->channels;
  at.inner = q->inner;
  at.block = 1;
  if (q->channels == 1) {
    int64_t count = q->outer * q->inner, rows = count & -count;
    at.inner = rows > MOST_INNER ? MOST_INNER : rows;
    at.outer = at.inner ? count / at.inner : 0;
  } else if (q->inner == 1) { /* channels vary fastest */
    at.block = q->channels;
    at.inner = q->outer;
    at.outer = 1;
  }
  return at;
}

struct fake_body {
  const float *x, *dy, *scale;
  float *to; /* y, or dx */
  float low, high;
  struct channel {
    float scale;
  };
  __device__ inline channel of(int64_t c) const {
    channel ch;
    ch.scale = fmaxf(fabsf(scale[c]), IG_FAKE_LEAST_SCALE);
    return ch;
  }
  template <int V, bool SAME>
  __device__ inline void sums(int64_t i, const channel *ch, float *u, float *w) const {
    ig_pack<float, V> g = ig_load_pack<float, V>(dy + i), a = ig_load_pack<float, V>(x + i);
    (void)w;
#pragma unroll
    for (int j = 0; j < V; j++) {
      float v = a.v[j] / ch[SAME ? 0 : j].scale;
      u[SAME ? 0 : j] += g.v[j] * (v < low ? low : v > high ? high : rintf(v) - v);
    }
  }
  template <int V, bool SAME> __device__ inline void apply(int64_t i, const channel *ch) const {
    ig_pack<float, V> a = ig_load_pack<float, V>(x + i), out;
    if (dy) out = ig_load_pack<float, V>(dy + i);
#pragma unroll
    for (int j = 0; j < V; j++) {
      float s = ch[SAME ? 0 : j].scale, v = a.v[j] / s;
      if (dy) {
        out.v[j] = v < low || v > high ? 0.0f : out.v[j];
      } else {
        v = v < low ? low : v; /* in this order NaN stays */
        out.v[j] = s * rintf(v > high ? high : v);
      }
    }
    ig_store_pack<float, V>(to + i, out);
  }
};

static fake_body body_of(const ig_fake_quantize *q, const float *dy, const float *x,
                         const float *scale, float *to) {
  fake_body body = {};
  body.x = x;
  body.dy = dy;
  body.scale = scale;
  body.to = to;
  body.low = q->low;
  body.high = q->high;
  return body;
}

static bool takes_packs(const ig_channels *at, const void *a, const void *b, const void *c) {
  return ig_channel_packs(at, IG_PACK(float)) && ig_aligned16(a) && ig_aligned16(b) && ig_aligned16(c);
}

ig_status ig_cuda_fake_quantize(const ig_fake_quantize *q, const float *x, const float *scale,
                                float *y, void *stream) {
  ig_channels at = channels_of(q);
  if (at.channels == 0) return IG_OK;
  fake_body body = body_of(q, NULL, x, scale, y);
  if (takes_packs(&at, x, y, NULL)) {
    ig_channel_cut cut = ig_channel_cut_of(&at, IG_PACK(float));
    return ig_channel_apply<IG_PACK(float)>(&cut, body, stream);
  }
  ig_channel_cut cut = ig_channel_cut_of(&at, 1);
  return ig_channel_apply<1>(&cut, body, stream);
}

/* --- gradient --------------------------------------------------------------------------------- */

__global__ void fake_totals_kernel(int segments, int64_t channels, const float *partial,
                                   const float *scale, float factor, float *dscale) {
  IG_SHARED(float, tile, [2][8][IG_WARP]);
  int64_t c = (int64_t)blockIdx.x * IG_WARP + threadIdx.x;
  float2 sums = ig_channel_totals(segments, channels, partial, tile);
  if (threadIdx.y != 0 || c >= channels) return;
  dscale[c] = sums.x * factor * (scale[c] < 0 ? -1.0f : 1.0f);
}

size_t ig_cuda_fake_quantize_grad_workspace(const ig_fake_quantize *q) {
  ig_channels at = channels_of(q);
  return at.channels ? ig_channel_room(&at, IG_PACK(float)) : 0;
}

template <int V>
static ig_status gradient(const ig_fake_quantize *q, const ig_channels *at, fake_body body,
                          float *dscale, float *partial, void *stream) {
  ig_channel_cut cut = ig_channel_cut_of(at, V);
  IG_TRY(ig_channel_sums<V>(&cut, body, partial, stream));
  IG_TRY(IG_LAUNCH(fake_totals_kernel, ig_blocks(cut.channels, IG_WARP), IG_TOTAL_BLOCK, 0, stream,
                   (int)cut.segments, cut.channels, partial, body.scale, q->grad_scale, dscale));
  return body.to ? ig_channel_apply<V>(&cut, body, stream) : IG_OK;
}

ig_status ig_cuda_fake_quantize_grad(const ig_fake_quantize *q, const float *dy, const float *x,
                                     const float *scale, float *dx, float *dscale, void *workspace,
                                     void *stream) {
  ig_channels at = channels_of(q);
  if (at.channels == 0) return IG_OK;
  fake_body body = body_of(q, dy, x, scale, dx);
  float *partial = (float *)workspace;
  if (takes_packs(&at, dy, x, dx)) {
    return gradient<IG_PACK(float)>(q, &at, body, dscale, partial, stream);
  }
  return gradient<1>(q, &at, body, dscale, partial, stream);
}
