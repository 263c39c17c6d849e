/* Evaluation with mirror images: a linear model, whose mean output for an image and its mirror image is
 * its output for their mean, computed here in float64. */
#include "graph_run.h"

#include <math.h>

#include "engine/eval/evaluator.h"
#include "engine/models/model.h"

#define IMAGES 10
#define CLASSES 3
#define PIXELS 4 /* 1 x 2 x 2 */

static float images[IMAGES][PIXELS];
static int64_t labels[IMAGES];

static double loss_by_hand(const float *w, const float *b, bool mirror) {
  double total = 0;
  for (int i = 0; i < IMAGES; i++) {
    double z[CLASSES], sum = 0;
    for (int k = 0; k < CLASSES; k++) {
      z[k] = (double)b[k];
      for (int p = 0; p < PIXELS; p++) {
        double v = (double)images[i][p];
        if (mirror) v = (v + (double)images[i][p ^ 1]) / 2;
        z[k] += (double)w[k * PIXELS + p] * v;
      }
      sum += exp(z[k]);
    }
    total += log(sum) - z[labels[i]];
  }
  return total / IMAGES;
}

static double evaluate(run_env *env, const ig_graph *g, ig_dataset *data, bool mirror,
                       int64_t batch) {
  ig_eval_options options = {.task = IG_TASK_CLASSIFICATION, .batch = batch, .mirror = mirror};
  ig_evaluator *evaluator;
  ig_metrics metrics;
  GOOD(ig_evaluator_create(g, env->backend, env->store, data, &options, &evaluator));
  for (int i = 0; i < 2; i++) GOOD(ig_evaluator_run(evaluator, NULL, NULL, &metrics));
  double loss = metrics.loss;
  ig_evaluator_destroy(evaluator);
  return loss;
}

static void means_over_mirror_images(void **state) {
  (void)state;
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  ig_rng_normals(&rng, 0, IMAGES * PIXELS, images[0]);
  for (int i = 0; i < IMAGES; i++) labels[i] = i % CLASSES;
  ig_field fields[2] = {
      {.name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_F32, .shape = IG_SHAPE(1, 2, 2)},
      {.name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .n_classes = CLASSES}};
  ig_dataset *data;
  GOOD(ig_dataset_from_arrays(IMAGES, 2, fields, (const void *[]){images, labels}, &data));
  run_env env = run_env_open();
  ig_graph *g;
  ig_model_spec spec = {.input = IG_SHAPE(1, 2, 2), .n_outputs = CLASSES};
  GOOD(ig_model_build("linear", &spec, &g));
  GOOD(ig_store_add_graph(env.store, g, 1));
  run_env_shake(&env);
  const float *w = NULL, *b = NULL;
  for (int64_t i = 0; i < ig_store_count(env.store); i++) {
    const ig_store_entry *e = ig_store_entry_at(env.store, i);
    if (e->shape.rank == 2) w = e->data;
    if (e->shape.rank == 1) b = e->data;
  }
  assert_true(w && b);
  for (int64_t batch = 4; batch <= 10; batch += 3) {
    double plain = loss_by_hand(w, b, false), mean = loss_by_hand(w, b, true);
    assert_true(fabs(plain - mean) > 1e-3);
    assert_true(fabs(evaluate(&env, g, data, false, batch) - plain) < 1e-6);
    assert_true(fabs(evaluate(&env, g, data, true, batch) - mean) < 1e-6);
  }
  ig_graph_destroy(g);
  ig_dataset_destroy(data);
  run_env_close(&env);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(means_over_mirror_images),
  };
  return cmocka_run_group_tests_name("evaluator", tests, NULL, NULL);
}
