/* Quantization-aware training begins where calibration would end: with the graph that `ingot quantize` would
 * write, in its trainable form. */
#include "cli/train_quantize.h"

#include <string.h>

#include "cli/job.h"
#include "engine/quantize/apply.h"
#include "engine/quantize/fake.h"

#define CALIBRATION_SAMPLES 512

/* What is made on the way, and let go of at the end. */
typedef struct making {
  ig_store *store, *prepared_store, *quantized_store;
  ig_graph *prepared, *quantized;
  ig_recipe *recipe;
  ig_calibration *calibration;
} making;

static ig_status make(ig_cli *cli, const ig_train_values *v, ig_model_source *source,
                      const ig_train_data *data, const ig_graph *graph, making *m,
                      ig_train_quantized *out) {
  const ig_quant_settings settings = {
      .format = IG_QUANT_INT8, .ranges = IG_RANGE_PERCENTILE, .percentile = 99.99};
  const ig_calibration_options options = {.samples = CALIBRATION_SAMPLES,
                                          .batch = IG_MIN(v->batch, CALIBRATION_SAMPLES),
                                          .workers = ig_job_workers(cli, v->workers),
                                          .n_normalizations = data->n_normalizations,
                                          .normalizations = data->normalizations,
                                          .memory_limit = v->memory_limit,
                                          .comm = cli->comm};
  ig_comm *comm = cli->comm;
  IG_TRY(ig_comm_settle(comm, ig_backend_cpu_create(cli->threads, &out->backend)));
  IG_TRY(ig_comm_settle(comm, ig_model_source_store(source, out->backend, &m->store)));
  IG_TRY(ig_comm_settle(comm, ig_quantize_prepare(graph, m->store, &m->prepared, &m->prepared_store)));
  IG_TRY(ig_comm_settle(comm, ig_recipe_create(m->prepared, &settings, &m->recipe)));
  IG_TRY(ig_calibrate(m->prepared, out->backend, m->prepared_store, m->recipe, data->train, &options,
                      &m->calibration));
  IG_TRY(ig_comm_settle(comm, ig_quantize_apply(m->prepared, m->prepared_store, m->recipe, m->calibration,
                                                &m->quantized, &m->quantized_store)));
  return ig_comm_settle(comm, ig_quantize_fake(m->quantized, m->quantized_store, m->prepared_store, &out->store));
}

ig_status ig_train_quantize(ig_cli *cli, const ig_train_values *v, const ig_train_origin *origin,
                            const ig_train_data *data, const ig_graph *graph, ig_train_quantized *out) {
  *out = (ig_train_quantized){0};
  if (strcmp(v->quantize, "none") == 0 || origin->resumed) return IG_OK;
  ig_model_source *source = origin->source ? origin->source : origin->imported;
  IG_CHECK(source, IG_ERR_USAGE,
           "--quantize: --model %s is a preset without trained parameters, expected a checkpoint or an "
           "ONNX file",
           v->model);
  IG_CHECK(strcmp(v->precision, "f32") == 0, IG_ERR_USAGE,
           "--quantize: rounding is trained in f32, not with --precision %s", v->precision);
  if (ig_graph_is_fake_quantized(graph)) {
    ig_say(cli, "%s was trained quantized before, and goes on so\n", v->model);
    return IG_OK;
  }
  making m = {0};
  ig_status status = make(cli, v, source, data, graph, &m, out);
  if (status == IG_OK) {
    ig_say(cli, "quantized: %d layers, scales from %lld samples\n", m.recipe->n_layers,
           (long long)m.calibration->samples);
    out->graph = m.quantized;
    m.quantized = NULL;
  }
  ig_calibration_destroy(m.calibration);
  ig_recipe_destroy(m.recipe);
  ig_graph_destroy(m.quantized);
  ig_graph_destroy(m.prepared);
  ig_store_destroy(m.quantized_store);
  ig_store_destroy(m.prepared_store);
  ig_store_destroy(m.store);
  return status;
}

ig_status ig_train_quantized_load(const ig_train_quantized *from, ig_store *to) {
  for (int64_t i = 0; i < ig_store_count(from->store); i++) {
    const ig_store_entry *entry = ig_store_entry_at(from->store, i);
    ig_store_entry *mine = ig_store_find(to, entry->name);
    IG_CHECK(mine && mine->dtype == entry->dtype && ig_shape_equal(&mine->shape, &entry->shape),
             IG_ERR_INTERNAL, "parameter '%s' is not among those that are trained", entry->name);
    IG_TRY(ig_store_write(to, mine, entry->data));
  }
  return IG_OK;
}

void ig_train_quantized_close(ig_train_quantized *quantized) {
  ig_store_destroy(quantized->store);
  ig_graph_destroy(quantized->graph);
  if (quantized->backend) ig_backend_destroy(quantized->backend);
  *quantized = (ig_train_quantized){0};
}
