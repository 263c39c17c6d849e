/* A whitened first convolution: its outputs over patches of the training images have the identity for
 * covariance, computed here plainly in float64, and come in pairs of opposite sign. */
#include "graph_run.h"

#include <math.h>

#include "engine/models/model.h"
#include "engine/train/whiten.h"

#define IMAGES 200
#define SIDE 16
#define ROWS 12 /* of a patch of 3 x 2 x 2 */

static float images[IMAGES][3][SIDE][SIDE];

/* Neighbours and channels alike, as in photographs. */
static void make_images(void) {
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  for (int i = 0; i < IMAGES; i++) {
    for (int c = 0; c < 3; c++) {
      for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
          uint64_t at = (uint64_t)(((i * 3 + c) * SIDE + y) * SIDE + x);
          float left = x > 0 ? images[i][c][y][x - 1] : 0, below = c > 0 ? images[i][c - 1][y][x] : 0;
          images[i][c][y][x] = 0.6f * left + 0.5f * below + ig_rng_normal(&rng, at);
        }
      }
    }
  }
}

static ig_dataset *open_images(void) {
  ig_field field = {.name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_F32,
                    .shape = IG_SHAPE(3, SIDE, SIDE)};
  ig_dataset *data;
  GOOD(ig_dataset_from_arrays(IMAGES, 1, &field, (const void *[]){images}, &data));
  return data;
}

static double response(const float *filter, int i, int y, int x, const double *mean,
                       const double *std) {
  double sum = 0;
  for (int c = 0; c < 3; c++) {
    for (int k = 0; k < 4; k++) {
      double v = (double)images[i][c][y + k / 2][x + k % 2];
      sum += (double)filter[c * 4 + k] * (v - mean[c]) / std[c];
    }
  }
  return sum;
}

static void check_covariance(const float *filters, const double *mean, const double *std) {
  double sums[ROWS][ROWS] = {{0}};
  int count = 0;
  for (int i = 0; i < IMAGES; i++) {
    for (int y = 0; y + 1 < SIDE; y++) {
      for (int x = 0; x + 1 < SIDE; x++, count++) {
        double r[ROWS];
        for (int f = 0; f < ROWS; f++) r[f] = response(filters + f * ROWS, i, y, x, mean, std);
        for (int f = 0; f < ROWS; f++) {
          for (int g = 0; g < ROWS; g++) sums[f][g] += r[f] * r[g];
        }
      }
    }
  }
  for (int f = 0; f < ROWS; f++) {
    for (int g = 0; g < ROWS; g++) {
      double got = sums[f][g] / count, slack = f == g ? 0.01 : 1e-4; /* what is added to eigenvalues */
      if (fabs(got - (f == g)) > slack) fail_msg("covariance [%d, %d] is %g", f, g, got);
    }
  }
}

static void outputs_are_white(void **state) {
  (void)state;
  make_images();
  run_env env = run_env_open();
  ig_dataset *data = open_images();
  ig_graph *g;
  ig_model_spec spec = {.input = IG_SHAPE(3, SIDE, SIDE), .n_outputs = 10};
  GOOD(ig_model_build("airbench:8,8,8", &spec, &g));
  GOOD(ig_store_add_graph(env.store, g, 1));
  ig_value *filters;
  GOOD(ig_whiten_find(g, &filters));
  assert_string_equal(filters->name, "whiten.weight");
  double mean[] = {0.1, -0.2, 0.05}, std[] = {1.5, 2, 0.75};
  ig_normalization norm = {.field = "x", .scale = 1, .count = 3, .mean = mean, .std = std};
  GOOD(ig_whiten_write(filters, env.store, data, 1, &norm));
  const float *values = ig_store_find(env.store, "whiten.weight")->data;
  check_covariance(values, mean, std);
  for (int k = 0; k < ROWS * ROWS; k++) assert_true(values[ROWS * ROWS + k] == -values[k]);
  ig_graph_destroy(g);
  ig_dataset_destroy(data);
  run_env_close(&env);
}

static void what_cannot_be_whitened(void **state) {
  (void)state;
  ig_graph *g;
  ig_value *filters;
  ig_model_spec spec = {.input = IG_SHAPE(3, SIDE, SIDE), .n_outputs = 10};
  GOOD(ig_model_build("mlp:8", &spec, &g));
  assert_int_equal(ig_whiten_find(g, &filters), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "does not begin with a convolution"));
  ig_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(outputs_are_white),
      cmocka_unit_test(what_cannot_be_whitened),
  };
  return cmocka_run_group_tests_name("whiten", tests, NULL, NULL);
}
