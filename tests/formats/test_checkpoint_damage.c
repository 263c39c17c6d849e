/* Damaged and hostile checkpoints: whatever a file holds, loading ends in one clear error or in
 * exactly the snapshot that was saved. */
#include "sample_snapshot.h"

#include <hdf5.h>
#include <math.h>
#include <xxhash.h>

#include "formats/checkpoint_h5.h"

/* Each load starts a child process, which sanitizers make slow: fewer places then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = 97, TENSOR_BYTES = 8, CUT_STRIDE = 331 };
#else
enum { STRIDE = 5, TENSOR_BYTES = 4096, CUT_STRIDE = 37 };
#endif

static unsigned char *saved(const ig_snapshot *s, const char *path, size_t *size) {
  if (ig_checkpoint_save(path, s) != IG_OK) fail_msg("%s", ig_last_error());
  return scratch_read(path, size);
}

/* Loads `size` bytes as a file; true when they load as `want`, false on an error. */
static bool loads(const char *path, const unsigned char *bytes, size_t size,
                  const ig_snapshot *want) {
  scratch_write(path, bytes, size);
  ig_snapshot *found = NULL;
  ig_status status = ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &found);
  if (status != IG_OK) {
    assert_true(status == IG_ERR_INPUT || status == IG_ERR_UNSUPPORTED);
    assert_non_null(strstr(ig_last_error(), "damaged.h5"));
    return false;
  }
  if (!same_snapshot(want, found)) fail_msg("a damaged file loaded as something else");
  ig_snapshot_destroy(found);
  return true;
}

static const unsigned char *find(const unsigned char *bytes, size_t size, const void *what,
                                 size_t length) {
  return memmem(bytes, size, what, length);
}

/* Flips one bit of every fifth byte of the file in turn, and of every byte of the data. A flip that
 * loads must have hit padding. */
static void every_flipped_byte(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  char path[SCRATCH_PATH * 2];
  snprintf(path, sizeof path, "%s", scratch_path(&dir, "damaged.h5"));
  ig_snapshot *a = sample_snapshot(1000);
  size_t size;
  unsigned char *bytes = saved(a, path, &size);
  size_t harmless = 0;
  for (size_t i = 0; i < size; i += STRIDE) {
    bytes[i] ^= (unsigned char)(1u << (i % 8));
    harmless += loads(path, bytes, size, a);
    bytes[i] ^= (unsigned char)(1u << (i % 8));
  }
  print_message("%zu bytes; %zu of %zu flips hit unused ones\n", size, harmless, size / STRIDE);
  assert_true(harmless < size / STRIDE / 2);
  /* And the bytes of every tensor and text are among those whose change is found. */
  for (int64_t t = 0; t < a->n_tensors; t++) {
    const ig_tensor *tensor = &a->tensors[t];
    size_t length = ig_shape_bytes(&tensor->shape, tensor->dtype);
    const unsigned char *at = find(bytes, size, tensor->data, length);
    assert_non_null(at);
    for (size_t i = 0; i < IG_MIN(length, (size_t)TENSOR_BYTES); i++) {
      bytes[(size_t)(at - bytes) + i] ^= 0x10;
      assert_false(loads(path, bytes, size, a));
      bytes[(size_t)(at - bytes) + i] ^= 0x10;
    }
  }
  const char *texts[] = {a->model, a->graph_json, a->task, a->config_json, a->metrics_json};
  for (int t = 0; t < IG_COUNT(texts); t++) {
    const unsigned char *at = find(bytes, size, texts[t], strlen(texts[t]));
    assert_non_null(at);
    bytes[at - bytes] ^= 1;
    assert_false(loads(path, bytes, size, a));
    bytes[at - bytes] ^= 1;
  }
  free(bytes);
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

static void every_truncation(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "damaged.h5");
  ig_snapshot *a = sample_snapshot(1000);
  size_t size;
  unsigned char *bytes = saved(a, path, &size);
  for (size_t length = 0; length < size; length += length < 64 ? 1 : CUT_STRIDE) {
    assert_false(loads(path, bytes, length, a));
  }
  assert_true(loads(path, bytes, size, a));
  free(bytes);
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

/* --- files that another program made to mislead ---------------------------------------------- */

static void expect_refused(const char *path, const char *words) {
  ig_snapshot *s;
  assert_int_equal(ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &s), IG_ERR_INPUT);
  if (!strstr(ig_last_error(), words)) fail_msg("%s", ig_last_error());
}

static hid_t reopen(const char *path, const ig_snapshot *s) {
  assert_int_equal(ig_checkpoint_save(path, s), IG_OK);
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  assert_true(file >= 0);
  return file;
}

static void links_are_refused(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(1);
  hid_t file = reopen(path, a);
  assert_true(H5Lcreate_soft("/parameters/norm.mean", file, "/parameters/zz", 0, 0) >= 0);
  H5Fclose(file);
  expect_refused(path, "zz is a soft link");
  file = reopen(path, a);
  assert_true(H5Lcreate_external("/etc/passwd", "/x", file, "/parameters/zz", 0, 0) >= 0);
  H5Fclose(file);
  expect_refused(path, "zz is an external link");
  file = reopen(path, a);
  assert_true(H5Lmove(file, "/parameters", file, "/elsewhere", 0, 0) >= 0);
  assert_true(H5Lcreate_soft("/elsewhere", file, "/parameters", 0, 0) >= 0);
  H5Fclose(file);
  expect_refused(path, "/parameters is a soft link");
  file = reopen(path, a);
  assert_true(H5Lcreate_soft("/provenance/config", file, "/data/tokenizer2", 0, 0) >= 0);
  assert_true(H5Ldelete(file, "/data/tokenizer", 0) >= 0);
  assert_true(H5Lmove(file, "/data/tokenizer2", file, "/data/tokenizer", 0, 0) >= 0);
  H5Fclose(file);
  expect_refused(path, "/data/tokenizer is a soft link");
  file = reopen(path, a); /* a loop of hard links */
  assert_true(H5Lcreate_hard(file, "/parameters", file, "/parameters/encoder/loop", 0, 0) >= 0);
  H5Fclose(file);
  expect_refused(path, "nested deeper");
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

static void add_dataset(hid_t file, hid_t plist, hid_t type, int rank, const hsize_t *dims) {
  hid_t space = H5Screate_simple(rank, dims, NULL);
  hid_t dataset = H5Dcreate2(file, "/parameters/zz", type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  assert_true(dataset >= 0);
  H5Dclose(dataset);
  H5Sclose(space);
}

static void foreign_storage_is_refused(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  char path[SCRATCH_PATH * 2], source[SCRATCH_PATH * 2];
  snprintf(path, sizeof path, "%s", scratch_path(&dir, "latest.h5"));
  snprintf(source, sizeof source, "%s", scratch_path(&dir, "source.h5"));
  ig_snapshot *a = sample_snapshot(1);
  assert_int_equal(ig_checkpoint_save(source, a), IG_OK);
  hsize_t dims[2] = {5, 7};

  hid_t file = reopen(path, a), plist = H5Pcreate(H5P_DATASET_CREATE);
  hid_t space = H5Screate_simple(2, dims, NULL);
  assert_true(H5Pset_virtual(plist, space, source, "/parameters/layers.0.weight", space) >= 0);
  add_dataset(file, plist, H5T_IEEE_F32LE, 2, dims);
  H5Sclose(space);
  H5Pclose(plist);
  H5Fclose(file);
  expect_refused(path, "zz is a virtual dataset");

  file = reopen(path, a);
  plist = H5Pcreate(H5P_DATASET_CREATE);
  assert_true(H5Pset_external(plist, "/etc/passwd", 0, 140) >= 0);
  add_dataset(file, plist, H5T_IEEE_F32LE, 2, dims);
  H5Pclose(plist);
  H5Fclose(file);
  expect_refused(path, "external file");

  file = reopen(path, a);
  plist = H5Pcreate(H5P_DATASET_CREATE);
  assert_true(H5Pset_chunk(plist, 2, dims) >= 0 && H5Pset_deflate(plist, 1) >= 0);
  add_dataset(file, plist, H5T_IEEE_F32LE, 2, dims);
  H5Pclose(plist);
  H5Fclose(file);
  expect_refused(path, "filter 1");
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

static void wrong_objects_are_refused(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(1);
  hsize_t huge[1] = {(hsize_t)1 << 50}, chunk[1] = {1 << 20}, small[1] = {4};

  hid_t file = reopen(path, a), plist = H5Pcreate(H5P_DATASET_CREATE);
  assert_true(H5Pset_chunk(plist, 1, chunk) >= 0);
  add_dataset(file, plist, H5T_IEEE_F32LE, 1, huge);
  H5Fclose(file);
  expect_refused(path, "declares"); /* a petabyte of which nothing is stored */

  file = reopen(path, a);
  assert_true(H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY) >= 0);
  chunk[0] = 4;
  assert_true(H5Pset_chunk(plist, 1, chunk) >= 0);
  add_dataset(file, plist, H5T_IEEE_F32LE, 1, small);
  H5Fclose(file);
  expect_refused(path, "no digest");

  file = reopen(path, a);
  add_dataset(file, plist, H5T_IEEE_F32BE, 1, small);
  H5Fclose(file);
  expect_refused(path, "element type");
  H5Pclose(plist);

  file = reopen(path, a);
  hid_t type = H5Tcopy(H5T_NATIVE_INT);
  assert_true(H5Tcommit2(file, "/parameters/zz", type, 0, 0, 0) >= 0);
  H5Tclose(type);
  H5Fclose(file);
  expect_refused(path, "neither a group nor a dataset");

  file = reopen(path, a);
  assert_true(H5Adelete_by_name(file, "/progress", "step", 0) >= 0);
  H5Fclose(file);
  expect_refused(path, "no attribute step");

  file = reopen(path, a);
  assert_true(H5Ldelete(file, "/parameters", 0) >= 0);
  H5Fclose(file);
  expect_refused(path, "has no group /parameters");
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

/* Puts an array in the place of one, with the digest that it should have. */
static void replace(hid_t file, const char *path, hid_t type, hsize_t count, const void *data) {
  uint64_t digest = XXH3_64bits(data, count * H5Tget_size(type));
  hid_t space = H5Screate_simple(1, &count, NULL), scalar = H5Screate(H5S_SCALAR);
  assert_true(H5Ldelete(file, path, H5P_DEFAULT) >= 0);
  hid_t dataset = H5Dcreate2(file, path, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  hid_t attribute = H5Acreate2(dataset, "xxh3", H5T_STD_U64LE, scalar, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Awrite(attribute, H5T_STD_U64LE, &digest) >= 0);
  H5Aclose(attribute);
  H5Dclose(dataset);
  H5Sclose(space);
  H5Sclose(scalar);
}

/* Tables whose columns contradict each other, each with sound digests. */
static void contradictions_are_refused(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(1);
  static const int64_t too_many[] = {2, 4}, negative[] = {2, -1}, huge[] = {2, INT64_MAX},
                       one[] = {2};
  static const double zero[] = {1, 0, 1}, endless[] = {1, 1, INFINITY}, two[] = {1, 1};
  static const uint8_t all_numeric[] = {1, 1};
  const struct {
    const char *path, *words;
    hid_t type;
    hsize_t count;
    const void *data;
  } cases[] = {
      {"/data/profiles/bins", "more than are stored", H5T_STD_I64LE, 2, too_many},
      {"/data/profiles/bins", "more than are stored", H5T_STD_I64LE, 2, negative},
      {"/data/profiles/bins", "more than are stored", H5T_STD_I64LE, 2, huge},
      {"/data/profiles/bins", "2 elements", H5T_STD_I64LE, 1, one},
      {"/data/profiles/numeric", "more than are stored", H5T_STD_U8LE, 2, all_numeric},
      {"/data/profiles/samples", "samples is f64", H5T_IEEE_F64LE, 2, two},
      {"/data/profiles/name", "strings", H5T_STD_I64LE, 2, too_many},
      {"/data/normalization/x/std", "not positive", H5T_IEEE_F64LE, 3, zero},
      {"/data/normalization/x/mean", "not finite", H5T_IEEE_F64LE, 3, endless},
      {"/data/normalization/x/std", "3 elements", H5T_IEEE_F64LE, 2, two},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    hid_t file = reopen(path, a);
    replace(file, cases[i].path, cases[i].type, cases[i].count, cases[i].data);
    H5Fclose(file);
    expect_refused(path, cases[i].words);
  }
  /* The helper itself makes files that load. */
  static const int64_t bins[] = {2, 3};
  hid_t file = reopen(path, a);
  replace(file, "/data/profiles/bins", H5T_STD_I64LE, 2, bins);
  H5Fclose(file);
  ig_snapshot *b;
  assert_int_equal(ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &b), IG_OK);
  ig_snapshot_destroy(b);
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

static void other_formats_are_named(void **state) {
  IG_UNUSED(state);
  scratch dir = scratch_make();
  const char *path = scratch_path(&dir, "latest.h5");
  ig_snapshot *a = sample_snapshot(1), *b;
  for (int64_t version = 1; version <= 3; version += 2) {
    hid_t file = reopen(path, a);
    hid_t attribute = H5Aopen(file, "format_version", H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, &version) >= 0);
    H5Aclose(attribute);
    H5Fclose(file);
    assert_int_equal(ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &b), IG_ERR_UNSUPPORTED);
    assert_non_null(strstr(ig_last_error(), version < 2
                                                ? "format 1, of an earlier Ingot; this one reads 2"
                                                : "format 3, of a later Ingot"));
  }
  ig_snapshot_destroy(a);
  scratch_remove(&dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_flipped_byte),        cmocka_unit_test(every_truncation),
      cmocka_unit_test(links_are_refused),         cmocka_unit_test(foreign_storage_is_refused),
      cmocka_unit_test(wrong_objects_are_refused), cmocka_unit_test(contradictions_are_refused),
      cmocka_unit_test(other_formats_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
