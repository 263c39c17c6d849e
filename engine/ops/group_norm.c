/* Shared parts of the operators that normalise groups of channels. */
#include "engine/ops/group_norm.h"

ig_status ig_group_norm_shape(const ig_value *x, int64_t groups, float epsilon,
                              ig_group_norm *out) {
  IG_CHECK(x->shape.rank >= 2 && ig_dtype_is_float(x->dtype), IG_ERR_SHAPE,
           "the input must be floats of rank 2 or more, found %s %s", ig_dtype_name(x->dtype),
           IG_SHAPE_STR(&x->shape));
  int64_t channels = x->shape.dims[1];
  IG_CHECK(groups > 0 && channels % groups == 0, IG_ERR_SHAPE,
           "%lld groups do not divide the %lld channels of %s", (long long)groups,
           (long long)channels, IG_SHAPE_STR(&x->shape));
  *out = (ig_group_norm){.batch = x->shape.dims[0],
                         .groups = groups,
                         .depth = channels / groups,
                         .inner = ig_shape_span(&x->shape, 2, x->shape.rank),
                         .epsilon = (double)epsilon};
  return IG_OK;
}

ig_status ig_group_norm_check(const ig_node *node, const ig_value *x, int i, const char *what) {
  const ig_value *v = node->inputs[i];
  ig_shape channels = IG_SHAPE(x->shape.dims[1]);
  IG_CHECK(v->dtype == x->dtype && ig_shape_equal(&v->shape, &channels), IG_ERR_SHAPE,
           "%s must be %s %s, found %s %s", what, ig_dtype_name(x->dtype), IG_SHAPE_STR(&channels),
           ig_dtype_name(v->dtype), IG_SHAPE_STR(&v->shape));
  return IG_OK;
}

static ig_dtype stats_dtype(const ig_value *x) {
  return x->dtype == IG_F64 ? IG_F64 : IG_F32;
}

ig_status ig_group_norm_infer(ig_node *node, int64_t groups, float epsilon) {
  const ig_value *x = node->inputs[0];
  ig_group_norm norm = {0};
  IG_TRY(ig_group_norm_shape(x, groups, epsilon, &norm));
  IG_TRY(ig_group_norm_check(node, x, 1, "scale"));
  IG_TRY(ig_group_norm_check(node, x, 2, "bias"));
  ig_shape stats = IG_SHAPE(norm.batch, norm.groups);
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  IG_TRY(ig_infer_set(node, 1, stats_dtype(x), &stats));
  return ig_infer_set(node, 2, stats_dtype(x), &stats);
}

void ig_group_norm_grad(const ig_grad *grad, int64_t groups) {
  ig_node *node = grad->node;
  ig_value *invstd = ig_node_output(grad->graph, node, 2);
  if (!invstd || !grad->dy[0]) return;
  ig_node *back =
      ig_graph_node(grad->graph, "ingot.GroupNormalizationGrad", NULL,
                    IG_INS(grad->dy[0], node->inputs[0], node->inputs[1], node->outputs[1], invstd),
                    IG_ATTRS(IG_INT("num_groups", groups)), 3);
  for (int i = 0; back && i < 3; i++) grad->dx[i] = back->outputs[i];
}

ig_status ig_group_norm_run(const ig_call *call, int64_t groups, float epsilon, bool reference) {
  const ig_value *x = call->node->inputs[0];
  ig_group_norm norm = {0};
  IG_TRY(ig_group_norm_shape(x, groups, epsilon, &norm));
  bool stats = call->node->n_outputs > 2;
  ig_group_norm_forward t = {.x = call->in[0],
                             .scale = call->in[1],
                             .bias = call->in[2],
                             .y = call->out[0],
                             .mean = stats ? call->out[1] : NULL,
                             .invstd = stats ? call->out[2] : NULL};
  if (reference) {
    ig_cpu_group_norm_reference(x->dtype, stats_dtype(x), &norm, &t);
  } else {
    ig_cpu_group_norm_f32(&norm, &t);
  }
  return IG_OK;
}

/* Mean 1, variance 3, normalisation 3 an element. */
ig_cost ig_group_norm_cost(const ig_node *node) {
  return (ig_cost){7.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}
