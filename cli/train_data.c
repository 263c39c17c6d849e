/* Opens training and validation data. Only the training part is measured for normalisation, and the
 * measurements travel with the checkpoint, so that no sample is ever seen through statistics that it
 * took part in unless it was trained on. */
#include "cli/train_data.h"

#include <string.h>

#include "cli/text_source.h"
#include "engine/train/match.h"
#include "formats/dataset_open.h"
#include "lifecycle/profile.h"

/* Means of this many samples, evenly spaced, are exact enough; decoding all images is not free. */
#define MEASURED_SAMPLES 20000
#define PROFILED_SAMPLES 5000
#define MOST_OUTPUTS 64

static ig_target_as target_as(ig_task task) {
  if (task == IG_TASK_CLASSIFICATION) return IG_TARGET_CLASS;
  if (task == IG_TASK_REGRESSION || task == IG_TASK_MULTILABEL) return IG_TARGET_VALUES;
  return IG_TARGET_AUTO;
}

/* What the options or the checkpoint say; IG_TASK_AUTO leaves it to the data. */
static ig_status task_asked(const ig_train_values *v, const ig_model_source *source, ig_task *out) {
  IG_TRY(ig_task_parse(v->task, out));
  if (!source) return IG_OK;
  IG_CHECK(*out == IG_TASK_AUTO || *out == source->task, IG_ERR_USAGE,
           "--task: %s is for %s, not %s", source->path, ig_task_name(source->task), v->task);
  *out = source->task;
  return IG_OK;
}

static void like_images(const ig_field *x, ig_dataset_open_options *options) {
  if (x->kind != IG_FIELD_IMAGE || x->shape.rank != 3) return;
  options->image_channels = x->shape.dims[0];
  options->image_height = x->shape.dims[1];
  options->image_width = x->shape.dims[2];
}

/* Of an imported model, --task says it: the type of an input alone does not. */
static bool reads_tokens(const ig_train_values *v, const ig_train_origin *origin) {
  if (origin->preset) return origin->preset->tokens;
  return strcmp(v->task, ig_task_name(IG_TASK_LANGUAGE)) == 0 ||
         (origin->source && origin->source->task == IG_TASK_LANGUAGE);
}

/* Tokens a sample when --context does not say: what a preset is made for, or an imported model has fixed. */
static ig_status context_of(const ig_train_origin *origin, int64_t *out) {
  if (origin->preset) return ig_model_context(origin->model, out);
  const ig_graph *graph = (origin->imported ? origin->imported : origin->source)->graph;
  const ig_value *x = graph->inputs[0];
  bool fixed = !x->any_shape && x->shape.rank == 2 && !x->symbols[1];
  IG_CHECK(fixed || origin->source, IG_ERR_USAGE,
           "--context is missing: %s reads sequences of any length", origin->model);
  *out = fixed ? x->shape.dims[1] : origin->source->fields[0].shape.dims[0];
  return IG_OK;
}

/* How --data is to be read. */
static ig_status base_options(const ig_train_values *v, const ig_train_origin *origin,
                              ig_dataset_open_options *options, ig_text_encoder *encoder,
                              ig_train_data *data) {
  const ig_model_source *source = origin->source;
  options->target = v->target;
  options->target_as = target_as(data->task);
  if (source) {
    options->n_like = source->n_fields;
    options->like = source->fields;
    like_images(&source->fields[0], options);
  }
  if (origin->imported) ig_model_images_like(origin->imported->graph, options);
  if (reads_tokens(v, origin)) {
    if (data->tokenizer) {
      *encoder = ig_text_encoder_of(data->tokenizer);
      options->encoder = encoder;
    }
    options->context = v->context;
    if (!v->context) IG_TRY(context_of(origin, &options->context));
  }
  return IG_OK;
}

static ig_status hold_out(const ig_cli *cli, const ig_train_values *v, ig_train_data *data) {
  data->train = data->base;
  if (v->val || v->holdout <= 0) return IG_OK;
  IG_TRY(ig_dataset_split(data->base, v->holdout, (uint64_t)cli->common->seed, &data->train,
                          &data->validation));
  data->split = true;
  return IG_OK;
}

static ig_status open_validation(const ig_cli *cli, const ig_train_values *v,
                                 const ig_train_origin *origin, ig_dataset_open_options options, ig_train_data *data) {
  if (!v->val) return IG_OK;
  options.n_like = data->base->n_fields;
  options.like = data->base->fields;
  options.stride = options.context; /* every token once */
  like_images(&data->base->fields[0], &options);
  IG_TRY(ig_dataset_open_among(v->val, &options, cli->comm, &data->validation));
  if (origin->imported) ig_match_types(origin->imported->graph, data->validation);
  if (origin->source) ig_match_types(origin->source->graph, data->validation);
  return IG_OK;
}

/* Which ids an imported model knows is its own matter: the largest that the data have says nothing of it. */
static ig_status fit_imported(const ig_graph *graph, ig_train_data *data) {
  ig_dataset *base = data->base;
  ig_field *target = &base->fields[base->n_fields - 1];
  bool arrays = base->n_fields > 1 && target->kind == IG_FIELD_TOKENS && !base->sequential;
  for (int f = 0; f < base->n_fields - 1 && arrays; f++) {
    base->fields[f].kind = IG_FIELD_INTEGERS;
    base->fields[f].n_classes = 0;
  }
  ig_match_types(graph, base);
  if (!arrays) return IG_OK;
  ig_tensor_info outputs[MOST_OUTPUTS];
  int n = 0;
  IG_TRY(ig_model_outputs(graph, base, MOST_OUTPUTS, outputs, &n));
  const ig_shape *y = &outputs[0].shape;
  target->n_classes = y->rank ? y->dims[y->rank - 1] : 1;
  return IG_OK;
}

static ig_status settle_task(const ig_train_values *v, const ig_train_origin *origin,
                             ig_train_data *data) {
  const ig_model_source *source = origin->source;
  bool tokens = reads_tokens(v, origin);
  IG_CHECK(!origin->imported || tokens || !data->base->sequential, IG_ERR_USAGE,
           "--task: %s is text, which an imported model reads with --task language", v->data);
  if (origin->imported) IG_TRY(fit_imported(origin->imported->graph, data));
  if (source) ig_match_types(source->graph, data->base);
  if (data->task == IG_TASK_AUTO) IG_TRY(ig_task_of_dataset(data->base, &data->task));
  IG_CHECK(origin->imported || tokens == (data->task == IG_TASK_LANGUAGE), IG_ERR_SHAPE,
           "%s is for %s, but the model '%s' %s", v->data, ig_task_name(data->task), v->model,
           tokens ? "reads tokens and predicts the next" : "does not predict tokens");
  data->spec.input = data->base->fields[0].shape;
  IG_TRY(ig_task_outputs(data->task, data->base, &data->spec.n_outputs));
  IG_CHECK(!source || data->spec.n_outputs == source->spec.n_outputs, IG_ERR_SHAPE,
           "%s needs %lld outputs, but %s has %lld", v->data, (long long)data->spec.n_outputs,
           source ? source->path : "", source ? (long long)source->spec.n_outputs : 0);
  return IG_OK;
}

/* Parameters from a checkpoint expect inputs on the scale that they were trained on. */
static ig_status settle_normalizations(const ig_train_values *v, const ig_train_origin *origin,
                                       ig_train_data *data) {
  if (origin->source) {
    data->n_normalizations = origin->source->snapshot->n_normalizations;
    data->normalizations = origin->source->snapshot->normalizations;
    return IG_OK;
  }
  if (!v->normalize) return IG_OK;
  ig_normalization *measured;
  IG_TRY(ig_normalization_measure(data->train, MEASURED_SAMPLES, data->arena,
                                  &data->n_normalizations, &measured));
  data->normalizations = measured;
  return IG_OK;
}

static ig_status settle_profiles(const ig_train_origin *origin, ig_train_data *data) {
  if (origin->resumed) {
    data->n_profiles = origin->source->snapshot->n_profiles;
    data->profiles = origin->source->snapshot->profiles;
    return IG_OK;
  }
  ig_column *columns;
  IG_TRY(ig_profile_columns(data->train, PROFILED_SAMPLES, 0, NULL, false, data->arena,
                            &data->n_profiles, &columns));
  ig_profile *profiles = ig_arena_alloc(data->arena, (size_t)data->n_profiles * sizeof *profiles);
  IG_CHECK_ALLOC(profiles);
  for (int i = 0; i < data->n_profiles; i++) profiles[i] = columns[i].profile;
  data->profiles = profiles;
  return IG_OK;
}

/* A vocabulary that is learned takes the whole text: rank 0 reads it, and the others are told. */
static ig_status share_tokenizer(ig_comm *comm, ig_status status, ig_train_data *data) {
  char *text = NULL;
  int64_t bytes = 0;
  if (status == IG_OK && data->tokenizer) status = ig_tokenizer_to_json(data->tokenizer, &text);
  if (text) bytes = (int64_t)strlen(text);
  status = ig_comm_settle(comm, status);
  if (status == IG_OK) status = ig_comm_broadcast(comm, &bytes, sizeof bytes, 0);
  bool receives = status == IG_OK && bytes > 0 && comm->rank > 0;
  if (receives) text = ig_alloc((size_t)bytes);
  if (status == IG_OK) {
    status = ig_comm_settle(comm, text || bytes == 0
                                      ? IG_OK
                                      : ig_fail(IG_ERR_MEMORY, "no memory for a tokenizer"));
  }
  if (status == IG_OK && bytes > 0) status = ig_comm_broadcast(comm, text, (size_t)bytes, 0);
  if (status == IG_OK && receives) {
    status = ig_tokenizer_from_json(text, (size_t)bytes, &data->tokenizer);
  }
  ig_free(text);
  return status;
}

static ig_status find_tokenizer(ig_comm *comm, const ig_train_values *v,
                                const ig_train_origin *origin, ig_train_data *data) {
  const ig_model_source *source = origin->source;
  if (!reads_tokens(v, origin)) return IG_OK;
  if (source) return ig_text_tokenizer_of(source->snapshot, source->path, &data->tokenizer);
  ig_status status = ig_comm_rank(comm) == 0 ? ig_text_tokenizer(v->tokenizer, v->data,
                                                                 v->vocabulary, &data->tokenizer)
                                             : IG_OK;
  return ig_comm_size(comm) == 1 ? status : share_tokenizer(comm, status, data);
}

static ig_status open_settings(const ig_train_values *v, const ig_train_origin *origin,
                               ig_train_data *data) {
  data->arena = ig_arena_create();
  IG_CHECK_ALLOC(data->arena);
  return task_asked(v, origin->source, &data->task);
}

/* Each line is one that ranks pass together, with the same result on all. */
static ig_status open_parts(const ig_cli *cli, const ig_train_values *v,
                            const ig_train_origin *origin, ig_train_data *data) {
  ig_comm *comm = cli->comm;
  ig_dataset_open_options options = {.keep_images = true};
  ig_text_encoder encoder;
  IG_TRY(ig_comm_settle(comm, open_settings(v, origin, data)));
  IG_TRY(ig_comm_settle(comm, find_tokenizer(comm, v, origin, data)));
  IG_TRY(ig_comm_settle(comm, base_options(v, origin, &options, &encoder, data)));
  IG_TRY(ig_dataset_open_among(v->data, &options, comm, &data->base));
  IG_TRY(ig_comm_settle(comm, settle_task(v, origin, data)));
  IG_TRY(ig_comm_settle(comm, hold_out(cli, v, data)));
  return open_validation(cli, v, origin, options, data);
}

ig_status ig_train_data_open(const ig_cli *cli, const ig_train_values *values,
                             const ig_train_origin *origin, ig_train_data *out) {
  memset(out, 0, sizeof *out);
  ig_status status = open_parts(cli, values, origin, out);
  if (status != IG_OK) ig_train_data_close(out);
  return status;
}

/* --- measuring --------------------------------------------------------------------------------- */

static ig_status measure_here(const ig_train_values *v, const ig_train_origin *origin,
                              ig_train_data *data) {
  IG_TRY(settle_normalizations(v, origin, data));
  return settle_profiles(origin, data);
}

/* One field's numbers from rank 0: a header first, so that room can be made. */
typedef struct sent_normalization {
  char field[256];
  double scale;
  int64_t count;
} sent_normalization;

static ig_status share_normalization(ig_comm *comm, ig_arena *arena, ig_normalization *n) {
  sent_normalization head = {.scale = n->scale, .count = n->count};
  bool first = comm->rank == 0;
  if (first) snprintf(head.field, sizeof head.field, "%s", n->field);
  IG_TRY(ig_comm_broadcast(comm, &head, sizeof head, 0));
  size_t bytes = (size_t)head.count * sizeof(double);
  double *numbers = ig_arena_alloc(arena, 2 * bytes);
  const char *field = ig_arena_strdup(arena, head.field);
  ig_status status =
      numbers && field ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory for a normalisation");
  IG_TRY(ig_comm_settle(comm, status));
  if (first) memcpy(numbers, n->mean, bytes);
  if (first) memcpy(numbers + head.count, n->std, bytes);
  IG_TRY(ig_comm_broadcast(comm, numbers, 2 * bytes, 0));
  *n = (ig_normalization){field, head.scale, head.count, numbers, numbers + head.count};
  return IG_OK;
}

static ig_status share_measurements(ig_comm *comm, ig_train_data *data) {
  int64_t n = data->n_normalizations;
  IG_TRY(ig_comm_broadcast(comm, &n, sizeof n, 0));
  ig_normalization *all = ig_arena_alloc(data->arena, (size_t)n * sizeof *all);
  IG_TRY(
      ig_comm_settle(comm, all ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory for normalisations")));
  for (int64_t i = 0; i < n; i++) {
    if (comm->rank == 0)
      all[i] = data->normalizations[i];
    else
      all[i] = (ig_normalization){0};
    IG_TRY(share_normalization(comm, data->arena, &all[i]));
  }
  data->n_normalizations = (int)n;
  data->normalizations = all;
  return IG_OK;
}

ig_status ig_train_data_measure(ig_cli *cli, const ig_train_values *v,
                                const ig_train_origin *origin, ig_train_data *data) {
  if (!cli->comm) return measure_here(v, origin, data);
  ig_status status = cli->rank == 0 ? measure_here(v, origin, data) : IG_OK;
  IG_TRY(ig_comm_settle(cli->comm, status));
  return share_measurements(cli->comm, data);
}

void ig_train_data_close(ig_train_data *data) {
  if (data->split) ig_dataset_destroy(data->train);
  ig_dataset_destroy(data->validation);
  ig_dataset_destroy(data->base);
  ig_tokenizer_destroy(data->tokenizer);
  ig_arena_destroy(data->arena);
  memset(data, 0, sizeof *data);
}
