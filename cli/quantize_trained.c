/* Models of `ingot train --quantize`: what calibration would find out, they have learned. */
#include "cli/quantize_job.h"
#include "engine/quantize/fake.h"
#include "formats/graph_json.h"

/* The graph again, to be changed. */
static ig_status copy_graph(const ig_graph *graph, ig_graph **out) {
  char *json;
  IG_TRY(ig_graph_to_json(graph, &json));
  ig_status status = ig_graph_from_json(json, out);
  ig_free(json);
  return status;
}

ig_status ig_quantize_settle_trained(ig_quantize_job *job) {
  const ig_quant_settings *s = &job->settings;
  bool changed = s->equalize || s->correct_bias || s->smooth > 0 || s->rounding != IG_ROUND_NEAREST;
  IG_CHECK(s->format == IG_QUANT_INT8, IG_ERR_USAGE,
           "--format %s: %s was trained to be rounded to int8, with train --quantize",
           job->values->format, job->model.path);
  IG_CHECK(!changed, IG_ERR_USAGE,
           "%s has learned its scales: --rounding, --equalize, --correct-bias and --smooth are for others",
           job->model.path);
  IG_TRY(ig_model_source_store(&job->model, job->backend, &job->store));
  IG_TRY(copy_graph(job->model.graph, &job->quantized));
  IG_TRY(ig_recipe_of_fake(job->model.graph, s, &job->recipe));
  IG_TRY(ig_quantize_settle(job->quantized, job->store, &job->quantized_store));
  const ig_calibration_options reading = ig_quantize_reading(job);
  if (!job->calib) return IG_OK;
  return ig_quant_outputs_create(job->model.graph, job->backend, job->store, job->calib, &reading,
                                 IG_QUANTIZE_OUTPUT_SAMPLES, &job->outputs);
}
