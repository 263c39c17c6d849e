/* Files that are missing, empty, cut short or something else than they say, and data that does not fit:
 * each is refused in one line with exit code 2, and nothing is left where output would have gone. */
#include <zlib.h>

#include "program.h"

/* Everything lies in one scratch folder; outputs would go to OUT and its likes. */
static scratch folder;

static const char *in(const char *name) {
  return scratch_path(&folder, name);
}

static bool exists(const char *path) {
  return access(path, F_OK) == 0;
}

static void put_text(const char *name, const char *text) {
  scratch_write(in(name), text, strlen(text));
}

/* No output and no partial file of one. */
static void assert_nothing_left(void) {
  static const char *const names[] = {"run",
                                      "out.h5",
                                      "out.npz",
                                      "out.csv",
                                      "out.h5.partial",
                                      "out.npz.partial",
                                      "out.csv.partial"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (exists(in(names[i]))) fail_msg("%s was left behind", names[i]);
  }
}

/* --- one valid file of each format ------------------------------------------------------------- */

static void make_csv(void) {
  FILE *file = fopen(in("d.csv"), "wb");
  assert_non_null(file);
  fputs("a,b,c,d,kind\n", file);
  for (int i = 0; i < 60; i++) {
    fprintf(file, "%d.5,%d,%d,%g,%s\n", i, i * i % 7, -i, i / 8.0, i % 3 ? "cat" : "dog");
  }
  fclose(file);
}

static void convert(const char *to, const char *option) {
  char from[2 * SCRATCH_PATH], path[2 * SCRATCH_PATH];
  snprintf(from, sizeof from, "%s", in("d.csv"));
  snprintf(path, sizeof path, "%s", in(to));
  assert_succeeded(RUN("data", "convert", from, "--out", path, option));
}

static void put32(unsigned char *at, unsigned value) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* 40 images of 4 x 4 and their labels, as MNIST's files are, one of them compressed. */
static void make_idx(void) {
  unsigned char images[16 + 640], labels[8 + 40];
  assert_int_equal(mkdir(in("idx"), 0777), 0);
  put32(images, 0x803);
  put32(images + 4, 40);
  put32(images + 8, 4);
  put32(images + 12, 4);
  for (int i = 0; i < 640; i++) images[16 + i] = (unsigned char)(i * 37);
  put32(labels, 0x801);
  put32(labels + 4, 40);
  for (int i = 0; i < 40; i++) labels[8 + i] = (unsigned char)(i % 4);
  scratch_write(in("idx/train-images-idx3-ubyte"), images, sizeof images);
  gzFile file = gzopen(in("idx/train-labels-idx1-ubyte.gz"), "wb");
  assert_int_equal(gzwrite(file, labels, sizeof labels), sizeof labels);
  assert_int_equal(gzclose(file), Z_OK);
}

static unsigned char *put_chunk(unsigned char *at, const char *kind, const void *data,
                                unsigned size) {
  put32(at, size);
  memcpy(at + 4, kind, 4);
  memcpy(at + 8, data, size);
  put32(at + 8 + size, (unsigned)crc32(0, at + 4, size + 4));
  return at + 12 + size;
}

/* An 8 x 8 grey PNG; returns its size. */
static size_t make_png(unsigned char png[512], int seed) {
  unsigned char header[13] = {0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0}, rows[8 * 9] = {0},
                packed[200];
  for (int i = 0; i < 64; i++) rows[i / 8 * 9 + 1 + i % 8] = (unsigned char)(i * seed);
  uLongf size = sizeof packed;
  assert_int_equal(compress(packed, &size, rows, sizeof rows), Z_OK);
  memcpy(png, "\x89PNG\r\n\x1a\n", 8);
  unsigned char *at = put_chunk(png + 8, "IHDR", header, 13);
  at = put_chunk(at, "IDAT", packed, (unsigned)size);
  return (size_t)(put_chunk(at, "IEND", "", 0) - png);
}

static void put_tar_entry(FILE *tar, const char *name, const unsigned char *data, size_t size) {
  unsigned char block[512] = {0};
  snprintf((char *)block, 100, "%s", name);
  snprintf((char *)block + 100, 8, "%07o", 0644);
  snprintf((char *)block + 108, 8, "%07o", 0);
  snprintf((char *)block + 116, 8, "%07o", 0);
  snprintf((char *)block + 124, 12, "%011zo", size);
  snprintf((char *)block + 136, 12, "%011o", 0);
  memset(block + 148, ' ', 8);
  block[156] = '0';
  memcpy(block + 257, "ustar\00000", 8);
  unsigned sum = 0;
  for (int i = 0; i < 512; i++) sum += block[i];
  snprintf((char *)block + 148, 8, "%06o", sum);
  fwrite(block, 1, 512, tar);
  fwrite(data, 1, size, tar);
  memset(block, 0, 512);
  fwrite(block, 1, (512 - size % 512) % 512, tar);
}

/* Pictures of two classes, in a folder and in a tar. */
static void make_images(void) {
  static const char *const classes[] = {"cat", "dog"};
  FILE *tar = fopen(in("d.tar"), "wb");
  assert_non_null(tar);
  assert_int_equal(mkdir(in("images"), 0777), 0);
  for (int c = 0; c < 2; c++) {
    char name[64];
    snprintf(name, sizeof name, "images/%s", classes[c]);
    assert_int_equal(mkdir(in(name), 0777), 0);
    for (int i = 0; i < 6; i++) {
      unsigned char png[512];
      size_t size = make_png(png, 3 + 5 * c + i);
      snprintf(name, sizeof name, "images/%s/%d.png", classes[c], i);
      scratch_write(in(name), png, size);
      put_tar_entry(tar, name + 7, png, size);
    }
  }
  unsigned char end[1024] = {0};
  fwrite(end, 1, sizeof end, tar);
  fclose(tar);
}

static void make_text(void) {
  FILE *file = fopen(in("d.txt"), "wb");
  assert_non_null(file);
  for (int i = 0; i < 400; i++) fprintf(file, "line %d of a text\n", i);
  fclose(file);
}

static int make_all(void **state) {
  (void)state;
  folder = scratch_make();
  make_csv();
  convert("d.npy", "--no-target"); /* one array */
  convert("d.npz", NULL);
  convert("d.h5", NULL);
  make_idx();
  make_images();
  make_text();
  char data[2 * SCRATCH_PATH], run[2 * SCRATCH_PATH];
  snprintf(data, sizeof data, "%s", in("d.csv"));
  snprintf(run, sizeof run, "%s", in("model"));
  assert_succeeded(RUN("train", "--model", "mlp:8", "--data", data, "--out", run, "--epochs", "2",
                       "--batch", "16", "--quiet"));
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

/* --- what can happen to a file ----------------------------------------------------------------- */

typedef struct format {
  const char *name;      /* of the valid file */
  const char *opened;    /* what is named on the command line; NULL for the file itself */
  bool cut;              /* a cut file shows; text is whole wherever it ends */
  const char *extension; /* for other content under this name */
} format;

static const format formats[] = {
    {"d.csv", NULL, true, NULL},
    {"d.npy", NULL, true, ".npy"},
    {"d.npz", NULL, true, ".npz"},
    {"d.h5", NULL, true, ".h5"},
    {"idx/train-images-idx3-ubyte", "idx:train", true, ""},
    {"idx/train-labels-idx1-ubyte.gz", "idx:train", true, ".gz"},
    {"d.tar", NULL, true, ".tar"},
    {"images/cat/3.png", "images", true, ".png"},
    {"d.txt", NULL, false, NULL},
};

static void whole_files(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    const format *f = &formats[i];
    char data[2 * SCRATCH_PATH];
    snprintf(data, sizeof data, "%s", in(f->opened ? f->opened : f->name));
    const program *p = RUN("data", "stats", data);
    if (p->code != 0) fail_msg("%s: %s", f->name, p->err);
  }
}

/* Looks at the data and tries to train on it: both must refuse. */
static void assert_unreadable(const format *f, const char *what) {
  char data[2 * SCRATCH_PATH], run[2 * SCRATCH_PATH], out[2 * SCRATCH_PATH];
  snprintf(data, sizeof data, "%s", in(f->opened ? f->opened : f->name));
  snprintf(run, sizeof run, "%s", in("run"));
  snprintf(out, sizeof out, "%s", in("out.h5"));
  const char *const calls[][10] = {{"data", "stats", data},
                                   {"data", "convert", data, "--out", out},
                                   {"train", "--model", strstr(f->name, ".txt") ? "gpt" : "mlp",
                                    "--data", data, "--out", run, "--quiet"}};
  for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
    const program *p = program_run_limited(&(program_limits){0}, calls[i]);
    if (p->code != 2) fail_msg("%s, %s, call %zu: exit %d\n%s", f->name, what, i, p->code, p->err);
    assert_refused(p, 2, "^ingot (data|train): .*ingot-test");
    assert_nothing_left();
  }
}

static void broken_files(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    const format *f = &formats[i];
    size_t size;
    unsigned char *whole = scratch_read(in(f->name), &size);
    if (!strstr(f->name, "images/")) { /* a picture less is no fault */
      assert_int_equal(unlink(in(f->name)), 0);
      assert_unreadable(f, "missing");
    }
    scratch_write(in(f->name), "", 0);
    assert_unreadable(f, "empty");
    if (f->cut) {
      for (int part = 1; part <= 3; part++) {
        scratch_write(in(f->name), whole, size * (size_t)part / 4 - 1);
        assert_unreadable(f, "cut short");
      }
    }
    if (f->extension) {
      unsigned char other[3000];
      for (size_t k = 0; k < sizeof other; k++) other[k] = (unsigned char)(k * k * 31 >> 3);
      scratch_write(in(f->name), other, sizeof other);
      assert_unreadable(f, "other content");
    }
    scratch_write(in(f->name), whole, size);
    free(whole);
  }
}

static void broken_checkpoints(void **state) {
  (void)state;
  char model[2 * SCRATCH_PATH], data[2 * SCRATCH_PATH], out[2 * SCRATCH_PATH];
  snprintf(model, sizeof model, "%s", in("broken.h5"));
  snprintf(data, sizeof data, "%s", in("d.csv"));
  snprintf(out, sizeof out, "%s", in("out.csv"));
  size_t size;
  unsigned char *whole = scratch_read(in("model/best.h5"), &size);
  for (size_t part = 0; part < 8; part++) {
    scratch_write(model, whole, size * part / 8);
    assert_refused(RUN("eval", "--model", model, "--data", data), 2, "^ingot eval: .*broken.h5");
    assert_refused(RUN("inspect", model), 2, "^ingot inspect: .*broken.h5");
    assert_refused(RUN("infer", "--model", model, "--data", data, "--out", out), 2,
                   "^ingot infer: .*broken.h5");
    assert_nothing_left();
  }
  /* One flipped bit in the parameters' bytes is found by their digest or checksum. */
  whole[size / 2] ^= 4;
  scratch_write(model, whole, size);
  const program *p = RUN("eval", "--model", model, "--data", data, "--latency-seconds", "0");
  if (p->code != 0) assert_refused(p, 2, "^ingot eval: .*broken.h5");
  free(whole);
  char other[2 * SCRATCH_PATH];
  snprintf(other, sizeof other, "%s", in("d.h5"));
  assert_refused(RUN("eval", "--model", other, "--data", data), 2, "^ingot eval: .*d.h5");
  snprintf(other, sizeof other, "%s", in("d.csv"));
  assert_refused(RUN("eval", "--model", other, "--data", data), 2, "^ingot eval: .*d.csv");
  snprintf(other, sizeof other, "%s", in("images"));
  assert_refused(RUN("eval", "--model", other, "--data", data), 2,
                 "images: holds neither best.h5 nor latest.h5, nor a config.json of transformers$");
}

/* --- data that does not fit -------------------------------------------------------------------- */

typedef struct misfit {
  const char *name, *text; /* a CSV file */
  const char *verb;
  const char *pattern;
} misfit;

static const misfit misfits[] = {
    {"nan.csv", "a,b,y\n1,2,u\n3,nan,v\n5,6,u\n7,8,v\n", "train",
     "nan.csv: line 3, column .b.: .*nan"},
    {"gap.csv", "a,b,y\n1,2,u\n3,,v\n5,6,u\n7,8,v\n", "train", "gap.csv: line 3, column .b."},
    {"word.csv", "a,b,y\n1,2,3\n3,4,x,5\n", "train", "word.csv"},
    {"ragged.csv", "a,b,y\n1,2,u\n3,4\n", "train", "ragged.csv.*(row|line)"},
    {"header.csv", "a,b,y\n", "train", "header.csv"},
    {"quote.csv", "a,b,y\n1,\"2,u\n3,4,v\n", "train", "quote.csv"},
    {"class.csv", "a,b,c,d,kind\n1,2,3,4,cat\n1,2,3,4,bird\n", "eval", "class.csv.*bird"},
    {"column.csv", "a,b,c,kind\n1,2,3,cat\n1,2,3,dog\n", "eval", "column.csv"},
    {"named.csv", "a,b,c,e,kind\n1,2,3,4,cat\n1,2,3,4,dog\n", "eval", "named.csv"},
    {"text.csv", "a,b,c,d,kind\n1,2,3,x,cat\n1,2,3,4,dog\n", "eval", "text.csv"},
    {"one.csv", "a,b,y\n1,2,u\n", "train", "one.csv"},
};

static void unsuitable_data(void **state) {
  (void)state;
  char path[2 * SCRATCH_PATH], model[2 * SCRATCH_PATH], run[2 * SCRATCH_PATH];
  snprintf(model, sizeof model, "%s", in("model"));
  snprintf(run, sizeof run, "%s", in("run"));
  for (size_t i = 0; i < sizeof misfits / sizeof misfits[0]; i++) {
    const misfit *m = &misfits[i];
    snprintf(path, sizeof path, "%s", in(m->name));
    put_text(m->name, m->text);
    const program *p = strcmp(m->verb, "train") == 0
                           ? RUN("train", "--model", "mlp:8", "--data", path, "--out", run)
                           : RUN("eval", "--model", model, "--data", path);
    if (p->code != 2) fail_msg("%s: exit %d\n%s", m->name, p->code, p->err);
    assert_refused(p, 2, m->pattern);
    assert_nothing_left();
  }
}

static void shapes_that_do_not_fit(void **state) {
  (void)state;
  char csv[2 * SCRATCH_PATH], text[2 * SCRATCH_PATH], idx[2 * SCRATCH_PATH];
  char model[2 * SCRATCH_PATH], run[2 * SCRATCH_PATH];
  snprintf(csv, sizeof csv, "%s", in("d.csv"));
  snprintf(text, sizeof text, "%s", in("d.txt"));
  snprintf(idx, sizeof idx, "%s", in("idx:train"));
  snprintf(model, sizeof model, "%s", in("model"));
  snprintf(run, sizeof run, "%s", in("run"));
  assert_refused(RUN("train", "--model", "lenet", "--data", csv, "--out", run), 2,
                 "^ingot train: .*lenet");
  assert_refused(RUN("train", "--model", "gpt", "--data", csv, "--out", run), 2,
                 "d.csv is for classification, but the model 'gpt'");
  assert_refused(RUN("train", "--model", "mlp", "--data", text, "--out", run), 2,
                 "^ingot train: .*d.txt");
  assert_refused(RUN("train", "--model", "mlp", "--data", csv, "--val", idx, "--out", run), 2,
                 "^ingot train: .*idx");
  assert_refused(RUN("train", "--model", "mlp", "--data", csv, "--target", "nosuch", "--out", run),
                 2, "d.csv.*nosuch");
  assert_refused(RUN("eval", "--model", model, "--data", idx), 2, "^ingot eval: .*idx");
  assert_refused(RUN("infer", "--model", model, "--prompt", "a"), 2,
                 "--prompt: .*best.h5 is no language model");
  assert_nothing_left();
}

/* NPY headers that NumPy could write and Ingot cannot take, or that lie. */
static void odd_arrays(void **state) {
  (void)state;
  static const char *const headers[] = {
      "{'descr': '<c8', 'fortran_order': False, 'shape': (2, 2), }",
      "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2, 2, 2, 2, 2, 2, 2, 2), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 100), }",
  };
  char path[2 * SCRATCH_PATH];
  snprintf(path, sizeof path, "%s", in("odd.npy"));
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    unsigned char bytes[128 + 32];
    memset(bytes, ' ', 128);
    memset(bytes + 128, 0, 32);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(bytes + 10, headers[i], strlen(headers[i]));
    bytes[127] = '\n';
    scratch_write(path, bytes, sizeof bytes);
    const program *p = RUN("data", "stats", path);
    if (p->code != 2) fail_msg("%s: exit %d\n%s", headers[i], p->code, p->err);
    assert_refused(p, 2, "^ingot data: .*odd.npy");
  }
}

/* Inference names the picture and its row, or fills the row in and lists it. */
static void a_broken_picture_among_others(void **state) {
  (void)state;
  char data[2 * SCRATCH_PATH], run[2 * SCRATCH_PATH], out[2 * SCRATCH_PATH], picture[2 * SCRATCH_PATH];
  snprintf(data, sizeof data, "%s", in("images"));
  snprintf(run, sizeof run, "%s", in("pictures"));
  snprintf(out, sizeof out, "%s", in("pictures.csv"));
  snprintf(picture, sizeof picture, "%s", in("images/dog/3.png"));
  assert_succeeded(RUN("train", "--model", "mlp:8", "--data", data, "--out", run, "--epochs", "1",
                       "--batch", "4", "--quiet"));
  size_t size;
  unsigned char *whole = scratch_read(picture, &size);
  scratch_write(picture, whole, size - 24);
  assert_refused(RUN("infer", "--model", run, "--data", data, "--out", out, "--batch", "4", "--quiet"),
                 2, "^ingot infer: row 9: .*dog/3.png: cannot decode the PNG");
  assert_succeeded(RUN("infer", "--model", run, "--data", data, "--out", out, "--batch", "4",
                       "--on-error", "skip", "--quiet"));
  char *rows = (char *)scratch_read(out, NULL), *list = (char *)scratch_read(in("pictures.csv.skipped"), NULL);
  assert_true(text_matches(rows, "^nan,nan,nan,nan,-1$"));
  assert_true(text_matches(list, "^9,\".*dog/3.png: cannot decode the PNG"));
  free(rows);
  free(list);
  scratch_write(picture, whole, size);
  free(whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(whole_files),
                                     cmocka_unit_test(broken_files),
                                     cmocka_unit_test(broken_checkpoints),
                                     cmocka_unit_test(unsuitable_data),
                                     cmocka_unit_test(shapes_that_do_not_fit),
                                     cmocka_unit_test(odd_arrays),
                                     cmocka_unit_test(a_broken_picture_among_others)};
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
