/* ONNX files as models of the program: run over arrays, trained, resumed, with frozen parameters and another
 * last layer. The file is written here byte by byte. */
#include "engine/base/rng.h"
#include "formats/checkpoint_h5.h"
#include "formats/datum_arrays.h"
#include "formats/onnx_import.h"
#include "onnx_bytes.h"
#include "program.h"

#define DIGITS IG_SOURCE_DIR "/examples/digits/digits.h5"
#define HIDDEN 32

enum { FLOAT = 1, INT64 = 7 };

static float weight(int i) {
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  return 0.1F * ig_rng_normal(&rng, (uint64_t)i);
}

static void put_weights(message *graph, const char *name, int n_dims, const int64_t *dims) {
  float values[64 * HIDDEN];
  int count = 1;
  for (int i = 0; i < n_dims; i++) count *= (int)dims[i];
  for (int i = 0; i < count; i++) values[i] = n_dims > 1 ? weight(i) : 0;
  put_message(graph, 5, tensor_bytes(name, FLOAT, n_dims, dims, values, (size_t)count * sizeof(float)));
}

/* `out` = `in` [N, size], cut into two and put together again, as torch.split is exported: `sizes` names a list
 * of both or the size of each. */
static void put_split(message *graph, const char *in, const char *sizes, const char *out) {
  char inputs[64], sequence[32], first[32], second[32], both[64];
  snprintf(inputs, sizeof inputs, "%s %s", in, sizes);
  snprintf(sequence, sizeof sequence, "%s.parts", in);
  snprintf(first, sizeof first, "%s.0", in);
  snprintf(second, sizeof second, "%s.1", in);
  snprintf(both, sizeof both, "%s %s", first, second);
  message cut = node_bytes("SplitToSequence", inputs, sequence), join = node_bytes("Concat", both, out);
  put_int_attr(&cut, "axis", 1);
  put_int_attr(&join, "axis", 1);
  put_message(graph, 1, cut);
  snprintf(inputs, sizeof inputs, "%s zero", sequence);
  put_message(graph, 1, node_bytes("SequenceAt", inputs, first));
  snprintf(inputs, sizeof inputs, "%s one", sequence);
  put_message(graph, 1, node_bytes("SequenceAt", inputs, second));
  put_message(graph, 1, join);
}

static void put_integers(message *graph, const char *name, int n_dims, int64_t count, const int64_t *values) {
  put_message(graph, 5, tensor_bytes(name, INT64, n_dims, &count, values, (size_t)count * sizeof *values));
}

/* "flat" from "x" and "h" from "sum" by way of sequences and of a buffer of ones, whose kind value_info has. */
static void put_torch(message *graph) {
  const int64_t length[] = {64};
  float ones[64];
  for (int i = 0; i < 64; i++) ones[i] = 1;
  message info = value_bytes("scale", FLOAT, 1, length), entry = {0};
  put_text(&entry, 1, "pkg.torch.export.graph_signature.InputSpec.kind");
  put_text(&entry, 2, "BUFFER");
  put_message(&info, 4, entry);
  put_message(graph, 1, node_bytes("Flatten", "x", "rows"));
  put_message(graph, 1, node_bytes("Mul", "rows scale", "scaled"));
  put_split(graph, "scaled", "sizes", "flat");
  put_message(graph, 5, tensor_bytes("scale", FLOAT, 1, length, ones, sizeof ones));
  put_integers(graph, "sizes", 1, 2, (const int64_t[]){40, 24});
  put_integers(graph, "half", 0, 1, (const int64_t[]){HIDDEN / 2});
  put_integers(graph, "zero", 0, 1, (const int64_t[]){0});
  put_integers(graph, "one", 0, 1, (const int64_t[]){1});
  put_message(graph, 13, info);
}

/* y = softmax(relu(flatten(x) w1 + b1) w2 + b2), of x [N, 1, 8, 8]; `torch`: by the roundabout way. */
static void write_classifier(const char *path, int64_t classes, bool torch) {
  const int64_t in[] = {-1, 1, 8, 8}, out[] = {-1, classes}, w1[] = {64, HIDDEN}, b1[] = {HIDDEN};
  const int64_t w2[] = {classes, HIDDEN}, b2[] = {classes};
  message g = {0}, gemm = node_bytes("Gemm", "h fc2.weight fc2.bias", "logits");
  put_int_attr(&gemm, "transB", 1);
  if (torch) put_torch(&g);
  else put_message(&g, 1, node_bytes("Flatten", "x", "flat"));
  put_message(&g, 1, node_bytes("MatMul", "flat fc1.weight", "product"));
  put_message(&g, 1, node_bytes("Add", "product fc1.bias", "sum"));
  put_message(&g, 1, node_bytes("Relu", "sum", torch ? "positive" : "h"));
  if (torch) put_split(&g, "positive", "half", "h");
  put_message(&g, 1, gemm);
  put_message(&g, 1, node_bytes("Softmax", "logits", "y"));
  put_text(&g, 2, "digits");
  put_weights(&g, "fc1.weight", 2, w1);
  put_weights(&g, "fc1.bias", 1, b1);
  put_weights(&g, "fc2.weight", 2, w2);
  put_weights(&g, "fc2.bias", 1, b2);
  put_message(&g, 11, value_bytes("x", FLOAT, 4, in));
  put_message(&g, 12, value_bytes("y", FLOAT, 2, out));
  message m = model_bytes(g, 18);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(m.at, 1, m.size, file), m.size);
  fclose(file);
  free(m.at);
}

static void write_model(const char *path) {
  write_classifier(path, 10, false);
}

static void write_inputs(const char *path, int64_t batch) {
  ig_datum *x = NULL;
  ig_shape shape = {4, {batch, 1, 8, 8}};
  assert_int_equal(ig_datum_tensor(IG_F32, &shape, &x), IG_OK);
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) ((float *)x->data)[i] = weight((int)i) * 10;
  const ig_named_datum array = {.name = "x", .datum = x};
  assert_int_equal(ig_arrays_write(path, 1, &array), IG_OK);
  ig_datum_release(x);
}

/* The model in float64, from its definition. */
static void expect(int64_t sample, double *y) {
  double h[HIDDEN], sum = 0, most = -1e30;
  for (int j = 0; j < HIDDEN; j++) {
    h[j] = 0;
    for (int i = 0; i < 64; i++)
      h[j] += (double)(weight((int)sample * 64 + i) * 10) * weight(i * HIDDEN + j);
    if (h[j] < 0) h[j] = 0;
  }
  for (int k = 0; k < 10; k++) {
    y[k] = 0;
    for (int j = 0; j < HIDDEN; j++) y[k] += h[j] * weight(k * HIDDEN + j);
    if (y[k] > most) most = y[k];
  }
  for (int k = 0; k < 10; k++) sum += y[k] = __builtin_exp(y[k] - most);
  for (int k = 0; k < 10; k++) y[k] /= sum;
}

static void check_runs(bool torch) {
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *in = scratch_path(&s, "in.npz");
  const char *out = scratch_path(&s, "out.npz");
  write_classifier(model, 10, torch);
  write_inputs(in, 5);
  assert_succeeded(RUN("infer", "--model", model, "--data", in, "--out", out));
  ig_named_datum y = {.name = "y"};
  assert_int_equal(ig_arrays_read(out, 1, &y), IG_OK);
  assert_true(y.datum->shape.rank == 2 && y.datum->shape.dims[0] == 5 && y.datum->shape.dims[1] == 10);
  for (int64_t n = 0; n < 5; n++) {
    double want[10];
    expect(n, want);
    for (int k = 0; k < 10; k++)
      assert_true(__builtin_fabs(((float *)y.datum->data)[n * 10 + k] - want[k]) < 1e-6);
  }
  ig_datum_release(y.datum);
  scratch_remove(&s);
}

static void runs_over_arrays(void **state) {
  (void)state;
  check_runs(false);
  check_runs(true);
}

static message ml_node(const char *op, const char *inputs, const char *outputs) {
  message n = node_bytes(op, inputs, outputs);
  put_text(&n, 7, "ai.onnx.ml");
  return n;
}

/* A LinearClassifier and a ZipMap, as scikit-learn's exporter writes a logistic regression: labels that are texts
 * arrive as NumPy's, four bytes a character, and the map as the probabilities that it is made of. */
static void labels_and_maps(void **state) {
  (void)state;
  const float rows[] = {1, 0, 0, 1, -1, -1}, shifts[] = {0, 0.5F, 0};
  const int64_t in_dims[] = {-1, 2}, one[] = {-1};
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *in = scratch_path(&s, "in.npz");
  const char *label = scratch_path(&s, "label.npy"), *out = scratch_path(&s, "out.npz");
  for (int both = 0; both < 2; both++) {
    message g = {0}, line = ml_node("LinearClassifier", "x", "label scores"), zip = ml_node("ZipMap", "scores", "maps");
    put_floats_attr(&line, "coefficients", 6, rows);
    put_floats_attr(&line, "intercepts", 3, shifts);
    put_texts_attr(&line, "classlabels_strings", "red gr\xc3\xbcn blue");
    put_text_attr(&line, "post_transform", "SOFTMAX");
    put_texts_attr(&zip, "classlabels_strings", "red gr\xc3\xbcn blue");
    put_message(&g, 1, line);
    put_message(&g, 1, zip);
    put_text(&g, 2, "regression");
    put_message(&g, 11, value_bytes("x", FLOAT, 2, in_dims));
    put_message(&g, 12, both ? value_bytes("maps", FLOAT, 2, in_dims) : value_bytes("label", 8, 1, one));
    message m = model_bytes(g, 18), set = {0};
    put_text(&set, 1, "ai.onnx.ml");
    put_int(&set, 2, 1);
    put_message(&m, 8, set);
    FILE *file = fopen(model, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(m.at, 1, m.size, file), m.size);
    fclose(file);
    free(m.at);
    ig_datum *x = NULL;
    ig_shape shape = {2, {2, 2}};
    assert_int_equal(ig_datum_tensor(IG_F32, &shape, &x), IG_OK);
    memcpy(x->data, (const float[]){2, 1, 0, 0}, 4 * sizeof(float));
    const ig_named_datum array = {.name = "x", .datum = x};
    assert_int_equal(ig_arrays_write(in, 1, &array), IG_OK);
    ig_datum_release(x);
    assert_succeeded(RUN("infer", "--model", model, "--data", in, "--out", both ? out : label));
  }
  ig_named_datum maps = {.name = "maps"};
  assert_int_equal(ig_arrays_read(out, 1, &maps), IG_OK);
  const float *p = maps.datum->data; /* of e^2, e^1.5, e^-3 and of e^0, e^0.5, e^0 */
  assert_float_equal(p[0], 0.61986, 1e-5);
  assert_float_equal(p[1], 0.37596, 1e-5);
  assert_float_equal(p[4], 0.45186, 1e-5);
  ig_datum_release(maps.datum);
  unsigned char bytes[256] = {0};
  FILE *file = fopen(label, "rb");
  assert_non_null(file);
  assert_int_equal(fread(bytes, 1, sizeof bytes, file), 128 + 2 * 4 * 4);
  fclose(file);
  assert_non_null(strstr((char *)bytes + 10, "'<U4', 'fortran_order': False, 'shape': (2,)"));
  const uint32_t words[] = {'r', 'e', 'd', 0, 'g', 'r', 0xfc, 'n'};
  assert_memory_equal(bytes + 128, words, sizeof words);
  scratch_remove(&s);
}

/* What exporters fold of a rotary embedding is no parameter, and what else is multiplied stays one. */
static void tables_are_constants(void **state) {
  (void)state;
  const int64_t dims[] = {1, 4};
  const float numbers[] = {1, 2, 1, 2};
  const char *const names[] = {"cosines", "sines", "scale"};
  message g = {0}, join = node_bytes("Concat", "negative x", "halves");
  put_int_attr(&join, "axis", 1);
  put_message(&g, 1, node_bytes("Neg", "x", "negative"));
  put_message(&g, 1, join);
  put_message(&g, 1, node_bytes("Mul", "twice cosines", "straight"));
  put_message(&g, 1, node_bytes("Mul", "sines halves", "turned"));
  put_message(&g, 1, node_bytes("Add", "turned straight", "sum"));
  put_message(&g, 1, node_bytes("Mul", "sum scale", "y"));
  put_text(&g, 2, "angles");
  for (int i = 0; i < 3; i++) put_message(&g, 5, tensor_bytes(names[i], FLOAT, 2, dims, numbers, sizeof numbers));
  put_message(&g, 11, value_bytes("x", FLOAT, 2, (const int64_t[]){1, 2}));
  put_message(&g, 11, value_bytes("twice", FLOAT, 2, dims));
  put_message(&g, 12, value_bytes("y", FLOAT, 2, dims));
  message m = model_bytes(g, 18);
  ig_onnx_model *model = NULL;
  ig_graph *graph = NULL;
  assert_int_equal(ig_onnx_model_parse("m.onnx", m.at, m.size, &model), IG_OK);
  assert_int_equal(ig_onnx_import(model, NULL, &graph), IG_OK);
  for (int i = 0; i < 3; i++) {
    const ig_value *value = ig_graph_find_value(graph, names[i]);
    assert_non_null(value);
    assert_int_equal(value->kind == IG_VALUE_PARAM, i == 2);
  }
  ig_graph_destroy(graph);
  ig_onnx_model_close(model);
  free(m.at);
}

static void names_what_is_wrong(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *in = scratch_path(&s, "in.npz");
  const char *out = scratch_path(&s, "out.npz");
  write_model(model);
  ig_datum *x = NULL;
  ig_shape shape = {4, {2, 1, 8, 7}};
  assert_int_equal(ig_datum_tensor(IG_F32, &shape, &x), IG_OK);
  ig_named_datum array = {.name = "x", .datum = x};
  assert_int_equal(ig_arrays_write(in, 1, &array), IG_OK);
  assert_refused(RUN("infer", "--model", model, "--data", in, "--out", out), 2, "'x'");
  array.name = "z";
  assert_int_equal(ig_arrays_write(in, 1, &array), IG_OK);
  assert_refused(RUN("infer", "--model", model, "--data", in, "--out", out), 2, "array 'z' is no input");
  ig_datum_release(x);
  assert_refused(RUN("infer", "--model", "absent.onnx", "--data", in, "--out", out), 2, "absent.onnx");
  assert_refused(RUN("train", "--model", model, "--data", DIGITS ":train", "--out", out, "--freeze", "fc3.*"), 2, "no parameter of the model matches");
  assert_refused(RUN("train", "--model", model, "--data", DIGITS ":train", "--out", out, "--lr-scale", "fc1.*=-1"), 2, "--lr-scale");
  assert_refused(RUN("train", "--model", "mlp:8", "--data", DIGITS ":train", "--out", out, "--classes", "3"), 2, "--classes");
  scratch_remove(&s);
}

/* Whether two runs' last checkpoints have the same bits for a parameter. */
static bool same_parameter(const char *a, const char *b, const char *name) {
  const char *runs[] = {a, b};
  ig_snapshot *snapshots[2];
  const ig_tensor *tensors[2];
  char path[2048];
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/latest.h5", runs[i]);
    assert_int_equal(ig_checkpoint_load(path, IG_CHECKPOINT_ALL, &snapshots[i]), IG_OK);
    tensors[i] = ig_snapshot_find(snapshots[i], IG_ROLE_PARAMETER, name);
    assert_non_null(tensors[i]);
  }
  size_t bytes = ig_shape_bytes(&tensors[0]->shape, tensors[0]->dtype);
  bool same = memcmp(tensors[0]->data, tensors[1]->data, bytes) == 0;
  for (int i = 0; i < 2; i++) ig_snapshot_destroy(snapshots[i]);
  return same;
}

#define TRAIN(model, out, ...)                                                                     \
  RUN("train", "--model", model, "--data", DIGITS ":train", "--val", DIGITS ":test", "--out", out,  \
      "--lr", "0.01", "--seed", "1", "--threads", "1", __VA_ARGS__)

static void trains(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *run = scratch_path(&s, "run");
  const char *other = scratch_path(&s, "other");
  write_model(model);
  assert_succeeded(TRAIN(model, run, "--steps", "160"));
  assert_succeeded(RUN("eval", "--model", run, "--data", DIGITS ":test", "--min-accuracy", "0.93",
                       "--latency-seconds", "0"));
  /* Stopped and gone on with. */
  assert_succeeded(TRAIN(model, other, "--steps", "160", "--schedule", "constant"));
  assert_succeeded(TRAIN(model, run, "--overwrite", "--steps", "70", "--schedule", "constant"));
  assert_succeeded(TRAIN(model, run, "--resume", "--steps", "160", "--schedule", "constant"));
  assert_true(same_parameter(run, other, "fc1.weight"));
  scratch_remove(&s);
}

static void frozen_parameters_stay(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *run = scratch_path(&s, "run");
  const char *other = scratch_path(&s, "other");
  write_model(model);
  assert_succeeded(TRAIN(model, run, "--steps", "3", "--freeze", "fc1.*"));
  assert_succeeded(TRAIN(model, other, "--steps", "9", "--freeze", "fc1.*"));
  assert_true(same_parameter(run, other, "fc1.weight"));
  assert_true(same_parameter(run, other, "fc1.bias"));
  assert_false(same_parameter(run, other, "fc2.weight"));
  scratch_remove(&s);
}

/* A plain gradient step is proportional to the rate: half the rate and twice the factor are the same. */
static void rates_are_scaled(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *run = scratch_path(&s, "run");
  const char *other = scratch_path(&s, "other");
  write_model(model);
  assert_succeeded(TRAIN(model, run, "--steps", "2", "--optimizer", "sgd", "--schedule", "constant"));
  assert_succeeded(TRAIN(model, other, "--steps", "2", "--optimizer", "sgd", "--schedule", "constant",
                         "--lr", "0.005", "--lr-scale", "fc1.*=2,fc2.*=2"));
  assert_true(same_parameter(run, other, "fc1.weight") && same_parameter(run, other, "fc2.bias"));
  assert_succeeded(TRAIN(model, other, "--overwrite", "--steps", "2", "--optimizer", "sgd", "--schedule",
                         "constant", "--lr-scale", "fc?.bias=0.5"));
  assert_false(same_parameter(run, other, "fc2.bias"));
  scratch_remove(&s);
}

/* Another last layer has other outputs under the same names. */
static void another_head(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *run = scratch_path(&s, "run");
  write_classifier(model, 7, false);
  assert_refused(TRAIN(model, run, "--steps", "3"), 2, "needs 10 outputs, but output 'y' of .* has 7");
  assert_succeeded(TRAIN(model, run, "--steps", "150", "--classes", "10"));
  assert_succeeded(RUN("eval", "--model", run, "--data", DIGITS ":test", "--min-accuracy", "0.9",
                       "--latency-seconds", "0"));
  const program *p = RUN("inspect", run, "--show", "parameters");
  if (!strstr(p->out, "[10, 32]")) fail_msg("%s", p->out);
  assert_non_null(strstr(p->out, "fc2.weight"));
  scratch_remove(&s);
}

/* Sequences of known parts are no obstacle, and a module's buffers are no parameters. */
static void trains_what_torch_writes(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *model = scratch_path(&s, "m.onnx"), *run = scratch_path(&s, "run");
  const char *plain = scratch_path(&s, "plain.onnx"), *other = scratch_path(&s, "other");
  write_classifier(model, 10, true);
  write_model(plain);
  assert_succeeded(TRAIN(model, run, "--steps", "3"));
  assert_succeeded(TRAIN(plain, other, "--steps", "3"));
  assert_true(same_parameter(run, other, "fc1.weight") && same_parameter(run, other, "fc2.bias"));
  const program *p = RUN("inspect", run, "--show", "parameters");
  if (strstr(p->out, "scale") || !strstr(p->out, "fc1.weight")) fail_msg("%s", p->out);
  scratch_remove(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_over_arrays),
      cmocka_unit_test(labels_and_maps),
      cmocka_unit_test(tables_are_constants),
      cmocka_unit_test(names_what_is_wrong),
      cmocka_unit_test(trains),
      cmocka_unit_test(frozen_parameters_stay),
      cmocka_unit_test(rates_are_scaled),
      cmocka_unit_test(another_head),
      cmocka_unit_test(trains_what_torch_writes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
