/* Copies data sets into files of arrays, a block of samples at a time, values as they are read: nothing
 * is normalised. */
#include "cli/data_copy.h"

#include <string.h>

#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/text_source.h"
#include "formats/array_writer.h"
#include "formats/dataset_open.h"
#include "formats/schema_json.h"
#include "formats/token_file.h"

#define BLOCK_BYTES ((size_t)4 << 20)

typedef struct block {
  int64_t samples; /* a block has room for these */
  int64_t *indices;
  void *fields[IG_MAX_FIELDS];
} block;

static void block_release(block *b, int n_fields) {
  for (int f = 0; f < n_fields; f++) ig_free(b->fields[f]);
  ig_free(b->indices);
}

static ig_status block_make(const ig_dataset *data, block *b) {
  size_t bytes = 1;
  for (int f = 0; f < data->n_fields; f++) {
    bytes += ig_shape_bytes(&data->fields[f].shape, data->fields[f].dtype);
  }
  b->samples = (int64_t)IG_MAX(1, IG_MIN(BLOCK_BYTES / bytes, 65536));
  b->indices = ig_alloc((size_t)b->samples * sizeof *b->indices);
  bool whole = b->indices != NULL;
  for (int f = 0; f < data->n_fields && whole; f++) {
    const ig_field *field = &data->fields[f];
    b->fields[f] = ig_alloc((size_t)b->samples * ig_shape_bytes(&field->shape, field->dtype));
    whole = b->fields[f] != NULL;
  }
  IG_CHECK(whole, IG_ERR_MEMORY, "%s: no memory for %lld samples", data->path,
           (long long)b->samples);
  return IG_OK;
}

static ig_status copy_blocks(const ig_cli *cli, ig_dataset *data, block *b,
                             ig_array_writer *writer) {
  ig_bar bar = ig_bar_begin(cli->common->quiet, "sample", 0, data->n_samples);
  ig_status status = IG_OK;
  for (int64_t first = 0; first < data->n_samples; first += b->samples) {
    int64_t count = IG_MIN(b->samples, data->n_samples - first);
    for (int64_t i = 0; i < count; i++) b->indices[i] = first + i;
    IG_TRY_DONE(ig_dataset_read(data, b->indices, count, b->fields));
    IG_TRY_DONE(ig_array_writer_append(writer, (const void *const *)b->fields, count));
    ig_bar_update(&bar, first + count, "");
    IG_CHECK_DONE(ig_interrupt_signal(NULL) == 0, IG_ERR_INTERRUPTED, "stopped by a signal");
  }
done:
  ig_bar_end(&bar);
  return status;
}

static ig_status copy(const ig_cli *cli, ig_dataset *data, const char *path) {
  ig_array arrays[IG_MAX_FIELDS];
  for (int f = 0; f < data->n_fields; f++) {
    const ig_field *field = &data->fields[f];
    bool class = field->kind == IG_FIELD_CLASS;
    arrays[f] = (ig_array){.name = field->name,
                           .dtype = field->dtype,
                           .shape = field->shape,
                           .columns = field->shape.rank <= 1 ? field->columns : NULL,
                           .labels = class ? field->classes : NULL,
                           .n_labels = class && field->classes ? field->n_classes : 0,
                           .kind = ig_field_kind_name(field->kind)};
  }
  block b = {0};
  ig_array_writer *writer;
  ig_status status = block_make(data, &b);
  if (status == IG_OK) {
    status = ig_array_writer_open(path, data->n_samples, data->n_fields, arrays, &writer);
  }
  if (status == IG_OK) {
    status = copy_blocks(cli, data, &b, writer);
    status = ig_array_writer_close(writer, status);
  }
  block_release(&b, data->n_fields);
  if (status == IG_OK) ig_say(cli, "%lld samples to %s\n", (long long)data->n_samples, path);
  return status;
}

static ig_status open_data(const ig_data_values *v, ig_dataset **out) {
  ig_dataset_open_options options = {.target = v->target, .no_target = v->no_target};
  return ig_dataset_open(v->data, &options, out);
}

static json_t *part_json(const char *path, int64_t samples) {
  json_t *part = json_object();
  json_object_set_new(part, "out", json_string(path));
  json_object_set_new(part, "samples", json_integer(samples));
  return part;
}

/* --- token files ----------------------------------------------------------------------------- */

static bool is_token_file(const char *path) {
  size_t length = strlen(path);
  return length > 4 && strcmp(path + length - 4, ".bin") == 0;
}

/* Windows of one token at every place: x is all tokens but the last, y the last. */
static ig_status write_tokens(ig_dataset *data, ig_token_writer *writer) {
  enum { BLOCK = 4096 };
  int64_t indices[BLOCK], ids[BLOCK];
  for (int64_t first = 0; first < data->n_samples; first += BLOCK) {
    int64_t count = IG_MIN(BLOCK, data->n_samples - first);
    for (int64_t i = 0; i < count; i++) indices[i] = first + i;
    IG_TRY(ig_dataset_read(data, indices, count, (void *[]){ids, NULL}));
    IG_TRY(ig_token_writer_append(writer, ids, count));
    IG_CHECK(ig_interrupt_signal(NULL) == 0, IG_ERR_INTERRUPTED, "stopped by a signal");
  }
  int64_t last = data->n_samples - 1;
  IG_TRY(ig_dataset_read(data, &last, 1, (void *[]){NULL, ids}));
  return ig_token_writer_append(writer, ids, 1);
}

/* A tokenizer that is learned here would be lost: its token file could not be read as text again. */
static ig_status convert_tokens(const ig_cli *cli, const ig_data_values *v) {
  IG_CHECK(!v->tokenizer || strcmp(v->tokenizer, "bpe") != 0, IG_ERR_USAGE,
           "tokenizer: a token file keeps no learned tokenizer (valid: characters, bytes, or a "
           "folder with vocab.json and merges.txt)");
  ig_tokenizer *tokenizer;
  IG_TRY(ig_text_tokenizer(v->tokenizer, v->data, 0, &tokenizer));
  ig_text_encoder encoder = {0};
  ig_dataset_open_options options = {.context = 1};
  if (tokenizer) {
    encoder = ig_text_encoder_of(tokenizer);
    options.encoder = &encoder;
  }
  ig_dataset *data = NULL;
  ig_token_writer *writer;
  ig_status status;
  IG_TRY_DONE(ig_interrupt_install());
  IG_TRY_DONE(ig_dataset_open(v->data, &options, &data));
  IG_CHECK_DONE(data->sequential && data->fields[0].kind == IG_FIELD_TOKENS, IG_ERR_USAGE,
                "%s: is of format %s; a token file is made of text", v->data, data->format);
  IG_TRY_DONE(ig_token_writer_open(v->out, data->fields[0].n_classes, &writer));
  IG_TRY_DONE(ig_token_writer_close(writer, write_tokens(data, writer)));
  ig_say(cli, "%lld tokens to %s\n", (long long)data->n_samples + 1, v->out);
  status = ig_emit_json(cli, part_json(v->out, data->n_samples + 1));
done:
  ig_dataset_destroy(data);
  ig_tokenizer_destroy(tokenizer);
  return status;
}

/* --- the verbs ------------------------------------------------------------------------------- */

ig_status ig_data_convert(const ig_cli *cli, const ig_data_values *v) {
  IG_CHECK(v->out, IG_ERR_USAGE, "--out is missing: .h5, .csv, .npy, .npz, or .bin for tokens");
  if (is_token_file(v->out)) return convert_tokens(cli, v);
  IG_TRY(ig_array_writer_check(v->out, 1));
  IG_TRY(ig_interrupt_install());
  ig_dataset *data;
  IG_TRY(open_data(v, &data));
  ig_status status = copy(cli, data, v->out);
  if (status == IG_OK) status = ig_emit_json(cli, part_json(v->out, data->n_samples));
  ig_dataset_destroy(data);
  return status;
}

ig_status ig_data_split(const ig_cli *cli, const ig_data_values *v) {
  IG_CHECK(v->train && v->test, IG_ERR_USAGE, "--train and --test are missing: two files");
  IG_CHECK(strcmp(v->train, v->test) != 0, IG_ERR_USAGE, "--train and --test are one file");
  IG_TRY(ig_array_writer_check(v->train, 1));
  IG_TRY(ig_array_writer_check(v->test, 1));
  IG_TRY(ig_interrupt_install());
  ig_dataset *data, *rest = NULL, *held_out = NULL;
  IG_TRY(open_data(v, &data));
  ig_status status;
  IG_TRY_DONE(ig_dataset_split(data, v->fraction, (uint64_t)cli->common->seed, &rest, &held_out));
  IG_TRY_DONE(copy(cli, rest, v->train));
  IG_TRY_DONE(copy(cli, held_out, v->test));
  json_t *result = json_object();
  json_object_set_new(result, "train", part_json(v->train, rest->n_samples));
  json_object_set_new(result, "test", part_json(v->test, held_out->n_samples));
  status = ig_emit_json(cli, result);
done:
  ig_dataset_destroy(rest);
  ig_dataset_destroy(held_out);
  ig_dataset_destroy(data);
  return status;
}
