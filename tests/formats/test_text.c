/* Text and token files: windows, vocabularies, and text that is not what it should be. */
#include "data_files.h"

#include "formats/token_file.h"

static void windows_of_characters(void **state) {
  (void)state;
  ig_dataset_open_options options = {.context = 4};
  ig_dataset *d = open_ok(write_text("abc.txt", "cab\xc3\xa9 bca\n"), &options);
  assert_string_equal(d->format, "text");
  assert_true(d->sequential);
  assert_int_equal(d->overlap, 3);
  assert_int_equal(d->n_samples, 9 - 4); /* 9 characters in 10 bytes */
  static const char *const sorted[] = {"\n", " ", "a", "b", "c", "\xc3\xa9"};
  static const int ids[] = {4, 2, 3, 5, 1, 3, 4, 2, 0};
  for (int f = 0; f < 2; f++) {
    assert_string_equal(d->fields[f].name, f ? "y" : "x");
    assert_int_equal(d->fields[f].kind, IG_FIELD_TOKENS);
    assert_int_equal(d->fields[f].dtype, IG_I64);
    assert_string_equal(IG_SHAPE_STR(&d->fields[f].shape), "[4]");
    assert_int_equal(d->fields[f].n_classes, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(d->fields[f].classes[i], sorted[i]);
    int64_t *all = read_field(d, f);
    for (int s = 0; s < 5; s++) {
      for (int i = 0; i < 4; i++) assert_int_equal(all[s * 4 + i], ids[s + i + f]);
    }
    free(all);
  }
  ig_dataset_destroy(d);
  options.stride =
      4; /* windows that follow one another: 4 of x and 1 more fit once, and once more */
  d = open_ok(scratch("abc.txt"), &options);
  assert_int_equal(d->n_samples, 2);
  assert_int_equal(d->overlap, 0);
  assert_true(element(d, 0, 4) == ids[4] && element(d, 1, 7) == ids[8]);
  ig_dataset_destroy(d);
}

static void bytes(void **state) {
  (void)state;
  ig_dataset_open_options options = {.context = 2, .text = IG_TEXT_BYTES};
  ig_dataset *d = open_ok(write_text("b.txt", "\xc3\xa9z!"), &options);
  assert_int_equal(d->fields[0].n_classes, 256);
  assert_int_equal(d->n_samples, 2);
  assert_true(element(d, 0, 0) == 0xc3 && element(d, 1, 3) == '!');
  ig_dataset_destroy(d);
}

static void the_vocabulary_of_the_training_data(void **state) {
  (void)state;
  static const char *const names[] = {"z", "b", "a"};
  ig_field like = {.name = "x", .kind = IG_FIELD_TOKENS, .n_classes = 3, .classes = names};
  ig_dataset_open_options options = {.context = 1, .like = &like, .n_like = 1};
  ig_dataset *d = open_ok(write_text("v.txt", "abba"), &options);
  assert_int_equal(d->fields[0].n_classes, 3);
  static const int ids[] = {2, 1, 1};
  for (int i = 0; i < 3; i++) assert_true(element(d, 0, i) == ids[i]);
  ig_dataset_destroy(d);
  open_fails(write_text("v.txt", "ab\nb"), &options, IG_ERR_INPUT,
             "v.txt: line 1: the character '?' (U+000A) is not among the 3 of the training data");
  open_fails(write_text("v.txt", "abaz\xc3\xa9"), &options, IG_ERR_INPUT,
             "line 1: the character '\xc3\xa9' (U+00E9)");
  like.classes = NULL; /* a tokenizer's ids */
  open_fails(scratch("v.txt"), &options, IG_ERR_INPUT, "has 3 tokens of a tokenizer");
  like.n_classes = 256; /* bytes */
  d = open_ok(scratch("v.txt"), &options);
  assert_true(element(d, 0, 0) == 'a');
  ig_dataset_destroy(d);
}

static ig_status encode_pairs(void *context, const char *text, size_t length, int32_t **ids,
                              int64_t *count) {
  if (memchr(text, '!', length)) return ig_fail(IG_ERR_INPUT, "no token for '!'");
  *count = (int64_t)length / 2;
  *ids = ig_alloc((size_t)*count * sizeof **ids);
  for (int64_t i = 0; i < *count; i++) (*ids)[i] = text[2 * i] - 'a' + *(int *)context;
  return IG_OK;
}

static void an_encoder(void **state) {
  (void)state;
  int shift = 1;
  ig_text_encoder encoder = {&shift, "pairs", 4, encode_pairs};
  ig_dataset_open_options options = {.context = 2, .encoder = &encoder};
  ig_dataset *d = open_ok(write_text("e.txt", "axbxcx"), &options);
  assert_int_equal(d->n_samples, 1);
  assert_int_equal(d->fields[1].n_classes, 4);
  assert_true(element(d, 0, 0) == 1 && element(d, 1, 1) == 3);
  ig_dataset_destroy(d);
  open_fails(write_text("e.txt", "axbxcx!!"), &options, IG_ERR_INPUT, "e.txt: no token for '!'");
  shift = 2; /* 'c' becomes 4 */
  open_fails(write_text("e.txt", "axbxcx"), &options, IG_ERR_INTERNAL, "gave the id 4");
}

static void not_text(void **state) {
  (void)state;
  ig_dataset_open_options options = {.context = 2};
  char long_text[70000];
  memset(long_text, 'a', sizeof long_text);
  long_text[100] = '\n';
  memcpy(long_text + 69000, "\xff", 1); /* beyond what is looked at to recognise it */
  open_fails(write_bytes("l.txt", long_text, sizeof long_text), &options, IG_ERR_INPUT,
             "l.txt: line 2, byte 69000: expected UTF-8 text, found the byte ff");
  open_fails(write_text("s.txt", "ab"), &options, IG_ERR_INPUT,
             "s.txt: holds 2 tokens; a window of 2 and the next one need 3");
  open_fails(write_bytes("n.txt", "a\0b", 3), &options, IG_ERR_INPUT, "is of no known format");
  open_fails(write_text("empty.txt", ""), &options, IG_ERR_INPUT, "empty.txt: is empty (0 bytes)");
  open_fails(scratch("absent.txt"), &options, IG_ERR_INPUT, "absent.txt: no such file or folder");
  open_fails(write_text("page.npy", "<html>not found</html>"), &options, IG_ERR_INPUT,
             "page.npy: is named like npy but is not: expected 93 4e 55 4d 50 59 (.NUMPY), found "
             "3c 68 74 6d");
  options.text = IG_TEXT_BYTES;
  ig_dataset *d = open_ok(scratch("l.txt"), &options);
  ig_dataset_destroy(d);
}

static void put_le(unsigned char *at, uint64_t value, int n) {
  for (int i = 0; i < n; i++) at[i] = (unsigned char)(value >> (8 * i));
}

/* The header as token_file.h describes it; the digest of the ids 0..9 (u16) was taken with
 * xxhsum -H3 (xxhash 0.8.1): python3 -c "import sys,struct;
 * sys.stdout.buffer.write(struct.pack('<10H',*range(10)))" | xxhsum -H3 */
static size_t token_bytes(unsigned char *out) {
  memset(out, 0, 64);
  memcpy(out, "\x89IGTOK\r\n", 8);
  put_le(out + 8, 1, 4);
  put_le(out + 12, 2, 4);
  put_le(out + 16, 10, 8);
  put_le(out + 24, 12, 8);
  put_le(out + 32, 0x58000c4fc95801c5u, 8);
  for (int i = 0; i < 10; i++) put_le(out + 64 + 2 * i, (uint64_t)i, 2);
  return 84;
}

static void token_files(void **state) {
  (void)state;
  unsigned char bytes[128];
  size_t n = token_bytes(bytes);
  ig_dataset_open_options options = {.context = 3, .stride = 3};
  ig_dataset *d = open_ok(write_bytes("t.bin", bytes, n), &options);
  assert_string_equal(d->format, "tokens");
  assert_int_equal(d->n_samples, 3);
  assert_int_equal(d->fields[0].n_classes, 12);
  for (int i = 0; i < 9; i++) assert_true(element(d, 1, i) == i + 1);
  ig_dataset_destroy(d);
  every_truncation_fails(scratch("t.bin"), "cut.bin", &options);
  every_byte_changed(scratch("t.bin"), "changed.bin", &options);
  bytes[64]++;
  open_fails(write_bytes("d.bin", bytes, n), &options, IG_ERR_INPUT, "the ids are damaged");
  bytes[64]--;
  bytes[24] = 9; /* a vocabulary of 9: the id 9 is outside */
  d = open_ok(write_bytes("d.bin", bytes, n), &options);
  int64_t last = 2, x[3];
  assert_int_equal(ig_dataset_read(d, &last, 1, (void *[]){NULL, x}), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "token 9 is outside the vocabulary; expected 0 to 8"));
  ig_dataset_destroy(d);
  ig_field like = {.name = "x", .kind = IG_FIELD_TOKENS, .n_classes = 50257};
  options.like = &like;
  options.n_like = 1;
  open_fails(scratch("t.bin"), &options, IG_ERR_INPUT,
             "has a vocabulary of 12 tokens; the model's is 50257");
}

static void written_token_files(void **state) {
  (void)state;
  static const int64_t vocabularies[] = {65536, 65537};
  static int64_t ids[40000];
  for (int v = 0; v < 2; v++) {
    for (int64_t i = 0; i < 40000; i++) ids[i] = i * 7919 % vocabularies[v];
    ids[7] = vocabularies[v] - 1;
    ig_token_writer *writer;
    assert_int_equal(ig_token_writer_open(scratch("w.bin"), vocabularies[v], &writer), IG_OK);
    assert_int_equal(ig_token_writer_append(writer, ids, 100), IG_OK);
    assert_int_equal(ig_token_writer_append(writer, ids + 100, 39900), IG_OK);
    assert_int_equal(access(scratch("w.bin"), F_OK), v - 1); /* not before it is whole */
    assert_int_equal(ig_token_writer_close(writer, IG_OK), IG_OK);
    ig_dataset *d = open_ok(scratch("w.bin"), &(ig_dataset_open_options){.context = 1});
    assert_int_equal(d->n_samples, 39999);
    assert_int_equal(d->fields[0].n_classes, vocabularies[v]);
    int64_t *x = read_field(d, 0);
    assert_memory_equal(x, ids, 39999 * sizeof *x);
    free(x);
    assert_true(element(d, 1, 39998) == (double)ids[39999]);
    ig_dataset_destroy(d);
  }
  ig_token_writer *writer; /* a failure keeps the old file */
  assert_int_equal(ig_token_writer_open(scratch("w.bin"), 5, &writer), IG_OK);
  int64_t bad[] = {1, 5};
  ig_status status = ig_token_writer_append(writer, bad, 2);
  assert_int_equal(status, IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "w.bin: token 5; expected 0 to 4"));
  assert_int_equal(ig_token_writer_close(writer, status), IG_ERR_INPUT);
  ig_dataset *d = open_ok(scratch("w.bin"), NULL);
  assert_int_equal(d->fields[0].n_classes, 65537);
  ig_dataset_destroy(d);
  assert_int_equal(access(scratch("w.bin.partial"), F_OK), -1);
}

/* 1,115,394 characters, 65 of them distinct (nanoGPT's data/shakespeare_char/readme says so
 * too). */
static void tiny_shakespeare(void **state) {
  (void)state;
  const char *folder = getenv("INGOT_DATA");
  char path[512];
  snprintf(path, sizeof path, "%s/tinyshakespeare.txt",
           folder ? folder : IG_SOURCE_DIR "/../shared/data");
  if (access(path, R_OK) != 0) {
    print_message("skipped: no %s (set INGOT_DATA)\n", path);
    skip();
  }
  ig_dataset *d = open_ok(path, NULL), *rest, *held;
  assert_int_equal(d->fields[0].n_classes, 65);
  assert_int_equal(d->n_samples, 1115394 - 64);
  /* "First Citizen" in nanoGPT's encoding. */
  static const int first[] = {18, 47, 56, 57, 58, 1, 15, 47, 58, 47, 64, 43, 52};
  int64_t zero = 0, x[64];
  assert_int_equal(ig_dataset_read(d, &zero, 1, (void *[]){x, NULL}), IG_OK);
  for (int i = 0; i < IG_COUNT(first); i++) assert_int_equal(x[i], first[i]);
  assert_int_equal(ig_dataset_split(d, 0.1, 1, &rest, &held), IG_OK);
  assert_int_equal(held->n_samples, (111533 + 63) / 64);
  ig_dataset_destroy(rest);
  ig_dataset_destroy(held);
  ig_dataset_destroy(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(windows_of_characters),
      cmocka_unit_test(bytes),
      cmocka_unit_test(the_vocabulary_of_the_training_data),
      cmocka_unit_test(an_encoder),
      cmocka_unit_test(not_text),
      cmocka_unit_test(token_files),
      cmocka_unit_test(written_token_files),
      cmocka_unit_test(tiny_shakespeare),
  };
  return cmocka_run_group_tests_name("text", tests, make_scratch, remove_scratch);
}
