/* Conversion of a tensor's elements; see casting.h. */
#include "engine/ops/casting.h"

#include <string.h>

#include "kernels/convert.h"

static const char *const round_modes[] = {
    [IG_POWER_UP] = "up", [IG_POWER_DOWN] = "down", [IG_POWER_NEAREST] = "nearest"};

/* How the node rounds; IG_COUNT(round_modes) for a name that is none. */
static int rounding_of(const ig_node *node) {
  const char *name = IG_ATTRS_OF(ig_cast_attrs, node)->round_mode;
  int i = 0;
  while (i < IG_COUNT(round_modes) && strcmp(round_modes[i], name) != 0) i++;
  return i;
}

ig_status ig_cast_infer(ig_node *node, ig_dtype to) {
  const ig_cast_attrs *a = IG_ATTRS_OF(ig_cast_attrs, node);
  const ig_value *x = node->inputs[0];
  IG_CHECK(to != IG_STRING && x->dtype != IG_STRING, IG_ERR_UNSUPPORTED,
           "texts are cast outside of plans alone");
  IG_CHECK(rounding_of(node) < IG_COUNT(round_modes), IG_ERR_USAGE,
           "attribute round_mode is '%s', expected up, down or nearest", a->round_mode);
  return ig_infer_set(node, 0, to, &x->shape);
}

ig_status ig_cast_run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  const ig_cast_attrs *a = IG_ATTRS_OF(ig_cast_attrs, call->node);
  int64_t count = (int64_t)(ig_value_storage(x) / ig_dtype_size(x->dtype));
  ig_narrowing how = {.overflows = !a->saturate,
                      .rounding = (ig_power_rounding)rounding_of(call->node)};
  bool plain = !how.overflows && how.rounding == IG_POWER_UP;
  if (plain || !ig_dtype_is_small_float(y->dtype) || x->dtype == y->dtype) {
    ig_cpu_convert(x->dtype, call->in[0], y->dtype, call->out[0], count);
  } else {
    ig_cpu_convert_small(x->dtype, call->in[0], y->dtype, call->out[0], count, how);
  }
  return IG_OK;
}

int ig_cast_inplace(const ig_node *node, int output) {
  bool same = node->inputs[0]->dtype == node->outputs[0]->dtype;
  return output == 0 && same ? 0 : -1;
}

void ig_cast_grad(const ig_grad *grad) {
  grad->dx[0] = ig_cast(grad->graph, grad->dy[0], grad->node->inputs[0]->dtype);
}
