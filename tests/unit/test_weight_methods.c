/* Methods that change weights: each leaves the f32 function as it was where it says so, and each lowers the
 * error of quantization where it is meant to, all measured in float64 by plain loops (of the convolutions:
 * by the engine itself, before and after). */
#include "graph_run.h"

#include <float.h>
#include <math.h>

#include "engine/quantize/statistics.h"
#include "engine/quantize/weights.h"

#define SAMPLES 192
#define WIDTH 64
#define OUTPUTS 24

static float inputs[SAMPLES * WIDTH];

static float *entry(run_env *env, const char *name) {
  ig_store_entry *e = ig_store_find(env->store, name);
  if (!e) fail_msg("no '%s' in the store", name);
  return e->data;
}

static ig_value *param(ig_graph *g, const char *name, ig_shape shape) {
  return ig_graph_param(g, name, IG_F32, shape, (ig_init){IG_INIT_NORMAL, 0.2f}, true);
}

static ig_value *input(ig_graph *g, ig_shape shape) {
  ig_value *x = ig_graph_input(g, "x", IG_F32, shape);
  ig_value_set_symbol(g, x, 0, "N");
  return x;
}

static ig_quant_layer layer_of(const char *node, const char *op, int channel_axis, int sum_axis,
                               ig_quant_format format) {
  return (ig_quant_layer){.node = node,
                          .op = op,
                          .weight = "w",
                          .weight_input = 1,
                          .channel_axis = channel_axis,
                          .sum_axis = sum_axis,
                          .format = format};
}

static ig_dataset *vectors(void) {
  ig_dataset *data;
  ig_field field = {
      .name = "x", .kind = IG_FIELD_FEATURES, .dtype = IG_F32, .shape = IG_SHAPE(WIDTH)};
  GOOD(ig_dataset_from_arrays(SAMPLES, 1, &field, (const void *[]){inputs}, &data));
  return data;
}

/* Inputs that hang together, as activations do: few directions carry most, and none has mean 0. */
static void draw_inputs(double shift) {
  enum { DIRECTIONS = 10 };
  static float mix[DIRECTIONS * WIDTH], of[SAMPLES * DIRECTIONS], noise[SAMPLES * WIDTH];
  ig_rng rng = ig_rng_stream(21, IG_RNG_TEST, 0, 0);
  ig_rng_normals(&rng, 0, IG_COUNT(mix), mix);
  ig_rng_normals(&rng, 1 << 20, IG_COUNT(of), of);
  ig_rng_normals(&rng, 1 << 21, IG_COUNT(noise), noise);
  for (int s = 0; s < SAMPLES; s++) {
    for (int i = 0; i < WIDTH; i++) {
      double sum = 0.2 * (double)noise[s * WIDTH + i] + shift;
      for (int d = 0; d < DIRECTIONS; d++) {
        sum += (double)of[s * DIRECTIONS + d] * (double)mix[d * WIDTH + i] / DIRECTIONS;
      }
      inputs[s * WIDTH + i] = (float)sum;
    }
  }
}

/* y = x w of the product, w [WIDTH, OUTPUTS], for sample s and output o. */
static double product(const float *x, const double *w, int s, int o) {
  double sum = 0;
  for (int i = 0; i < WIDTH; i++) sum += (double)x[s * WIDTH + i] * w[i * OUTPUTS + o];
  return sum;
}

/* |y - y'|^2 / |y|^2 over all samples. */
static double output_error(const float *x, const double *w, const double *changed) {
  double error = 0, all = 0;
  for (int s = 0; s < SAMPLES; s++) {
    for (int o = 0; o < OUTPUTS; o++) {
      double y = product(x, w, s, o);
      error += pow(product(x, changed, s, o) - y, 2);
      all += y * y;
    }
  }
  return error / all;
}

static void dequantize(const ig_quant_weight *q, int64_t group, double *out) {
  for (int i = 0; i < WIDTH; i++) {
    for (int o = 0; o < OUTPUTS; o++) {
      int64_t scale = group ? i / group * OUTPUTS + o : q->scales == 1 ? 0 : o;
      out[i * OUTPUTS + o] = (double)q->codes[i * OUTPUTS + o] * (double)q->scale[scale];
    }
  }
}

static ig_graph *one_product(bool bias) {
  ig_graph *g;
  GOOD(ig_graph_create("product", &g));
  ig_value *y = ig_op1(
      g, "MatMul", "product",
      IG_INS(input(g, IG_SHAPE(2, WIDTH)), param(g, "w", IG_SHAPE(WIDTH, OUTPUTS))), IG_NO_ATTRS);
  if (bias) {
    y = ig_op1(g, "Add", "sum", IG_INS(y, param(g, "b", IG_SHAPE(OUTPUTS))), IG_NO_ATTRS);
  }
  ig_graph_output(g, "y", y);
  GOOD(ig_graph_status(g));
  return g;
}

/* --- GPTQ ---------------------------------------------------------------------------------------- */

static double gptq_error(ig_quant_format format, int64_t group, bool round) {
  run_env env = run_env_open();
  ig_graph *g = one_product(false);
  GOOD(ig_store_add_graph(env.store, g, 3));
  ig_quant_layer layer = layer_of("product", "MatMul", 1, 0, format);
  ig_recipe recipe = {.arena = ig_arena_create(),
                      .settings = {.format = format, .group = group, .rounding = IG_ROUND_GPTQ},
                      .n_layers = 1,
                      .layers = &layer};
  ig_dataset *data = vectors();
  const ig_calibration_options options = {.batch = 50};
  int layers = 0;
  if (round) {
    GOOD(ig_quantize_round(g, env.backend, env.store, &recipe, data, &options, &layers));
    assert_int_equal(layers, 1);
    assert_non_null(layer.rounded);
  }
  static double w[WIDTH * OUTPUTS], changed[WIDTH * OUTPUTS];
  const float *own = entry(&env, "w");
  ig_quant_weight q;
  const ig_shape shape = IG_SHAPE(WIDTH, OUTPUTS);
  GOOD(ig_quantize_weight(&layer, &recipe.settings, &shape, own, &q));
  for (int i = 0; i < WIDTH * OUTPUTS; i++) w[i] = (double)own[i];
  dequantize(&q, group, changed);
  double error = output_error(inputs, w, changed);
  ig_quant_weight_release(&q);
  ig_dataset_destroy(data);
  ig_arena_destroy(recipe.arena);
  ig_graph_destroy(g);
  run_env_close(&env);
  return error;
}

static void gptq_lowers_the_outputs_error(void **state) {
  (void)state;
  const ig_quant_format formats[] = {IG_QUANT_INT8, IG_QUANT_INT4_WEIGHTS, IG_QUANT_INT4_WEIGHTS};
  const int64_t groups[] = {0, 32, 0};
  draw_inputs(0.3);
  for (int i = 0; i < IG_COUNT(formats); i++) {
    double nearest = gptq_error(formats[i], groups[i], false);
    double gptq = gptq_error(formats[i], groups[i], true);
    printf("  %s, groups of %d: output error %.3g to nearest, %.3g by GPTQ\n",
           ig_quant_format_name(formats[i]), (int)groups[i], nearest, gptq);
    assert_true(gptq < 0.5 * nearest);
  }
}

/* The textbook: H^-1 by Gauss and Jordan, one input after the other in the order of H's diagonal, and what is
 * left of H^-1 after each by elimination (optimal brain quantization, equations 2 and 3 of GPTQ's paper). */
static void textbook(const double *gram, int k, const double *row, double scale, int *codes) {
  double h[16][16], inverse[16][16], w[16], mean = 0;
  bool done[16] = {false};
  for (int i = 0; i < k; i++) mean += gram[i * k + i] / k;
  for (int i = 0; i < k; i++) {
    w[i] = row[i];
    for (int j = 0; j < k; j++) {
      h[i][j] = gram[i * k + j] + (i == j ? 0.01 * mean : 0);
      inverse[i][j] = i == j;
    }
  }
  for (int p = 0; p < k; p++) {
    double pivot = h[p][p];
    for (int j = 0; j < k; j++) h[p][j] /= pivot, inverse[p][j] /= pivot;
    for (int i = 0; i < k; i++) {
      double f = h[i][p];
      for (int j = 0; j < k && i != p; j++) {
        h[i][j] -= f * h[p][j];
        inverse[i][j] -= f * inverse[p][j];
      }
    }
  }
  for (int n = 0; n < k; n++) {
    int i = -1;
    for (int c = 0; c < k; c++) {
      if (!done[c] && (i < 0 || gram[c * k + c] > gram[i * k + i])) i = c;
    }
    done[i] = true;
    codes[i] = (int)fmin(fmax(rint(w[i] / scale), -127), 127);
    double error = (w[i] - codes[i] * scale) / inverse[i][i];
    for (int j = 0; j < k; j++) {
      if (!done[j]) w[j] -= error * inverse[i][j];
    }
    double own[16];
    for (int j = 0; j < k; j++) own[j] = inverse[i][j];
    for (int a = 0; a < k; a++) {
      for (int b = 0; b < k; b++) inverse[a][b] -= own[a] * own[b] / own[i];
    }
  }
}

enum { N = 40, K = 9, HEIGHT = 5 };
static float images[N][2 * HEIGHT * HEIGHT];

/* Sum over the windows that the convolution below reads of one group. */
static void sum_of_windows(int group, double gram[K * K]) {
  for (int i = 0; i < K * K; i++) gram[i] = 0;
  for (int n = 0; n < N; n++) {
    for (int top = -1; top <= HEIGHT - 2; top += 2) {
      for (int left = -1; left <= HEIGHT - 2; left++) {
        double row[K];
        for (int k = 0; k < K; k++) {
          int a = top + k / 3, b = left + k % 3;
          bool inside = a >= 0 && a < HEIGHT && b >= 0 && b < HEIGHT;
          row[k] = inside ? (double)images[n][(group * HEIGHT + a) * HEIGHT + b] : 0;
        }
        for (int i = 0; i < K * K; i++) gram[i] += row[i / K] * row[i % K];
      }
    }
  }
}

/* A convolution of two groups with one weight for each of 3 x 3 places: k is 9. */
static void gptq_is_the_textbooks(void **state) {
  (void)state;
  ig_rng rng = ig_rng_stream(22, IG_RNG_TEST, 0, 0);
  ig_rng_normals(&rng, 0, N * 2 * HEIGHT * HEIGHT, images[0]);
  for (int n = 0; n < N; n++) {
    for (int i = 1; i < 2 * HEIGHT * HEIGHT; i++) images[n][i] += 0.7f * images[n][i - 1];
  }
  ig_graph *g;
  GOOD(ig_graph_create("conv", &g));
  const int64_t pads[] = {1, 1, 1, 1}, strides[] = {2, 1};
  ig_value *x = input(g, IG_SHAPE(2, 2, HEIGHT, HEIGHT));
  ig_value *y = ig_op1(
      g, "Conv", "conv", IG_INS(x, param(g, "w", IG_SHAPE(4, 1, 3, 3))),
      IG_ATTRS(IG_INT("group", 2), IG_INTS("pads", 4, pads), IG_INTS("strides", 2, strides)));
  ig_graph_output(g, "y", y);
  GOOD(ig_graph_status(g));
  run_env env = run_env_open();
  GOOD(ig_store_add_graph(env.store, g, 3));
  ig_dataset *data;
  ig_field field = {
      .name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_F32, .shape = IG_SHAPE(2, HEIGHT, HEIGHT)};
  GOOD(ig_dataset_from_arrays(N, 1, &field, (const void *[]){images}, &data));
  ig_quant_layer layer = layer_of("conv", "Conv", 0, 1, IG_QUANT_INT8);
  ig_recipe recipe = {.arena = ig_arena_create(),
                      .settings = {.format = IG_QUANT_INT8},
                      .n_layers = 1,
                      .layers = &layer};
  const ig_calibration_options options = {.batch = 16};
  int layers;
  GOOD(ig_quantize_round(g, env.backend, env.store, &recipe, data, &options, &layers));
  assert_int_equal(layers, 1);
  const float *w = entry(&env, "w");
  int different = 0;
  for (int group = 0; group < 2; group++) {
    double gram[K * K];
    sum_of_windows(group, gram);
    for (int o = 2 * group; o < 2 * group + 2; o++) {
      double row[K];
      int codes[K];
      for (int k = 0; k < K; k++) row[k] = (double)w[o * K + k];
      textbook(gram, K, row, (double)layer.rounded->scale[o], codes);
      for (int k = 0; k < K; k++) {
        assert_int_equal(codes[k], layer.rounded->codes[o * K + k]);
        different += codes[k] != (int)rint(row[k] / (double)layer.rounded->scale[o]);
      }
    }
  }
  assert_true(different > 0); /* or nearest rounding would pass */
  ig_arena_destroy(recipe.arena);
  ig_dataset_destroy(data);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- bias correction ----------------------------------------------------------------------------- */

static void biases_take_the_shift(void **state) {
  (void)state;
  draw_inputs(1.0);
  run_env env = run_env_open();
  ig_graph *g = one_product(true);
  GOOD(ig_store_add_graph(env.store, g, 3));
  ig_quant_layer layer = layer_of("product", "MatMul", 1, 0, IG_QUANT_INT4_WEIGHTS);
  ig_recipe recipe = {
      .settings = {.format = IG_QUANT_INT4_WEIGHTS}, .n_layers = 1, .layers = &layer};
  ig_dataset *data = vectors();
  const ig_calibration_options options = {.batch = 50};
  static double w[WIDTH * OUTPUTS], changed[WIDTH * OUTPUTS];
  float before[OUTPUTS];
  memcpy(before, entry(&env, "b"), sizeof before);
  int layers;
  GOOD(ig_quantize_correct_bias(g, env.backend, env.store, &recipe, data, &options, &layers));
  assert_int_equal(layers, 1);
  const float *own = entry(&env, "w"), *after = entry(&env, "b");
  const ig_shape shape = IG_SHAPE(WIDTH, OUTPUTS);
  ig_quant_weight q;
  GOOD(ig_quantize_weight(&layer, &recipe.settings, &shape, own, &q));
  for (int i = 0; i < WIDTH * OUTPUTS; i++) w[i] = (double)own[i];
  dequantize(&q, 0, changed);
  double worst_before = 0, worst_after = 0;
  for (int o = 0; o < OUTPUTS; o++) {
    double shift = 0;
    for (int s = 0; s < SAMPLES; s++) {
      shift += (product(inputs, changed, s, o) - product(inputs, w, s, o)) / SAMPLES;
    }
    worst_before = fmax(worst_before, fabs(shift));
    worst_after = fmax(worst_after, fabs(shift + (double)after[o] - (double)before[o]));
  }
  printf("  mean of an output off by %.3g before, %.3g after\n", worst_before, worst_after);
  assert_true(worst_after < 1e-3 * worst_before);
  ig_quant_weight_release(&q);
  ig_dataset_destroy(data);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- SmoothQuant --------------------------------------------------------------------------------- */

static const double epsilon = 1e-5;

/* What the normalisation makes of sample s, in float64. */
static void normalise(const float *gain, const float *shift, int s, double *out) {
  double mean = 0, square = 0;
  for (int i = 0; i < WIDTH; i++) mean += (double)inputs[s * WIDTH + i] / WIDTH;
  for (int i = 0; i < WIDTH; i++) square += pow((double)inputs[s * WIDTH + i] - mean, 2) / WIDTH;
  for (int i = 0; i < WIDTH; i++) {
    out[i] = ((double)inputs[s * WIDTH + i] - mean) / sqrt(square + epsilon) * (double)gain[i] +
             (double)shift[i];
  }
}

/* Outputs of normalisation and product: as they are, or with activations in 8 bits of one range and weights in
 * 8 bits by channel. */
static void smooth_outputs(run_env *env, bool quantized, double *y) {
  static double x[SAMPLES * WIDTH], w[WIDTH * OUTPUTS];
  const float *own = entry(env, "w");
  double most = 0;
  for (int s = 0; s < SAMPLES; s++)
    normalise(entry(env, "gain"), entry(env, "shift"), s, x + s * WIDTH);
  for (int i = 0; i < SAMPLES * WIDTH; i++) most = fmax(most, fabs(x[i]));
  for (int i = 0; i < SAMPLES * WIDTH && quantized; i++)
    x[i] = rint(x[i] * 127 / most) * most / 127;
  for (int o = 0; o < OUTPUTS; o++) {
    double widest = 0;
    for (int i = 0; i < WIDTH; i++) widest = fmax(widest, fabs((double)own[i * OUTPUTS + o]));
    for (int i = 0; i < WIDTH; i++) {
      double v = (double)own[i * OUTPUTS + o];
      w[i * OUTPUTS + o] = quantized ? rint(v * 127 / widest) * widest / 127 : v;
    }
  }
  for (int s = 0; s < SAMPLES; s++) {
    for (int o = 0; o < OUTPUTS; o++) {
      double sum = 0;
      for (int i = 0; i < WIDTH; i++) sum += x[s * WIDTH + i] * w[i * OUTPUTS + o];
      y[s * OUTPUTS + o] = sum;
    }
  }
}

static double distance(const double *a, const double *b, int n) {
  double error = 0, all = 0;
  for (int i = 0; i < n; i++) {
    error += pow(a[i] - b[i], 2);
    all += b[i] * b[i];
  }
  return error / all;
}

static void smoothing_spreads_outliers(void **state) {
  (void)state;
  draw_inputs(0);
  run_env env = run_env_open();
  ig_graph *g;
  GOOD(ig_graph_create("norm", &g));
  ig_value *x = ig_op1(g, "LayerNormalization", "norm",
                       IG_INS(input(g, IG_SHAPE(2, WIDTH)), param(g, "gain", IG_SHAPE(WIDTH)),
                              param(g, "shift", IG_SHAPE(WIDTH))),
                       IG_NO_ATTRS);
  ig_graph_output(g, "y",
                  ig_op1(g, "MatMul", "product", IG_INS(x, param(g, "w", IG_SHAPE(WIDTH, OUTPUTS))),
                         IG_NO_ATTRS));
  GOOD(ig_graph_status(g));
  GOOD(ig_store_add_graph(env.store, g, 3));
  float *gain = entry(&env, "gain");
  for (int i = 0; i < WIDTH; i++) gain[i] = i % 20 == 7 ? 60.0f : 1 + gain[i];
  static double plain[SAMPLES * OUTPUTS], same[SAMPLES * OUTPUTS], rough[SAMPLES * OUTPUTS];
  smooth_outputs(&env, false, plain);
  smooth_outputs(&env, true, rough);
  double before = distance(rough, plain, SAMPLES * OUTPUTS);
  ig_quant_layer layer = layer_of("product", "MatMul", 1, 0, IG_QUANT_INT8);
  ig_recipe recipe = {
      .settings = {.format = IG_QUANT_INT8, .smooth = 0.5}, .n_layers = 1, .layers = &layer};
  ig_dataset *data = vectors();
  const ig_calibration_options options = {.batch = 50};
  int layers;
  GOOD(ig_quantize_smooth(g, env.backend, env.store, &recipe, data, &options, &layers));
  assert_int_equal(layers, 1);
  smooth_outputs(&env, false, same);
  assert_true(distance(same, plain, SAMPLES * OUTPUTS) < 1e-12);
  smooth_outputs(&env, true, rough);
  double after = distance(rough, plain, SAMPLES * OUTPUTS);
  printf("  output error in 8 bits %.3g before, %.3g after\n", before, after);
  assert_true(after < 0.3 * before);
  ig_dataset_destroy(data);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- equalisation -------------------------------------------------------------------------------- */

enum { CHANNELS = 16 };

/* As MobileNet has it: into many channels, each channel by itself, back into few. */
static ig_graph *separable(void) {
  ig_graph *g;
  GOOD(ig_graph_create("separable", &g));
  const int64_t pads[] = {1, 1, 1, 1};
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(4, 3, 8, 8));
  x = ig_op1(
      g, "Conv", "expand",
      IG_INS(x, param(g, "w1", IG_SHAPE(CHANNELS, 3, 1, 1)), param(g, "b1", IG_SHAPE(CHANNELS))),
      IG_NO_ATTRS);
  x = ig_op1(g, "Relu", NULL, IG_INS(x), IG_NO_ATTRS);
  x = ig_op1(
      g, "Conv", "depthwise",
      IG_INS(x, param(g, "w2", IG_SHAPE(CHANNELS, 1, 3, 3)), param(g, "b2", IG_SHAPE(CHANNELS))),
      IG_ATTRS(IG_INT("group", CHANNELS), IG_INTS("pads", 4, pads)));
  x = ig_op1(g, "Relu", NULL, IG_INS(x), IG_NO_ATTRS);
  x = ig_op1(g, "Conv", "project", IG_INS(x, param(g, "w3", IG_SHAPE(6, CHANNELS, 1, 1))),
             IG_NO_ATTRS);
  ig_graph_output(g, "y", x);
  GOOD(ig_graph_status(g));
  return g;
}

/* |y' - y|^2 / |y|^2 with all weights rounded with one scale each. */
static double per_tensor_error(run_env *env, ig_graph *g, const ig_quant_layer *layers,
                               const double *y) {
  const char *names[] = {"w1", "w2", "w3"};
  const ig_quant_settings settings = {.format = IG_QUANT_INT8, .per_tensor = true};
  float *kept[3];
  int64_t count;
  for (int i = 0; i < 3; i++) {
    ig_store_entry *e = ig_store_find(env->store, names[i]);
    size_t bytes = ig_shape_bytes(&e->shape, IG_F32);
    ig_quant_weight q;
    GOOD(ig_quantize_weight(&layers[i], &settings, &e->shape, e->data, &q));
    kept[i] = malloc(bytes);
    memcpy(kept[i], e->data, bytes);
    for (int64_t k = 0; k < ig_shape_count(&e->shape); k++) {
      ((float *)e->data)[k] = (float)q.codes[k] * q.scale[0];
    }
    ig_quant_weight_release(&q);
  }
  double *rough = run_graph(env, g, false, 0, 0, &count);
  double error = distance(rough, y, (int)count);
  for (int i = 0; i < 3; i++) {
    ig_store_entry *e = ig_store_find(env->store, names[i]);
    memcpy(e->data, kept[i], ig_shape_bytes(&e->shape, IG_F32));
    free(kept[i]);
  }
  free(rough);
  return error;
}

static void equalisation_evens_channels(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = separable();
  GOOD(ig_store_add_graph(env.store, g, 3));
  float *w1 = entry(&env, "w1"), *b1 = entry(&env, "b1"), *w2 = entry(&env, "w2");
  for (int c = 0; c < CHANNELS;
       c++) { /* what batch normalisation of dead and lively channels leaves */
    float spread = powf(2, (float)(c % 7) - 3);
    for (int i = 0; i < 3; i++) w1[c * 3 + i] *= spread;
    b1[c] *= spread;
    for (int i = 0; i < 9; i++) w2[c * 9 + i] *= powf(2, (float)(c % 5) - 2) / spread;
  }
  ig_quant_layer layers[] = {layer_of("expand", "Conv", 0, 1, IG_QUANT_INT8),
                             layer_of("depthwise", "Conv", 0, 1, IG_QUANT_INT8),
                             layer_of("project", "Conv", 0, 1, IG_QUANT_INT8)};
  const ig_recipe recipe = {.settings = {.format = IG_QUANT_INT8}, .n_layers = 3, .layers = layers};
  int64_t count;
  int pairs;
  double *y = run_graph(&env, g, false, 0, 0, &count);
  double before = per_tensor_error(&env, g, layers, y);
  GOOD(ig_quantize_equalize(g, env.store, &recipe, &pairs));
  assert_int_equal(pairs, 2);
  double *same = run_graph(&env, g, false, 0, 0, &count);
  assert_true(distance(same, y, (int)count) < 1e-10);
  double after = per_tensor_error(&env, g, layers, y);
  printf("  output error with one scale a weight %.3g before, %.3g after\n", before, after);
  assert_true(after < 0.2 * before);
  for (int c = 0; c < CHANNELS; c++) { /* equation 10: as wide in both */
    double a = 0, b = 0;
    for (int i = 0; i < 3; i++) a = fmax(a, fabs((double)w1[c * 3 + i]));
    for (int i = 0; i < 9; i++) b = fmax(b, fabs((double)w2[c * 9 + i]));
    assert_true(fabs(a / b - 1) < 0.05);
  }
  free(y);
  free(same);
  ig_graph_destroy(g);
  run_env_close(&env);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gptq_lowers_the_outputs_error), cmocka_unit_test(gptq_is_the_textbooks),
      cmocka_unit_test(biases_take_the_shift),         cmocka_unit_test(smoothing_spreads_outliers),
      cmocka_unit_test(equalisation_evens_channels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
