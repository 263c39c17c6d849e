/* A small snapshot with something in every part, and the comparison of two. */
#ifndef IG_TESTS_SAMPLE_SNAPSHOT_H
#define IG_TESTS_SAMPLE_SNAPSHOT_H

#include "engine/train/snapshot.h"
#include "scratch.h"

static inline void sample_add(ig_snapshot *s, ig_tensor_role role, const char *name, ig_dtype dtype,
                              ig_shape shape, unsigned salt) {
  void *data;
  assert_int_equal(ig_snapshot_add(s, role, name, dtype, &shape, &data), IG_OK);
  size_t bytes = ig_shape_bytes(&shape, dtype);
  for (size_t i = 0; i < bytes; i++) {
    unsigned char byte = (unsigned char)((i * 2654435761u + salt * 40503u) >> 7);
    ((unsigned char *)data)[i] = dtype == IG_BOOL ? byte & 1 : byte;
  }
}

/* `step` changes tensors and progress, so that two steps can be told apart. */
static inline ig_snapshot *sample_snapshot(int64_t step) {
  ig_snapshot *s;
  assert_int_equal(ig_snapshot_create(&s), IG_OK);
  unsigned salt = (unsigned)step;
  s->model = "mlp:4";
  s->graph_json = "{\"name\":\"gr\xc3\xb6\xc3\x9f"
                  "e\"}";
  sample_add(s, IG_ROLE_PARAMETER, "layers.0.weight", IG_F32, IG_SHAPE(5, 7), salt);
  sample_add(s, IG_ROLE_PARAMETER, "layers.0.bias", IG_BF16, IG_SHAPE(5), salt + 1);
  sample_add(s, IG_ROLE_PARAMETER, "encoder/layer/1/weight", IG_F64, IG_SHAPE(2, 3, 2), salt + 2);
  sample_add(s, IG_ROLE_STATE, "norm.mean", IG_F32, IG_SHAPE(3), salt + 3);
  sample_add(s, IG_ROLE_OPTIMIZER, "optimizer.m.layers.0.weight", IG_F16, IG_SHAPE(5, 7), salt + 4);
  sample_add(s, IG_ROLE_OPTIMIZER, "optimizer.scale", IG_F32, IG_SCALAR, salt + 5);
  sample_add(s, IG_ROLE_EMA, "ema.layers.0.weight", IG_F32, IG_SHAPE(5, 7), salt + 6);
  s->progress = (ig_progress){.epoch = 3,
                              .step = step,
                              .epoch_samples = 640,
                              .best_step = 100,
                              .seed = 0xfedcba9876543210u,
                              .best_metric = 0.1,
                              .stale_evals = 2,
                              .seconds = 12.5};
  s->data_json = "{\"fields\":[]}";
  s->task = "classification";
  s->tokenizer = "";
  static const double mean[] = {0.1, 0.2, 0.3}, std[] = {1, 2, 0.5};
  static ig_normalization normalization = {"x", 1.0 / 255, 3, mean, std};
  s->n_normalizations = 1;
  s->normalizations = &normalization;
  static const double edges[] = {0, 0.5, 1};
  static const int64_t counts[] = {7, 9}, classes[] = {3, 4, 9};
  static ig_profile profiles[] = {
      {"height", 16, 1, 0, 1, 0.4, 0.2, 2, edges, counts},
      {"a class with a rather long name", 16, 0, 0, 2, 1.4, 0.8, 3, NULL, classes},
  };
  s->n_profiles = 2;
  s->profiles = profiles;
  s->config_json = "{\"lr\":0.001}";
  s->provenance_json = "{\"commit\":\"0123\"}";
  s->metrics_json = "{\"loss\":1.25}";
  return s;
}

static inline bool same_text(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool same_doubles(const double *a, const double *b, int64_t n) {
  return a == b || (a && b && memcmp(a, b, (size_t)n * sizeof *a) == 0);
}

static inline bool same_tensors(const ig_snapshot *a, const ig_snapshot *b) {
  if (a->n_tensors != b->n_tensors) return false;
  for (int64_t i = 0; i < a->n_tensors; i++) {
    const ig_tensor *x = &a->tensors[i], *y = ig_snapshot_find(b, x->role, x->name);
    if (!y || x->dtype != y->dtype || !ig_shape_equal(&x->shape, &y->shape) ||
        memcmp(x->data, y->data, ig_shape_bytes(&x->shape, x->dtype)) != 0) {
      return false;
    }
  }
  return true;
}

static inline bool same_profile(const ig_profile *x, const ig_profile *y) {
  return same_text(x->name, y->name) && x->samples == y->samples && x->missing == y->missing &&
         same_doubles(&x->min, &y->min, 1) && same_doubles(&x->max, &y->max, 1) &&
         same_doubles(&x->mean, &y->mean, 1) && same_doubles(&x->std, &y->std, 1) &&
         x->bins == y->bins && same_doubles(x->edges, y->edges, x->bins + 1) &&
         memcmp(x->counts, y->counts, (size_t)x->bins * sizeof *x->counts) == 0;
}

/* Bit equality of everything. */
static inline bool same_snapshot(const ig_snapshot *a, const ig_snapshot *b) {
  bool same = same_text(a->model, b->model) && same_text(a->graph_json, b->graph_json) &&
              same_tensors(a, b) && memcmp(&a->progress, &b->progress, sizeof a->progress) == 0 &&
              same_text(a->data_json, b->data_json) && same_text(a->task, b->task) &&
              same_text(a->tokenizer, b->tokenizer) && same_text(a->config_json, b->config_json) &&
              same_text(a->provenance_json, b->provenance_json) &&
              same_text(a->metrics_json, b->metrics_json) &&
              a->n_normalizations == b->n_normalizations && a->n_profiles == b->n_profiles;
  for (int i = 0; same && i < a->n_normalizations; i++) {
    const ig_normalization *x = &a->normalizations[i], *y = &b->normalizations[i];
    same = same_text(x->field, y->field) && x->scale == y->scale && x->count == y->count &&
           same_doubles(x->mean, y->mean, x->count) && same_doubles(x->std, y->std, x->count);
  }
  for (int i = 0; same && i < a->n_profiles; i++) {
    same = same_profile(&a->profiles[i], &b->profiles[i]);
  }
  return same;
}

#endif
