/* Plain text as tokens: its bytes, its Unicode characters, or what a tokenizer makes of it. Of
 * characters, the vocabulary is the sorted set of those that occur, or that of the training
 * data. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/token_windows.h"
#include "formats/unicode.h"

#define CODE_POINTS 0x110000

static int text_recognise(const ig_source *source) {
  bool is = source->n_prefix > 0 && ig_is_text(source->prefix, source->n_prefix);
  return is ? IG_MATCH_FALLBACK : IG_MATCH_NO;
}

/* Decodes one character at data[*at], *at < size; false when the bytes are not UTF-8. */
static bool next_character(const unsigned char *data, size_t size, size_t *at, uint32_t *code) {
  int bytes = ig_utf8_decode((const char *)data + *at, size - *at, code);
  if (*code == IG_UTF8_INVALID) return false;
  *at += (size_t)bytes;
  return true;
}

static void put_character(uint32_t code, char out[5]) { out[ig_utf8_encode(code, out)] = '\0'; }

static int64_t line_of(const unsigned char *data, size_t at) {
  int64_t line = 1;
  for (size_t i = 0; i < at; i++) line += data[i] == '\n';
  return line;
}

static ig_status report_bytes(const ig_source *source, const ig_bytes *bytes, size_t at) {
  return ig_fail(IG_ERR_INPUT,
                 "%s: line %lld, byte %zu: expected UTF-8 text, found the byte %02x (read it as "
                 "bytes instead?)",
                 source->spec, (long long)line_of(bytes->data, at), at, bytes->data[at]);
}

/* Marks the characters that occur with 1 and counts them all; *bound is above the largest. */
static ig_status count_characters(const ig_source *source, const ig_bytes *bytes, int32_t *marks,
                                  int64_t *count, uint32_t *bound) {
  *count = 0;
  *bound = 0;
  for (size_t at = 0; at < bytes->size; ++*count) {
    uint32_t code;
    if (!next_character(bytes->data, bytes->size, &at, &code)) {
      return report_bytes(source, bytes, at);
    }
    marks[code] = 1;
    *bound = IG_MAX(*bound, code + 1);
  }
  return IG_OK;
}

/* ids[code] becomes index + 1 in the vocabulary, in the order of code points. */
static ig_status build_vocabulary(ig_arena *arena, uint32_t bound, int32_t *ids,
                                  ig_token_run *run) {
  int32_t n = 0;
  for (uint32_t code = 0; code < bound; code++) n += ids[code] != 0;
  const char **names = ig_arena_alloc(arena, (size_t)n * sizeof *names);
  IG_CHECK_ALLOC(names);
  int32_t next = 0;
  for (uint32_t code = 0; code < bound; code++) {
    if (!ids[code]) continue;
    char text[5];
    put_character(code, text);
    names[next] = ig_arena_strdup(arena, text);
    IG_CHECK_ALLOC(names[next]);
    ids[code] = ++next;
  }
  run->vocabulary = n;
  run->names = names;
  return IG_OK;
}

/* The vocabulary of the training data. */
static ig_status take_vocabulary(const ig_source *source, const ig_field *like, ig_arena *arena,
                                 int32_t *ids, ig_token_run *run) {
  memset(ids, 0, CODE_POINTS * sizeof *ids);
  const char **names = ig_arena_alloc(arena, (size_t)like->n_classes * sizeof *names);
  IG_CHECK_ALLOC(names);
  for (int64_t i = 0; i < like->n_classes; i++) {
    size_t at = 0, length = strlen(like->classes[i]);
    uint32_t code = 0; /* the character NUL has an empty name */
    bool one = length == 0 || (next_character((const unsigned char *)like->classes[i], length, &at,
                                              &code) && at == length);
    IG_CHECK(one, IG_ERR_INPUT,
             "%s: the training data's token %lld, '%s', is not a character; expected a tokenizer",
             source->spec, (long long)i, like->classes[i]);
    ids[code] = (int32_t)i + 1;
    names[i] = ig_arena_strdup(arena, like->classes[i]);
    IG_CHECK_ALLOC(names[i]);
  }
  run->vocabulary = like->n_classes;
  run->names = names;
  return IG_OK;
}

static ig_status encode_characters(const ig_source *source, const ig_bytes *bytes,
                                   const int32_t *ids, ig_holder *holder, ig_token_run *run) {
  run->width = run->vocabulary <= 65536 ? 2 : 4;
  void *block = ig_alloc_zero((size_t)run->count, (size_t)run->width);
  IG_CHECK(block, IG_ERR_MEMORY, "%s: no memory for %lld tokens", source->spec,
           (long long)run->count);
  holder->blocks[0] = block;
  run->ids = block;
  size_t at = 0;
  for (int64_t i = 0; i < run->count; i++) {
    size_t start = at;
    uint32_t code = 0;
    next_character(bytes->data, bytes->size, &at, &code); /* valid: it was counted */
    if (!ids[code]) {
      char text[5];
      put_character(code, text);
      return ig_fail(IG_ERR_INPUT,
                     "%s: line %lld: the character '%s' (U+%04X) is not among the %lld of the "
                     "training data",
                     source->spec, (long long)line_of(bytes->data, start), text, code,
                     (long long)run->vocabulary);
    }
    if (run->width == 2) ((uint16_t *)block)[i] = (uint16_t)(ids[code] - 1);
    else ((uint32_t *)block)[i] = (uint32_t)(ids[code] - 1);
  }
  return IG_OK;
}

static ig_status read_characters(const ig_source *source, const ig_dataset_open_options *options,
                                 const ig_field *like, ig_holder *holder, ig_token_run *run) {
  IG_CHECK(holder->bytes.size / 2 < ig_memory_limit(options) / 4, IG_ERR_MEMORY,
           "%s: %zu bytes of text exceed the memory limit as characters; read it as bytes, or "
           "convert it to a token file",
           source->spec, holder->bytes.size);
  int32_t *ids = ig_alloc_zero(CODE_POINTS, sizeof *ids);
  IG_CHECK_ALLOC(ids);
  uint32_t bound;
  ig_status status = count_characters(source, &holder->bytes, ids, &run->count, &bound);
  if (status == IG_OK) {
    status = like ? take_vocabulary(source, like, holder->arena, ids, run)
                  : build_vocabulary(holder->arena, bound, ids, run);
  }
  if (status == IG_OK) status = encode_characters(source, &holder->bytes, ids, holder, run);
  ig_free(ids);
  ig_bytes_release(&holder->bytes);
  return status;
}

static ig_status read_encoded(const ig_source *source, const ig_text_encoder *encoder,
                              ig_holder *holder, ig_token_run *run) {
  int32_t *ids = NULL;
  ig_status status = encoder->encode(encoder->context, (const char *)holder->bytes.data,
                                     holder->bytes.size, &ids, &run->count);
  if (status != IG_OK) return ig_fail_in(status, "%s", source->spec);
  holder->blocks[0] = ids;
  for (int64_t i = 0; i < run->count; i++) {
    IG_CHECK(ids[i] >= 0 && ids[i] < encoder->vocabulary, IG_ERR_INTERNAL,
             "%s: the tokenizer gave the id %d; expected 0 to %lld", source->spec, ids[i],
             (long long)encoder->vocabulary - 1);
  }
  run->ids = ids;
  run->width = 4;
  run->vocabulary = encoder->vocabulary;
  ig_bytes_release(&holder->bytes);
  return IG_OK;
}

/* Of what a text's tokens were in training. */
static const ig_field *like_tokens(const ig_dataset_open_options *options) {
  const ig_field *like = ig_like_field(options, "x");
  return like && like->kind == IG_FIELD_TOKENS ? like : NULL;
}

/* Tokens lie in the file as they are used. */
static bool text_by_offset(const ig_source *source, const ig_dataset_open_options *options) {
  const ig_field *like = like_tokens(options);
  IG_UNUSED(source);
  if (options->encoder) {
    return options->encoder->vocabulary == 256 && strcmp(options->encoder->name, "bytes") == 0;
  }
  return like ? !like->classes && like->n_classes == 256 : options->text == IG_TEXT_BYTES;
}

static ig_status read_tokens(const ig_source *source, const ig_dataset_open_options *options,
                             ig_holder *holder, ig_token_run *run, uint64_t *digest) {
  IG_TRY(ig_bytes_map(source->path, &holder->bytes));
  const ig_field *like = like_tokens(options);
  bool as_bytes = text_by_offset(source, options);
  const char *unit = options->encoder ? options->encoder->name : as_bytes ? "bytes" : "characters";
  uint64_t facts[2] = {ig_bytes_digest(&holder->bytes, source, options),
                       XXH3_64bits(unit, strlen(unit))};
  *digest = XXH3_64bits(facts, sizeof facts);
  if (as_bytes) {
    *run = (ig_token_run){.ids = holder->bytes.data,
                          .width = 1,
                          .count = (int64_t)holder->bytes.size,
                          .vocabulary = 256};
    return IG_OK;
  }
  if (options->encoder) return read_encoded(source, options->encoder, holder, run);
  IG_CHECK(!like || like->classes, IG_ERR_INPUT,
           "%s: the training data has %lld tokens of a tokenizer; expected that tokenizer",
           source->spec, (long long)like->n_classes);
  return read_characters(source, options, like, holder, run);
}

static ig_status text_open(const ig_source *source, const ig_dataset_open_options *options,
                           ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "text", false, false));
  ig_holder *holder;
  IG_TRY(ig_holder_create(&holder));
  ig_token_run run = {0};
  uint64_t digest = 0;
  ig_status status = read_tokens(source, options, holder, &run, &digest);
  if (status == IG_OK) {
    status = ig_token_windows_create(source, "text", &run, digest, options, holder, out);
  }
  if (status != IG_OK) ig_holder_destroy(holder);
  return status;
}

static const char *const text_extensions[] = {"txt", "text", "md", "log", "tex", NULL};

const ig_reader ig_reader_text = {
    .name = "text",
    .extensions = text_extensions,
    .recognise = text_recognise,
    .open = text_open,
    .by_offset = text_by_offset,
};
