/* The maps of a resize. Coordinates, neighbours and weights are those of the ONNX specification
 * (Resize, opset 19). */
#include <math.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/resize.h"

/* Filters wider than this are refused: shrinking by more than about 500 with antialiasing. */
#define MOST_TAPS 2048

static bool is(const char *text, const char *name) {
  return strcmp(text, name) == 0;
}

/* --- what the node says ------------------------------------------------------------------------- */

static ig_status check_words(const ig_resize_attrs *a) {
  static const char *const transforms[] = {"half_pixel",         "half_pixel_symmetric",
                                           "pytorch_half_pixel", "align_corners",
                                           "asymmetric",         "tf_crop_and_resize"};
  static const char *const modes[] = {"nearest", "linear", "cubic"};
  static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  static const char *const policies[] = {"stretch", "not_larger", "not_smaller"};
  const struct {
    const char *name, *value;
    const char *const *words;
    int n;
  } checks[] = {
      {"coordinate_transformation_mode", a->coordinate_transformation_mode, transforms,
       IG_COUNT(transforms)},
      {"mode", a->mode, modes, IG_COUNT(modes)},
      {"nearest_mode", a->nearest_mode, nearest, IG_COUNT(nearest)},
      {"keep_aspect_ratio_policy", a->keep_aspect_ratio_policy, policies, IG_COUNT(policies)},
  };
  for (int i = 0; i < IG_COUNT(checks); i++) {
    bool known = false;
    for (int k = 0; k < checks[i].n; k++) known |= is(checks[i].value, checks[i].words[k]);
    IG_CHECK(known, IG_ERR_INPUT, "%s has no value '%s'", checks[i].name, checks[i].value);
  }
  return IG_OK;
}

/* Input `i` when it is there and not empty. */
static const ig_value *given(const ig_node *node, int i) {
  const ig_value *v = i < node->n_inputs ? node->inputs[i] : NULL;
  return v && ig_value_count(v) > 0 ? v : NULL;
}

static ig_status floats_of(const ig_value *v, const char *what, int count, double *out) {
  IG_CHECK(ig_value_is_const(v), IG_ERR_UNSUPPORTED, "%s must be known before running", what);
  IG_CHECK(ig_dtype_is_float(v->dtype) && ig_value_count(v) == count, IG_ERR_SHAPE,
           "%s must be %d floats, found %s %s", what, count, ig_dtype_name(v->dtype),
           IG_SHAPE_STR(&v->shape));
  for (int i = 0; i < count; i++) out[i] = ig_load_f64(v->dtype, v->data, i);
  return IG_OK;
}

static ig_status set_dim(ig_resize *r, int d, double size) {
  IG_CHECK(size >= 0 && size < 0x1p31, IG_ERR_SHAPE, "dimension %d would have %g elements", d,
           size);
  r->out.dims[d] = (int64_t)size;
  IG_CHECK(r->in.dims[d] > 0 || r->out.dims[d] == 0, IG_ERR_SHAPE,
           "dimension %d of %s is empty and cannot grow", d, IG_SHAPE_STR(&r->in));
  return IG_OK;
}

static ig_status by_sizes(ig_resize *r, const ig_value *sizes, int n, const int *axes) {
  int64_t wanted[IG_MAX_RANK];
  int count;
  IG_TRY(ig_value_const_ints(sizes, "sizes", IG_MAX_RANK, wanted, &count));
  IG_CHECK(count == n, IG_ERR_SHAPE, "%d sizes for %d axes", count, n);
  const char *policy = r->attrs->keep_aspect_ratio_policy;
  double common = is(policy, "not_larger") ? INFINITY : 0;
  for (int k = 0; k < n; k++) {
    int d = axes[k];
    r->scale[d] = (double)wanted[k] / (double)r->in.dims[d];
    common = is(policy, "not_larger") ? fmin(common, r->scale[d]) : fmax(common, r->scale[d]);
    r->length[d] = (double)wanted[k];
    IG_TRY(set_dim(r, d, r->length[d]));
  }
  for (int k = 0; k < n && !is(policy, "stretch"); k++) {
    r->scale[axes[k]] = common;
    r->length[axes[k]] = common * (double)r->in.dims[axes[k]];
    IG_TRY(set_dim(r, axes[k], floor(r->length[axes[k]] + 0.5)));
  }
  return IG_OK;
}

static ig_status by_scales(ig_resize *r, const ig_value *scales, int n, const int *axes) {
  double wanted[IG_MAX_RANK];
  IG_TRY(floats_of(scales, "scales", n, wanted));
  for (int k = 0; k < n; k++) {
    IG_CHECK(wanted[k] > 0 && isfinite(wanted[k]), IG_ERR_SHAPE, "scale %d is %g", k, wanted[k]);
    r->scale[axes[k]] = wanted[k];
    r->length[axes[k]] = (double)r->in.dims[axes[k]] * wanted[k];
    IG_TRY(set_dim(r, axes[k], floor(r->length[axes[k]])));
  }
  return IG_OK;
}

/* Intermediate tensors have the larger size of each dimension. */
static ig_status check_largest(const ig_resize *r) {
  ig_shape largest = r->in;
  for (int d = 0; d < r->in.rank; d++) largest.dims[d] = IG_MAX(r->in.dims[d], r->out.dims[d]);
  return ig_shape_check(&largest, IG_F64);
}

ig_status ig_resize_of(const ig_node *node, const ig_shape *in, ig_resize *out) {
  *out = (ig_resize){.attrs = IG_ATTRS_OF(ig_resize_attrs, node), .in = *in, .out = *in};
  IG_TRY(check_words(out->attrs));
  ig_ints named = out->attrs->axes;
  int axes[IG_MAX_RANK], n = named.n ? named.n : in->rank;
  bool seen[IG_MAX_RANK] = {false};
  IG_CHECK(n <= in->rank, IG_ERR_SHAPE, "%d axes for %s", n, IG_SHAPE_STR(in));
  for (int k = 0; k < n; k++) {
    axes[k] = named.n ? ig_shape_axis(in, named.v[k]) : k;
    IG_CHECK(axes[k] >= 0 && !seen[axes[k]], IG_ERR_SHAPE, "axis %lld does not fit %s",
             (long long)named.v[k], IG_SHAPE_STR(in));
    seen[axes[k]] = true;
  }
  for (int d = 0; d < in->rank; d++) {
    out->scale[d] = out->to[d] = 1;
    out->from[d] = 0;
    out->length[d] = (double)in->dims[d];
  }
  const ig_value *roi = given(node, 1), *scales = given(node, 2), *sizes = given(node, 3);
  IG_CHECK(!scales != !sizes, IG_ERR_SHAPE, "either scales or sizes must be given");
  IG_TRY(sizes ? by_sizes(out, sizes, n, axes) : by_scales(out, scales, n, axes));
  IG_TRY(check_largest(out));
  if (!is(out->attrs->coordinate_transformation_mode, "tf_crop_and_resize")) return IG_OK;
  double region[2 * IG_MAX_RANK];
  IG_CHECK(roi, IG_ERR_SHAPE, "tf_crop_and_resize needs a region of interest");
  IG_TRY(floats_of(roi, "roi", 2 * n, region));
  for (int k = 0; k < n; k++) {
    out->from[axes[k]] = region[k];
    out->to[axes[k]] = region[n + k];
  }
  return IG_OK;
}

ig_status ig_resize_of_node(const ig_node *node, bool grad, ig_resize *out) {
  if (!grad) return ig_resize_of(node, &node->inputs[0]->shape, out);
  ig_ints shape = IG_ATTRS_OF(ig_resize_attrs, node)->shape;
  IG_CHECK(shape.n <= IG_MAX_RANK, IG_ERR_SHAPE, "rank %d is beyond %d", shape.n, IG_MAX_RANK);
  ig_shape in = ig_shape_of(shape.n, shape.v);
  IG_TRY(ig_shape_check(&in, node->inputs[0]->dtype));
  return ig_resize_of(node, &in, out);
}

/* --- coordinates and weights -------------------------------------------------------------------- */

static double source_of(const ig_resize *r, int d, int64_t i) {
  const char *mode = r->attrs->coordinate_transformation_mode;
  double in = (double)r->in.dims[d], out = r->length[d], x = (double)i;
  double half_pixel = (x + 0.5) / r->scale[d] - 0.5;
  if (is(mode, "half_pixel_symmetric")) {
    double adjustment = (double)r->out.dims[d] / out;
    return in / 2 * (1 - adjustment) + half_pixel;
  }
  if (is(mode, "pytorch_half_pixel")) return out == 1 ? 0 : half_pixel;
  if (is(mode, "align_corners")) return out == 1 ? 0 : x * (in - 1) / (out - 1);
  if (is(mode, "asymmetric")) return x / r->scale[d];
  if (is(mode, "tf_crop_and_resize")) {
    double from = r->from[d], to = r->to[d];
    return out == 1 ? 0.5 * (from + to) * (in - 1)
                    : from * (in - 1) + x * (to - from) * (in - 1) / (out - 1);
  }
  return half_pixel;
}

static double nearest_of(const char *mode, double x) {
  if (is(mode, "round_prefer_ceil")) return floor(x + 0.5);
  if (is(mode, "floor")) return floor(x);
  if (is(mode, "ceil")) return ceil(x);
  return ceil(x - 0.5);
}

/* Weight at distance `x` of the linear and the cubic filter (Keys 1981, with coefficient a). */
static double filter(const ig_resize_attrs *attrs, double x) {
  x = fabs(x);
  if (is(attrs->mode, "linear")) return x < 1 ? 1 - x : 0;
  double a = (double)attrs->cubic_coeff_a;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Neighbours left of a coordinate that its filter reaches; as many lie right of it. */
static int64_t reach_of(const ig_resize *r, int d) {
  if (is(r->attrs->mode, "nearest")) return 0;
  double width = is(r->attrs->mode, "linear") ? 1 : 2;
  if (!r->attrs->antialias) return (int64_t)width;
  return -(int64_t)fmax(floor(-width / fmin(r->scale[d], 1)) + 1, -MOST_TAPS) + 1;
}

int64_t ig_resize_taps(const ig_resize *r, int d) {
  int64_t reach = reach_of(r, d);
  return reach ? 2 * reach : 1;
}

static int64_t clamp_index(double i, int64_t n) {
  return i < 0 ? 0 : i > (double)(n - 1) ? n - 1 : (int64_t)i;
}

static void fill_taps(const ig_resize *r, int d, double x, int64_t *index, double *weight) {
  const ig_resize_attrs *attrs = r->attrs;
  int64_t in = r->in.dims[d], taps = ig_resize_taps(r, d);
  bool cropping = is(attrs->coordinate_transformation_mode, "tf_crop_and_resize");
  if (cropping && !(x >= 0 && x <= (double)(in - 1))) {
    for (int64_t t = 0; t < taps; t++) index[t] = -1;
    return;
  }
  if (taps == 1) {
    index[0] = clamp_index(nearest_of(attrs->nearest_mode, x), in);
    weight[0] = 1;
    return;
  }
  double shrink = attrs->antialias ? fmin(r->scale[d], 1) : 1;
  double first = floor(x) - (double)(taps / 2 - 1), sum = 0;
  for (int64_t t = 0; t < taps; t++) {
    double at = first + (double)t;
    bool outside = at < 0 || at >= (double)in;
    index[t] = clamp_index(at, in);
    weight[t] = outside && attrs->exclude_outside ? 0 : filter(attrs, (at - x) * shrink);
    sum += weight[t];
  }
  for (int64_t t = 0; t < taps; t++) weight[t] /= sum;
}

/* --- running ------------------------------------------------------------------------------------ */

bool ig_resize_changes(const ig_resize *r, int d) {
  bool cropping = is(r->attrs->coordinate_transformation_mode, "tf_crop_and_resize");
  return r->in.dims[d] != r->out.dims[d] || r->scale[d] != 1 ||
         (cropping && (r->from[d] != 0 || r->to[d] != 1));
}

static int64_t largest_table(const ig_resize *r) {
  int64_t most = 0;
  for (int d = 0; d < r->in.rank; d++) most = IG_MAX(most, r->out.dims[d] * ig_resize_taps(r, d));
  return most;
}

/* Elements of the largest tensor on the way: every dimension at its larger size. */
static int64_t largest_tensor(const ig_resize *r) {
  int64_t count = 1;
  for (int d = 0; d < r->in.rank; d++) count *= IG_MAX(r->in.dims[d], r->out.dims[d]);
  return count;
}

static size_t table_bytes(const ig_resize *r) {
  return ((size_t)largest_table(r) * (sizeof(int64_t) + sizeof(double)) + 63) / 64 * 64;
}

size_t ig_resize_workspace(const ig_resize *r, size_t size) {
  return table_bytes(r) + 2 * (((size_t)largest_tensor(r) * size + 63) / 64 * 64);
}

void ig_resize_fill(const ig_resize *r, int d, int64_t *index, double *weight) {
  int64_t taps = ig_resize_taps(r, d);
  for (int64_t j = 0; j < r->out.dims[d]; j++)
    fill_taps(r, d, source_of(r, d, j), index + j * taps, weight + j * taps);
}

static ig_resample axis_of(const ig_resize *r, int d, void *tables) {
  int64_t taps = ig_resize_taps(r, d), out = r->out.dims[d];
  int64_t *index = tables;
  double *weight = (double *)(void *)(index + out * taps);
  ig_resize_fill(r, d, index, weight);
  return (ig_resample){.in = r->in.dims[d],
                       .out = out,
                       .taps = taps,
                       .index = index,
                       .weight = weight,
                       .outside = (double)r->attrs->extrapolation_value};
}

static void run_axis(const ig_resample *axis, ig_dtype dtype, bool transposed, int64_t outer,
                     int64_t inner, const void *x, void *y) {
  if (dtype == IG_F32) {
    (transposed ? ig_cpu_resample_grad_f32 : ig_cpu_resample_f32)(axis, outer, inner, x, y);
  } else {
    (transposed ? ig_cpu_resample_grad_f64 : ig_cpu_resample_f64)(axis, outer, inner, x, y);
  }
}

void ig_resize_run(const ig_resize *r, ig_dtype dtype, bool transposed, const void *x, void *y,
                   void *workspace) {
  ig_dtype inside = dtype == IG_F32 ? IG_F32 : IG_F64;
  size_t half = ((size_t)largest_tensor(r) * ig_dtype_size(inside) + 63) / 64 * 64;
  char *rooms[2] = {(char *)workspace + table_bytes(r), (char *)workspace + table_bytes(r) + half};
  ig_shape shape = transposed ? r->out : r->in;
  const ig_shape *goal = transposed ? &r->in : &r->out;
  const void *now = x;
  int room = 0;
  if (inside != dtype) {
    ig_convert(dtype, x, inside, rooms[0], ig_shape_count(&shape));
    now = rooms[0];
    room = 1;
  }
  int left = 0;
  for (int d = 0; d < shape.rank; d++) left += ig_resize_changes(r, d);
  if (ig_shape_count(goal) == 0) return;
  for (int k = 0; k < shape.rank; k++) {
    int d = transposed ? shape.rank - 1 - k : k;
    if (!ig_resize_changes(r, d)) continue;
    void *to = --left == 0 && inside == dtype ? y : rooms[room];
    ig_resample axis = axis_of(r, d, workspace);
    int64_t outer = ig_shape_span(&shape, 0, d), inner = ig_shape_span(&shape, d + 1, shape.rank);
    run_axis(&axis, inside, transposed, outer, inner, now, to);
    now = to;
    room = 1 - room;
    shape.dims[d] = goal->dims[d];
  }
  if (now != y) ig_convert(inside, now, dtype, y, ig_shape_count(goal));
}
