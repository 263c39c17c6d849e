/* Weights rounded to nearest against plain loops in float64 over multi-indices. */
#include "graph_run.h"

#include <float.h>
#include <math.h>

#include "engine/quantize/weights.h"

typedef struct sample {
  ig_shape shape;
  int channel_axis, sum_axis;
} sample;

/* A product's, its transpose's, filters, filters of one channel each, a stack of products. */
static const sample samples[] = {
    {{2, {50, 12}}, 1, 0},     {{2, {7, 64}}, 0, 1},     {{4, {8, 6, 3, 3}}, 0, 1},
    {{4, {5, 1, 3, 3}}, 0, 1}, {{3, {3, 33, 10}}, 2, 1},
};

static const ig_quant_settings settings[] = {
    {.format = IG_QUANT_INT8},
    {.format = IG_QUANT_INT8, .per_tensor = true},
    {.format = IG_QUANT_INT8, .group = 32}, /* no groups: activations are quantized too */
    {.format = IG_QUANT_INT8_WEIGHTS},
    {.format = IG_QUANT_INT8_WEIGHTS, .group = 32},
    {.format = IG_QUANT_INT4_WEIGHTS},
    {.format = IG_QUANT_INT4_WEIGHTS, .group = 16},
};

static ig_quant_layer layer_of(const sample *s, const ig_quant_settings *how) {
  return (ig_quant_layer){.node = "conv7",
                          .op = "Conv",
                          .weight = "w",
                          .weight_input = 1,
                          .channel_axis = s->channel_axis,
                          .sum_axis = s->sum_axis,
                          .format = how->format};
}

/* The scale of element `i`, counted as weights.h says. */
static int64_t scale_index(const sample *s, const ig_quant_settings *how, int64_t i) {
  int64_t at[IG_MAX_RANK], index = 0;
  for (int d = s->shape.rank - 1; d >= 0; d--) {
    at[d] = i % s->shape.dims[d];
    i /= s->shape.dims[d];
  }
  bool grouped = how->group > 0 && how->format != IG_QUANT_INT8;
  if (how->per_tensor && !grouped) return 0;
  if (!grouped) return at[s->channel_axis];
  for (int d = 0; d < s->shape.rank; d++) {
    int64_t group = d == s->sum_axis ? how->group : 1;
    index = index * ((s->shape.dims[d] + group - 1) / group) + at[d] / group;
  }
  return index;
}

static void fill(const sample *s, float *w) {
  ig_rng rng = ig_rng_stream(4, IG_RNG_TEST, 0, (uint64_t)s->shape.dims[0]);
  ig_rng_normals(&rng, 0, (int)ig_shape_count(&s->shape), w);
}

static void check(const sample *s, const ig_quant_settings *how) {
  static float w[2000];
  static double size[2000];
  ig_quant_weight got;
  ig_quant_layer layer = layer_of(s, how);
  int64_t n = ig_shape_count(&s->shape), scales = 0;
  int most = how->format == IG_QUANT_INT4_WEIGHTS ? 7 : 127;
  fill(s, w);
  for (int64_t i = 0; i < n; i++) size[i] = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t k = scale_index(s, how, i);
    size[k] = fmax(size[k], fabs((double)w[i]));
    scales = IG_MAX(scales, k + 1);
  }
  GOOD(ig_quantize_weight(&layer, how, &s->shape, w, &got));
  assert_int_equal(got.scales, scales);
  double error = 0, plain = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t k = scale_index(s, how, i);
    double scale = (double)got.scale[k], widest = size[k] / most;
    double q = fmin(fmax(rint((double)w[i] / scale), most == 7 ? -8 : -127), most);
    assert_true(scale <= widest * (1 + 1e-6) && scale >= widest * (most == 7 ? 0.6 : 1 - 1e-6));
    /* A tie in float64 may fall to the other side in f32. */
    assert_true(fabs((double)got.codes[i] - q) <= (fabs((double)w[i] / scale - q) > 0.499 ? 1 : 0));
    error += pow((double)got.codes[i] * scale - (double)w[i], 2);
    plain += pow(rint((double)w[i] / widest) * widest - (double)w[i], 2);
  }
  assert_true(error <= plain * (1 + 1e-6) + 1e-12); /* a number that is a group is exact but for f32 */
  if (most == 7) assert_true(error < 0.98 * plain); /* clipping a little pays */
  ig_quant_weight_release(&got);
}

static void nearest_codes(void **state) {
  (void)state;
  for (int s = 0; s < IG_COUNT(samples); s++) {
    for (int k = 0; k < IG_COUNT(settings); k++) {
      if (settings[k].format == IG_QUANT_INT4_WEIGHTS && samples[s].shape.dims[1] == 1) continue;
      check(&samples[s], &settings[k]);
    }
  }
}

static void odd_weights(void **state) {
  (void)state;
  const ig_shape shape = IG_SHAPE(3, 2);
  const sample s = {shape, 0, 1};
  float w[] = {0, 0, 1e-42f, -1e-42f, FLT_MAX, -FLT_MAX};
  ig_quant_layer layer = layer_of(&s, &settings[0]);
  ig_quant_weight got;
  GOOD(ig_quantize_weight(&layer, &settings[0], &shape, w, &got));
  for (int i = 0; i < 3; i++) assert_true(isnormal(got.scale[i]) && got.scale[i] > 0);
  assert_int_equal(got.codes[0], 0);
  assert_int_equal(got.codes[4], 127);
  assert_int_equal(got.codes[5], -127);
  ig_quant_weight_release(&got);
  w[3] = NAN;
  assert_int_equal(ig_quantize_weight(&layer, &settings[0], &shape, w, &got), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "'conv7'"));
  w[3] = INFINITY;
  assert_int_equal(ig_quantize_weight(&layer, &settings[0], &shape, w, &got), IG_ERR_INPUT);
}

static void rounded_codes_are_handed_on(void **state) {
  (void)state;
  const ig_shape shape = IG_SHAPE(2, 2);
  const sample s = {shape, 0, 1};
  const float w[] = {1, 2, 3, 4}, scale[] = {0.5f, 0.25f};
  const int8_t codes[] = {2, 3, 12, 15};
  const ig_quant_rounded made = {IG_QUANT_INT8, scale, codes};
  ig_quant_layer layer = layer_of(&s, &settings[0]);
  ig_quant_weight got;
  layer.rounded = &made;
  GOOD(ig_quantize_weight(&layer, &settings[0], &shape, w, &got));
  assert_memory_equal(got.codes, codes, sizeof codes);
  assert_memory_equal(got.scale, scale, sizeof scale);
  ig_quant_weight_release(&got);
  layer.format = IG_QUANT_INT8_DYNAMIC; /* made for another format */
  GOOD(ig_quantize_weight(&layer, &settings[0], &shape, w, &got));
  assert_int_equal(got.codes[3], 127);
  ig_quant_weight_release(&got);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nearest_codes),
      cmocka_unit_test(odd_weights),
      cmocka_unit_test(rounded_codes_are_handed_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
