/* Opens trained models. The graph is the one that the checkpoint holds, and the parameters are checked
 * against it name by name, so a damaged or foreign file ends in a message and not in a wrong
 * prediction. */
#include "api/model_source.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/quantize/apply.h"
#include "engine/train/match.h"
#include "formats/checkpoint_h5.h"
#include "formats/graph_json.h"
#include "formats/hf_folder.h"
#include "formats/onnx_import.h"
#include "formats/schema_json.h"

/* --- finding the file -------------------------------------------------------------------------- */

/* The run's checkpoint; or the folder itself, where it is one of Hugging Face's. */
static ig_status checkpoint_in(const char *folder, char **path) {
  static const char *const names[] = {"best.h5", "latest.h5"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    *path = ig_format("%s/%s", folder, names[i]);
    IG_CHECK_ALLOC(*path);
    if (access(*path, F_OK) == 0) return IG_OK;
    ig_free(*path);
    *path = NULL;
  }
  if (ig_hf_folder_probe(folder)) {
    *path = ig_strdup(folder);
    IG_CHECK_ALLOC(*path);
    return IG_OK;
  }
  return ig_fail(IG_ERR_INPUT,
                 "%s: holds neither best.h5 nor latest.h5, nor a config.json of transformers",
                 folder);
}

/* Something that is no file may be a mistake about presets: say which. */
static ig_status not_a_file(const char *name) {
  ig_status status = ig_fail_errno("open", name); /* before another call changes errno */
  bool looks_like_path = strchr(name, '/') || strstr(name, ".h5") || strstr(name, ".onnx");
  if (looks_like_path || status != IG_ERR_INPUT) return status;
  const ig_model_preset *preset;
  IG_TRY(ig_model_find(name, &preset));
  return ig_fail(IG_ERR_USAGE,
                 "'%s' is a preset, which has no parameters; expected a checkpoint (.h5) or the "
                 "folder of a run",
                 name);
}

bool ig_model_is_onnx(const char *name) {
  struct stat info;
  size_t length = strlen(name);
  return length > 5 && strcasecmp(name + length - 5, ".onnx") == 0 && stat(name, &info) == 0 &&
         S_ISREG(info.st_mode);
}

static ig_status find_file(const char *name, char **path) {
  struct stat info;
  if (stat(name, &info) != 0) return not_a_file(name);
  if (S_ISDIR(info.st_mode)) return checkpoint_in(name, path);
  *path = ig_strdup(name);
  IG_CHECK_ALLOC(*path);
  return IG_OK;
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* --- what it holds ----------------------------------------------------------------------------- */

ig_status ig_model_spec_of(const ig_field *fields, ig_task task, const ig_dataset *dataset,
                           ig_model_spec *out) {
  *out = (ig_model_spec){.input = fields[0].shape};
  return ig_task_outputs(task, dataset, &out->n_outputs);
}

static ig_status build_graph(ig_model_source *source) {
  const ig_snapshot *snapshot = source->snapshot;
  IG_CHECK(snapshot->model && snapshot->graph_json && snapshot->task && snapshot->data_json,
           IG_ERR_INPUT, "%s: the checkpoint lacks its model, graph, task or schema", source->path);
  IG_TRY(ig_task_parse(snapshot->task, &source->task));
  IG_TRY(ig_schema_from_json(snapshot->data_json, source->path, snapshot->arena, &source->n_fields,
                             &source->fields));
  ig_dataset schema = {.path = source->path, .n_fields = source->n_fields};
  memcpy(schema.fields, source->fields, (size_t)source->n_fields * sizeof *source->fields);
  IG_TRY(ig_model_spec_of(source->fields, source->task, &schema, &source->spec));
  return ig_graph_from_json(snapshot->graph_json, &source->graph);
}

static ig_status open_onnx(ig_model_source *source) {
  IG_TRY(ig_onnx_model_open(source->path, &source->onnx));
  IG_TRY(ig_onnx_import(source->onnx, NULL, &source->graph));
  IG_TRY(ig_snapshot_create(&source->snapshot));
  source->snapshot->model = ig_arena_strdup(source->snapshot->arena, source->path);
  IG_CHECK_ALLOC(source->snapshot->model);
  return IG_OK;
}

ig_status ig_model_source_open(const char *name, unsigned parts, ig_model_source *out) {
  *out = (ig_model_source){0};
  IG_TRY(find_file(name, &out->path));
  if (ig_model_is_onnx(out->path)) {
    ig_status status = open_onnx(out);
    if (status != IG_OK) ig_model_source_close(out);
    return status;
  }
  parts |= IG_CHECKPOINT_MODEL | IG_CHECKPOINT_PARAMETERS | IG_CHECKPOINT_EMA | IG_CHECKPOINT_DATA;
  ig_status status = is_folder(out->path)
                         ? ig_hf_folder_load(out->path, &out->snapshot)
                         : ig_checkpoint_load(out->path, parts, &out->snapshot);
  if (status == IG_OK) {
    status = build_graph(out);
    if (status != IG_OK) ig_fail_in(status, "%s", out->path);
  }
  if (status != IG_OK) ig_model_source_close(out);
  return status;
}

void ig_model_source_close(ig_model_source *source) {
  ig_graph_destroy(source->graph);
  ig_onnx_model_close(source->onnx);
  ig_snapshot_destroy(source->snapshot);
  ig_free(source->path);
  *source = (ig_model_source){0};
}

/* --- parameters -------------------------------------------------------------------------------- */

/* Averages are kept as "ema.NAME". */
const ig_tensor *ig_model_source_average(const ig_snapshot *snapshot, const ig_tensor *tensor) {
  char name[512];
  snprintf(name, sizeof name, "ema.%s", tensor->name);
  const ig_tensor *average = ig_snapshot_find(snapshot, IG_ROLE_EMA, name);
  bool fits =
      average && average->dtype == tensor->dtype && ig_shape_equal(&average->shape, &tensor->shape);
  return fits ? average : NULL;
}

static ig_status take_averages(const ig_snapshot *snapshot, ig_store *store) {
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    const ig_tensor *tensor = &snapshot->tensors[i];
    if (tensor->role != IG_ROLE_PARAMETER && tensor->role != IG_ROLE_STATE) continue;
    const ig_tensor *average = ig_model_source_average(snapshot, tensor);
    ig_store_entry *entry = average ? ig_store_find(store, tensor->name) : NULL;
    if (entry) IG_TRY(ig_store_write(store, entry, average->data));
  }
  return IG_OK;
}

ig_status ig_model_source_load(const ig_model_source *source, ig_store *store) {
  if (source->onnx) return IG_OK; /* the graph's initial values are the parameters */
  ig_status status = ig_store_from_snapshot(store, source->snapshot);
  if (status == IG_OK) status = take_averages(source->snapshot, store);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "%s", source->path);
}

void ig_model_source_use_averages(ig_model_source *source) {
  ig_snapshot *snapshot = source->snapshot;
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    ig_tensor *tensor = &snapshot->tensors[i];
    if (tensor->role != IG_ROLE_PARAMETER && tensor->role != IG_ROLE_STATE) continue;
    const ig_tensor *found = ig_model_source_average(snapshot, tensor);
    if (!found) continue;
    ig_tensor *average = &snapshot->tensors[found - snapshot->tensors];
    void *data = tensor->data;
    tensor->data = average->data;
    average->data = data;
  }
}

/* Where the store is host memory, file and copy are not in memory both; else one tensor at a time is. */
static ig_status store_tensor(const ig_model_source *source, const ig_value *value, ig_store *store) {
  ig_tensor_role role = value->kind == IG_VALUE_STATE ? IG_ROLE_STATE : IG_ROLE_PARAMETER;
  ig_store_entry *entry = NULL;
  size_t bytes = ig_value_bytes(value);
  IG_TRY(ig_store_get_unwritten(store, value->name, role, value->dtype, &value->shape, &entry));
  if (ig_store_backend(store)->vtable->host_memory) {
    ig_onnx_model_copy(source->onnx, entry->data, value->data, bytes);
    return IG_OK;
  }
  IG_TRY(ig_store_write(store, entry, value->data));
  ig_onnx_model_forget(source->onnx, value->data, bytes);
  return IG_OK;
}

static ig_status store_onnx(const ig_model_source *source, ig_store *store) {
  for (int32_t i = 0; i < source->graph->n_values; i++) {
    const ig_value *value = source->graph->values[i];
    bool stored = value->kind == IG_VALUE_PARAM || value->kind == IG_VALUE_STATE;
    if (stored && value->init.kind == IG_INIT_DATA) IG_TRY(store_tensor(source, value, store));
  }
  return ig_store_add_graph(store, source->graph, 0); /* what has no bytes in the file */
}

ig_status ig_model_source_store(ig_model_source *source, ig_backend *backend, ig_store **out) {
  ig_store *store;
  IG_TRY(ig_store_create(backend, &store));
  ig_model_source_use_averages(source);
  ig_status status = source->onnx ? store_onnx(source, store)
                                  : ig_store_take_snapshot(store, source->graph, source->snapshot);
  if (status != IG_OK) {
    ig_fail_in(status, "%s", source->path);
    ig_store_destroy(store);
    return status;
  }
  for (int64_t i = 0; i < source->snapshot->n_tensors; i++) { /* averages, and what is of no use */
    ig_snapshot_forget(source->snapshot, &source->snapshot->tensors[i], true);
  }
  *out = store;
  return IG_OK;
}

void ig_model_images_like(const ig_graph *graph, ig_dataset_open_options *options) {
  const ig_value *x = graph->n_inputs ? graph->inputs[0] : NULL;
  if (!x || x->any_shape || x->shape.rank != 4) return;
  if (!x->symbols[1]) options->image_channels = x->shape.dims[1];
  if (!x->symbols[2]) options->image_height = x->shape.dims[2];
  if (!x->symbols[3]) options->image_width = x->shape.dims[3];
}

static ig_status open_data(const ig_model_source *source, const char *spec, ig_comm *comm,
                           ig_dataset_open_options *options, ig_dataset **out) {
  options->n_like = source->n_fields;
  options->like = source->fields;
  if (source->onnx) {
    ig_model_images_like(source->graph, options);
    return ig_dataset_open_among(spec, options, comm, out);
  }
  const ig_field *x = &source->fields[0];
  if (x->kind == IG_FIELD_TOKENS && x->shape.rank > 0) options->context = x->shape.dims[0];
  if (x->kind == IG_FIELD_IMAGE && x->shape.rank == 3) {
    options->image_channels = x->shape.dims[0];
    options->image_height = x->shape.dims[1];
    options->image_width = x->shape.dims[2];
  }
  return ig_dataset_open_among(spec, options, comm, out);
}

ig_status ig_model_source_data(const ig_model_source *source, const char *spec, const char *target,
                               bool no_target, const ig_text_encoder *text, ig_comm *comm,
                               ig_dataset **out) {
  ig_dataset_open_options options = {.target = target, .no_target = no_target, .encoder = text};
  return open_data(source, spec, comm, &options, out);
}

ig_status ig_model_source_inputs(const ig_model_source *source, const char *spec,
                                 const char *target, const ig_text_encoder *text, ig_comm *comm,
                                 ig_dataset **out) {
  ig_dataset_open_options options = {.target = target, .inputs_only = true, .encoder = text};
  ig_status status = open_data(source, spec, comm, &options, out);
  if (status == IG_OK || target) return status;
  char *first = ig_strdup(ig_last_error());
  options.no_target = true;
  bool opened = open_data(source, spec, comm, &options, out) == IG_OK;
  if (!opened && first) ig_fail(status, "%s", first);
  ig_free(first);
  return opened ? IG_OK : status;
}

ig_status ig_model_source_fit(ig_model_source *source, const ig_dataset *data) {
  if (source->n_fields == 0) return IG_OK; /* an ONNX file */
  const ig_field *was = &source->fields[0], *is = &data->fields[0];
  const char *node;
  bool tokens = was->kind == IG_FIELD_TOKENS && was->shape.rank == 1 && data->n_fields > 0 &&
                is->shape.rank == 1;
  const ig_model_preset *preset;
  if (!tokens || source->spec.input.dims[0] == is->shape.dims[0]) return IG_OK;
  if (ig_model_find(source->snapshot->model, &preset) != IG_OK) return IG_OK;
  IG_CHECK(!ig_graph_is_quantized(source->graph, &node), IG_ERR_INPUT,
           "%s: was quantized for sequences of %lld tokens (node '%s'); the data has %lld", source->path,
           (long long)source->spec.input.dims[0], node, (long long)is->shape.dims[0]);
  ig_model_spec spec = source->spec;
  spec.input = is->shape;
  ig_graph *graph;
  IG_TRY(ig_model_build(source->snapshot->model, &spec, &graph));
  ig_graph_destroy(source->graph);
  source->graph = graph;
  source->spec = spec;
  return IG_OK;
}

ig_status ig_model_outputs(const ig_graph *template_graph, const ig_dataset *data, int capacity,
                           ig_tensor_info *out, int *count) {
  ig_match match;
  IG_TRY(ig_match_fields(template_graph, data, &match));
  ig_shape shapes[IG_MAX_FIELDS];
  for (int i = 0; i < match.n_inputs; i++) shapes[i] = ig_match_shape(&match, data, i, 1);
  ig_graph *graph;
  IG_TRY(ig_graph_specialize(template_graph, shapes, &graph));
  ig_status status = IG_OK;
  IG_CHECK_DONE(graph->n_outputs <= capacity, IG_ERR_UNSUPPORTED, "%d outputs, at most %d",
                graph->n_outputs, capacity);
  for (int i = 0; i < graph->n_outputs; i++) {
    const ig_value *y = graph->outputs[i];
    const char *name = template_graph->output_names[i];
    IG_CHECK_DONE(y->shape.rank >= 1 && y->shape.dims[0] == 1, IG_ERR_UNSUPPORTED,
                  "output '%s' of shape %s has no batch dimension", name, IG_SHAPE_STR(&y->shape));
    out[i] =
        (ig_tensor_info){.name = name, .dtype = y->dtype, .shape = {.rank = y->shape.rank - 1}};
    memcpy(out[i].shape.dims, y->shape.dims + 1, (size_t)out[i].shape.rank * sizeof *y->shape.dims);
    out[i].sample_bytes = ig_shape_bytes(&out[i].shape, y->dtype);
  }
  *count = graph->n_outputs;
done:
  ig_graph_destroy(graph);
  return status;
}
