/* Integers and flags as inputs of an imported model: trained, evaluated and run from .npz, .npy and .h5, of the
 * model's own type or of another that holds the same numbers. */
#include "engine/base/rng.h"
#include "formats/datum_arrays.h"
#include "onnx_bytes.h"
#include "program.h"

#define LENGTH 4
#define WORDS 12
#define WIDTH 3
#define SAMPLES 24

enum { FLOAT = 1, UINT8 = 2, INT32 = 6, INT64 = 7, BOOL = 9 };

static float weight(int i) {
  ig_rng rng = ig_rng_stream(5, IG_RNG_TEST, 0, 0);
  return 0.5F * ig_rng_normal(&rng, (uint64_t)i);
}

static int64_t id(int64_t sample, int64_t place, int64_t below) {
  return (sample * 7 + place * 5 + sample * place) % below;
}

static void put_weights(message *graph, const char *name, int64_t rows, int64_t columns) {
  float values[WORDS * WORDS];
  const int64_t dims[] = {rows, columns};
  for (int64_t i = 0; i < rows * columns; i++) values[i] = weight((int)i);
  put_message(graph, 5, tensor_bytes(name, FLOAT, 2, dims, values, (size_t)(rows * columns) * sizeof(float)));
}

static void write_file(const char *path, message graph) {
  message m = model_bytes(graph, 18);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(m.at, 1, m.size, file), m.size);
  fclose(file);
  free(m.at);
}

/* scratch_path's buffers rotate; here more are in use at once. */
static const char *path_of(const scratch *s, const char *name) {
  static char paths[8][1024];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s", scratch_path(s, name));
  return path;
}

/* y [N, classes] = flatten(table[ids]) w, of ids [N, LENGTH]. */
static void write_classifier(const char *path, int type) {
  const int64_t in[] = {-1, LENGTH}, out[] = {-1, WIDTH};
  message g = {0}, cast = node_bytes("Cast", "ids", "rows");
  put_int_attr(&cast, "to", INT64);
  put_message(&g, 1, cast);
  put_message(&g, 1, node_bytes("Gather", "table rows", "words"));
  put_message(&g, 1, node_bytes("Flatten", "words", "flat"));
  put_message(&g, 1, node_bytes("MatMul", "flat w", "y"));
  put_text(&g, 2, "words");
  put_weights(&g, "table", WORDS, WIDTH);
  put_weights(&g, "w", LENGTH * WIDTH, WIDTH);
  put_message(&g, 11, value_bytes("ids", type, 2, in));
  put_message(&g, 12, value_bytes("y", FLOAT, 2, out));
  write_file(path, g);
}

/* Logits [N, LENGTH, WORDS] of the next word. */
static void write_language_model(const char *path, int64_t length) {
  const int64_t in[] = {-1, length}, out[] = {-1, length, WORDS};
  message g = {0};
  put_message(&g, 1, node_bytes("Gather", "table ids", "words"));
  put_message(&g, 1, node_bytes("MatMul", "words w", "logits"));
  put_text(&g, 2, "next");
  put_weights(&g, "table", WORDS, WIDTH);
  put_weights(&g, "w", WIDTH, WORDS);
  put_message(&g, 11, value_bytes("ids", INT64, 2, in));
  put_message(&g, 12, value_bytes("logits", FLOAT, 3, out));
  write_file(path, g);
}

static ig_datum *ids_of(ig_dtype dtype, int64_t length, int64_t shift, int64_t below) {
  ig_datum *d = NULL;
  ig_shape shape = {2, {SAMPLES, length}};
  assert_int_equal(ig_datum_tensor(dtype, &shape, &d), IG_OK);
  for (int64_t i = 0; i < SAMPLES * length; i++)
    ig_store_i64(dtype, d->data, i, id(i / length, i % length + shift, below));
  return d;
}

static ig_datum *classes(void) {
  ig_datum *d = NULL;
  ig_shape shape = {1, {SAMPLES}};
  assert_int_equal(ig_datum_tensor(IG_I64, &shape, &d), IG_OK);
  for (int64_t i = 0; i < SAMPLES; i++) ((int64_t *)d->data)[i] = i % WIDTH;
  return d;
}

/* ids, and y unless it is NULL; releases both. */
static void write_data(const char *path, ig_datum *ids, ig_datum *y) {
  const ig_named_datum arrays[] = {{.name = "ids", .datum = ids}, {.name = "y", .datum = y}};
  assert_int_equal(ig_arrays_write(path, y ? 2 : 1, arrays), IG_OK);
  ig_datum_release(ids);
  if (y) ig_datum_release(y);
}

#define TRAIN(model, data, out, ...)                                                              \
  RUN("train", "--model", model, "--data", data, "--out", out, "--overwrite", "--batch", "8", "--holdout", \
      "0.25", "--threads", "1", __VA_ARGS__)

static void check_outputs(const char *path, int64_t below) {
  ig_named_datum read[] = {{.name = "y"}, {.name = "probability"}, {.name = "prediction"}}, y;
  assert_int_equal(ig_arrays_read(path, 3, read), IG_OK);
  y = read[0];
  assert_non_null(y.datum);
  assert_int_equal(ig_shape_count(&y.datum->shape), SAMPLES * WIDTH);
  for (int64_t n = 0; n < SAMPLES; n++) {
    for (int k = 0; k < WIDTH; k++) {
      double sum = 0;
      for (int i = 0; i < LENGTH * WIDTH; i++)
        sum += (double)weight((int)id(n, i / WIDTH, below) * WIDTH + i % WIDTH) * weight(i * WIDTH + k);
      assert_true(__builtin_fabs(((float *)y.datum->data)[n * WIDTH + k] - sum) < 1e-5);
    }
  }
  for (int i = 0; i < 3; i++) ig_datum_release(read[i].datum);
}

static const struct {
  int type;
  ig_dtype array;
  int64_t below;
} feeds[] = {{INT64, IG_I64, WORDS}, {INT32, IG_I64, WORDS}, {UINT8, IG_U8, WORDS},
             {UINT8, IG_I32, WORDS}, {INT64, IG_BOOL, 2},    {BOOL, IG_BOOL, 2}, {BOOL, IG_I64, 2}};

static void feeds_every_type(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = path_of(&s, "m.onnx"), *run = path_of(&s, "run");
  const char *data = path_of(&s, "d.npz"), *out = path_of(&s, "out.npz");
  const char *inputs = path_of(&s, "in.npz");
  for (int i = 0; i < IG_COUNT(feeds); i++) {
    write_classifier(model, feeds[i].type);
    write_data(data, ids_of(feeds[i].array, LENGTH, 0, feeds[i].below), classes());
    write_data(inputs, ids_of(feeds[i].array, LENGTH, 0, feeds[i].below), NULL);
    assert_succeeded(RUN("infer", "--model", model, "--data", inputs, "--out", out, "--threads", "1"));
    check_outputs(out, feeds[i].below);
    assert_succeeded(TRAIN(model, data, run, "--lr", "0", "--steps", "2"));
    assert_succeeded(RUN("infer", "--model", run, "--data", data, "--out", out, "--threads", "1"));
    check_outputs(out, feeds[i].below);
    assert_succeeded(RUN("eval", "--model", model, "--data", data, "--threads", "1", "--latency-seconds", "0"));
    assert_succeeded(RUN("eval", "--model", run, "--data", data, "--threads", "1", "--latency-seconds", "0"));
  }
  scratch_remove(&s);
}

static void other_files(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = path_of(&s, "m.onnx"), *run = path_of(&s, "run");
  const char *npz = path_of(&s, "d.npz"), *h5 = path_of(&s, "d.h5");
  const char *npy = path_of(&s, "d.npy"), *out = path_of(&s, "out.npz");
  write_classifier(model, INT32);
  write_data(npz, ids_of(IG_I64, LENGTH, 0, WORDS), classes());
  write_data(npy, ids_of(IG_I64, LENGTH, 0, WORDS), NULL);
  assert_succeeded(RUN("data", "convert", npz, "--out", h5));
  assert_succeeded(TRAIN(model, h5, run, "--lr", "0", "--steps", "2", "--val", npz));
  assert_succeeded(RUN("eval", "--model", run, "--data", h5, "--threads", "1", "--latency-seconds", "0"));
  const char *models[] = {model, run}, *files[] = {npy, h5};
  for (int i = 0; i < 4; i++) {
    assert_succeeded(RUN("infer", "--model", models[i % 2], "--data", files[i / 2], "--out", out, "--threads", "1"));
    check_outputs(out, WORDS);
  }
  scratch_remove(&s);
}

static void names_what_does_not_fit(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = path_of(&s, "m.onnx"), *run = path_of(&s, "run");
  const char *data = path_of(&s, "d.npz"), *inputs = path_of(&s, "in.npz");
  const char *out = path_of(&s, "out.npz");
  write_classifier(model, UINT8);
  ig_datum *wide = ids_of(IG_I64, LENGTH, 0, WORDS);
  ((int64_t *)wide->data)[LENGTH + 2] = 256;
  write_data(inputs, ig_datum_hold(wide), NULL);
  write_data(data, wide, classes());
  assert_refused(TRAIN(model, data, run, "--steps", "4", "--holdout", "0"), 2,
                 "sample 1, field 'ids', element 2: 256 does not fit u8");
  assert_refused(RUN("eval", "--model", model, "--data", data), 2,
                 "sample 1, field 'ids', element 2: 256 does not fit u8");
  assert_refused(RUN("infer", "--model", model, "--data", inputs, "--out", out), 2,
                 "array 'ids': element 6, 256, does not fit u8");
  ig_datum *floats = ids_of(IG_I64, LENGTH, 0, WORDS), *as = NULL;
  assert_int_equal(ig_datum_tensor(IG_F32, &floats->shape, &as), IG_OK);
  ig_convert(IG_I64, floats->data, IG_F32, as->data, ig_shape_count(&as->shape));
  ig_datum_release(floats);
  write_data(data, as, classes());
  assert_refused(TRAIN(model, data, run, "--steps", "4"), 2,
                 "field 'ids' gives f32, but the model's input 'ids' takes u8");
  scratch_remove(&s);
}

/* Words that follow from the one before are learnt, whichever the data happen to have of those the model
 * knows; a text goes in by a tokenizer of no more words. */
static void learns_the_next_word(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = path_of(&s, "m.onnx"), *run = path_of(&s, "run");
  const char *data = path_of(&s, "d.npz"), *text = path_of(&s, "text.txt");
  write_language_model(model, LENGTH);
  ig_datum *x = ids_of(IG_I64, LENGTH, 0, WORDS - 3), *y = ids_of(IG_I64, LENGTH, 0, WORDS - 3);
  for (int64_t i = 0; i < SAMPLES * LENGTH; i++)
    ((int64_t *)y->data)[i] = (((int64_t *)x->data)[i] + 1) % (WORDS - 3);
  write_data(data, x, y);
  for (int i = 0; i < 2; i++) { /* the data say what the task is, and --task the same */
    assert_succeeded(TRAIN(model, data, run, "--steps", "150", "--lr", "0.1", "--task", i ? "language" : "auto"));
    assert_succeeded(RUN("eval", "--model", run, "--data", data, "--max-loss", "0.1", "--threads", "1", "--latency-seconds", "0"));
  }
  FILE *file = fopen(text, "w");
  assert_non_null(file);
  for (int i = 0; i < 200; i++) fputs("abcab", file);
  fclose(file);
  assert_refused(TRAIN(model, text, run, "--steps", "2"), 2, "--task language");
  assert_succeeded(TRAIN(model, text, run, "--steps", "100", "--lr", "0.1", "--task", "language"));
  assert_succeeded(RUN("eval", "--model", run, "--data", text, "--max-loss", "0.7", "--threads", "1", "--latency-seconds", "0"));
  scratch_remove(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(feeds_every_type),
      cmocka_unit_test(other_files),
      cmocka_unit_test(names_what_does_not_fit),
      cmocka_unit_test(learns_the_next_word),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
