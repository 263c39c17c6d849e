/* Plans between run-time values instead of bare memory. */
#include <string.h>

#include "engine/plan/plan.h"

/* An output that is an input or a constant is no memory of the plan's. */
static ig_status give(const ig_plan *plan, int32_t i, ig_datum *const *in, ig_datum **out) {
  const ig_graph *graph = ig_plan_graph(plan);
  const ig_value *value = graph->outputs[i];
  for (int32_t k = 0; k < graph->n_inputs; k++) {
    if (graph->inputs[k] != value) continue;
    *out = ig_datum_hold(in[k]);
    return IG_OK;
  }
  const void *data = ig_value_is_const(value) ? value->data : ig_plan_output(plan, i);
  IG_TRY(ig_datum_tensor(value->dtype, &value->shape, out));
  size_t bytes = ig_value_bytes(value);
  if (bytes) memcpy((*out)->data, data, bytes);
  return IG_OK;
}

ig_status ig_plan_run_data(ig_plan *plan, const ig_rng_state *rng, ig_datum *const *in,
                           ig_datum **out) {
  const ig_graph *graph = ig_plan_graph(plan);
  for (int32_t i = 0; i < graph->n_outputs; i++) out[i] = NULL;
  for (int32_t i = 0; i < graph->n_inputs; i++) IG_TRY(ig_plan_bind_input(plan, i, in[i]->data));
  ig_status status = ig_plan_run(plan, rng);
  for (int32_t i = 0; i < graph->n_outputs && status == IG_OK; i++) {
    status = give(plan, i, in, &out[i]);
  }
  for (int32_t i = 0; i < graph->n_outputs && status != IG_OK; i++) {
    ig_datum_release(out[i]);
    out[i] = NULL;
  }
  return status;
}
