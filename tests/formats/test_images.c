/* Folders and tars of pictures, made from the golden PNG and JPEG files that Pillow wrote; decoding
 * and resizing against Pillow's own results (golden/make_golden.py). */
#include "data_files.h"

#include <archive.h>
#include <archive_entry.h>

static void copy(const char *golden, const char *name) {
  size_t n;
  unsigned char *bytes = read_bytes(golden, &n);
  write_bytes(name, bytes, n);
  free(bytes);
}

/* A folder: two classes, and files that are not pictures. */
static void make_folder(const char *name) {
  char path[128];
  mkdir(scratch(name), 0755);
  static const char *const folders[] = {"zebra", "ant-lion", "ant"};
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", name, folders[i]);
    mkdir(scratch(path), 0755);
  }
  snprintf(path, sizeof path, "%s/zebra/2.jpg", name);
  copy(GOLDEN("rgb.jpg"), path);
  snprintf(path, sizeof path, "%s/zebra/1.PNG", name);
  copy(GOLDEN("rgb.png"), path);
  snprintf(path, sizeof path, "%s/ant/a.png", name);
  copy(GOLDEN("rgba.png"), path);
  snprintf(path, sizeof path, "%s/ant-lion/b.png", name);
  copy(GOLDEN("grey.png"), path);
  snprintf(path, sizeof path, "%s/ant/notes.txt", name);
  write_text(path, "not a picture");
  snprintf(path, sizeof path, "%s/ant/._a.png", name);
  write_text(path, "not a picture either");
}

/* The rule of make_golden.py: channel values at (y, x). */
static int rule(int c, int y, int x) { return c == 0 ? x * 16 : c == 1 ? y * 25 : (x + y) * 9; }

static void check_set(const char *spec) {
  ig_dataset *d = open_ok(spec, NULL);
  assert_string_equal(d->format, "images");
  assert_int_equal(d->n_samples, 4);
  assert_int_equal(d->fields[0].kind, IG_FIELD_IMAGE);
  assert_int_equal(d->fields[0].dtype, IG_U8);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3, 10, 16]");
  assert_int_equal(d->fields[1].kind, IG_FIELD_CLASS);
  assert_int_equal(d->fields[1].n_classes, 3);
  static const char *const classes[] = {"ant", "ant-lion", "zebra"};
  for (int i = 0; i < 3; i++) assert_string_equal(d->fields[1].classes[i], classes[i]);
  /* In the order of paths: ant-lion/b.png, ant/a.png, zebra/1.PNG, zebra/2.jpg. */
  static const int labels[] = {1, 0, 2, 2};
  for (int i = 0; i < 4; i++) assert_true(element(d, 1, i) == labels[i]);
  uint8_t *x = read_field(d, 0);
  for (int s = 0; s < 3; s++) {
    for (int c = 0; c < 3; c++) {
      for (int h = 0; h < 10; h++) {
        for (int w = 0; w < 16; w++) { /* grey fills all channels; transparency is dropped */
          assert_int_equal(x[((s * 3 + c) * 10 + h) * 16 + w], rule(s == 0 ? 0 : c, h, w));
        }
      }
    }
  }
  /* The JPEG as Pillow decodes it, which uses the same library: equal. */
  ig_dataset *golden =
      open_ok(GOLDEN("decoded_jpg.npy"), &(ig_dataset_open_options){.no_target = 1});
  uint8_t *jpeg = read_field(golden, 0);
  for (int c = 0; c < 3; c++) {
    for (int p = 0; p < 160; p++) assert_int_equal(x[3 * 480 + c * 160 + p], jpeg[p * 3 + c]);
  }
  free(jpeg);
  ig_dataset_destroy(golden);
  free(x);
  ig_dataset_destroy(d);
}

static void folder(void **state) {
  (void)state;
  make_folder("pets");
  check_set(scratch("pets"));
}

static void parts_of_a_folder(void **state) {
  (void)state;
  char spec[256];
  mkdir(scratch("parts"), 0755);
  make_folder("parts/train");
  make_folder("parts/test");
  snprintf(spec, sizeof spec, "%s:train", scratch("parts"));
  check_set(spec);
  open_fails(scratch("parts"), NULL, IG_ERR_INPUT, "are not side by side; name a part, such as");
  snprintf(spec, sizeof spec, "%s:other", scratch("parts"));
  open_fails(spec, NULL, IG_ERR_INPUT, "holds no pictures (*.jpg *.jpeg *.png) in a folder other");
}

typedef struct member {
  const char *name, *golden;
} member;

static const char *make_tar(const char *name, const member *members, int n) {
  struct archive *archive = archive_write_new();
  archive_write_set_format_ustar(archive);
  const char *path = scratch(name);
  assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
  for (int i = 0; i < n; i++) {
    size_t size;
    unsigned char *bytes = read_bytes(members[i].golden, &size);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, members[i].name);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, bytes, size), size);
    archive_entry_free(entry);
    free(bytes);
  }
  assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
  return path;
}

static const member pets[] = {{"./x/zebra/2.jpg", GOLDEN("rgb.jpg")},
                              {"./x/ant/a.png", GOLDEN("rgba.png")},
                              {"./x/README", GOLDEN("make_golden.py")},
                              {"./x/zebra/1.PNG", GOLDEN("rgb.png")},
                              {"./x/ant-lion/b.png", GOLDEN("grey.png")}};

static void tar(void **state) {
  (void)state;
  check_set(make_tar("pets.tar", pets, IG_COUNT(pets)));
  char spec[256];
  snprintf(spec, sizeof spec, "%s:x", scratch("pets.tar"));
  check_set(spec);
}

static void compressed_tar(void **state) {
  (void)state;
  char command[600];
  make_tar("c.tar", pets, IG_COUNT(pets));
  snprintf(command, sizeof command, "gzip -kf '%s'", scratch("c.tar"));
  assert_int_equal(system(command), 0);
  open_fails(scratch("c.tar.gz"), NULL, IG_ERR_INPUT, "c.tar.gz: is a compressed tar");
}

static void grey_pictures(void **state) {
  (void)state;
  const member one[] = {{"a/1.png", GOLDEN("grey.png")}, {"b/2.jpg", GOLDEN("grey.jpg")}};
  ig_dataset *d = open_ok(make_tar("grey.tar", one, 2), NULL);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[1, 10, 16]");
  for (int p = 0; p < 160; p++) assert_true(element(d, 0, p) == rule(0, p / 16, p % 16));
  ig_dataset_destroy(d);
  const member mixed[] = {{"a/1.png", GOLDEN("grey.png")}, {"b/2.jpg", GOLDEN("rgb.jpg")}};
  ig_dataset_open_options options = {.image_channels = 1};
  d = open_ok(make_tar("mixed.tar", mixed, 2), &options);
  int64_t second = 1;
  uint8_t x[160];
  assert_int_equal(ig_dataset_read(d, &second, 1, (void *[]){x, NULL}), IG_ERR_INPUT);
  assert_non_null(
      strstr(ig_last_error(), "mixed.tar: b/2.jpg: expected a grey picture, found colour"));
  ig_dataset_destroy(d);
  d = open_ok(scratch("mixed.tar"), NULL); /* one in colour makes all of them so */
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3, 10, 16]");
  free(read_field(d, 0));
  ig_dataset_destroy(d);
}

static void palettes_and_deep_pictures(void **state) {
  (void)state;
  const member members[] = {{"a/1.png", GOLDEN("palette.png")}, {"a/2.png", GOLDEN("deep.png")}};
  ig_dataset_open_options options = {.image_channels = 3};
  ig_dataset *d = open_ok(make_tar("odd.tar", members, 2), &options);
  uint8_t *x = read_field(d, 0);
  for (int p = 0; p < 160; p++) { /* 16 bits are scaled to 8 */
    assert_true(abs(x[480 + p] - (p % 16 * 4096 + 255) / 257) <= 1);
  }
  free(x);
  ig_dataset_destroy(d);
}

/* Against Pillow's BILINEAR, which rounds to bytes between its two passes: within 1. */
static void resizing(void **state) {
  (void)state;
  static const struct {
    const char *golden;
    int height, width;
  } cases[] = {{GOLDEN("resized_5x7.npy"), 5, 7}, {GOLDEN("resized_24x20.npy"), 24, 20}};
  const member one[] = {{"a/1.png", GOLDEN("rgb.png")}};
  make_tar("one.tar", one, 1);
  for (int i = 0; i < 2; i++) {
    ig_dataset_open_options options = {.image_height = cases[i].height,
                                       .image_width = cases[i].width};
    ig_dataset *d = open_ok(scratch("one.tar"), &options);
    ig_dataset *golden = open_ok(cases[i].golden, NULL);
    uint8_t *got = read_field(d, 0), *want = read_field(golden, 0);
    int pixels = cases[i].height * cases[i].width, different = 0;
    for (int c = 0; c < 3; c++) {
      for (int p = 0; p < pixels; p++) {
        int off = abs(got[c * pixels + p] - want[p * 3 + c]);
        assert_in_range(off, 0, 1);
        different += off;
      }
    }
    assert_true(different < pixels); /* of 3 values a pixel */
    free(got);
    free(want);
    ig_dataset_destroy(golden);
    ig_dataset_destroy(d);
  }
}

static void sizes_that_differ(void **state) {
  (void)state;
  const member members[] = {{"a/1.png", GOLDEN("rgb.png")}, {"a/2.png", "SMALL"}};
  /* A 1 x 1 PNG by hand: signature, IHDR, IDAT, IEND (made with Pillow, Image.new("RGB", (1,
   * 1))). */
  static const unsigned char small[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
      0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00,
      0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78,
      0x9c, 0x63, 0x60, 0x60, 0x60, 0x00, 0x00, 0x00, 0x04, 0x00, 0x01, 0xf6, 0x17, 0x38,
      0x55, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  member both[2] = {members[0], {"a/2.png", write_bytes("small.png", small, sizeof small)}};
  ig_dataset *d = open_ok(make_tar("sizes.tar", both, 2), NULL);
  int64_t second = 1;
  uint8_t x[480];
  assert_int_equal(ig_dataset_read(d, &second, 1, (void *[]){x, NULL}), IG_ERR_INPUT);
  assert_non_null(
      strstr(ig_last_error(), "sizes.tar: a/2.png: expected 16 x 10 pixels, found 1 x 1"));
  ig_dataset_destroy(d);
}

static void like_the_training_data(void **state) {
  (void)state;
  static const char *const classes[] = {"ant", "ant-lion", "bee", "zebra"};
  ig_field like[] = {{.name = "x", .kind = IG_FIELD_IMAGE, .shape = IG_SHAPE(3, 5, 7)},
                     {.name = "y", .kind = IG_FIELD_CLASS, .n_classes = 4, .classes = classes}};
  ig_dataset_open_options options = {.like = like, .n_like = 2};
  ig_dataset *d = open_ok(make_tar("like.tar", pets, IG_COUNT(pets)), &options);
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3, 5, 7]");
  assert_int_equal(d->fields[1].n_classes, 4);
  assert_true(element(d, 1, 0) == 1 && element(d, 1, 2) == 3);
  ig_dataset_destroy(d);
  like[1].n_classes = 3;
  open_fails(scratch("like.tar"), &options, IG_ERR_INPUT,
             "the class 'zebra' is not one of the 3 of the training data");
}

static void pictures_without_classes(void **state) {
  (void)state;
  const member flat[] = {{"1.png", GOLDEN("rgb.png")}, {"2.png", GOLDEN("rgb.png")}};
  ig_dataset *d = open_ok(make_tar("flat.tar", flat, 2), NULL);
  assert_int_equal(d->n_fields, 1);
  ig_dataset_destroy(d);
  const member half[] = {{"1.png", GOLDEN("rgb.png")}, {"a/2.png", GOLDEN("rgb.png")}};
  open_fails(make_tar("half.tar", half, 2), NULL, IG_ERR_INPUT,
             "'a/2.png' is in a class's folder and '1.png' is not");
}

static void broken_pictures(void **state) {
  (void)state;
  const member empty[] = {{"a/notes", GOLDEN("rgb.png")}};
  open_fails(make_tar("none.tar", empty, 1), NULL, IG_ERR_INPUT, "none.tar: holds no pictures");
  write_text("fake.jpg", "GIF89a, no picture of ours");
  const member fake[] = {{"a/1.jpg", scratch("fake.jpg")}};
  open_fails(
      make_tar("fake.tar", fake, 1), NULL, IG_ERR_INPUT,
      "fake.tar: a/1.jpg: expected a JPEG (ff d8 ff) or PNG (89 50 4e 47) picture, found 47 49");
  mkdir(scratch("nothing"), 0755);
  open_fails(scratch("nothing"), NULL, IG_ERR_INPUT,
             "nothing: a folder without IDX files or images by class");
  /* A JPEG that claims 65,280 x 65,280 pixels. */
  size_t n;
  unsigned char *bytes = read_bytes(GOLDEN("rgb.jpg"), &n);
  for (size_t i = 0; i + 9 < n; i++) {
    if (bytes[i] == 0xff && bytes[i + 1] == 0xc0) memcpy(bytes + i + 5, "\xff\0\xff\0", 4);
  }
  const member huge[] = {{"a/1.jpg", write_bytes("huge.jpg", bytes, n)}};
  free(bytes);
  open_fails(make_tar("huge.tar", huge, 1), NULL, IG_ERR_INPUT,
             "a picture of 65280 x 65280 pixels");
}

/* Pictures cut short and changed, one at a time in a folder. */
static void damaged_pictures(void **state) {
  (void)state;
  static const char *const golden[] = {GOLDEN("rgb.png"), GOLDEN("rgb.jpg"), GOLDEN("palette.png")};
  mkdir(scratch("one"), 0755);
  mkdir(scratch("one/a"), 0755);
  for (int i = 0; i < 3; i++) {
    size_t n;
    unsigned char *bytes = read_bytes(golden[i], &n);
    for (size_t cut = 1; cut < n; cut++) {
      write_bytes("one/a/1.png", bytes, cut);
      ig_dataset *d = NULL;
      uint8_t x[480];
      int64_t zero = 0;
      ig_status status = ig_dataset_open(scratch("one"), NULL, &d);
      if (status == IG_OK) {
        status = ig_dataset_read(d, &zero, 1, (void *[]){x, NULL});
        ig_dataset_destroy(d);
      }
      /* The end marks themselves (IEND's 12 bytes, EOI's 2) are not needed for a whole picture. */
      if (cut + 12 < n) assert_int_equal(status, IG_ERR_INPUT);
    }
    for (size_t at = 0; at < n; at++) {
      bytes[at] ^= 0x81;
      write_bytes("one/a/1.png", bytes, n);
      open_and_read(scratch("one"), NULL);
      bytes[at] ^= 0x81;
    }
    free(bytes);
  }
}

static void damaged_tars(void **state) {
  (void)state;
  const member one[] = {{"a/1.png", GOLDEN("rgb.png")}, {"b/2.png", GOLDEN("grey.png")}};
  size_t n;
  unsigned char *bytes = read_bytes(make_tar("sound.tar", one, 2), &n);
  size_t content = 4 * 512; /* header and one block, twice; then zeros up to 10,240 bytes */
  for (size_t cut = 0; cut < n; cut += cut < content + 600 ? 1 : 511) {
    bool opens = open_and_read(write_bytes("cut.tar", bytes, cut), NULL);
    if (opens != (cut > content && cut % 512 == 0)) fail_msg("cut to %zu bytes: %d", cut, opens);
  }
  for (size_t at = 0; at < content; at++) {
    bytes[at] ^= 0xa5;
    open_and_read(write_bytes("changed.tar", bytes, n), NULL);
    bytes[at] ^= 0xa5;
  }
  free(bytes);
}

static void cifar(void **state) {
  (void)state;
  const char *data = getenv("INGOT_DATA");
  char path[512];
  snprintf(path, sizeof path, "%s/cifar10-train-jpeg.tar",
           data ? data : IG_SOURCE_DIR "/../shared/data");
  if (access(path, R_OK) != 0) {
    print_message("skipped: no %s (set INGOT_DATA)\n", path);
    skip();
  }
  ig_dataset *d = open_ok(path, NULL);
  assert_int_equal(d->n_samples, 50000);
  assert_int_equal(d->fields[1].n_classes, 10);
  assert_string_equal(d->fields[1].classes[0], "airplane");
  assert_string_equal(d->fields[1].classes[9], "truck");
  assert_string_equal(IG_SHAPE_STR(&d->fields[0].shape), "[3, 32, 32]");
  /* 5,000 a class, in order. */
  int64_t indices[] = {0, 4999, 5000, 49999};
  int32_t y[4];
  static uint8_t x[4][3072];
  assert_int_equal(ig_dataset_read(d, indices, 4, (void *[]){x, y}), IG_OK);
  assert_true(y[0] == 0 && y[1] == 0 && y[2] == 1 && y[3] == 9);
  ig_dataset_destroy(d);
}

/* Read a second time, pictures come from memory: their files are gone by then. */
static void kept_pictures(void **state) {
  (void)state;
  make_folder("kept");
  ig_dataset *plain = open_ok(scratch("kept"), NULL);
  ig_dataset *kept = open_ok(scratch("kept"), &(ig_dataset_open_options){.keep_images = true});
  uint8_t *want = read_field(plain, 0), *first = read_field(kept, 0);
  for (int i = 0; i < 4; i++) {
    static const char *const files[] = {"zebra/2.jpg", "zebra/1.PNG", "ant/a.png", "ant-lion/b.png"};
    char path[64];
    snprintf(path, sizeof path, "kept/%s", files[i]);
    assert_int_equal(remove(scratch(path)), 0);
  }
  uint8_t *second = read_field(kept, 0);
  assert_memory_equal(first, want, 4 * 480);
  assert_memory_equal(second, want, 4 * 480);
  int64_t index = 0;
  assert_int_equal(ig_dataset_read(plain, &index, 1, (void *[]){want, NULL}), IG_ERR_INPUT);
  free(want);
  free(first);
  free(second);
  ig_dataset_destroy(plain);
  ig_dataset_destroy(kept);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(folder),
      cmocka_unit_test(parts_of_a_folder),
      cmocka_unit_test(tar),
      cmocka_unit_test(compressed_tar),
      cmocka_unit_test(grey_pictures),
      cmocka_unit_test(kept_pictures),
      cmocka_unit_test(palettes_and_deep_pictures),
      cmocka_unit_test(resizing),
      cmocka_unit_test(sizes_that_differ),
      cmocka_unit_test(like_the_training_data),
      cmocka_unit_test(pictures_without_classes),
      cmocka_unit_test(broken_pictures),
      cmocka_unit_test(damaged_pictures),
      cmocka_unit_test(damaged_tars),
      cmocka_unit_test(cifar),
  };
  return cmocka_run_group_tests_name("images", tests, make_scratch, remove_scratch);
}
