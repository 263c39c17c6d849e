/* Shared parts of the optimizer operators. */
#include "engine/ops/update.h"

#include <math.h>

static ig_status check_scalar(const ig_node *node, int i, const char *what) {
  const ig_value *v = node->inputs[i];
  IG_CHECK(!v || (v->dtype == IG_F32 && ig_value_count(v) == 1), IG_ERR_SHAPE,
           "%s must be one f32, found %s %s", what, ig_dtype_name(v ? v->dtype : IG_NONE),
           v ? IG_SHAPE_STR(&v->shape) : "");
  return IG_OK;
}

ig_status ig_update_infer(ig_node *node, int least_moments, int most_moments) {
  int moments = node->n_inputs - IG_UPDATE_MOMENT;
  IG_CHECK(moments >= least_moments && moments <= most_moments, IG_ERR_SHAPE,
           "takes %d to %d moments, found %d", least_moments, most_moments, moments);
  IG_CHECK(node->n_outputs == moments + 1, IG_ERR_SHAPE, "has %d outputs, found %d", moments + 1,
           node->n_outputs);
  IG_TRY(check_scalar(node, IG_UPDATE_LR, "lr"));
  IG_TRY(check_scalar(node, IG_UPDATE_STEP, "step"));
  IG_TRY(check_scalar(node, IG_UPDATE_SCALE, "scale"));
  const ig_value *param = node->inputs[IG_UPDATE_PARAM];
  for (int i = IG_UPDATE_PARAM; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(v && v->dtype == IG_F32 && ig_shape_equal(&v->shape, &param->shape), IG_ERR_SHAPE,
             "input %d must be f32 like the parameter, found %s %s", i,
             ig_dtype_name(v ? v->dtype : IG_NONE), v ? IG_SHAPE_STR(&v->shape) : "nothing");
  }
  for (int i = 0; i < node->n_outputs; i++) IG_TRY(ig_infer_set(node, i, IG_F32, &param->shape));
  return IG_OK;
}

int ig_update_inplace(const ig_node *node, int output) {
  int input = output == 0 ? IG_UPDATE_PARAM : IG_UPDATE_MOMENT + output - 1;
  return input < node->n_inputs ? input : -1;
}

double ig_update_beta(float attribute) {
  return round((double)attribute * 1e7) / 1e7;
}

ig_update ig_update_of(const ig_call *call) {
  const float *scale = call->in[IG_UPDATE_SCALE];
  return (ig_update){.count = ig_value_count(call->node->inputs[IG_UPDATE_PARAM]),
                     .lr = *(const float *)call->in[IG_UPDATE_LR],
                     .step = *(const float *)call->in[IG_UPDATE_STEP],
                     .scale = scale ? *scale : 1,
                     .param = call->in[IG_UPDATE_PARAM],
                     .grad = call->in[IG_UPDATE_GRAD],
                     .new_param = call->out[0]};
}
