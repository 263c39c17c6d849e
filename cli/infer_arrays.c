/* A model over arrays as they are: no batches, no normalisation, any dimension free that the graph leaves free. */
#include "cli/infer_arrays.h"

#include "engine/eval/latency.h"
#include "engine/plan/session.h"

typedef struct run {
  const ig_graph *graph;
  ig_named_datum *in, *out;
  ig_datum **given, **made;
  ig_store *store;
  ig_session *session;
} run;

static ig_status make_room(run *r) {
  size_t n_in = (size_t)r->graph->n_inputs + 1, n_out = (size_t)r->graph->n_outputs + 1;
  r->in = ig_alloc_zero(n_in, sizeof *r->in);
  r->given = ig_alloc_zero(n_in, sizeof *r->given);
  r->out = ig_alloc_zero(n_out, sizeof *r->out);
  r->made = ig_alloc_zero(n_out, sizeof *r->made);
  IG_CHECK(r->in && r->given && r->out && r->made, IG_ERR_MEMORY, "out of memory");
  return IG_OK;
}

ig_status ig_input_arrays(const ig_graph *graph, const char *path, ig_named_datum *in, ig_datum **given) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    in[i] = (ig_named_datum){.name = graph->inputs[i]->name, .dtype = graph->inputs[i]->dtype};
  }
  IG_TRY(ig_arrays_read(path, graph->n_inputs, in));
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    IG_CHECK(in[i].datum, IG_ERR_INPUT, "%s: has no array '%s', which the model reads", path, in[i].name);
    given[i] = in[i].datum;
  }
  return IG_OK;
}

static ig_status write_outputs(run *r, const char *path) {
  for (int32_t i = 0; i < r->graph->n_outputs; i++) {
    r->out[i] = (ig_named_datum){.name = r->graph->output_names[i], .datum = r->made[i]};
  }
  return ig_arrays_write(path, r->graph->n_outputs, r->out);
}

static ig_status report(const ig_cli *cli, const run *r, const char *out, double seconds) {
  const char *why = ig_session_interpreted(r->session);
  ig_say(cli, "%d arrays to %s in %.4f s%s%s\n", r->graph->n_outputs, out, seconds,
         why ? ", node by node: " : "", why ? why : "");
  json_t *result = json_object();
  json_object_set_new(result, "out", json_string(out));
  json_object_set_new(result, "arrays", json_integer(r->graph->n_outputs));
  ig_json_real(result, "seconds", seconds);
  return ig_emit_json(cli, result);
}

ig_status ig_infer_arrays(const ig_cli *cli, ig_model_source *model, ig_backend *backend,
                          const char *data, const char *out, ig_precision precision) {
  const ig_session_options options = {
      .plan = {.frozen_params = true, .release_params = true, .seed = (uint64_t)cli->common->seed,
               .tf32 = precision == IG_PRECISION_TF32},
      .compute = ig_precision_dtype(precision)};
  run r = {.graph = model->graph};
  ig_status status;
  IG_TRY_DONE(make_room(&r));
  IG_TRY_DONE(ig_input_arrays(r.graph, data, r.in, r.given));
  IG_TRY_DONE(ig_model_source_store(model, backend, &r.store));
  IG_TRY_DONE(ig_session_create(r.graph, backend, r.store, &options, &r.session));
  double start = ig_now();
  IG_TRY_DONE(ig_session_run(r.session, r.given, r.made));
  double seconds = ig_now() - start;
  IG_TRY_DONE(write_outputs(&r, out));
  status = report(cli, &r, out, seconds);
done:
  for (int32_t i = 0; r.in && i < r.graph->n_inputs; i++) ig_datum_release(r.in[i].datum);
  for (int32_t i = 0; r.made && i < r.graph->n_outputs; i++) ig_datum_release(r.made[i]);
  ig_session_destroy(r.session);
  ig_store_destroy(r.store);
  ig_free(r.in);
  ig_free(r.given);
  ig_free(r.out);
  ig_free(r.made);
  return status;
}
