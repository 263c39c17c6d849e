/* Arrays written by the writer: .npy byte for byte as NumPy 2.4 writes it, .npz as libarchive reads
 * it, .csv as text, .h5 through HDF5; and no file at all when writing failed. */
#include <archive.h>
#include <archive_entry.h>
#include <hdf5.h>

#include "formats/array_writer.h"
#include "formats/dataset_open.h"
#include "scratch.h"

static const float floats[6] = {0, 0.5f, 1, 1.5f, 2, 2.5f};
static const int64_t labels[3] = {1, 0, 7};

/* y [3, 2] f32 and k [3] i64, in two parts. */
static void write_both(const char *path) {
  const char *const words[] = {"a,b", "say \"hi\""};
  const ig_array arrays[] = {
      {.name = "y", .dtype = IG_F32, .shape = IG_SHAPE(2)},
      {.name = "k", .dtype = IG_I64, .shape = IG_SCALAR, .labels = words, .n_labels = 2}};
  ig_array_writer *w;
  assert_int_equal(ig_array_writer_open(path, 3, 2, arrays, &w), IG_OK);
  assert_int_equal(ig_array_writer_append(w, (const void *[]){floats, labels}, 1), IG_OK);
  assert_int_equal(ig_array_writer_append(w, (const void *[]){floats + 2, labels + 1}, 2), IG_OK);
  assert_int_equal(ig_array_writer_close(w, IG_OK), IG_OK);
}

/* python -c "import numpy as np; np.save('y.npy', np.arange(6, dtype='f4').reshape(3, 2) / 2)" */
static void npy_is_numpys(void **state) {
  (void)state;
  scratch s = scratch_make();
  const ig_array array = {.name = "y", .dtype = IG_F32, .shape = IG_SHAPE(2)};
  ig_array_writer *w;
  assert_int_equal(ig_array_writer_open(scratch_path(&s, "y.npy"), 3, 1, &array, &w), IG_OK);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(ig_array_writer_append(w, (const void *[]){floats + 2 * i}, 1), IG_OK);
  }
  assert_int_equal(ig_array_writer_close(w, IG_OK), IG_OK);
  char want[152];
  memset(want, ' ', 128);
  memcpy(want, "\x93NUMPY\x01\x00v\x00", 10);
  const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
  memcpy(want + 10, header, strlen(header));
  want[127] = '\n';
  memcpy(want + 128, floats, sizeof floats);
  size_t size;
  unsigned char *got = scratch_read(scratch_path(&s, "y.npy"), &size);
  assert_int_equal(size, sizeof want);
  assert_memory_equal(got, want, sizeof want);
  free(got);
  scratch_remove(&s);
}

/* libarchive checks the checksums of members and the central directory as it reads. */
static void npz_is_a_zip(void **state) {
  (void)state;
  scratch s = scratch_make();
  write_both(scratch_path(&s, "b.npz"));
  struct archive *a = archive_read_new();
  archive_read_support_format_zip_seekable(a);
  assert_int_equal(archive_read_open_filename(a, scratch_path(&s, "b.npz"), 10240), ARCHIVE_OK);
  static const char *const names[] = {"y.npy", "k.npy"};
  for (int i = 0; i < 2; i++) {
    struct archive_entry *entry;
    assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_OK);
    assert_string_equal(archive_entry_pathname(entry), names[i]);
    unsigned char bytes[512];
    assert_int_equal(archive_read_data(a, bytes, sizeof bytes), 128 + 24);
    assert_int_equal(archive_read_data(a, bytes + 200, 1), 0); /* the checksum is compared here */
    assert_memory_equal(bytes, "\x93NUMPY", 6);
    assert_memory_equal(bytes + 128, i ? (const void *)labels : (const void *)floats, 24);
  }
  struct archive_entry *entry;
  assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_EOF);
  archive_read_free(a);
  scratch_remove(&s);
}

static void csv_is_text(void **state) {
  (void)state;
  scratch s = scratch_make();
  write_both(scratch_path(&s, "b.csv"));
  size_t size;
  unsigned char *got = scratch_read(scratch_path(&s, "b.csv"), &size);
  assert_string_equal((char *)got, "y_0,y_1,k\n"
                                   "0,0.5,\"say \"\"hi\"\"\"\n"
                                   "1,1.5,\"a,b\"\n"
                                   "2,2.5,7\n");
  free(got);
  scratch_remove(&s);
}

/* Every float comes back as it was. */
static void csv_keeps_every_digit(void **state) {
  (void)state;
  scratch s = scratch_make();
  enum { N = 2000 };
  float values[N];
  for (uint32_t i = 0; i < N; i++) {
    uint32_t bits = i * 2654435761u & 0xbf7fffffu;
    memcpy(&values[i], &bits, 4);
  }
  const ig_array array = {.name = "v", .dtype = IG_F32, .shape = IG_SCALAR};
  ig_array_writer *w;
  assert_int_equal(ig_array_writer_open(scratch_path(&s, "v.csv"), N, 1, &array, &w), IG_OK);
  assert_int_equal(ig_array_writer_append(w, (const void *[]){values}, N), IG_OK);
  assert_int_equal(ig_array_writer_close(w, IG_OK), IG_OK);
  FILE *file = fopen(scratch_path(&s, "v.csv"), "r");
  char line[64];
  assert_non_null(fgets(line, sizeof line, file));
  for (int i = 0; i < N; i++) {
    assert_non_null(fgets(line, sizeof line, file));
    float back = strtof(line, NULL);
    assert_memory_equal(&back, &values[i], 4);
  }
  fclose(file);
  scratch_remove(&s);
}

static void h5_has_datasets(void **state) {
  (void)state;
  scratch s = scratch_make();
  write_both(scratch_path(&s, "b.h5"));
  hid_t file = H5Fopen(scratch_path(&s, "b.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(file >= 0);
  float y[6];
  int64_t k[3];
  hid_t dataset = H5Dopen2(file, "y", H5P_DEFAULT);
  assert_int_equal(H5Dget_storage_size(dataset), 24);
  assert_true(H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, y) >= 0);
  H5Dclose(dataset);
  dataset = H5Dopen2(file, "k", H5P_DEFAULT);
  assert_true(H5Dread(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, k) >= 0);
  H5Dclose(dataset);
  H5Fclose(file);
  assert_memory_equal(y, floats, sizeof floats);
  assert_memory_equal(k, labels, sizeof labels);
  scratch_remove(&s);
}

/* What the writer says about an array, the reader of data sets takes up. */
static void h5_describes_itself(void **state) {
  (void)state;
  scratch s = scratch_make();
  static const char *const columns[] = {"a", "longer name", "\xc3\xa9", "d"};
  static const char *const classes[] = {"no", "yes", "perhaps"};
  const float x[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  const int64_t y[2] = {1, 0};
  const ig_array arrays[] = {
      {.name = "x", .dtype = IG_F32, .shape = IG_SHAPE(4), .columns = columns, .kind = "features"},
      {.name = "y",
       .dtype = IG_I64,
       .shape = IG_SCALAR,
       .labels = classes,
       .n_labels = 3,
       .kind = "class"}};
  ig_array_writer *w;
  assert_int_equal(ig_array_writer_open(scratch_path(&s, "d.h5"), 2, 2, arrays, &w), IG_OK);
  assert_int_equal(ig_array_writer_append(w, (const void *[]){x, y}, 2), IG_OK);
  assert_int_equal(ig_array_writer_close(w, IG_OK), IG_OK);
  ig_dataset *data;
  assert_int_equal(ig_dataset_open(scratch_path(&s, "d.h5"), NULL, &data), IG_OK);
  assert_int_equal(data->n_samples, 2);
  assert_int_equal(data->fields[0].kind, IG_FIELD_FEATURES);
  for (int k = 0; k < 4; k++) assert_string_equal(data->fields[0].columns[k], columns[k]);
  assert_int_equal(data->fields[1].kind, IG_FIELD_CLASS);
  assert_int_equal(data->fields[1].n_classes, 3);
  for (int k = 0; k < 3; k++) assert_string_equal(data->fields[1].classes[k], classes[k]);
  ig_dataset_destroy(data);
  scratch_remove(&s);
}

static void nothing_is_left_of_a_failure(void **state) {
  (void)state;
  static const char *const names[] = {"f.npy", "f.npz", "f.csv", "f.h5"};
  scratch s = scratch_make();
  const ig_array array = {.name = "y", .dtype = IG_F32, .shape = IG_SHAPE(2)};
  for (int i = 0; i < 4; i++) {
    ig_array_writer *w;
    const char *path = scratch_path(&s, names[i]);
    assert_int_equal(ig_array_writer_open(path, 3, 1, &array, &w), IG_OK);
    assert_int_equal(ig_array_writer_append(w, (const void *[]){floats}, 1), IG_OK);
    if (i % 2) { /* given up, or short of rows */
      assert_int_equal(ig_array_writer_close(w, IG_ERR_INTERRUPTED), IG_ERR_INTERRUPTED);
    } else {
      assert_int_equal(ig_array_writer_close(w, IG_OK), IG_ERR_INTERNAL);
    }
    assert_int_equal(scratch_count(&s), 0);
    assert_int_equal(ig_array_writer_open(path, 3, 1, &array, &w), IG_OK);
    assert_int_equal(ig_array_writer_append(w, (const void *[]){floats}, 4), IG_ERR_INTERNAL);
    ig_array_writer_close(w, IG_ERR_INTERNAL);
    assert_int_equal(scratch_count(&s), 0);
  }
  scratch_remove(&s);
}

static void refuses(void **state) {
  (void)state;
  assert_int_equal(ig_array_writer_check("x.npz", 2), IG_OK);
  assert_int_equal(ig_array_writer_check("x.NPY", 1), IG_OK);
  assert_int_equal(ig_array_writer_check("x.npy", 2), IG_ERR_USAGE);
  assert_int_equal(ig_array_writer_check("x.txt", 1), IG_ERR_USAGE);
  assert_int_equal(ig_array_writer_check("a.h5/x", 1), IG_ERR_USAGE);
  assert_int_equal(ig_array_writer_check("x.np", 1), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "did you mean '.npy'?"));
  ig_array_writer *w;
  const ig_array big = {.name = "y", .dtype = IG_F32, .shape = IG_SHAPE(1 << 20)};
  assert_int_equal(ig_array_writer_open("/no/such/x.h5", 1, 1, &big, &w), IG_ERR_INPUT);
  scratch s = scratch_make();
  assert_int_equal(ig_array_writer_open(scratch_path(&s, "x.npz"), 2000, 1, &big, &w),
                   IG_ERR_UNSUPPORTED); /* 8 GB */
  assert_int_equal(scratch_count(&s), 0);
  assert_int_equal(ig_array_writer_open(scratch_path(&s, "x.npy"), INT64_MAX / 2, 1, &big, &w),
                   IG_ERR_SHAPE);
  scratch_remove(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(npy_is_numpys),
                                     cmocka_unit_test(npz_is_a_zip),
                                     cmocka_unit_test(csv_is_text),
                                     cmocka_unit_test(csv_keeps_every_digit),
                                     cmocka_unit_test(h5_has_datasets),
                                     cmocka_unit_test(h5_describes_itself),
                                     cmocka_unit_test(nothing_is_left_of_a_failure),
                                     cmocka_unit_test(refuses)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
