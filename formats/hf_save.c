/* From a snapshot to a Hugging Face folder. The settings come last: a folder without config.json is no
 * model yet. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/hf_config.h"
#include "formats/hf_folder.h"
#include "formats/safetensors.h"
#include "formats/schema_json.h"
#include "formats/text_file.h"
#include "formats/tokenizer_files.h"

#define MOST_NAME 512

static ig_status fetch(void *context, int64_t index, const void **data) {
  const ig_tensor *const *tensors = context;
  *data = tensors[index]->data;
  return IG_OK;
}

/* The parameters under transformers' names. */
static ig_status write_tensors(const char *path, const ig_snapshot *snapshot, ig_hf_family family,
                               bool bare, ig_arena *arena) {
  static const char *const metadata[] = {"format", "pt", NULL};
  size_t room = (size_t)snapshot->n_tensors + 1;
  ig_safetensor *list = ig_arena_alloc(arena, room * sizeof *list);
  const ig_tensor **from = ig_arena_alloc(arena, room * sizeof *from);
  IG_CHECK_ALLOC(list);
  IG_CHECK_ALLOC(from);
  int64_t count = 0;
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    const ig_tensor *t = &snapshot->tensors[i];
    char name[MOST_NAME];
    if (t->role != IG_ROLE_PARAMETER) continue;
    IG_CHECK(ig_hf_name(family, bare, t->name, name, sizeof name), IG_ERR_INPUT,
             "%s: the name '%.64s...' is too long", path, t->name);
    from[count] = t;
    list[count] =
        (ig_safetensor){.name = ig_arena_strdup(arena, name), .dtype = t->dtype, .shape = t->shape};
    IG_CHECK_ALLOC(list[count].name);
    count++;
  }
  return ig_safetensors_write(path, count, list, metadata, fetch, from);
}

static ig_status write_tokenizer(const char *folder, const ig_snapshot *snapshot) {
  if (!snapshot->tokenizer) return IG_OK;
  ig_tokenizer *tokenizer;
  IG_TRY(ig_tokenizer_from_json(snapshot->tokenizer, strlen(snapshot->tokenizer), &tokenizer));
  ig_status status = ig_tokenizer_write_folder(tokenizer, folder);
  ig_tokenizer_destroy(tokenizer);
  return status;
}

static ig_status save(const char *folder, const ig_snapshot *snapshot, ig_arena *arena) {
  int n_fields;
  ig_field *fields;
  ig_hf_family family;
  bool bare;
  char *config = NULL, *tensors = ig_arena_format(arena, "%s/model.safetensors", folder);
  const char *settings = ig_arena_format(arena, "%s/config.json", folder);
  IG_CHECK_ALLOC(tensors);
  IG_CHECK_ALLOC(settings);
  IG_CHECK(snapshot->model && snapshot->task && snapshot->data_json, IG_ERR_INPUT,
           "the checkpoint lacks its model, task or schema");
  IG_TRY(ig_schema_from_json(snapshot->data_json, folder, arena, &n_fields, &fields));
  IG_TRY(ig_hf_config_write(snapshot->model, snapshot->task, &fields[n_fields - 1], &family, &bare,
                            &config));
  ig_status status = IG_OK;
  if (mkdir(folder, 0777) != 0 && errno != EEXIST)
    status = ig_fail_errno("make the folder", folder);
  if (status == IG_OK) status = write_tensors(tensors, snapshot, family, bare, arena);
  if (status == IG_OK) status = write_tokenizer(folder, snapshot);
  if (status == IG_OK) status = ig_write_text(settings, config, strlen(config));
  free(config);
  return status;
}

ig_status ig_hf_folder_save(const char *folder, const ig_snapshot *snapshot) {
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_status status = save(folder, snapshot, arena);
  ig_arena_destroy(arena);
  return status;
}
