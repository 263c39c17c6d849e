/* Tokenizers: a serialised one, from a checkpoint that cannot be trusted, followed by a NUL and a
 * text; and training on whatever comes. */
#include "formats/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "seeds.h"

/* Exact, unless a normal form or word pieces stand between. */
static void round_trip(const ig_tokenizer *t, bool exact, const char *text, size_t length) {
  int32_t *ids;
  int64_t count;
  if (ig_tokenizer_encode(t, text, length, &ids, &count) != IG_OK) return;
  char *back;
  size_t bytes;
  if (ig_tokenizer_decode(t, ids, count, &back, &bytes) != IG_OK) abort();
  if (exact && (bytes != length || memcmp(back, text, length) != 0)) abort();
  ig_free(back);
  ig_free(ids);
}

static void read_and_use(const char *json, size_t length, const char *text, size_t text_length) {
  ig_tokenizer *t, *again;
  char *written;
  ig_clear_error();
  if (ig_tokenizer_from_json(json, length, &t) != IG_OK) {
    if (!*ig_last_error()) abort();
    return;
  }
  if (ig_tokenizer_to_json(t, &written) != IG_OK) abort();
  round_trip(t, strncmp(written, "{\"kind\"", 7) == 0, text, text_length); /* our own form */
  if (ig_tokenizer_from_json(written, strlen(written), &again) != IG_OK) abort();
  if (ig_tokenizer_vocabulary(again) != ig_tokenizer_vocabulary(t)) abort();
  ig_tokenizer_destroy(again);
  ig_tokenizer_destroy(t);
  ig_free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *bytes = (const char *)data, *end = memchr(bytes, 0, size);
  size_t json = end ? (size_t)(end - bytes) : size;
  read_and_use(bytes, json, bytes, size);
  ig_tokenizer *t;
  if (ig_tokenizer_train(bytes, size, 300, &t) != IG_OK) abort();
  round_trip(t, true, bytes, size);
  ig_tokenizer_destroy(t);
  return 0;
}

/* A trained tokenizer, small enough to be changed in interesting places. */
static void seed_trained(const char *text, int64_t vocabulary) {
  ig_tokenizer *t;
  char *json;
  if (ig_tokenizer_train(text, strlen(text), vocabulary, &t) != IG_OK) abort();
  if (ig_tokenizer_to_json(t, &json) != IG_OK) abort();
  seed_text(json);
  ig_free(json);
  ig_tokenizer_destroy(t);
}

void make_seeds(void) {
  seed_text("{\"kind\":\"bytes\"}");
  seed_text("{\"kind\":\"characters\",\"points\":[10,32,97,233,128578]}");
  seed_trained("", 256);
  seed_trained("the thing the other thing then there the these those", 270);
  seed_file("tests/golden/tokenizer/sample.txt");
  static const char *const names[] = {"gpt2", "blank", "llama3", "qwen2", "uncased", "cased"};
  char path[128];
  for (int i = 0; i < 6; i++) {
    snprintf(path, sizeof path, "tests/golden/tokenizer_hf/%s.json", names[i]);
    seed_file(path);
  }
}
