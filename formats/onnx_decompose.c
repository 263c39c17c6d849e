/* Operators of newer opsets as formulas of older ones. Formulas hold at any shape; what they need to know of
 * an operand (its type, sometimes its rank) is in ig_onnx_known. */
#include <math.h>
#include <string.h>

#include "formats/onnx_export_parts.h"

static float float_of(const ig_onnx_out *out, const char *name, float fallback) {
  const ig_attr *a = ig_onnx_find_attr(out, name);
  return a && a->type == IG_ATTR_FLOAT ? a->f : fallback;
}

static int64_t int_of(const ig_onnx_out *out, const char *name, int64_t fallback) {
  const ig_attr *a = ig_onnx_find_attr(out, name);
  return a && a->type == IG_ATTR_INT ? a->i : fallback;
}

static bool is_given(const ig_onnx_out *out, int input) {
  return input < out->n_in && *out->in[input].name;
}

/* Of what an operator computes from an operand, the type is the operand's. */
static ig_onnx_arg binary(ig_onnx_out *out, const char *op, ig_onnx_arg a, ig_onnx_arg b) {
  ig_onnx_arg y = ig_onnx_new(out, op, IG_ARGS(a, b), IG_NO_ATTRS);
  y.known.dtype = a.known.dtype;
  return y;
}

static ig_onnx_arg unary(ig_onnx_out *out, const char *op, ig_onnx_arg a) {
  ig_onnx_arg y = ig_onnx_new(out, op, IG_ARGS(a), IG_NO_ATTRS);
  y.known.dtype = a.known.dtype;
  return y;
}

static ig_onnx_arg times(ig_onnx_out *out, ig_onnx_arg a, double factor) {
  return binary(out, "Mul", a, ig_onnx_scalar(out, &a, factor));
}

static ig_onnx_arg plus(ig_onnx_out *out, ig_onnx_arg a, double term) {
  return binary(out, "Add", a, ig_onnx_scalar(out, &a, term));
}

/* --- activations ------------------------------------------------------------------------------- */

/* x/2 (1 + erf(x / sqrt 2)), or with tanh(sqrt(2/pi) (x + 0.044715 x^3)): Hendrycks and Gimpel 2016. */
void ig_onnx_lower_gelu(ig_onnx_out *out) {
  const ig_attr *form = ig_onnx_find_attr(out, "approximate");
  ig_onnx_arg x = out->in[0], inner;
  if (form && strcmp(form->s, "tanh") == 0) {
    ig_onnx_arg cube = binary(out, "Mul", binary(out, "Mul", x, x), x);
    inner = binary(out, "Add", x, times(out, cube, 0.044715));
    inner = unary(out, "Tanh", times(out, inner, sqrt(2 / 3.14159265358979323846)));
  } else {
    inner = unary(out, "Erf", times(out, x, sqrt(0.5)));
  }
  ig_onnx_give(out, 0, "Mul", IG_ARGS(times(out, x, 0.5), plus(out, inner, 1)), IG_NO_ATTRS);
}

void ig_onnx_lower_hard_swish(ig_onnx_out *out) {
  ig_onnx_arg gate = ig_onnx_new(out, "HardSigmoid", IG_ARGS(out->in[0]),
                                 IG_ATTRS(IG_FLOAT("alpha", 1.0F / 6), IG_FLOAT("beta", 0.5F)));
  ig_onnx_give(out, 0, "Mul", IG_ARGS(out->in[0], gate), IG_NO_ATTRS);
}

void ig_onnx_lower_mish(ig_onnx_out *out) {
  ig_onnx_arg gate = unary(out, "Tanh", unary(out, "Softplus", out->in[0]));
  ig_onnx_give(out, 0, "Mul", IG_ARGS(out->in[0], gate), IG_NO_ATTRS);
}

void ig_onnx_lower_swish(ig_onnx_out *out) {
  float alpha = float_of(out, "alpha", 1);
  ig_onnx_arg x = out->in[0];
  ig_onnx_arg gate = unary(out, "Sigmoid", alpha == 1 ? x : times(out, x, alpha));
  ig_onnx_give(out, 0, "Mul", IG_ARGS(x, gate), IG_NO_ATTRS);
}

/* --- normalisations ---------------------------------------------------------------------------- */

/* Dimensions from `axis` to the last, counted from behind; false (and a problem) when `axis` counts from
 * before and the rank is not known. */
static bool trailing_axes(ig_onnx_out *out, int64_t *axes, int *n) {
  int64_t axis = int_of(out, "axis", -1);
  int rank = out->in[0].known.rank;
  if (axis >= 0 && rank >= 0) axis -= rank;
  *n = (int)-axis;
  if (axis >= 0 || axis < -IG_MAX_RANK) {
    ig_onnx_problem(out, "the rank of its input must be known for an opset this old");
    out->done = true;
    return false;
  }
  for (int i = 0; i < *n; i++) axes[i] = i - *n;
  return true;
}

static ig_onnx_arg mean_over(ig_onnx_out *out, ig_onnx_arg x, int n, const int64_t *axes) {
  ig_onnx_arg y = ig_onnx_new(out, "ReduceMean", IG_ARGS(x, ig_onnx_i64s(out, n, axes)), IG_NO_ATTRS);
  y.known.dtype = x.known.dtype;
  return y;
}

/* Statistics are taken in f32 where stash_type says so (it does unless told otherwise). */
static ig_onnx_arg widened(ig_onnx_out *out, ig_onnx_arg x) {
  bool narrow = x.known.dtype == IG_F16 || x.known.dtype == IG_BF16;
  if (!narrow || int_of(out, "stash_type", 1) != 1) return x;
  ig_onnx_arg y =
      ig_onnx_new(out, "Cast", IG_ARGS(x), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  y.known.dtype = IG_F32;
  return y;
}

static ig_onnx_arg narrowed(ig_onnx_out *out, ig_onnx_arg y, const ig_onnx_arg *as) {
  if (y.known.dtype == as->known.dtype) return y;
  ig_onnx_arg z = ig_onnx_new(out, "Cast", IG_ARGS(y),
                              IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(as->known.dtype))));
  z.known.dtype = as->known.dtype;
  return z;
}

/* 1 / sqrt(mean of squares + epsilon). */
static ig_onnx_arg inverse_deviation(ig_onnx_out *out, ig_onnx_arg x, int n, const int64_t *axes) {
  ig_onnx_arg squares = mean_over(out, binary(out, "Mul", x, x), n, axes);
  squares = plus(out, squares, float_of(out, "epsilon", 1e-5F));
  return unary(out, "Reciprocal", unary(out, "Sqrt", squares));
}

/* y * scale (+ bias) as output 0. */
static void give_scaled(ig_onnx_out *out, ig_onnx_arg y, ig_onnx_arg scale, const ig_onnx_arg *bias) {
  if (bias) {
    ig_onnx_give(out, 0, "Add", IG_ARGS(binary(out, "Mul", y, scale), *bias), IG_NO_ATTRS);
  } else {
    ig_onnx_give(out, 0, "Mul", IG_ARGS(y, scale), IG_NO_ATTRS);
  }
}

/* Ba, Kiros and Hinton 2016. */
void ig_onnx_lower_layer_normalization(ig_onnx_out *out) {
  int64_t axes[IG_MAX_RANK];
  int n;
  if (!trailing_axes(out, axes, &n)) return;
  ig_onnx_arg x = widened(out, out->in[0]), mean = mean_over(out, x, n, axes);
  ig_onnx_arg centered = binary(out, "Sub", x, mean);
  ig_onnx_arg inverse = inverse_deviation(out, centered, n, axes);
  ig_onnx_arg y = narrowed(out, binary(out, "Mul", centered, inverse), &out->in[0]);
  give_scaled(out, y, out->in[1], is_given(out, 2) ? &out->in[2] : NULL);
  ig_onnx_give(out, 1, "Identity", IG_ARGS(mean), IG_NO_ATTRS);
  ig_onnx_give(out, 2, "Identity", IG_ARGS(inverse), IG_NO_ATTRS);
}

/* Zhang and Sennrich 2019. */
void ig_onnx_lower_rms_normalization(ig_onnx_out *out) {
  int64_t axes[IG_MAX_RANK];
  int n;
  if (!trailing_axes(out, axes, &n)) return;
  ig_onnx_arg x = widened(out, out->in[0]);
  ig_onnx_arg y = binary(out, "Mul", x, inverse_deviation(out, x, n, axes));
  give_scaled(out, narrowed(out, y, &out->in[0]), out->in[1], NULL);
}

static ig_onnx_arg reshaped(ig_onnx_out *out, ig_onnx_arg x, int n, const int64_t *dims) {
  ig_onnx_arg y = ig_onnx_new(out, "Reshape", IG_ARGS(x, ig_onnx_i64s(out, n, dims)), IG_NO_ATTRS);
  y.known.dtype = x.known.dtype;
  return y;
}

/* Wu and He 2018: [N, C, ...] by groups of channels, as [N, groups, -1]; scaled as [N, C, -1]. */
void ig_onnx_lower_group_normalization(ig_onnx_out *out) {
  const int64_t by_group[] = {0, int_of(out, "num_groups", 1), -1}, by_channel[] = {0, 0, -1};
  const int64_t last[] = {-1}, column[] = {-1, 1};
  ig_onnx_arg x = out->in[0], shape = ig_onnx_new(out, "Shape", IG_ARGS(x), IG_NO_ATTRS);
  ig_onnx_arg y = reshaped(out, widened(out, x), 3, by_group);
  y = binary(out, "Sub", y, mean_over(out, y, 1, last));
  y = narrowed(out, binary(out, "Mul", y, inverse_deviation(out, y, 1, last)), &x);
  y = ig_onnx_new(out, "Reshape", IG_ARGS(y, shape), IG_NO_ATTRS);
  y.known.dtype = x.known.dtype;
  y = reshaped(out, y, 3, by_channel);
  y = binary(out, "Mul", y, reshaped(out, out->in[1], 2, column));
  y = binary(out, "Add", y, reshaped(out, out->in[2], 2, column));
  ig_onnx_give(out, 0, "Reshape", IG_ARGS(y, shape), IG_NO_ATTRS);
}
