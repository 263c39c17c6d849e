/* Functions of one element and their derivatives, f32 fast path: one loop a kind, made by a macro
 * from its formula, so that each is a plain vector loop. 16-bit types pass through f32 in blocks
 * that stay in the first-level cache. */
#include "kernels/elementwise.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

#define BLOCK 512

typedef void unary_loop(const float *x, float *y, int64_t n, float a, float b);
typedef void grad_loop(const float *dy, const float *x, float *dx, int64_t n, float a, float b);

#define UNARY(name, formula)                                                                       \
  static void name(const float *in, float *out, int64_t n, float a, float b) {                     \
    (void)a, (void)b;                                                                              \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                          \
      float x = in[i];                                                                             \
      out[i] = (formula);                                                                          \
    }                                                                                              \
  }

#define GRAD(name, formula)                                                                        \
  static void name(const float *dy, const float *in, float *out, int64_t n, float a, float b) {    \
    (void)a, (void)b;                                                                              \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                                          \
      float x = in[i], d = dy[i];                                                                  \
      out[i] = (formula);                                                                          \
    }                                                                                              \
  }

/* --- formulas longer than a line -------------------------------------------------------------- */

/* Phi(x), and with it e^(-x^2/2) for the derivative: Phi(-|x|) = e^(-x^2/2) scaled_tail(|x|) keeps
 * its relative accuracy where 1 + erf would cancel. */
static inline float normal_cdf(float x, float *density) {
  float e = ig_vexp_nonpositive(-0.5f * x * x), tail = e * ig_vscaled_tail(fabsf(x));
  *density = e * 0x1.988454p-2f; /* 1 / sqrt(2 pi) */
  return x > 0.0f ? 1.0f - tail : tail;
}

static inline float gelu(float x) {
  float density;
  return x * normal_cdf(x, &density);
}

static inline float gelu_slope(float x) {
  float density, cdf = normal_cdf(x, &density), product = x * density;
  return cdf + (density > 0.0f ? product : 0.0f);
}

/* x/2 (1 + tanh u) = x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3) */
static inline float gelu_tanh(float x) {
  float u = x * (0x1.988454p+0f + 0x1.2444f2p-4f * x * x);
  return x * ig_vsigmoid(u);
}

static inline float gelu_tanh_slope(float x) {
  float square = x * x;
  float u = x * (0x1.988454p+0f + 0x1.2444f2p-4f * square), s = ig_vsigmoid(u);
  float slope = 0x1.988454p+0f + 3.0f * 0x1.2444f2p-4f * square; /* du/dx */
  float product = x * slope * s * (1.0f - s);
  return s + (fabsf(x) < 14.0f ? product : 0.0f);
}

static inline float clip(float x, float least, float most) {
  float low = x < least ? least : x;
  return low > most ? most : low;
}

static inline float sign(float x) {
  float below = x < 0.0f ? -1.0f : x; /* keeps NaN and zeros */
  return x > 0.0f ? 1.0f : below;
}

static inline float hard_swish_slope(float x) {
  float middle = x * (1.0f / 3.0f) + 0.5f;
  float low = x <= -3.0f ? 0.0f : middle;
  return x >= 3.0f ? 1.0f : low;
}

static inline float scaled(float x, float slope) {
  float product = x * slope;
  return x < 0.0f ? product : x;
}

/* tanh(softplus(x)) = (e^2x + 2 e^x) / (e^2x + 2 e^x + 2), without what overflows. */
static inline float mish_gate(float x) {
  float e = ig_vexp_nonpositive(-fabsf(x));
  float below = e * (e + 2.0f) / (e * (e + 2.0f) + 2.0f);
  float above = (1.0f + 2.0f * e) / (1.0f + 2.0f * e + 2.0f * e * e);
  return x < 0.0f ? below : above;
}

static inline float mish_slope(float x) {
  float gate = mish_gate(x);
  return gate + x * (1.0f - gate * gate) * ig_vsigmoid(x);
}

static inline float swish_slope(float x, float a) {
  float s = ig_vsigmoid(a * x);
  return s + a * x * s * (1.0f - s);
}

static inline float hard_sigmoid(float x, float a, float b) {
  return x != x ? x : clip(a * x + b, 0.0f, 1.0f);
}

static inline float shrink(float x, float a, float b) {
  float inner = x != x ? x : 0.0f, low = x < -a ? x + b : inner;
  return x > a ? x - b : low;
}

static inline float softsign(float x) {
  return fabsf(x) > 0x1p100f ? copysignf(1.0f, x) : x / (1.0f + fabsf(x));
}

/* --- one loop a kind -------------------------------------------------------------------------- */

UNARY(neg_loop, -x)
UNARY(abs_loop, fabsf(x))
UNARY(sign_loop, sign(x))
UNARY(sqrt_loop, sqrtf(x))
UNARY(exp_loop, ig_vexp(x))
UNARY(log_loop, ig_vlog(x))
UNARY(erf_loop, ig_verf(x))
UNARY(tanh_loop, ig_vtanh(x))
UNARY(sigmoid_loop, ig_vsigmoid(x))
UNARY(relu_loop, x < 0.0f ? 0.0f : x)
UNARY(leaky_relu_loop, scaled(x, a))
UNARY(clip_loop, clip(x, a, b))
UNARY(gelu_loop, gelu(x))
UNARY(gelu_tanh_loop, gelu_tanh(x))
UNARY(hard_swish_loop, x *clip(x *(1.0f / 6.0f) + 0.5f, 0.0f, 1.0f))
UNARY(softplus_loop, ig_vsoftplus(x))

/* libm's, one at a time: rare in hot loops. */
UNARY(reciprocal_loop, 1.0f / x)
UNARY(ceil_loop, ceilf(x))
UNARY(floor_loop, floorf(x))
UNARY(round_loop, nearbyintf(x))
UNARY(sin_loop, sinf(x))
UNARY(cos_loop, cosf(x))
UNARY(tan_loop, tanf(x))
UNARY(asin_loop, asinf(x))
UNARY(acos_loop, acosf(x))
UNARY(atan_loop, atanf(x))
UNARY(sinh_loop, sinhf(x))
UNARY(cosh_loop, coshf(x))
UNARY(asinh_loop, asinhf(x))
UNARY(acosh_loop, acoshf(x))
UNARY(atanh_loop, atanhf(x))
UNARY(elu_loop, x < 0.0f ? a *expm1f(x) : x)
UNARY(celu_loop, x < 0.0f ? a *expm1f(x / a) : x)
UNARY(selu_loop, b *(x < 0.0f ? a *expm1f(x) : x))
UNARY(hard_sigmoid_loop, hard_sigmoid(x, a, b))
UNARY(thresholded_relu_loop, x <= a ? 0.0f : x)
UNARY(shrink_loop, shrink(x, a, b))
UNARY(softsign_loop, softsign(x))
UNARY(mish_loop, x *mish_gate(x))
UNARY(swish_loop, x *ig_vsigmoid(a *x))

GRAD(abs_grad, d *sign(x))
GRAD(sqrt_grad, 0.5f * d / x)
GRAD(exp_grad, d *x)
GRAD(log_grad, d / x)
GRAD(erf_grad, d * 0x1.20dd76p+0f * ig_vexp_nonpositive(-x * x)) /* 2 / sqrt(pi) */
GRAD(tanh_grad, d *(1.0f - x * x))
GRAD(sigmoid_grad, d *x *(1.0f - x))
GRAD(relu_grad, x > 0.0f ? d : 0.0f)
GRAD(leaky_relu_grad, d *(x < 0.0f ? a : 1.0f))
GRAD(clip_grad, ((x < a) | (x > b)) ? 0.0f : d)
GRAD(gelu_grad, d *gelu_slope(x))
GRAD(gelu_tanh_grad, d *gelu_tanh_slope(x))
GRAD(hard_swish_grad, d *hard_swish_slope(x))
GRAD(softplus_grad, d *ig_vsigmoid(x))
GRAD(reciprocal_grad, -d / (x * x))
GRAD(sin_grad, d *cosf(x))
GRAD(cos_grad, -d * sinf(x))
GRAD(tan_grad, d *(1.0f + tanf(x) * tanf(x)))
GRAD(asin_grad, d / sqrtf(1.0f - x * x))
GRAD(acos_grad, -d / sqrtf(1.0f - x * x))
GRAD(atan_grad, d / (1.0f + x * x))
GRAD(sinh_grad, d *coshf(x))
GRAD(cosh_grad, d *sinhf(x))
GRAD(asinh_grad, d / sqrtf(1.0f + x * x))
GRAD(acosh_grad, d / sqrtf(x * x - 1.0f))
GRAD(atanh_grad, d / (1.0f - x * x))
GRAD(elu_grad, d *(x < 0.0f ? a * ig_vexp(x) : 1.0f))
GRAD(celu_grad, d *(x < 0.0f ? ig_vexp(x / a) : 1.0f))
GRAD(selu_grad, d *b *(x < 0.0f ? a * ig_vexp(x) : 1.0f))
GRAD(hard_sigmoid_grad, ((a * x + b > 0.0f) & (a * x + b < 1.0f)) ? d * a : 0.0f)
GRAD(thresholded_relu_grad, x > a ? d : 0.0f)
GRAD(shrink_grad, ((x < -a) | (x > a)) ? d : 0.0f)
GRAD(softsign_grad, d / ((1.0f + fabsf(x)) * (1.0f + fabsf(x))))
GRAD(mish_grad, d *mish_slope(x))
GRAD(swish_grad, d *swish_slope(x, a))

/* `heavy` counts how many cheap elements one element is worth when deciding about threads. */
static const struct {
  unary_loop *loop;
  grad_loop *grad;
  int heavy;
} kinds[IG_UNARY_COUNT] = {
    [IG_UNARY_NEG] = {neg_loop, NULL, 1},
    [IG_UNARY_ABS] = {abs_loop, abs_grad, 1},
    [IG_UNARY_SIGN] = {sign_loop, NULL, 1},
    [IG_UNARY_SQRT] = {sqrt_loop, sqrt_grad, 2},
    [IG_UNARY_EXP] = {exp_loop, exp_grad, 4},
    [IG_UNARY_LOG] = {log_loop, log_grad, 4},
    [IG_UNARY_ERF] = {erf_loop, erf_grad, 6},
    [IG_UNARY_TANH] = {tanh_loop, tanh_grad, 6},
    [IG_UNARY_SIGMOID] = {sigmoid_loop, sigmoid_grad, 4},
    [IG_UNARY_RELU] = {relu_loop, relu_grad, 1},
    [IG_UNARY_LEAKY_RELU] = {leaky_relu_loop, leaky_relu_grad, 1},
    [IG_UNARY_CLIP] = {clip_loop, clip_grad, 1},
    [IG_UNARY_GELU] = {gelu_loop, gelu_grad, 6},
    [IG_UNARY_GELU_TANH] = {gelu_tanh_loop, gelu_tanh_grad, 6},
    [IG_UNARY_HARD_SWISH] = {hard_swish_loop, hard_swish_grad, 1},
    [IG_UNARY_SOFTPLUS] = {softplus_loop, softplus_grad, 6},
    [IG_UNARY_RECIPROCAL] = {reciprocal_loop, reciprocal_grad, 2},
    [IG_UNARY_CEIL] = {ceil_loop, NULL, 1},
    [IG_UNARY_FLOOR] = {floor_loop, NULL, 1},
    [IG_UNARY_ROUND] = {round_loop, NULL, 1},
    [IG_UNARY_SIN] = {sin_loop, sin_grad, 16},
    [IG_UNARY_COS] = {cos_loop, cos_grad, 16},
    [IG_UNARY_TAN] = {tan_loop, tan_grad, 16},
    [IG_UNARY_ASIN] = {asin_loop, asin_grad, 16},
    [IG_UNARY_ACOS] = {acos_loop, acos_grad, 16},
    [IG_UNARY_ATAN] = {atan_loop, atan_grad, 16},
    [IG_UNARY_SINH] = {sinh_loop, sinh_grad, 16},
    [IG_UNARY_COSH] = {cosh_loop, cosh_grad, 16},
    [IG_UNARY_ASINH] = {asinh_loop, asinh_grad, 16},
    [IG_UNARY_ACOSH] = {acosh_loop, acosh_grad, 16},
    [IG_UNARY_ATANH] = {atanh_loop, atanh_grad, 16},
    [IG_UNARY_ELU] = {elu_loop, elu_grad, 12},
    [IG_UNARY_CELU] = {celu_loop, celu_grad, 12},
    [IG_UNARY_SELU] = {selu_loop, selu_grad, 12},
    [IG_UNARY_HARD_SIGMOID] = {hard_sigmoid_loop, hard_sigmoid_grad, 1},
    [IG_UNARY_THRESHOLDED_RELU] = {thresholded_relu_loop, thresholded_relu_grad, 1},
    [IG_UNARY_SHRINK] = {shrink_loop, shrink_grad, 1},
    [IG_UNARY_SOFTSIGN] = {softsign_loop, softsign_grad, 2},
    [IG_UNARY_MISH] = {mish_loop, mish_grad, 6},
    [IG_UNARY_SWISH] = {swish_loop, swish_grad, 4},
};

static const char *at(const void *base, int64_t i, ig_dtype dtype) {
  return (const char *)base + i * (int64_t)ig_dtype_size(dtype);
}

void ig_cpu_unary_vector(ig_unary kind, ig_dtype dtype, const void *x, void *y, int64_t n, float a,
                         float b) {
  unary_loop *loop = kinds[kind].loop;
#pragma omp parallel if (n * kinds[kind].heavy >= IG_PARALLEL_FROM)
  {
    int64_t begin, end;
    ig_thread_share(n, 64, &begin, &end);
    if (dtype == IG_F32) {
      loop((const float *)x + begin, (float *)y + begin, end - begin, a, b);
    } else {
      for (int64_t i = begin; i < end; i += BLOCK) {
        float block[BLOCK];
        int64_t m = IG_MIN(BLOCK, end - i);
        ig_convert(dtype, at(x, i, dtype), IG_F32, block, m);
        loop(block, block, m, a, b);
        ig_convert(IG_F32, block, dtype, (void *)at(y, i, dtype), m);
      }
    }
  }
}

bool ig_unary_grad_reads_result(ig_unary kind) {
  return kind == IG_UNARY_EXP || kind == IG_UNARY_SQRT || kind == IG_UNARY_TANH ||
         kind == IG_UNARY_SIGMOID || kind == IG_UNARY_RELU;
}

void ig_cpu_unary_grad_vector(ig_unary kind, ig_dtype dtype, const void *dy, const void *x,
                              void *dx, int64_t n, float a, float b) {
  grad_loop *loop = kinds[kind].grad;
#pragma omp parallel if (n * kinds[kind].heavy >= IG_PARALLEL_FROM)
  {
    int64_t begin, end;
    ig_thread_share(n, 64, &begin, &end);
    if (dtype == IG_F32) {
      loop((const float *)dy + begin, (const float *)x + begin, (float *)dx + begin, end - begin, a,
           b);
    } else {
      for (int64_t i = begin; i < end; i += BLOCK) {
        float d[BLOCK], block[BLOCK];
        int64_t m = IG_MIN(BLOCK, end - i);
        ig_convert(dtype, at(dy, i, dtype), IG_F32, d, m);
        ig_convert(dtype, at(x, i, dtype), IG_F32, block, m);
        loop(d, block, block, m, a, b);
        ig_convert(IG_F32, block, dtype, (void *)at(dx, i, dtype), m);
      }
    }
  }
}
