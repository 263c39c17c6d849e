/* The C interface: by itself, and as another program meets it, which has an installed Ingot and none of
 * its sources. What it gives is held against the file that `ingot infer` writes for the same samples. */
#include "engine/ingot.h"
#include "program.h"

#include <math.h>

#define SAMPLES 599
#define PIXELS 64
#define CLASSES 10
#define DIGITS IG_SOURCE_DIR "/examples/digits/digits.h5"

static scratch folder;
static char model_path[2 * SCRATCH_PATH];
static unsigned char pixels[SAMPLES * PIXELS];
static float expected[SAMPLES * CLASSES]; /* in batches of 64 */
static float in_one[SAMPLES * CLASSES];   /* in one batch */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...) {
  char command[8192];
  va_list list;
  va_start(list, format);
  int length = vsnprintf(command, sizeof command, format, list);
  va_end(list);
  assert_in_range(length, 1, sizeof command - 1);
  int status = system(command);
  if (status != 0) fail_msg("status %d of: %s", status, command);
}

/* --- what is to be expected -------------------------------------------------------------------- */

static void read_pixels(void) {
  char path[2 * SCRATCH_PATH], line[4096];
  snprintf(path, sizeof path, "%s", scratch_path(&folder, "x.csv"));
  assert_succeeded(RUN("data", "convert", DIGITS ":test", "--out", path, "--quiet"));
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof line, file));
  for (int i = 0; i < SAMPLES; i++) {
    assert_non_null(fgets(line, sizeof line, file));
    char *at = line;
    for (int k = 0; k < PIXELS; k++, at++) {
      pixels[i * PIXELS + k] = (unsigned char)strtol(at, &at, 10);
    }
  }
  fclose(file);
  scratch_write(scratch_path(&folder, "x.bytes"), pixels, sizeof pixels);
}

/* `ingot infer` into a .npy, whose numbers are its last bytes. */
static void infer(const char *batch, float *out) {
  char path[2 * SCRATCH_PATH];
  size_t size, bytes = SAMPLES * CLASSES * sizeof *out;
  snprintf(path, sizeof path, "%s", scratch_path(&folder, "y.npy"));
  assert_succeeded(RUN("infer", "--model", model_path, "--data", DIGITS ":test", "--out", path,
                       "--batch", batch, "--quiet"));
  unsigned char *file = scratch_read(path, &size);
  assert_true(size > bytes);
  memcpy(out, file + size - bytes, bytes);
  free(file);
}

static int make_all(void **state) {
  (void)state;
  folder = scratch_make();
  char run[2 * SCRATCH_PATH];
  snprintf(run, sizeof run, "%s", scratch_path(&folder, "run"));
  snprintf(model_path, sizeof model_path, "%s", scratch_path(&folder, "run/best.h5"));
  assert_succeeded(RUN("train", "--model", "mlp:64,32", "--data", DIGITS ":train", "--out", run,
                       "--epochs", "4", "--ema", "0.9", "--quiet"));
  read_pixels();
  infer("64", expected);
  infer("599", in_one);
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

/* --- by itself --------------------------------------------------------------------------------- */

static ig_model *open_model(void) {
  ig_model *model = NULL;
  ig_model_options options = {.device = "cpu"};
  if (ig_model_open(model_path, &options, &model) != IG_OK) fail_msg("%s", ig_last_error());
  return model;
}

static void describes_itself(void **state) {
  (void)state;
  ig_model *model = open_model();
  ig_tensor_info x, y;
  assert_int_equal(ig_model_input_count(model), 1);
  assert_int_equal(ig_model_output_count(model), 1);
  assert_int_equal(ig_model_input(model, 0, &x), IG_OK);
  assert_string_equal(x.name, "x");
  assert_int_equal(x.dtype, IG_U8);
  assert_int_equal(x.shape.rank, 4);
  static const int64_t image[] = {-1, 1, 8, 8};
  assert_memory_equal(x.shape.dims, image, sizeof image);
  assert_int_equal(x.sample_bytes, PIXELS);
  assert_int_equal(ig_model_output(model, 0, &y), IG_OK);
  assert_string_equal(y.name, "y");
  assert_int_equal(y.dtype, IG_F32);
  assert_int_equal(y.shape.rank, 2);
  assert_int_equal(y.shape.dims[0], -1);
  assert_int_equal(y.shape.dims[1], CLASSES);
  assert_int_equal(y.sample_bytes, CLASSES * sizeof(float));
  assert_int_equal(ig_model_input(model, 1, &x), IG_ERR_USAGE);
  assert_int_equal(ig_model_output(model, -1, &x), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "output -1"));
  ig_model_close(model);
}

/* More batch sizes than are kept, some of them again. */
static void batches_agree(void **state) {
  (void)state;
  ig_model *model = open_model();
  static const int sizes[] = {599, 1, 2, 3, 7, 64, 599, 1, 3, 128};
  static float y[SAMPLES * CLASSES];
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    memset(y, 0xff, sizeof y);
    for (int at = 0; at < SAMPLES; at += sizes[s]) {
      int count = SAMPLES - at < sizes[s] ? SAMPLES - at : sizes[s];
      const void *in[] = {pixels + at * PIXELS};
      void *out[] = {y + at * CLASSES};
      if (ig_model_run(model, count, in, out) != IG_OK) fail_msg("%s", ig_last_error());
    }
    for (int i = 0; i < SAMPLES * CLASSES; i++) {
      double error = fabs((double)y[i] - (double)in_one[i]);
      if (!(error <= 1e-4)) fail_msg("batch %d, output %d: off by %g", sizes[s], i, error);
    }
    if (sizes[s] == 599) assert_memory_equal(y, in_one, sizeof y);
    if (sizes[s] == 64) assert_memory_equal(y, expected, sizeof y);
  }
  ig_model_close(model);
}

static void wrong_calls_fail(void **state) {
  (void)state;
  ig_model *model = open_model(), *none = NULL;
  float y[CLASSES] = {7};
  const void *in[] = {pixels}, *no_input[] = {NULL};
  void *out[] = {y}, *no_output[] = {NULL};
  assert_int_equal(ig_model_run(model, 0, in, out), IG_ERR_USAGE);
  assert_int_equal(ig_model_run(model, -3, in, out), IG_ERR_USAGE);
  assert_int_equal(ig_model_run(model, 1, no_input, out), IG_ERR_USAGE);
  assert_int_equal(ig_model_run(model, 1, in, no_output), IG_ERR_USAGE);
  assert_int_equal(ig_model_run(model, INT64_MAX, in, out), IG_ERR_MEMORY);
  assert_true(y[0] == 7);
  assert_int_equal(ig_model_run(model, 1, in, out), IG_OK); /* and it is whole after all that */
  ig_model_close(model);
  ig_model_close(NULL);
  assert_int_equal(ig_model_open("no/such.h5", NULL, &none), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "no/such.h5: cannot open: No such file or directory");
  assert_int_equal(ig_model_open("lenet", NULL, &none), IG_ERR_USAGE);
  assert_int_equal(ig_model_open(DIGITS, NULL, &none), IG_ERR_INPUT);
  ig_model_options absent = {.device = "cuda:99"}, unknown = {.device = "abacus"};
  assert_int_equal(ig_model_open(model_path, &absent, &none), IG_ERR_DEVICE);
  assert_int_equal(ig_model_open(model_path, &unknown, &none), IG_ERR_USAGE);
  ig_model_options threads = {.device = "cpu", .threads = -1};
  assert_int_equal(ig_model_open(model_path, &threads, &none), IG_ERR_USAGE);
  assert_null(none);
}

/* A table with a hole: the message says where. */
static void bad_numbers_are_found(void **state) {
  (void)state;
  char data[2 * SCRATCH_PATH], run[2 * SCRATCH_PATH];
  snprintf(data, sizeof data, "%s", scratch_path(&folder, "t.csv"));
  snprintf(run, sizeof run, "%s", scratch_path(&folder, "table"));
  FILE *file = fopen(data, "w");
  assert_non_null(file);
  fputs("left,right,y\n", file);
  for (int i = 0; i < 60; i++) fprintf(file, "%d.5,%d,%g\n", i, i * i % 7, 0.25 * i);
  fclose(file);
  assert_succeeded(
      RUN("train", "--model", "linear", "--data", data, "--out", run, "--epochs", "2", "--quiet"));
  ig_model *model;
  ig_tensor_info x;
  assert_int_equal(ig_model_open(run, NULL, &model), IG_OK);
  assert_int_equal(ig_model_input(model, 0, &x), IG_OK);
  assert_int_equal(x.dtype, IG_F32);
  assert_int_equal(x.sample_bytes, 8);
  float values[] = {1, 2, 3, NAN}, y[2];
  assert_int_equal(ig_model_run(model, 2, (const void *[]){values}, (void *[]){y}), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "input: sample 1, field 'x', column 'right': found NaN; "
                                       "expected a finite number");
  ig_model_close(model);
}

/* --- installed --------------------------------------------------------------------------------- */

static void install_once(void) {
  static bool done;
  if (!done) {
    shell("'%s' --install '%s' --prefix '%s/usr' >/dev/null", IG_CMAKE, IG_BUILD_DIR,
          folder.folder);
  }
  done = true;
}

static void build(const char *compiler, const char *source, const char *name) {
  install_once();
  shell("export PKG_CONFIG_PATH=$(dirname $(find '%s/usr' -name ingot.pc)) && "
        "%s %s -Wall -Wextra -pedantic -Werror -o '%s/%s' '%s/%s' $(pkg-config --cflags --libs "
        "ingot) -Wl,-rpath,$(pkg-config --variable=libdir ingot)",
        folder.folder, compiler, IG_TEST_FLAGS, folder.folder, name, IG_SOURCE_DIR, source);
}

static void c_program_agrees_with_infer(void **state) {
  (void)state;
  char line[4096];
  build(IG_CC " -std=c11", "examples/embed/embed.c", "embed");
  shell("cd '%s' && ./embed run/best.h5 <x.csv >y.csv", folder.folder);
  FILE *file = fopen(scratch_path(&folder, "y.csv"), "r");
  assert_non_null(file);
  for (int i = 0; i < SAMPLES; i++) {
    assert_non_null(fgets(line, sizeof line, file));
    char *at = line;
    for (int k = 0; k < CLASSES; k++, at++) {
      float value = strtof(at, &at);
      if (value != expected[i * CLASSES + k]) {
        fail_msg("sample %d, class %d: %.9g, infer gave %.9g", i, k, (double)value,
                 (double)expected[i * CLASSES + k]);
      }
    }
  }
  assert_null(fgets(line, sizeof line, file));
  fclose(file);
  shell("cd '%s' && ! ./embed none.h5 2>message && "
        "grep -qx 'embed: open: none.h5: cannot open: No such file or directory' message",
        folder.folder);
}

static void cpp_program_agrees_with_infer(void **state) {
  (void)state;
  size_t size;
  build(IG_CXX " -std=c++11", "tests/embed/bytes.cpp", "bytes");
  shell("cd '%s' && ./bytes run <x.bytes >y.bytes", folder.folder);
  unsigned char *y = scratch_read(scratch_path(&folder, "y.bytes"), &size);
  assert_int_equal(size, sizeof in_one);
  assert_memory_equal(y, in_one, sizeof in_one);
  free(y);
}

/* Neither more nor less than the header promises. */
static void shows_what_the_header_declares(void **state) {
  (void)state;
  install_once();
  shell("cd '%s' && nm -D --defined-only $(find usr -name 'libingot.so') | sed 's/.* //' | "
        "grep -v '^__' | sort >shown && "
        "sed -n 's/^IG_API.*[ *]\\(ig_[a-z_]*\\)(.*/\\1/p' usr/include/ingot.h | sort >declared && "
        "test $(wc -l <declared) -ge 10 && diff declared shown",
        folder.folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(describes_itself),
                                     cmocka_unit_test(batches_agree),
                                     cmocka_unit_test(wrong_calls_fail),
                                     cmocka_unit_test(bad_numbers_are_found),
                                     cmocka_unit_test(c_program_agrees_with_infer),
                                     cmocka_unit_test(cpp_program_agrees_with_infer),
                                     cmocka_unit_test(shows_what_the_header_declares)};
  return cmocka_run_group_tests(tests, make_all, remove_all);
}
