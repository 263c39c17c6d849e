/* DeformConv (Zhu et al., "Deformable ConvNets v2", 2019): a convolution in two dimensions each tap of
 * which is moved by an offset of its own, read bilinearly, and weighted by a mask. */
#include "engine/ops/deform_conv.h"

#include <inttypes.h>
#include <math.h>

#include "engine/base/checked.h"

#define WINDOW_INTS(member)                                                                        \
  {.name = #member, .type = IG_ATTR_INTS, .offset = offsetof(ig_deform_conv_attrs, window.member)}

const ig_attr_field ig_deform_conv_fields[] = {
    WINDOW_INTS(dilations),
    IG_FIELD_INT(ig_deform_conv_attrs, group, 1),
    WINDOW_INTS(kernel_shape),
    IG_FIELD_INT(ig_deform_conv_attrs, offset_group, 1),
    WINDOW_INTS(pads),
    WINDOW_INTS(strides),
    {0},
};

const ig_twin ig_deform_conv_twin = {
    .op = "ingot.DeformConvGrad", .n_in = 5, .n_out = 1, .wrt = 31};

static ig_status check(const ig_node *node, int i, const char *what, const ig_shape *want) {
  const ig_value *v = ig_input_or_null(node, i);
  ig_dtype dtype = node->inputs[0]->dtype;
  IG_CHECK(!v || (v->dtype == dtype && ig_shape_equal(&v->shape, want)), IG_ERR_SHAPE,
           "%s is %s%s, expected %s%s", what, v ? ig_dtype_name(v->dtype) : "",
           v ? IG_SHAPE_STR(&v->shape) : "", ig_dtype_name(dtype), IG_SHAPE_STR(want));
  return IG_OK;
}

ig_status ig_deform_conv_describe(const ig_node *node, ig_deform_conv *out) {
  const ig_deform_conv_attrs *a = IG_ATTRS_OF(ig_deform_conv_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
  ig_window_attrs window = a->window;
  int64_t extent[2], samples;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->rank == 4 && w->rank == 4, IG_ERR_UNSUPPORTED,
           "expected an input [N, C, H, W] and a filter of four dimensions, found %s and %s",
           IG_SHAPE_STR(x), IG_SHAPE_STR(w));
  IG_CHECK(a->group >= 1 && a->offset_group >= 1 && x->dims[1] % a->group == 0 &&
               x->dims[1] % a->offset_group == 0 && w->dims[0] % a->group == 0 &&
               w->dims[1] == x->dims[1] / a->group,
           IG_ERR_SHAPE,
           "an input of %" PRId64 " channels in %" PRId64 " groups (%" PRId64
           " of offsets) does not fit the filter %s",
           x->dims[1], a->group, a->offset_group, IG_SHAPE_STR(w));
  window.auto_pad = "NOTSET";
  IG_TRY(ig_window_read(&window, 2, w->dims + 2, &out->window));
  IG_TRY(ig_window_slide(&window, &out->window, x->dims + 2, false, extent));
  out->group = a->group;
  out->offset_group = a->offset_group;
  for (int i = 0; i < 4; i++) out->src[i] = x->dims[i];
  out->dst[0] = x->dims[0];
  out->dst[1] = w->dims[0];
  out->dst[2] = extent[0];
  out->dst[3] = extent[1];
  IG_CHECK(ig_mul_dim(w->dims[2], w->dims[3], &out->taps) &&
               ig_mul_dim(out->taps, a->offset_group, &samples) && samples <= INT32_MAX,
           IG_ERR_SHAPE, "the filter %s is too large", IG_SHAPE_STR(w));
  ig_shape offset = IG_SHAPE(x->dims[0], 2 * samples, extent[0], extent[1]);
  ig_shape mask = IG_SHAPE(x->dims[0], samples, extent[0], extent[1]), bias = IG_SHAPE(w->dims[0]);
  IG_TRY(check(node, 1, "W", w));
  IG_TRY(check(node, 2, "offset", &offset));
  IG_TRY(check(node, 3, "B", &bias));
  return check(node, 4, "mask", &mask);
}

ig_deform_sample ig_deform_sample_of(const ig_deform_conv *s, const ig_doubles *d, int64_t n,
                                     int64_t g, int64_t k, int64_t p) {
  const ig_window *w = &s->window;
  int64_t area = s->dst[2] * s->dst[3], entry = (n * s->offset_group + g) * s->taps + k;
  ig_deform_sample out = {.dy_index = 2 * entry * area + p, .mask_index = entry * area + p};
  const int64_t at[2] = {p / s->dst[3], p % s->dst[3]};
  const int64_t tap[2] = {k / w->kernel[2], k % w->kernel[2]};
  double part[2];
  int64_t low[2];
  for (int i = 0; i < 2; i++) {
    double x = (double)(at[i] * w->stride[1 + i] - w->begin[1 + i] + tap[i] * w->dilation[1 + i]) +
               d->in[2][out.dy_index + i * area];
    x = isfinite(x) ? fmax(-0x1p40, fmin(x, 0x1p40)) : -0x1p40;
    low[i] = (int64_t)floor(x);
    part[i] = x - floor(x);
  }
  out.mask = d->in[4] ? d->in[4][out.mask_index] : 1;
  for (int i = 0; i < 4; i++) {
    bool below = i & 2, right = i & 1;
    int64_t h = low[0] + below, v = low[1] + right;
    bool inside = h >= 0 && h < s->src[2] && v >= 0 && v < s->src[3];
    double across = right ? part[1] : 1 - part[1], down = below ? part[0] : 1 - part[0];
    out.offset[i] = inside ? h * s->src[3] + v : -1;
    out.weight[i] = down * across;
    out.slope[i][0] = (below ? 1 : -1) * across;
    out.slope[i][1] = (right ? 1 : -1) * down;
  }
  return out;
}

static ig_status infer(ig_node *node) {
  ig_deform_conv s;
  IG_TRY(ig_deform_conv_describe(node, &s));
  ig_shape y = ig_shape_of(4, s.dst);
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_deform_conv_twin, g);
}

/* All results of batch entry n at position p. */
static void position(const ig_deform_conv *s, const ig_doubles *d, int64_t n, int64_t p) {
  int64_t per_group = s->src[1] / s->group, out_group = s->dst[1] / s->group;
  int64_t area = s->dst[2] * s->dst[3], src_area = s->src[2] * s->src[3];
  double *y = d->out[0] + n * s->dst[1] * area + p;
  for (int64_t c = 0; c < s->src[1]; c++) {
    const double *x = d->in[0] + (n * s->src[1] + c) * src_area;
    for (int64_t k = 0; k < s->taps; k++) {
      ig_deform_sample at =
          ig_deform_sample_of(s, d, n, c / (s->src[1] / s->offset_group), k, p);
      double value = 0;
      for (int i = 0; i < 4; i++) value += at.offset[i] < 0 ? 0 : at.weight[i] * x[at.offset[i]];
      for (int64_t o = 0; o < out_group; o++) {
        int64_t oc = c / per_group * out_group + o;
        y[oc * area] += value * at.mask * d->in[1][(oc * per_group + c % per_group) * s->taps + k];
      }
    }
  }
  for (int64_t oc = 0; oc < s->dst[1] && d->in[3]; oc++) y[oc * area] += d->in[3][oc];
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  ig_deform_conv s;
  IG_TRY(ig_deform_conv_describe(node, &s));
  int64_t area = s.dst[2] * s.dst[3];
  for (int64_t p = 0; p < s.dst[0] * area; p++) position(&s, d, p / area, p % area);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  double window = (double)ig_shape_span(&node->inputs[1]->shape, 1, 4);
  return (ig_cost){2.0 * (double)ig_value_count(node->outputs[0]) * window,
                   ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_deform_conv = {
    .name = "DeformConv",
    .since = 19,
    .n_in = {3, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_deform_conv_fields,
    .attrs_size = sizeof(ig_deform_conv_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
