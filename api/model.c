/* Running a trained model from C (the last section of engine/ingot.h). A batch takes the way that it
 * takes in `ingot infer`: the caller's arrays as a data set of the training data's fields, prepared by
 * the feeder's own code, into a plan from the cache; so the two agree to the bit. */
#include "api/model_source.h"
#include "engine/base/checked.h"
#include "engine/passes/pass.h"
#include "engine/plan/plan.h"
#include "engine/train/match.h"
#include "engine/train/prepare.h"

#include <string.h>

#define MOST_OUTPUTS 16
/* Each plan holds packed copies of the weights, so a caller with ever new batch sizes must not have one
 * for each. */
#define MOST_PLANS 4

/* The caller's arrays, lent for one run. */
typedef struct lent {
  ig_dataset base;
  const void *arrays[IG_MAX_FIELDS];
} lent;

struct ig_model {
  ig_model_source source;
  ig_backend *backend;
  ig_store *store;
  ig_plan_cache *plans;
  int n_plans;
  int64_t batches[MOST_PLANS]; /* the batch sizes of the plans */
  lent data;
  ig_match match;
  ig_prepare prepare;
  int n_outputs;
  ig_tensor_info outputs[MOST_OUTPUTS];
  int64_t room; /* samples that the buffers below hold */
  int64_t *indices;
  char *scratch;
  void *ready[IG_MAX_FIELDS];
};

/* --- the caller's arrays as a data set --------------------------------------------------------- */

/* Samples are asked for in one piece, from the first on. */
static ig_status lent_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                           void *const *buffers) {
  const lent *data = (const lent *)dataset;
  for (int f = 0; f < dataset->n_fields; f++) {
    const ig_field *field = &dataset->fields[f];
    size_t bytes = ig_shape_bytes(&field->shape, field->dtype);
    memcpy(buffers[f], (const char *)data->arrays[f] + (size_t)indices[0] * bytes,
           (size_t)count * bytes);
  }
  return IG_OK;
}

static const ig_dataset_vtable lent_vtable = {.read = lent_read};

/* --- opening ----------------------------------------------------------------------------------- */

static ig_status prepare_graph(ig_graph *graph, void *context) {
  const ig_model *model = context;
  ig_pass_options passes = {.device = model->backend->vtable->device, .compute = IG_F32};
  return ig_passes_run(graph, ig_pipeline_inference, &passes);
}

static ig_status make_plans(ig_model *model) {
  ig_plan_options options = {.frozen_params = true};
  ig_plan_cache_destroy(model->plans);
  model->plans = NULL;
  model->n_plans = 0;
  return ig_plan_cache_create(model->source.graph, model->backend, model->store, &options,
                              prepare_graph, model, &model->plans);
}

/* The fields of the training data that are inputs; the target, where there is one, is the last. */
static ig_status describe_inputs(ig_model *model) {
  const ig_model_source *source = &model->source;
  ig_dataset *data = &model->data.base;
  *data = (ig_dataset){.vtable = &lent_vtable, .path = "input", .format = "memory"};
  data->n_fields = IG_MIN(source->graph->n_inputs, source->n_fields);
  memcpy(data->fields, source->fields, (size_t)data->n_fields * sizeof *source->fields);
  ig_match_types(source->graph, data);
  IG_TRY(ig_match_fields(source->graph, data, &model->match));
  bool used[IG_MAX_FIELDS] = {false};
  for (int i = 0; i < model->match.n_inputs; i++) used[model->match.inputs[i]] = true;
  for (int f = 0; f < data->n_fields; f++) {
    IG_CHECK(used[f], IG_ERR_UNSUPPORTED, "field '%s' is no input of the model",
             data->fields[f].name);
  }
  ig_feeder_options options = {.n_normalizations = source->snapshot->n_normalizations,
                               .normalizations = source->snapshot->normalizations};
  return ig_prepare_create(&model->prepare, data, &options);
}

static ig_status describe_outputs(ig_model *model) {
  IG_TRY(ig_model_outputs(model->source.graph, &model->data.base, MOST_OUTPUTS, model->outputs,
                          &model->n_outputs));
  for (int i = 0; i < model->n_outputs; i++) {
    ig_shape *shape = &model->outputs[i].shape;
    memmove(shape->dims + 1, shape->dims, (size_t)shape->rank++ * sizeof *shape->dims);
    shape->dims[0] = -1;
  }
  return IG_OK;
}

static ig_status open_parts(ig_model *model, const char *path, const ig_model_options *options) {
  const char *device = options && options->device ? options->device : "auto";
  IG_TRY(ig_model_source_open(path, 0, &model->source));
  IG_TRY(ig_backend_open(device, options ? options->threads : 0, &model->backend));
  IG_TRY(ig_model_source_store(&model->source, model->backend, &model->store));
  ig_status status = describe_inputs(model);
  if (status == IG_OK) status = describe_outputs(model);
  if (status != IG_OK) return ig_fail_in(status, "%s", model->source.path);
  return make_plans(model);
}

ig_status ig_model_open(const char *path, const ig_model_options *options, ig_model **out) {
  IG_CHECK(path && out, IG_ERR_USAGE, "ig_model_open: path and out must not be NULL");
  ig_model *model = ig_alloc_zero(1, sizeof *model);
  IG_CHECK_ALLOC(model);
  ig_status status = open_parts(model, path, options);
  if (status != IG_OK) {
    ig_model_close(model);
    return status;
  }
  *out = model;
  return IG_OK;
}

static void free_buffers(ig_model *model) {
  for (int f = 0; f < IG_MAX_FIELDS; f++) {
    ig_free(model->ready[f]);
    model->ready[f] = NULL;
  }
  ig_free(model->indices);
  ig_free(model->scratch);
  model->indices = NULL;
  model->scratch = NULL;
  model->room = 0;
}

void ig_model_close(ig_model *model) {
  if (!model) return;
  free_buffers(model);
  ig_plan_cache_destroy(model->plans);
  ig_prepare_destroy(&model->prepare);
  ig_store_destroy(model->store);
  if (model->backend) ig_backend_destroy(model->backend);
  ig_model_source_close(&model->source);
  ig_free(model);
}

/* --- what goes in and comes out ---------------------------------------------------------------- */

int ig_model_input_count(const ig_model *model) {
  return model->match.n_inputs;
}

int ig_model_output_count(const ig_model *model) {
  return model->n_outputs;
}

ig_status ig_model_input(const ig_model *model, int index, ig_tensor_info *out) {
  IG_CHECK(index >= 0 && index < model->match.n_inputs, IG_ERR_USAGE,
           "input %d: the model has %d inputs", index, model->match.n_inputs);
  const ig_field *field = &model->data.base.fields[model->match.inputs[index]];
  *out = (ig_tensor_info){.name = model->source.graph->inputs[index]->name,
                          .dtype = field->dtype,
                          .shape = {.rank = field->shape.rank + 1, .dims = {-1}},
                          .sample_bytes = ig_shape_bytes(&field->shape, field->dtype)};
  memcpy(out->shape.dims + 1, field->shape.dims,
         (size_t)field->shape.rank * sizeof *field->shape.dims);
  return IG_OK;
}

ig_status ig_model_output(const ig_model *model, int index, ig_tensor_info *out) {
  IG_CHECK(index >= 0 && index < model->n_outputs, IG_ERR_USAGE,
           "output %d: the model has %d outputs", index, model->n_outputs);
  *out = model->outputs[index];
  return IG_OK;
}

/* --- running ----------------------------------------------------------------------------------- */

static ig_status reserve(ig_model *model, int64_t batch) {
  if (batch <= model->room) return IG_OK;
  size_t bytes;
  free_buffers(model);
  IG_TRY(ig_prepare_scratch(&model->prepare, batch, &bytes));
  model->scratch = ig_alloc(bytes);
  IG_CHECK_ALLOC(model->scratch);
  model->indices = ig_alloc_zero((size_t)batch, sizeof *model->indices);
  IG_CHECK_ALLOC(model->indices);
  for (int64_t i = 0; i < batch; i++) model->indices[i] = i;
  for (int f = 0; f < model->data.base.n_fields; f++) {
    IG_CHECK(ig_mul_size(model->prepare.fields[f].ready_bytes, (size_t)batch, &bytes),
             IG_ERR_MEMORY, "a batch of %lld samples exceeds the address space", (long long)batch);
    model->ready[f] = ig_alloc(bytes);
    IG_CHECK_ALLOC(model->ready[f]);
  }
  model->room = batch;
  return IG_OK;
}

static ig_status plan_for(ig_model *model, int64_t batch, ig_plan **out) {
  bool known = false;
  for (int i = 0; i < model->n_plans; i++) known = known || model->batches[i] == batch;
  if (!known && model->n_plans == MOST_PLANS) IG_TRY(make_plans(model));
  ig_shape shapes[IG_MAX_FIELDS];
  for (int i = 0; i < model->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&model->match, &model->data.base, i, batch);
  }
  IG_TRY(ig_plan_cache_get(model->plans, shapes, out));
  if (!known) model->batches[model->n_plans++] = batch;
  return IG_OK;
}

/* Checks all sizes before the first byte is written. */
static ig_status copy_outputs(const ig_model *model, const ig_plan *plan, int64_t batch,
                              void *const *outputs) {
  const ig_graph *graph = ig_plan_graph(plan);
  size_t bytes[MOST_OUTPUTS];
  for (int i = 0; i < model->n_outputs; i++) {
    const ig_value *y = graph->outputs[i];
    bool fits = ig_mul_size(model->outputs[i].sample_bytes, (size_t)batch, &bytes[i]) &&
                bytes[i] == ig_shape_bytes(&y->shape, y->dtype);
    IG_CHECK(fits, IG_ERR_UNSUPPORTED, "output '%s' of %lld samples has the shape %s",
             model->outputs[i].name, (long long)batch, IG_SHAPE_STR(&y->shape));
  }
  for (int i = 0; i < model->n_outputs; i++) memcpy(outputs[i], ig_plan_output(plan, i), bytes[i]);
  return IG_OK;
}

ig_status ig_model_run(ig_model *model, int64_t batch, const void *const *inputs,
                       void *const *outputs) {
  IG_CHECK(batch >= 1, IG_ERR_USAGE, "a batch of %lld samples, expected at least 1",
           (long long)batch);
  for (int i = 0; i < model->match.n_inputs; i++) {
    IG_CHECK(inputs && inputs[i], IG_ERR_USAGE, "input %d is NULL", i);
    model->data.arrays[model->match.inputs[i]] = inputs[i];
  }
  for (int i = 0; i < model->n_outputs; i++) {
    IG_CHECK(outputs && outputs[i], IG_ERR_USAGE, "output %d is NULL", i);
  }
  IG_TRY(reserve(model, batch));
  ig_plan *plan;
  IG_TRY(plan_for(model, batch, &plan));
  IG_TRY(ig_prepare_batch(&model->prepare, 0, model->indices, batch, model->scratch, model->ready));
  for (int i = 0; i < model->match.n_inputs; i++) {
    IG_TRY(ig_plan_bind_input(plan, i, model->ready[model->match.inputs[i]]));
  }
  IG_TRY(ig_plan_run(plan, &(ig_rng_state){0}));
  return copy_outputs(model, plan, batch, outputs);
}
