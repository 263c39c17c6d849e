/* From a Hugging Face folder to a snapshot. The preset builds the graph, so what the folder says is
 * checked as any preset's arguments are; then each parameter looks for its tensor by name. */
#include <string.h>
#include <unistd.h>

#include "engine/models/model.h"
#include "formats/graph_json.h"
#include "formats/hf_config.h"
#include "formats/hf_folder.h"
#include "formats/safetensors.h"
#include "formats/schema_json.h"
#include "formats/tokenizer_files.h"

#define MOST_NAME 512
static char *path_in(const char *folder, const char *name) {
  return ig_format("%s/%s", folder, name);
}

bool ig_hf_folder_probe(const char *folder) {
  char *path = path_in(folder, "config.json");
  bool found = path && access(path, F_OK) == 0;
  ig_free(path);
  return found;
}

/* --- tensors ----------------------------------------------------------------------------------- */

typedef struct loader {
  const char *folder;
  ig_hf_config config;
  ig_safetensors *files;
  bool *used; /* by index of the tensor */
  ig_snapshot *snapshot;
} loader;

/* Files of TensorFlow's time call the parameters of a LayerNorm gamma and beta. */
static bool old_name(char *name) {
  char *end = name + strlen(name);
  if (end - name > 17 && strcmp(end - 17, ".LayerNorm.weight") == 0) {
    strcpy(end - 6, "gamma");
    return true;
  }
  if (end - name > 15 && strcmp(end - 15, ".LayerNorm.bias") == 0) {
    strcpy(end - 4, "beta");
    return true;
  }
  return false;
}

static const ig_safetensor *look_up(const loader *l, char *name) {
  const ig_safetensor *t = ig_safetensors_find(l->files, name);
  return !t && l->config.family == IG_HF_BERT && old_name(name)
             ? ig_safetensors_find(l->files, name)
             : t;
}

/* The name that transformers writes; failing that, with and without the prefix of the bare model. */
static const ig_safetensor *find_tensor(const loader *l, const char *ours) {
  char name[MOST_NAME];
  if (!ig_hf_name(l->config.family, l->config.bare, ours, name, sizeof name)) return NULL;
  const ig_safetensor *t = look_up(l, name);
  if (t || strlen(ours) >= sizeof name) return t;
  if (l->config.family == IG_HF_BERT && !l->config.bare) return NULL;
  strcpy(name, ours);
  return look_up(l, name);
}

static ig_status take_parameter(loader *l, const ig_value *p) {
  const ig_safetensor *t = find_tensor(l, p->name);
  IG_CHECK(t, IG_ERR_INPUT, "%s: no tensor for the parameter '%s' %s", l->folder, p->name,
           IG_SHAPE_STR(&p->shape));
  IG_CHECK(ig_shape_equal(&t->shape, &p->shape), IG_ERR_INPUT,
           "%s: tensor '%s' has shape %s, expected %s", l->folder, t->name, IG_SHAPE_STR(&t->shape),
           IG_SHAPE_STR(&p->shape));
  IG_CHECK(ig_dtype_is_float(t->dtype), IG_ERR_UNSUPPORTED,
           "%s: tensor '%s' is %s, expected f32, f64, bf16 or f16", l->folder, t->name,
           ig_dtype_name(t->dtype));
  void *data;
  IG_TRY(ig_snapshot_add(l->snapshot, IG_ROLE_PARAMETER, p->name, IG_F32, &p->shape, &data));
  ig_safetensor_copy(t, IG_F32, data);
  for (int64_t i = 0; i < ig_safetensors_count(l->files); i++) {
    if (ig_safetensors_at(l->files, i) == t) l->used[i] = true;
  }
  return IG_OK;
}

static bool ends_in(const char *name, const char *end) {
  size_t a = strlen(name), b = strlen(end);
  return a >= b && strcmp(name + a - b, end) == 0;
}

static bool begins_with(const char *name, const char *start) {
  return strncmp(name, start, strlen(start)) == 0;
}

/* What files hold besides parameters: masks and tables that follow from the settings, copies of tied
 * matrices, and heads of another task than the settings name. */
static bool is_left_aside(const ig_hf_config *config, const char *name) {
  static const char *const buffers[] = {".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq",
                                        "embeddings.position_ids"};
  for (int i = 0; i < IG_COUNT(buffers); i++) {
    if (ends_in(name, buffers[i])) return true;
  }
  if (config->tied && strcmp(name, "lm_head.weight") == 0) return true;
  return config->family == IG_HF_BERT &&
         (begins_with(name, "cls.predictions.decoder.") ||
          begins_with(name, "cls.seq_relationship.") ||
          (strstr(config->model, "head=mlm") && begins_with(name, "bert.pooler.")) ||
          (config->bare && begins_with(name, "cls.")));
}

static ig_status take_tensors(loader *l, const ig_graph *graph) {
  int64_t count = ig_safetensors_count(l->files);
  l->used = ig_alloc_zero((size_t)count + 1, sizeof *l->used);
  IG_CHECK_ALLOC(l->used);
  for (int32_t i = 0; i < graph->n_values; i++) {
    if (graph->values[i]->kind == IG_VALUE_PARAM) IG_TRY(take_parameter(l, graph->values[i]));
  }
  for (int64_t i = 0; i < count; i++) {
    const char *name = ig_safetensors_at(l->files, i)->name;
    IG_CHECK(l->used[i] || is_left_aside(&l->config, name), IG_ERR_INPUT,
             "%s: tensor '%s' has no place in the model of its config.json", l->folder, name);
  }
  return IG_OK;
}

/* --- the rest ---------------------------------------------------------------------------------- */

static ig_status keep_text(ig_snapshot *snapshot, const char *text, const char **out) {
  *out = ig_arena_strdup(snapshot->arena, text);
  IG_CHECK_ALLOC(*out);
  return IG_OK;
}

static ig_status keep_graph(loader *l, const ig_graph *graph) {
  char *json;
  IG_TRY(ig_graph_to_json(graph, &json));
  ig_status status = keep_text(l->snapshot, json, &l->snapshot->graph_json);
  ig_free(json);
  return status;
}

static ig_status keep_schema(loader *l) {
  ig_dataset data = {.path = l->folder, .format = "huggingface", .n_fields = 2};
  data.fields[0] = l->config.x;
  data.fields[1] = l->config.y;
  data.sequential = strcmp(l->config.task, "language") == 0;
  return ig_schema_to_json(&data, l->snapshot->arena, &l->snapshot->data_json);
}

static ig_status keep_tokenizer(loader *l) {
  ig_tokenizer *tokenizer;
  IG_TRY(ig_tokenizer_read_folder(l->folder, &tokenizer));
  if (!tokenizer) return IG_OK;
  char *json;
  ig_status status = ig_tokenizer_fit(tokenizer, l->config.x.n_classes, l->folder);
  if (status == IG_OK) status = ig_tokenizer_to_json(tokenizer, &json);
  if (status == IG_OK) {
    status = keep_text(l->snapshot, json, &l->snapshot->tokenizer);
    ig_free(json);
  }
  ig_tokenizer_destroy(tokenizer);
  return status;
}

static ig_status fill(loader *l) {
  char *path = path_in(l->folder, "config.json");
  IG_CHECK_ALLOC(path);
  ig_graph *graph = NULL;
  ig_status status = ig_hf_config_read(path, l->snapshot->arena, &l->config);
  if (status == IG_OK) {
    ig_model_spec spec = {.input = l->config.x.shape, .n_outputs = l->config.outputs};
    status = ig_model_build(l->config.model, &spec, &graph);
    if (status != IG_OK) status = ig_fail_in(IG_ERR_INPUT, "%s", path);
  }
  IG_TRY_DONE(status);
  IG_TRY_DONE(ig_safetensors_open(l->folder, &l->files));
  IG_TRY_DONE(take_tensors(l, graph));
  IG_TRY_DONE(keep_graph(l, graph));
  IG_TRY_DONE(keep_schema(l));
  IG_TRY_DONE(keep_tokenizer(l));
  l->snapshot->model = l->config.model;
  l->snapshot->task = l->config.task;
done:
  ig_graph_destroy(graph);
  ig_free(path);
  return status;
}

ig_status ig_hf_folder_load(const char *folder, ig_snapshot **out) {
  loader l = {.folder = folder};
  IG_TRY(ig_snapshot_create(&l.snapshot));
  ig_status status = fill(&l);
  ig_safetensors_close(l.files);
  ig_free(l.used);
  if (status != IG_OK) {
    ig_snapshot_destroy(l.snapshot);
    return status;
  }
  *out = l.snapshot;
  return IG_OK;
}
