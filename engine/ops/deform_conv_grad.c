/* ingot.DeformConvGrad: gradients of input, filter, offsets, bias and mask. */
#include "engine/ops/deform_conv.h"

static ig_status infer(ig_node *node) {
  ig_deform_conv s;
  IG_TRY(ig_deform_conv_describe(node, &s));
  ig_shape y = ig_shape_of(4, s.dst);
  return ig_twin_infer(&ig_deform_conv_twin, node, &y);
}

typedef struct gradients {
  const double *dy;
  double *dx, *dw, *doffset, *dbias, *dmask;
} gradients;

static void position(const ig_deform_conv *s, const ig_doubles *d, const gradients *g, int64_t n,
                     int64_t p) {
  int64_t per_group = s->src[1] / s->group, out_group = s->dst[1] / s->group;
  int64_t area = s->dst[2] * s->dst[3], src_area = s->src[2] * s->src[3];
  const double *dy = g->dy + n * s->dst[1] * area + p;
  for (int64_t c = 0; c < s->src[1]; c++) {
    int64_t plane = (n * s->src[1] + c) * src_area;
    for (int64_t k = 0; k < s->taps; k++) {
      ig_deform_sample at =
          ig_deform_sample_of(s, d, n, c / (s->src[1] / s->offset_group), k, p);
      double value = 0, back = 0, slope[2] = {0, 0};
      for (int i = 0; i < 4; i++) {
        double x = at.offset[i] < 0 ? 0 : d->in[0][plane + at.offset[i]];
        value += at.weight[i] * x;
        slope[0] += at.slope[i][0] * x;
        slope[1] += at.slope[i][1] * x;
      }
      for (int64_t o = 0; o < out_group; o++) {
        int64_t oc = c / per_group * out_group + o;
        int64_t weight = (oc * per_group + c % per_group) * s->taps + k;
        back += dy[oc * area] * d->in[1][weight];
        g->dw[weight] += dy[oc * area] * value * at.mask;
      }
      for (int i = 0; i < 4; i++) {
        if (at.offset[i] >= 0) g->dx[plane + at.offset[i]] += back * at.mask * at.weight[i];
      }
      g->doffset[at.dy_index] += back * at.mask * slope[0];
      g->doffset[at.dy_index + area] += back * at.mask * slope[1];
      if (g->dmask) g->dmask[at.mask_index] += back * value;
    }
  }
  for (int64_t oc = 0; oc < s->dst[1] && g->dbias; oc++) g->dbias[oc] += dy[oc * area];
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  const ig_twin *twin = &ig_deform_conv_twin;
  ig_deform_conv s;
  IG_TRY(ig_deform_conv_describe(node, &s));
  gradients g = {d->in[5],
                 ig_twin_out(twin, node, d, 0),
                 ig_twin_out(twin, node, d, 1),
                 ig_twin_out(twin, node, d, 2),
                 ig_twin_out(twin, node, d, 3),
                 ig_twin_out(twin, node, d, 4)};
  int64_t area = s.dst[2] * s.dst[3];
  for (int64_t p = 0; p < s.dst[0] * area; p++) position(&s, d, &g, p / area, p % area);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  double window = (double)ig_shape_span(&node->inputs[1]->shape, 1, 4);
  return (ig_cost){6.0 * (double)ig_value_count(node->inputs[5]) * window, ig_cost_copy(node).bytes};
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_deform_conv_grad = {
    .name = "ingot.DeformConvGrad",
    .n_in = {3, 6},
    .n_out = {3, 5},
    .flags = IG_OP_PURE,
    .attrs = ig_deform_conv_fields,
    .attrs_size = sizeof(ig_deform_conv_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
