/* HDF5 data sets as h5py writes them (golden/make_golden.py): arrays, parts, reading in pieces from
 * several threads, and everything that is refused. */
#include "data_files.h"

#include <hdf5.h>
#include <pthread.h>

/* On damaged files HDF5 1.10 copies from wherever a length leads it. That happens in a child
 * process, which may die of it; the sanitizer's check of memcpy would be the death of it in any
 * case, and of this program in turn. Loads and stores of our own code stay checked. */
#if defined(__SANITIZE_ADDRESS__)
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "replace_intrin=0"; }
/* The library forgets some of what it had decoded when it gives a damaged file up. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }
#define STRIDE 31 /* a fork takes long with a sanitizer's tables */
#elif defined(__SANITIZE_THREAD__)
#define STRIDE 301
#else
#define STRIDE 3
#endif

/* golden/set.h5: x[i, j] = (6 i + j) / 2, y[i] = i % 4. */
static void check_sample(const float *x, int64_t y, int64_t i) {
  for (int j = 0; j < 6; j++) assert_true(x[j] == (float)(6 * i + j) / 2);
  assert_int_equal(y, i % 4);
}

static void arrays_at_the_root(void **state) {
  (void)state;
  ig_dataset_open_options small = {.memory_limit = 64}; /* the second time, read from the file */
  for (int pass = 0; pass < 2; pass++) {
    ig_dataset *d = open_ok(GOLDEN("set.h5"), pass ? &small : NULL);
    assert_string_equal(d->format, "hdf5");
    assert_int_equal(d->n_samples, 20);
    assert_int_equal(d->n_fields, 2);
    assert_string_equal(d->fields[0].name, "x");
    assert_int_equal(d->fields[0].kind, IG_FIELD_FEATURES);
    assert_int_equal(d->fields[0].dtype, IG_F32);
    assert_int_equal(d->fields[1].kind, IG_FIELD_CLASS);
    assert_int_equal(d->fields[1].n_classes, 4);
    assert_string_equal(d->fields[1].classes[2], "cat");
    float x[7][6];
    int64_t y[7], indices[] = {19, 3, 4, 5, 3, 0, 18};
    assert_int_equal(ig_dataset_read(d, indices, 7, (void *[]){x, y}), IG_OK);
    for (int i = 0; i < 7; i++) check_sample(x[i], y[i], indices[i]);
    ig_dataset_destroy(d);
  }
}

static void parts(void **state) {
  (void)state;
  ig_dataset *d = open_ok(GOLDEN("set.h5") ":train", NULL);
  assert_int_equal(d->n_samples, 6);
  assert_int_equal(d->fields[1].n_classes, 4); /* of the whole set */
  for (int i = 0; i < 6; i++) assert_true(element(d, 1, i) == 2 * i % 4);
  ig_dataset_destroy(d);
  d = open_ok(GOLDEN("set.h5") ":/x,/y:test", NULL);
  assert_int_equal(d->n_samples, 2);
  assert_true(element(d, 0, 6) == 57); /* sample 19 */
  ig_dataset_destroy(d);
  open_fails(GOLDEN("set.h5") ":val", NULL, IG_ERR_INPUT,
             "set.h5:val: has no part 'val': expected the indices in /split/val");
}

static void named_arrays(void **state) {
  (void)state;
  ig_dataset *d = open_ok(GOLDEN("set.h5") ":/x,/wide/u2", NULL);
  assert_string_equal(d->fields[1].name, "u2");
  assert_int_equal(d->fields[1].dtype, IG_I32);
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS); /* 65000 and more: no classes */
  assert_true(element(d, 1, 19) == 65019);
  ig_dataset_destroy(d);
  static const struct {
    const char *spec;
    ig_dtype dtype;
    double last;
  } cases[] = {{GOLDEN("set.h5") ":/wide/be", IG_F64, 19},
               {GOLDEN("set.h5") ":/wide/half", IG_F16, 4.75},
               {GOLDEN("set.h5") ":/wide/flag", IG_BOOL, 1}};
  for (int i = 0; i < IG_COUNT(cases); i++) {
    d = open_ok(cases[i].spec, NULL);
    assert_int_equal(d->n_fields, 1);
    assert_int_equal(d->fields[0].dtype, cases[i].dtype);
    assert_true(element(d, 0, 19) == cases[i].last);
    ig_dataset_destroy(d);
  }
  ig_dataset_open_options options = {.target = "x"};
  d = open_ok(GOLDEN("set.h5") ":/x,/y", &options);
  assert_string_equal(d->fields[1].name, "x");
  assert_int_equal(d->fields[1].kind, IG_FIELD_TARGETS);
  ig_dataset_destroy(d);
}

static void refusals(void **state) {
  (void)state;
  static const struct {
    const char *spec, *says;
  } cases[] = {
      {GOLDEN("links.h5"), "x is a soft link; only hard links are followed"},
      {GOLDEN("links.h5") ":/x,/y", "/x is a soft link; only hard links are followed"},
      {GOLDEN("external_link.h5"), "x is an external link"},
      {GOLDEN("external_data.h5"), "/x keeps its data in an external file"},
      {GOLDEN("virtual.h5"), "/x is a virtual dataset"},
      {GOLDEN("filter.h5"), "/x passes through HDF5 filter 32000"},
      {GOLDEN("strings.h5"), "/x holds no numbers"},
      {GOLDEN("huge.h5"), "declares 8000000000000 bytes, but stores 0"},
      {GOLDEN("set.h5") ":/z", "has no dataset /z"},
      {GOLDEN("set.h5") ":/split", "/split is not a dataset"},
      {GOLDEN("set.h5") ":/x,y", "expected 1 to 16 arrays such as /x,/y"},
      {GOLDEN("set.h5") ":/x,/split/test", "/x has 20 samples and"},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    ig_status status = i == IG_COUNT(cases) - 1 ? IG_ERR_SHAPE : IG_ERR_INPUT;
    open_fails(cases[i].spec, NULL, status, cases[i].says);
  }
  open_fails(
      write_text("page.h5", "<html>not found</html>"), NULL, IG_ERR_INPUT,
      "page.h5: is named like hdf5 but is not: expected 89 48 44 46 0d 0a 1a 0a, found 3c 68");
}

/* A split that names a sample which is not there, and one that is no list. */
static void bad_splits(void **state) {
  (void)state;
  const char *path = scratch("split.h5");
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  hsize_t four = 4, two = 2;
  hid_t space4 = H5Screate_simple(1, &four, NULL), space2 = H5Screate_simple(1, &two, NULL);
  hid_t x = H5Dcreate2(file, "x", H5T_NATIVE_FLOAT, space4, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  float values[4] = {0, 1, 2, 3};
  int64_t out[2] = {0, 4};
  H5Dwrite(x, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  hid_t group = H5Gcreate2(file, "split", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  hid_t a = H5Dcreate2(group, "a", H5T_NATIVE_INT64, space2, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(a, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
  hid_t b = H5Dcreate2(group, "b", H5T_NATIVE_FLOAT, space2, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(b, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  H5Dclose(x), H5Dclose(a), H5Dclose(b), H5Gclose(group);
  H5Sclose(space2), H5Sclose(space4), H5Fclose(file);
  char spec[512];
  snprintf(spec, sizeof spec, "%s:/x:a", path);
  open_fails(spec, NULL, IG_ERR_INPUT, "index 1 of the subset is 4; expected 0 to 3");
  snprintf(spec, sizeof spec, "%s:/x:b", path);
  open_fails(spec, NULL, IG_ERR_INPUT,
             "/split/b has dtype f32 and shape [2]; expected a list of integers");
}

/* Larger than what is held in memory: chunks of 7 rows, deflated, read by four threads at once. */
#define ROWS 5000

static const char *make_large(void) {
  const char *path = scratch("large.h5");
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  hsize_t dims[2] = {ROWS, 3}, chunk[2] = {7, 3};
  hid_t space = H5Screate_simple(2, dims, NULL), line = H5Screate_simple(1, dims, NULL);
  hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(list, 2, chunk);
  H5Pset_deflate(list, 4);
  static int32_t x[ROWS][3];
  static uint8_t y[ROWS];
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < 3; j++) x[i][j] = 3 * i + j;
    y[i] = (uint8_t)(i % 10);
  }
  hid_t dx = H5Dcreate2(file, "x", H5T_STD_I32BE, space, H5P_DEFAULT, list, H5P_DEFAULT);
  H5Dwrite(dx, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, x);
  hid_t dy = H5Dcreate2(file, "y", H5T_STD_U8LE, line, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(dy, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, y);
  H5Dclose(dx), H5Dclose(dy), H5Pclose(list), H5Sclose(space), H5Sclose(line), H5Fclose(file);
  return path;
}

typedef struct job {
  ig_dataset *dataset;
  int64_t step;
  bool good;
} job;

static void *read_many(void *argument) {
  job *j = argument;
  int32_t x[50][3];
  uint8_t y[50];
  int64_t indices[50];
  j->good = true;
  for (int64_t round = 0; round < 40; round++) {
    for (int64_t i = 0; i < 50; i++) indices[i] = (round * 577 + i * j->step) % ROWS;
    if (ig_dataset_read(j->dataset, indices, 50, (void *[]){x, y}) != IG_OK) j->good = false;
    for (int i = 0; i < 50; i++) {
      j->good = j->good && x[i][2] == 3 * indices[i] + 2 && y[i] == indices[i] % 10;
    }
  }
  return NULL;
}

static void several_threads(void **state) {
  (void)state;
  ig_dataset_open_options small = {.memory_limit = 1000};
  ig_dataset *d = open_ok(make_large(), &small);
  assert_int_equal(d->fields[0].dtype, IG_I32);
  assert_int_equal(d->fields[1].n_classes, 10);
  job jobs[4];
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    jobs[i] = (job){d, i == 0 ? 1 : 37 * i, false};
    assert_int_equal(pthread_create(&threads[i], NULL, read_many, &jobs[i]), 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    assert_true(jobs[i].good);
  }
  ig_dataset_destroy(d);
}

static void damage(void **state) {
  (void)state;
  size_t n;
  unsigned char *bytes = read_bytes(GOLDEN("set.h5"), &n);
  ig_dataset_open_options small = {.memory_limit = 64};
  for (size_t cut = 1; cut < n; cut += cut < 1024 ? STRIDE / 3 : 97) {
    const char *path = write_bytes("cut.h5", bytes, cut);
    if (open_and_read(path, cut % 2 ? &small : NULL)) fail_msg("cut to %zu bytes opens", cut);
  }
  for (size_t at = 0; at < n; at += STRIDE) {
    unsigned char kept = bytes[at];
    static const unsigned char changes[] = {0xff, 0x01};
    for (size_t c = 0; c < sizeof changes; c++) {
      bytes[at] = changes[c] == kept ? kept ^ 0x55 : changes[c];
      open_and_read(write_bytes("changed.h5", bytes, n), at % 2 ? &small : NULL);
    }
    bytes[at] = kept;
  }
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arrays_at_the_root), cmocka_unit_test(parts),
      cmocka_unit_test(named_arrays),       cmocka_unit_test(refusals),
      cmocka_unit_test(bad_splits),         cmocka_unit_test(several_threads),
      cmocka_unit_test(damage),
  };
  return cmocka_run_group_tests_name("hdf5_dataset", tests, make_scratch, remove_scratch);
}
