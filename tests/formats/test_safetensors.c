/* safetensors as the format's own library writes them (golden/make_models.py), what is refused, and
 * files of ours. */
#include "scratch.h"

#include "formats/safetensors.h"

#define GOLDEN(name) IG_SOURCE_DIR "/tests/formats/golden/" name

static ig_safetensors *open_ok(const char *path) {
  ig_safetensors *set = NULL;
  if (ig_safetensors_open(path, &set) != IG_OK) fail_msg("%s", ig_last_error());
  return set;
}

static void open_fails(const char *path, ig_status status, const char *message) {
  ig_safetensors *set = NULL;
  assert_int_equal(ig_safetensors_open(path, &set), status);
  assert_null(set);
  if (!strstr(ig_last_error(), message)) fail_msg("%s\nlacks: %s", ig_last_error(), message);
}

static void every_type(void **state) {
  (void)state;
  static const struct {
    const char *name;
    ig_dtype dtype;
  } cases[] = {{"f32", IG_F32}, {"f16", IG_F16}, {"bf16", IG_BF16},
               {"f64", IG_F64}, {"i64", IG_I64}, {"i32", IG_I32},
               {"i8", IG_I8},   {"u8", IG_U8},   {"f8e4m3", IG_F8E4M3}};
  ig_safetensors *set = open_ok(GOLDEN("set.safetensors"));
  assert_int_equal(ig_safetensors_count(set), 13);
  for (int i = 0; i < IG_COUNT(cases); i++) {
    const ig_safetensor *t = ig_safetensors_find(set, cases[i].name);
    assert_non_null(t);
    assert_int_equal(t->dtype, cases[i].dtype);
    assert_string_equal(IG_SHAPE_STR(&t->shape), "[2, 3]");
    char copy[48];
    memcpy(copy, t->data, ig_shape_bytes(&t->shape, t->dtype));
    for (int k = 0; k < 6; k++) assert_true(ig_load_f64(t->dtype, copy, k) == k);
  }
  int16_t shorts[6];
  memcpy(shorts, ig_safetensors_find(set, "i16")->data, sizeof shorts);
  for (int k = 0; k < 6; k++) assert_int_equal(shorts[k], k);
  const unsigned char *flags = ig_safetensors_find(set, "bool")->data;
  for (int k = 0; k < 6; k++) assert_int_equal(flags[k], k % 2);
  const ig_safetensor *scalar = ig_safetensors_find(set, "scalar");
  float seven;
  memcpy(&seven, scalar->data, sizeof seven);
  assert_true(scalar->shape.rank == 0 && seven == 7);
  assert_string_equal(IG_SHAPE_STR(&ig_safetensors_find(set, "empty")->shape), "[0, 3]");
  assert_null(ig_safetensors_find(set, "f3"));
  assert_string_equal(ig_safetensors_metadata(set, "note"), "golden");
  assert_null(ig_safetensors_metadata(set, "nothing"));
  ig_safetensors_close(set);
}

/* A file of this header and `data` bytes behind it. */
static const char *made(const scratch *s, const char *header, size_t data) {
  static unsigned char bytes[4096];
  size_t length = strlen(header);
  memset(bytes, 0, sizeof bytes);
  bytes[0] = (unsigned char)length;
  bytes[1] = (unsigned char)(length >> 8);
  memcpy(bytes + 8, header, length);
  const char *path = scratch_path(s, "made.safetensors");
  scratch_write(path, bytes, 8 + length + data);
  return path;
}

#define TENSOR(name, dtype, shape, from, to)                                                       \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to   \
  "]}"

static void what_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *header;
    size_t data;
    ig_status status;
    const char *message;
  } cases[] = {
      {"{" TENSOR("a", "F32", "2", 0, 8) "}", 7, IG_ERR_INPUT, "are outside the 7 bytes of data"},
      {"{" TENSOR("a", "F32", "2", 0, 8) "}", 9, IG_ERR_INPUT,
       "the last 1 bytes belong to no tensor"},
      {"{" TENSOR("a", "F32", "2", 4, 12) "}", 12, IG_ERR_INPUT,
       "4 bytes before tensor 'a' belong to none"},
      {"{" TENSOR("a", "F32", "2", 0, 8) "," TENSOR("b", "F32", "2", 4, 12) "}", 12, IG_ERR_INPUT,
       "tensor 'b' overlaps"},
      {"{" TENSOR("a", "F32", "2", 0, 8) "," TENSOR("b", "F32", "2", 0, 8) "}", 8, IG_ERR_INPUT,
       "overlaps"},
      {"{" TENSOR("a", "F32", "3", 0, 8) "}", 8, IG_ERR_INPUT,
       "8 bytes, but f32 of shape [3] has 12"},
      {"{" TENSOR("a", "F32", "-1", 0, 8) "}", 8, IG_ERR_INPUT, "dimension 0 is not a count"},
      {"{" TENSOR("a", "F32", "4294967296,4294967296,4", 0, 8) "}", 8, IG_ERR_INPUT, "tensor 'a'"},
      {"{" TENSOR("a", "F32", "1,1,1,1,1,1,1,1,2", 0, 8) "}", 8, IG_ERR_UNSUPPORTED,
       "9 dimensions, at most 8"},
      {"{" TENSOR("a", "C64", "1", 0, 8) "}", 8, IG_ERR_UNSUPPORTED, "of the type 'C64'"},
      {"{" TENSOR("a", "F32", "2", 0, 8) "," TENSOR("a", "F32", "2", 0, 8) "}", 8, IG_ERR_INPUT,
       "not JSON"},
      {"{" TENSOR("a", "F32", "2", 8, 0) "}", 8, IG_ERR_INPUT, "data_offsets [8, 0]"},
      {"{" TENSOR("a", "F32", "2", 0, 18446744073709551615) "}", 8, IG_ERR_INPUT, "not JSON"},
      {"{\"a\":[]}", 0, IG_ERR_INPUT, "'a' is no tensor"},
      {"{\"a\":{}}", 0, IG_ERR_INPUT, "'a' has no dtype"},
      {"{\"__metadata__\":{\"x\":1}}", 0, IG_ERR_INPUT, "__metadata__ 'x' is no text"},
      {"[]", 0, IG_ERR_INPUT, "does not begin with '{'"},
      {" {}", 0, IG_ERR_INPUT, "does not begin with '{'"},
      {"{", 0, IG_ERR_INPUT, "not JSON"},
  };
  scratch s = scratch_make();
  for (int i = 0; i < IG_COUNT(cases); i++) {
    open_fails(made(&s, cases[i].header, cases[i].data), cases[i].status, cases[i].message);
  }
  ig_safetensors_close(open_ok(made(&s, "{" TENSOR("a", "F32", "2", 0, 8) "}   ", 8)));
  const char *path = scratch_path(&s, "other");
  scratch_write(path, "\x01\xe1\xf5\x05\0\0\0\0{}", 10);
  open_fails(path, IG_ERR_INPUT, "a header of 100000001 bytes, expected at most 100000000");
  scratch_write(path, "\x03\0\0\0\0\0\0\0{}", 10);
  open_fails(path, IG_ERR_INPUT, "cut short");
  scratch_write(path, "1234567", 7);
  open_fails(path, IG_ERR_INPUT, "7 bytes are no safetensors file");
  open_fails(scratch_path(&s, "nothing"), IG_ERR_INPUT, "nothing");
  open_fails(s.folder, IG_ERR_INPUT, "holds neither model.safetensors nor");
  scratch_remove(&s);
}

/* --- sets --------------------------------------------------------------------------------------- */

static const char *indexed(const scratch *s, const char *weight_map) {
  char text[512];
  int length = snprintf(text, sizeof text, "{\"metadata\":{},\"weight_map\":{%s}}", weight_map);
  scratch_write(scratch_path(s, "model.safetensors.index.json"), text, (size_t)length);
  return s->folder;
}

static void shards(void **state) {
  (void)state;
  scratch s = scratch_make();
  rename(made(&s, "{" TENSOR("b", "F32", "2", 0, 8) "}", 8), scratch_path(&s, "1.safetensors"));
  rename(made(&s, "{" TENSOR("a", "I8", "3", 0, 3) "}", 3), scratch_path(&s, "2.safetensors"));
  ig_safetensors *set = open_ok(indexed(&s, "\"b\":\"1.safetensors\",\"a\":\"2.safetensors\""));
  assert_int_equal(ig_safetensors_count(set), 2);
  assert_string_equal(ig_safetensors_at(set, 0)->name, "a");
  assert_string_equal(IG_SHAPE_STR(&ig_safetensors_find(set, "b")->shape), "[2]");
  ig_safetensors_close(set);

  open_fails(indexed(&s, "\"c\":\"1.safetensors\""), IG_ERR_INPUT, "'c' is not in 1.safetensors");
  open_fails(indexed(&s, "\"a\":\"../2.safetensors\""), IG_ERR_INPUT, "is no name of a file");
  open_fails(indexed(&s, "\"a\":\"/etc/passwd\""), IG_ERR_INPUT, "is no name of a file");
  open_fails(indexed(&s, "\"a\":\"..\""), IG_ERR_INPUT, "is no name of a file");
  open_fails(indexed(&s, "\"a\":3"), IG_ERR_INPUT, "is no name of a file");
  open_fails(indexed(&s, ""), IG_ERR_INPUT, "has no weight_map");
  assert_int_equal(symlink("2.safetensors", scratch_path(&s, "link")), 0);
  open_fails(indexed(&s, "\"a\":\"link\""), IG_ERR_INPUT, "is a symbolic link");
  assert_int_equal(mkdir(scratch_path(&s, "folder"), 0777), 0);
  open_fails(indexed(&s, "\"a\":\"folder\""), IG_ERR_INPUT, "is no plain file");
  assert_int_equal(mkfifo(scratch_path(&s, "pipe"), 0666), 0);
  open_fails(indexed(&s, "\"a\":\"pipe\""), IG_ERR_INPUT, "is no plain file");
  scratch_remove(&s);
}

/* --- writing ------------------------------------------------------------------------------------ */

static ig_status fetch(void *context, int64_t index, const void **data) {
  const void *const *list = context;
  *data = list[index];
  return *data ? IG_OK : ig_fail(IG_ERR_IO, "no data");
}

static void what_is_written(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *path = scratch_path(&s, "x.safetensors");
  const float numbers[] = {1, 2, 3, 4, 5, 6};
  const int64_t long_ones[] = {-1, 1};
  const uint16_t halves[] = {0x3f80, 0x4000, 0x4040};
  ig_safetensor tensors[] = {{.name = "half", .dtype = IG_BF16, .shape = IG_SHAPE(3)},
                             {.name = "a \"name\"", .dtype = IG_F32, .shape = IG_SHAPE(2, 3)},
                             {.name = "none", .dtype = IG_F32, .shape = IG_SHAPE(0)},
                             {.name = "long", .dtype = IG_I64, .shape = IG_SHAPE(2)}};
  const void *data[] = {halves, numbers, numbers, long_ones};
  const char *metadata[] = {"format", "pt", NULL};
  assert_int_equal(ig_safetensors_write(path, 4, tensors, metadata, fetch, data), IG_OK);
  ig_safetensors *set = open_ok(path);
  assert_int_equal(ig_safetensors_count(set), 4);
  for (int i = 0; i < 4; i++) {
    const ig_safetensor *t = ig_safetensors_find(set, tensors[i].name);
    assert_non_null(t);
    assert_true(t->dtype == tensors[i].dtype && ig_shape_equal(&t->shape, &tensors[i].shape));
    assert_memory_equal(t->data, data[i], ig_shape_bytes(&t->shape, t->dtype));
    assert_int_equal((uintptr_t)t->data % ig_dtype_size(t->dtype), 0);
  }
  assert_string_equal(ig_safetensors_metadata(set, "format"), "pt");
  ig_safetensors_close(set);

  /* A failure leaves what was there, and nothing else. */
  data[3] = NULL;
  assert_int_equal(ig_safetensors_write(path, 4, tensors, NULL, fetch, data), IG_ERR_IO);
  ig_safetensors_close(open_ok(path));
  tensors[3].name = "half";
  assert_int_equal(ig_safetensors_write(path, 4, tensors, NULL, fetch, data), IG_ERR_INPUT);
  tensors[3] = (ig_safetensor){.name = "u4", .dtype = IG_U4, .shape = IG_SHAPE(2)};
  assert_int_equal(ig_safetensors_write(path, 4, tensors, NULL, fetch, data), IG_ERR_UNSUPPORTED);
  assert_int_equal(scratch_count(&s), 1);
  scratch_remove(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type),
      cmocka_unit_test(what_is_refused),
      cmocka_unit_test(shards),
      cmocka_unit_test(what_is_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
