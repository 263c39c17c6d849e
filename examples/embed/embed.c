/* Runs a model that Ingot trained from a program in C, on samples that come as lines of numbers:
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs ingot)
 *     ./embed runs/digits/best.h5 <samples.csv
 *
 * Each line gives one sample, comma-separated; what a line has beyond it is not read, and a header is
 * passed over. The outputs come as lines too: a classifier's largest number is its choice. */
#include <ingot.h>

#include <stdio.h>
#include <stdlib.h>

#define BATCH 64 /* samples that run together */

static int failed(const char *what) {
  fprintf(stderr, "embed: %s: %s\n", what, ig_last_error());
  return 1;
}

/* One number of the model's dtype at the end of a sample that has `at` of them. */
static void put(void *samples, ig_dtype dtype, size_t at, double value) {
  if (dtype == IG_U8) ((uint8_t *)samples)[at] = (uint8_t)value;
  if (dtype == IG_I64) ((int64_t *)samples)[at] = (int64_t)value;
  if (dtype == IG_F32) ((float *)samples)[at] = (float)value;
  if (dtype == IG_F64) ((double *)samples)[at] = value;
}

/* The next line's first `n` numbers to position `at`; 0 at the end of the lines. */
static int read_sample(void *samples, ig_dtype dtype, size_t at, size_t n) {
  static char line[1 << 16];
  while (fgets(line, sizeof line, stdin)) {
    char *text = line, *end;
    size_t i = 0;
    for (; i < n; i++, text = *end == ',' ? end + 1 : end) {
      double value = strtod(text, &end);
      if (end == text) break;
      put(samples, dtype, at + i, value);
    }
    if (i == n) return 1;
  }
  return 0;
}

static void print_rows(const float *values, int64_t rows, size_t width) {
  for (int64_t r = 0; r < rows; r++) {
    for (size_t i = 0; i < width; i++) {
      printf("%s%.9g", i ? "," : "", (double)values[(size_t)r * width + i]);
    }
    printf("\n");
  }
}

static int run_all(ig_model *model) {
  ig_tensor_info x, y;
  if (ig_model_input(model, 0, &x) != IG_OK) return failed("input");
  if (ig_model_output(model, 0, &y) != IG_OK) return failed("output");
  if (y.dtype != IG_F32) {
    fprintf(stderr, "embed: the model's outputs are not f32\n");
    return 1;
  }
  size_t n = 1;
  for (int d = 1; d < x.shape.rank; d++) n *= (size_t)x.shape.dims[d];
  void *samples = malloc(BATCH * x.sample_bytes), *results = malloc(BATCH * y.sample_bytes);
  int code = samples && results ? 0 : failed("memory");
  for (int64_t count = BATCH; code == 0 && count == BATCH;) {
    count = 0;
    while (count < BATCH && read_sample(samples, x.dtype, (size_t)count * n, n)) count++;
    if (count == 0) break;
    if (ig_model_run(model, count, (const void *[]){samples}, (void *[]){results}) != IG_OK) {
      code = failed("run");
    } else {
      print_rows(results, count, y.sample_bytes / sizeof(float));
    }
  }
  free(samples);
  free(results);
  return code;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: embed MODEL.h5 <SAMPLES.csv (Ingot %s)\n", ig_version());
    return 2;
  }
  ig_model *model;
  ig_model_options options = {.device = "cpu"};
  if (ig_model_open(argv[1], &options, &model) != IG_OK) return failed("open");
  int code = run_all(model);
  ig_model_close(model);
  return code;
}
