/* Tokenizers against Hugging Face's tokenizers: ids and vocabularies as tests/golden/tokenizer.py
 * wrote them down, and the files that it saved. Then round trips, and what hostile files get. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "formats/pretokenize.h"
#include "formats/tokenizer.h"

#define GOLDEN IG_SOURCE_DIR "/tests/golden/tokenizer/"

static char *slurp(const char *path, size_t *length) {
  *length = 0;
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  char *text = malloc((size_t)4 << 20);
  assert_non_null(text);
  *length = fread(text, 1, (size_t)4 << 20, file);
  fclose(file);
  return text;
}

static char *shakespeare(size_t *length) {
  const char *folder = getenv("INGOT_DATA");
  char path[1024];
  snprintf(path, sizeof path, "%s/tinyshakespeare.txt",
           folder ? folder : IG_SOURCE_DIR "/../shared/data");
  char *text = slurp(path, length);
  if (!text) {
    print_message("skipped: %s is absent\n", path);
    skip();
  }
  return text;
}

static uint64_t fnv(const int32_t *ids, int64_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < count; i++) {
    for (int byte = 0; byte < 4; byte++) {
      hash = (hash ^ ((uint32_t)ids[i] >> 8 * byte & 0xff)) * 0x100000001b3u;
    }
  }
  return hash;
}

static uint64_t digest(const ig_tokenizer *t, const char *text, size_t length, int64_t *count) {
  int32_t *ids;
  assert_int_equal(ig_tokenizer_encode(t, text, length, &ids, count), IG_OK);
  uint64_t hash = fnv(ids, *count);
  ig_free(ids);
  return hash;
}

static void round_trip(const ig_tokenizer *t, const char *text, size_t length) {
  int32_t *ids;
  int64_t count;
  char *back;
  size_t bytes;
  assert_int_equal(ig_tokenizer_encode(t, text, length, &ids, &count), IG_OK);
  assert_int_equal(ig_tokenizer_decode(t, ids, count, &back, &bytes), IG_OK);
  assert_int_equal(bytes, length);
  assert_memory_equal(back, text, length);
  assert_int_equal(back[bytes], 0);
  ig_free(ids);
  ig_free(back);
}

static void check_sample(const ig_tokenizer *t, const char *text, size_t length) {
  static const int32_t start[] = {37, 72,  81, 82, 83, 220, 34,  269, 72,  89, 68, 77,
                                  25, 198, 33, 68, 69, 78,  259, 278, 276, 81, 78, 66};
  int32_t *ids;
  int64_t count;
  assert_int_equal(ig_tokenizer_vocabulary(t), 287);
  assert_int_equal(ig_tokenizer_encode(t, text, length, &ids, &count), IG_OK);
  assert_int_equal(count, 202);
  assert_memory_equal(ids, start, sizeof start);
  assert_true(fnv(ids, count) == 0x428b09c8f52ada9au);
  ig_free(ids);
}

static void trains_like_huggingface(void **state) {
  (void)state;
  size_t length;
  char *text = slurp(GOLDEN "sample.txt", &length);
  assert_non_null(text);
  ig_tokenizer *t;
  assert_int_equal(ig_tokenizer_train(text, length, 300, &t), IG_OK);
  check_sample(t, text, length);
  ig_tokenizer_destroy(t);
  free(text);
}

static void reads_huggingface_files(void **state) {
  (void)state;
  size_t length;
  char *text = slurp(GOLDEN "sample.txt", &length);
  ig_tokenizer *t;
  assert_int_equal(ig_tokenizer_read_gpt2(GOLDEN "vocab.json", GOLDEN "merges.txt", &t), IG_OK);
  check_sample(t, text, length);
  round_trip(t, text, length);
  ig_tokenizer_destroy(t);
  free(text);
}

static void trains_on_shakespeare(void **state) {
  (void)state;
  static const struct {
    int64_t asked, vocabulary, count;
    uint64_t digest;
  } figures[] = {
      {512,   512,   575345, 0xefcc1fc7b00b5b74u},
      {1000,  1000,  462759, 0x42541af8e34bf2beu},
      {50257, 12711, 306649, 0x3c456e7501f6c357u}
  };
  size_t length;
  char *text = shakespeare(&length);
  for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
    ig_tokenizer *t;
    int64_t count;
    assert_int_equal(ig_tokenizer_train(text, length, figures[i].asked, &t), IG_OK);
    assert_int_equal(ig_tokenizer_vocabulary(t), figures[i].vocabulary);
    uint64_t found = digest(t, text, length, &count);
    assert_int_equal(count, figures[i].count);
    assert_true(found == figures[i].digest);
    round_trip(t, text, length);
    ig_tokenizer_destroy(t);
  }
  free(text);
}

/* Pieces of GPT-2's regular expression, from its definition. */
static void pieces(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t first;
  } cases[] = {
      {"Hello world",   5},
      {" world",        6},
      {"  world",       1},
      {" \n\tx",        2},
      {"\nx",           1},
      {"   ",           3},
      {"'s",            2},
      {"'sword",        2},
      {"'Sword",        1},
      {" 's",           2},
      {"'ll be",        3},
      {"'lx",           1},
      {"12ab",          2},
      {" 12",           3},
      {"...!?a",        5},
      {"!'s",           2},
      {"caf\xc3\xa9 x", 5},
      {"\xff\xfe"
       "a",      2},
      {" \xe2\x82\xac"
       "5",      4},
      {"\xc2\xa0x",     2},
      {"x\xcc\x81",     1},
      {"\xc2\xbd"
       "4",      3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(ig_pretokenize(cases[i].text, strlen(cases[i].text)), cases[i].first);
  }
}

static void any_bytes_round_trip(void **state) {
  (void)state;
  char noise[20000];
  ig_rng rng = ig_rng_stream(1, IG_RNG_TEST, 0, 0);
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)ig_rng_below(&rng, i, i % 3 ? 256 : 4);
  ig_tokenizer *t;
  assert_int_equal(ig_tokenizer_train(noise, sizeof noise / 2, 400, &t), IG_OK);
  assert_true(ig_tokenizer_vocabulary(t) > 256);
  round_trip(t, noise, sizeof noise);
  round_trip(t, noise, 0);
  ig_tokenizer_destroy(t);
  assert_int_equal(ig_tokenizer_bytes(&t), IG_OK);
  round_trip(t, noise, sizeof noise);
  ig_tokenizer_destroy(t);
}

static void characters(void **state) {
  (void)state;
  const char *text = "b\xc3\xa9\xc3\xa9 a\n\xf0\x9f\x99\x82";
  ig_tokenizer *t;
  assert_int_equal(ig_tokenizer_characters(text, strlen(text), &t), IG_OK);
  assert_int_equal(ig_tokenizer_vocabulary(t), 6); /* \n, blank, a, b, e acute, smile: sorted */
  int32_t *ids;
  int64_t count;
  assert_int_equal(ig_tokenizer_encode(t, text, strlen(text), &ids, &count), IG_OK);
  static const int32_t expected[] = {3, 4, 4, 1, 2, 0, 5};
  assert_int_equal(count, 7);
  assert_memory_equal(ids, expected, sizeof expected);
  ig_free(ids);
  round_trip(t, text, strlen(text));
  assert_int_equal(ig_tokenizer_encode(t, "abc", 3, &ids, &count), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "'c' at byte 2"));
  ig_tokenizer_destroy(t);
  assert_int_equal(ig_tokenizer_characters("ab\xff", 3, &t), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "byte 2"));
}

static void json_keeps_all(const ig_tokenizer *t, const char *text, size_t length) {
  char *json, *again;
  ig_tokenizer *copy;
  int64_t n, m;
  assert_int_equal(ig_tokenizer_to_json(t, &json), IG_OK);
  assert_null(strchr(json, '\n'));
  assert_int_equal(ig_tokenizer_from_json(json, strlen(json), &copy), IG_OK);
  assert_int_equal(ig_tokenizer_kind_of(copy), ig_tokenizer_kind_of(t));
  assert_int_equal(ig_tokenizer_vocabulary(copy), ig_tokenizer_vocabulary(t));
  assert_true(digest(copy, text, length, &n) == digest(t, text, length, &m));
  assert_int_equal(ig_tokenizer_to_json(copy, &again), IG_OK);
  assert_string_equal(json, again);
  ig_free(json);
  ig_free(again);
  ig_tokenizer_destroy(copy);
}

static void json(void **state) {
  (void)state;
  size_t length;
  char *text = slurp(GOLDEN "sample.txt", &length);
  ig_tokenizer *t;
  assert_int_equal(ig_tokenizer_train(text, length, 300, &t), IG_OK);
  json_keeps_all(t, text, length);
  ig_tokenizer_destroy(t);
  assert_int_equal(ig_tokenizer_characters(text, length, &t), IG_OK);
  json_keeps_all(t, text, length);
  ig_tokenizer_destroy(t);
  assert_int_equal(ig_tokenizer_bytes(&t), IG_OK);
  json_keeps_all(t, text, length);
  ig_tokenizer_destroy(t);
  free(text);
}

static void bad_json(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "{",
      "[]",
      "null",
      "{\"kind\":3}",
      "{\"kind\":\"words\"}",
      "{\"kind\":\"bpe\"}",
      "{\"kind\":\"bpe\",\"vocab\":{\"a\":0},\"merges\":[]}",
      "{\"kind\":\"bpe\",\"vocab\":[1],\"merges\":{}}",
      "{\"kind\":\"characters\"}",
      "{\"kind\":\"characters\",\"points\":[3,2]}",
      "{\"kind\":\"characters\",\"points\":[-1]}",
      "{\"kind\":\"characters\",\"points\":[55296]}",
      "{\"kind\":\"characters\",\"points\":[1114112]}",
      "{\"kind\":\"characters\",\"points\":[\"a\"]}",
      "{\"kind\":\"bytes\",\"kind\":\"bytes\"}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    ig_tokenizer *t = NULL;
    ig_clear_error();
    assert_int_equal(ig_tokenizer_from_json(texts[i], strlen(texts[i]), &t), IG_ERR_INPUT);
    assert_null(t);
    assert_true(strlen(ig_last_error()) > 10);
  }
}

/* The good files with one thing changed each. */
static ig_status read_changed(const char *vocab_from, const char *vocab_to, const char *merges) {
  char folder[] = "/tmp/ingot-tokenizer-XXXXXX", vocab_path[64], merges_path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(vocab_path, sizeof vocab_path, "%s/vocab.json", folder);
  snprintf(merges_path, sizeof merges_path, "%s/merges.txt", folder);
  size_t length;
  char *vocab = slurp(GOLDEN "vocab.json", &length);
  vocab[length] = '\0';
  char *at = vocab_from ? strstr(vocab, vocab_from) : vocab + length;
  assert_non_null(at);
  FILE *file = fopen(vocab_path, "wb");
  fwrite(vocab, 1, (size_t)(at - vocab), file);
  if (vocab_from) fprintf(file, "%s%s", vocab_to, at + strlen(vocab_from));
  fclose(file);
  file = fopen(merges_path, "wb");
  fputs(merges, file);
  fclose(file);
  ig_tokenizer *t = NULL;
  ig_status status = ig_tokenizer_read_gpt2(vocab_path, merges_path, &t);
  ig_tokenizer_destroy(t);
  unlink(vocab_path);
  unlink(merges_path);
  rmdir(folder);
  free(vocab);
  return status;
}

static void bad_files(void **state) {
  (void)state;
  static const struct {
    const char *from, *to, *merges, *message;
  } cases[] = {
      {NULL,       NULL,                 "#version: 0.2\nh e\n", NULL                          },
      {NULL,       NULL,                 "h e\r\n\r\n",          NULL                          }, /* no first line, Windows' line ends */
      {NULL,       NULL,                 "h e\nh e\n",           "repeats"                     },
      {NULL,       NULL,                 "h\n",                  "two tokens"                  },
      {NULL,       NULL,                 "h e x\n",              "two tokens"                  },
      {NULL,       NULL,                 " h e\n",               "two tokens"                  },
      {NULL,       NULL,                 "h Q\n",                "\"hQ\", which is not a token"},
      {NULL,       NULL,                 "h \xff\n",             "not UTF-8"                   },
      {"\"!\":0,", "",                   "h e\n",                "id"                          },
      {"\"!\":0",  "\"!\":1",            "h e\n",                "share the id 1"              },
      {"\"!\":0",  "\"!\":-1",           "h e\n",                "no id"                       },
      {"\"!\":0",  "\"!\":999999999999", "h e\n",                "no id"                       },
      {"\"!\":0",  "\"!\":\"0\"",        "h e\n",                "no id"                       },
      {"\"!\":0",  "\"!!\":0",           "h e\n",                "no token for the byte 0x21"  },
      {"\"!\":0",  "\"\xe6\x97\xa5\":0", "h e\n",                "alphabet"                    },
      {"\"!\":0",  "\"\":0",             "h e\n",                "0 bytes"                     },
      {"{",        "",                   "h e\n",                "not JSON"                    },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ig_clear_error();
    ig_status status = read_changed(cases[i].from, cases[i].to, cases[i].merges);
    assert_int_equal(status, cases[i].message ? IG_ERR_INPUT : IG_OK);
    if (cases[i].message) assert_non_null(strstr(ig_last_error(), cases[i].message));
  }
  ig_tokenizer *t;
  assert_int_equal(ig_tokenizer_read_gpt2("/nowhere/vocab.json", GOLDEN "merges.txt", &t),
                   IG_ERR_INPUT);
  assert_int_equal(ig_tokenizer_read_gpt2(GOLDEN "vocab.json", GOLDEN, &t), IG_ERR_INPUT);
  assert_int_equal(ig_tokenizer_train("a", 1, 255, &t), IG_ERR_USAGE);
}

/* A piece of a megabyte must not take quadratic time: n^2 here would be hours. */
static void long_piece(void **state) {
  (void)state;
  size_t length = (size_t)1 << 20;
  char *text = malloc(length);
  assert_non_null(text);
  for (size_t i = 0; i < length; i++) text[i] = (char)('a' + i * i % 3);
  ig_tokenizer *t;
  clock_t begin = clock();
  assert_int_equal(ig_tokenizer_train(text, length, 300, &t), IG_OK);
  round_trip(t, text, length);
  assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 60);
  ig_tokenizer_destroy(t);
  free(text);
}

static void outside_the_vocabulary(void **state) {
  (void)state;
  ig_tokenizer *t;
  char *text;
  size_t length;
  assert_int_equal(ig_tokenizer_bytes(&t), IG_OK);
  assert_int_equal(ig_tokenizer_decode(t, (int32_t[]){65, 256}, 2, &text, &length), IG_ERR_INPUT);
  assert_int_equal(ig_tokenizer_decode(t, (int32_t[]){-1}, 1, &text, &length), IG_ERR_INPUT);
  assert_null(ig_tokenizer_token(t, 256, &length));
  ig_tokenizer_destroy(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pieces),
      cmocka_unit_test(trains_like_huggingface),
      cmocka_unit_test(reads_huggingface_files),
      cmocka_unit_test(trains_on_shakespeare),
      cmocka_unit_test(any_bytes_round_trip),
      cmocka_unit_test(characters),
      cmocka_unit_test(json),
      cmocka_unit_test(bad_json),
      cmocka_unit_test(bad_files),
      cmocka_unit_test(long_piece),
      cmocka_unit_test(outside_the_vocabulary),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
