/* IDX files, plain and gzip, made here from the format's definition; pairs of images and labels;
 * and MNIST itself where it is present, against figures of the original data set. */
#include "data_files.h"

#include <zlib.h>

static size_t idx_bytes(unsigned char *out, int type, int rank, const uint32_t *dims,
                        const void *elements, size_t n) {
  out[0] = out[1] = 0;
  out[2] = (unsigned char)type;
  out[3] = (unsigned char)rank;
  for (int i = 0; i < rank; i++) {
    for (int b = 0; b < 4; b++) out[4 + 4 * i + b] = (unsigned char)(dims[i] >> (24 - 8 * b));
  }
  memcpy(out + 4 + 4 * rank, elements, n);
  return 4 + 4 * (size_t)rank + n;
}

static void write_gzip(const char *path, const void *bytes, size_t n) {
  gzFile file = gzopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(gzwrite(file, bytes, (unsigned)n), n);
  assert_int_equal(gzclose(file), Z_OK);
}

#define N 6

/* Images of 4 x 5: pixel p of image i is (i * 20 + p) % 256; labels i % 3. */
static void write_pair(const char *folder, const char *part, bool gzip) {
  unsigned char images[N * 20], labels[N], bytes[512];
  for (int i = 0; i < N * 20; i++) images[i] = (unsigned char)i;
  for (int i = 0; i < N; i++) labels[i] = (unsigned char)(i % 3);
  char path[256];
  mkdir(scratch(folder), 0755);
  for (int which = 0; which < 2; which++) {
    size_t n = which ? idx_bytes(bytes, 8, 1, (uint32_t[]){N}, labels, N)
                     : idx_bytes(bytes, 8, 3, (uint32_t[]){N, 4, 5}, images, N * 20);
    snprintf(path, sizeof path, "%s/%s-%s-idx%d-ubyte%s", folder, part,
             which ? "labels" : "images", which ? 1 : 3, gzip ? ".gz" : "");
    if (gzip) write_gzip(scratch(path), bytes, n);
    else write_bytes(path, bytes, n);
  }
}

static void check_pair(const char *spec) {
  ig_dataset *d = open_ok(spec, NULL);
  assert_string_equal(d->format, "idx");
  assert_int_equal(d->n_samples, N);
  assert_int_equal(d->fields[0].kind, IG_FIELD_IMAGE);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[1, 4, 5]");
  assert_int_equal(d->fields[1].kind, IG_FIELD_CLASS);
  assert_int_equal(d->fields[1].n_classes, 3);
  for (int i = 0; i < N * 20; i++) assert_true(element(d, 0, i) == i);
  for (int i = 0; i < N; i++) assert_true(element(d, 1, i) == i % 3);
  ig_dataset_destroy(d);
}

static void folders_and_files(void **state) {
  (void)state;
  char spec[256];
  write_pair("plain", "train", false);
  check_pair(scratch("plain"));
  check_pair(scratch("plain/train-images-idx3-ubyte"));
  write_pair("packed", "train", true);
  write_pair("packed", "t10k", true);
  snprintf(spec, sizeof spec, "%s:train", scratch("packed"));
  check_pair(spec);
  snprintf(spec, sizeof spec, "%s:test", scratch("packed"));
  check_pair(spec);
  const char *before = getenv("INGOT_DATA");
  char *kept = before ? strdup(before) : NULL;
  setenv("INGOT_DATA", scratch_folder, 1);
  check_pair("packed:test");
  if (kept) setenv("INGOT_DATA", kept, 1);
  else unsetenv("INGOT_DATA");
  free(kept);
  open_fails(scratch("packed"), NULL, IG_ERR_INPUT, "has several parts; name one, such as");
  snprintf(spec, sizeof spec, "%s:test", scratch("plain"));
  open_fails(spec, NULL, IG_ERR_INPUT,
             "the folder has no images for 'test'; expected a file such as t10k-images-idx3-ubyte");
  snprintf(spec, sizeof spec, "%s:/x", scratch("plain"));
  open_fails(spec, NULL, IG_ERR_INPUT, "a IDX file has no arrays to choose");
}

static void other_element_types(void **state) {
  (void)state;
  unsigned char bytes[64];
  static const struct {
    int type;
    ig_dtype dtype;
    unsigned char elements[16];
    size_t n;
    double values[2];
  } cases[] = {
      {0x09, IG_I8, {0xff, 2}, 2, {-1, 2}},
      {0x0b, IG_I32, {0xff, 0xfe, 0x01, 0x00}, 4, {-2, 256}},
      {0x0c, IG_I32, {0xff, 0xff, 0xff, 0xfd, 0, 0, 1, 1}, 8, {-3, 257}},
      {0x0d, IG_F32, {0xbf, 0x80, 0, 0, 0x40, 0x20, 0, 0}, 8, {-1, 2.5}},
      {0x0e, IG_F64, {0xbf, 0xf0, 0, 0, 0, 0, 0, 0, 0x40, 4, 0, 0, 0, 0, 0, 0}, 16, {-1, 2.5}},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    size_t n = idx_bytes(bytes, cases[i].type, 1, (uint32_t[]){2}, cases[i].elements, cases[i].n);
    ig_dataset *d = open_ok(write_bytes("numbers", bytes, n), NULL);
    assert_int_equal(d->n_fields, 1);
    assert_int_equal(d->fields[0].dtype, cases[i].dtype);
    assert_true(element(d, 0, 0) == cases[i].values[0]);
    assert_true(element(d, 0, 1) == cases[i].values[1]);
    ig_dataset_destroy(d);
  }
}

static void damage(void **state) {
  (void)state;
  write_pair("sound", "train", false);
  write_pair("soundgz", "train", true);
  /* Labels stand beside the damaged images in neither case: images alone are inputs. */
  every_truncation_fails(scratch("sound/train-images-idx3-ubyte"), "cut-idx", NULL);
  every_truncation_fails(scratch("soundgz/train-images-idx3-ubyte.gz"), "cut.gz", NULL);
  every_byte_changed(scratch("sound/train-images-idx3-ubyte"), "changed-idx", NULL);
  every_byte_changed(scratch("soundgz/train-images-idx3-ubyte.gz"), "changed.gz", NULL);
}

static void pairs_that_do_not_fit(void **state) {
  (void)state;
  unsigned char bytes[64];
  char name[128];
  write_pair("short", "train", false);
  size_t n = idx_bytes(bytes, 8, 1, (uint32_t[]){5}, "\0\1\2\0\1", 5);
  write_bytes("short/train-labels-idx1-ubyte", bytes, n);
  open_fails(scratch("short"), NULL, IG_ERR_INPUT, "6 images and 5 labels; expected as many");
  n = idx_bytes(bytes, 8, 2, (uint32_t[]){6, 1}, "\0\1\2\0\1\2", 6);
  write_bytes("short/train-labels-idx1-ubyte", bytes, n);
  open_fails(scratch("short"), NULL, IG_ERR_INPUT, "the labels have shape [6, 1]");
  write_bytes("short/train-labels-idx1-ubyte", "\0\0\7\1\0\0\0\0", 8);
  open_fails(scratch("short"), NULL, IG_ERR_INPUT,
             "not IDX: expected the bytes 00 00, a type from");
  unlink(scratch("short/train-labels-idx1-ubyte"));
  open_fails(scratch("short"), NULL, IG_ERR_INPUT, "has no labels beside");
  snprintf(name, sizeof name, "%s", write_bytes("huge", "\0\0\x0e\4\xff\xff\xff\xff\xff\xff\xff\xff"
                                                        "\xff\xff\xff\xff\xff\xff\xff\xff", 20));
  open_fails(name, NULL, IG_ERR_INPUT, "more elements than can be counted");
}

/* Figures of MNIST: the first labels and the mean and deviation of training pixels that every paper
 * quotes (0.1307, 0.3081). */
static void mnist(void **state) {
  (void)state;
  const char *folder = getenv("INGOT_DATA");
  char path[512];
  snprintf(path, sizeof path, "%s/mnist", folder ? folder : IG_SOURCE_DIR "/../shared/data");
  if (access(path, R_OK) != 0) {
    print_message("skipped: no MNIST at %s (set INGOT_DATA)\n", path);
    skip();
  }
  strcat(path, ":train");
  ig_dataset *d = open_ok(path, NULL);
  assert_int_equal(d->n_samples, 60000);
  assert_int_equal(d->fields[1].n_classes, 10);
  static const int first[] = {5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
  uint8_t *y = read_field(d, 1), *x = read_field(d, 0);
  int64_t sevens = 0;
  double sum = 0, square = 0;
  for (int i = 0; i < 10; i++) assert_int_equal(y[i], first[i]);
  for (int i = 0; i < 60000; i++) sevens += y[i] == 7;
  assert_int_equal(sevens, 6265);
  for (int64_t i = 0; i < 60000 * 784; i++) {
    sum += x[i];
    square += (double)x[i] * x[i];
  }
  double mean = sum / (60000.0 * 784), variance = square / (60000.0 * 784) - mean * mean;
  assert_true(mean / 255 > 0.13065 && mean / 255 < 0.13075);
  assert_true(variance > 0.30805 * 0.30805 * 65025 && variance < 0.30815 * 0.30815 * 65025);
  free(x);
  free(y);
  ig_dataset_destroy(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(folders_and_files), cmocka_unit_test(other_element_types),
      cmocka_unit_test(damage),            cmocka_unit_test(pairs_that_do_not_fit),
      cmocka_unit_test(mnist),
  };
  return cmocka_run_group_tests_name("idx", tests, make_scratch, remove_scratch);
}
