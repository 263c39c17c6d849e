/* Settings files: YAML mappings of option names to scalars, read and written. Only scalars are
 * taken, so that anchors, aliases and nesting in a file can do nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "cli/options.h"
#include "engine/base/nearest.h"

#define MAX_FILE_BYTES (1 << 20)

static ig_status unknown_key(const ig_options *options, const char *where, const char *key) {
  ig_nearest_search search = ig_nearest_begin(key);
  for (int i = 0; i < options->count; i++) ig_nearest_offer(&search, options->rows[i]->name);
  if (search.best) {
    return ig_fail(IG_ERR_USAGE, "%s: unknown key '%s'; did you mean '%s'?", where, key,
                   search.best);
  }
  return ig_fail(IG_ERR_USAGE, "%s: unknown key '%s'; --help lists all options", where, key);
}

/* A scalar's text in the arena; NULL for what is not a scalar, or holds a zero byte. */
static const char *scalar_text(ig_options *options, struct fy_node *node) {
  size_t length;
  if (!node || !fy_node_is_scalar(node) || fy_node_is_alias(node)) return NULL;
  const char *text = fy_node_get_scalar(node, &length);
  if (!text || memchr(text, '\0', length)) return NULL;
  char *copy = ig_arena_alloc(options->arena, length + 1);
  if (copy) memcpy(copy, text, length);
  return copy;
}

static int line_of(struct fy_node *node) {
  struct fy_token *token = node ? fy_node_get_scalar_token(node) : NULL;
  const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
  return mark ? mark->line + 1 : 1;
}

static ig_status read_pair(ig_options *options, const char *name, struct fy_node_pair *pair) {
  struct fy_node *key_node = fy_node_pair_key(pair);
  int line = line_of(key_node);
  const char *key = scalar_text(options, key_node);
  IG_CHECK(key, IG_ERR_USAGE, "%s:%d: a key is not a plain word", name, line);
  const char *where = ig_arena_format(options->arena, "%s:%d", name, line);
  IG_CHECK_ALLOC(where);
  int i = ig_options_find(options, key);
  if (i < 0 || strcmp(key, "config") == 0 || strcmp(key, "help") == 0) {
    return unknown_key(options, where, key);
  }
  const char *value = scalar_text(options, fy_node_pair_value(pair));
  where = ig_arena_format(options->arena, "%s: %s", where, key);
  IG_CHECK_ALLOC(where);
  IG_CHECK(value, IG_ERR_USAGE, "%s: expected a single value, found a list, mapping or alias",
           where);
  if (options->origins[i] == IG_FROM_COMMAND) return IG_OK;
  return ig_options_set(options, i, value, IG_FROM_FILE, where);
}

static ig_status read_document(ig_options *options, const char *name, struct fy_document *doc) {
  struct fy_node *root = fy_document_root(doc);
  if (!root) return IG_OK;
  IG_CHECK(fy_node_is_mapping(root), IG_ERR_USAGE, "%s: expected lines such as 'batch: 64'", name);
  void *iterator = NULL;
  struct fy_node_pair *pair;
  while ((pair = fy_node_mapping_iterate(root, &iterator))) {
    IG_TRY(read_pair(options, name, pair));
  }
  return IG_OK;
}

/* Nothing but blanks and comments, which the library takes for an error. */
static bool blank(const char *text, size_t size) {
  bool comment = false;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\n') comment = false;
    if (text[i] == '#') comment = true;
    if (!comment && (!text[i] || !strchr(" \t\r\n", text[i]))) return false;
  }
  return true;
}

ig_status ig_options_read_text(ig_options *options, const char *name, const char *text,
                               size_t size) {
  if (blank(text, size)) return IG_OK;
  struct fy_diag_cfg diag_config;
  fy_diag_cfg_default(&diag_config);
  diag_config.fp = NULL; /* the library's own printing would break the one line of an error */
  struct fy_diag *diag = fy_diag_create(&diag_config);
  IG_CHECK_ALLOC(diag);
  fy_diag_set_collect_errors(diag, true);
  struct fy_parse_cfg config = {.diag = diag};
  struct fy_document *doc = fy_document_build_from_string(&config, text, size);
  ig_status status;
  if (doc) {
    status = read_document(options, name, doc);
    fy_document_destroy(doc);
  } else {
    void *iterator = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &iterator);
    status = ig_fail(IG_ERR_USAGE, "%s:%d: %s", name, error ? error->line : 1,
                     error && error->msg ? error->msg : "not a YAML file");
  }
  fy_diag_destroy(diag);
  return status;
}

ig_status ig_options_read_file(ig_options *options, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return ig_fail_errno("open", path);
  char *text = ig_arena_alloc(options->arena, MAX_FILE_BYTES + 1);
  ig_status status = text ? IG_OK : ig_fail(IG_ERR_MEMORY, "%s: out of memory", path);
  size_t size = 0;
  if (text) {
    size = fread(text, 1, MAX_FILE_BYTES + 1, file);
    if (ferror(file)) status = ig_fail_errno("read", path);
  }
  fclose(file);
  IG_TRY(status);
  IG_CHECK(size <= MAX_FILE_BYTES, IG_ERR_USAGE, "%s: a settings file of more than 1 MiB", path);
  return ig_options_read_text(options, path, text, size);
}

/* --- saving ------------------------------------------------------------------------------------ */

static bool saved(const ig_options *options, int i) {
  const ig_option *row = options->rows[i];
  if (row->flags & IG_OPTION_TRANSIENT) return false;
  bool text = row->type == IG_OPTION_STRING || row->type == IG_OPTION_ENUM;
  if (text && !*(const char *const *)options->slots[i]) return false;
  /* An option without a default that nobody gave has no value that could be read back. */
  return row->fallback || row->type == IG_OPTION_FLAG || options->origins[i] != IG_FROM_DEFAULT;
}

static json_t *value_json(const ig_option *row, const void *slot) {
  switch (row->type) {
  case IG_OPTION_FLAG: return json_boolean(*(const bool *)slot);
  case IG_OPTION_INT: return json_integer(*(const int64_t *)slot);
  case IG_OPTION_FLOAT: return json_real(*(const double *)slot);
  case IG_OPTION_SIZE: return json_integer((json_int_t) * (const size_t *)slot);
  default: return json_string(*(const char *const *)slot);
  }
}

json_t *ig_options_json(const ig_options *options) {
  json_t *object = json_object();
  for (int i = 0; object && i < options->count; i++) {
    if (!saved(options, i)) continue;
    const ig_option *row = options->rows[i];
    if (json_object_set_new(object, row->name, value_json(row, options->slots[i])) != 0) {
      json_decref(object);
      return NULL;
    }
  }
  return object;
}

/* A JSON scalar is a YAML scalar too. Numbers in their shortest form that reads back as they were. */
static ig_status write_rows(const ig_options *options, FILE *file, const char *path) {
  for (int i = 0; i < options->count; i++) {
    if (!saved(options, i)) continue;
    const ig_option *row = options->rows[i];
    if (row->type == IG_OPTION_FLOAT) {
      double value = *(const double *)options->slots[i];
      char text[32];
      for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
      }
      fprintf(file, "%s: %s\n", row->name, text);
      continue;
    }
    json_t *value = value_json(row, options->slots[i]);
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    IG_CHECK(text, IG_ERR_USAGE, "%s: the value of %s is not UTF-8 text", path, row->name);
    fprintf(file, "%s: %s\n", row->name, text);
    free(text);
  }
  return IG_OK;
}

ig_status ig_options_write_yaml(const ig_options *options, const char *path) {
  FILE *file = fopen(path, "wb");
  if (!file) return ig_fail_errno("write", path);
  ig_status status = write_rows(options, file, path);
  bool failed = ferror(file) != 0;
  failed = fclose(file) != 0 || failed;
  return status == IG_OK && failed ? ig_fail_errno("write", path) : status;
}
