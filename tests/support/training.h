/* Short trainings of small models on made-up data, for tests that compare two ways of doing the same:
 * precision, recomputation, devices. */
#ifndef IG_TESTS_TRAINING_H
#define IG_TESTS_TRAINING_H

#include <string.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/models/model.h"
#include "engine/ops/op.h"
#include "engine/train/trainer.h"

enum {
  TRAINING_IMAGES = 320,
  TRAINING_CLASSES = 10,
  TRAINING_WINDOWS = 256,
  TRAINING_TOKENS = 17,
  TRAINING_STEPS = 64
};

typedef struct subject {
  const char *model;
  ig_task task;
  ig_model_spec spec; /* images are [channels, side, side] or [pixels]; texts [context] */
  int64_t batch;
  double loss_scale; /* in f16, at the beginning; 0 for the usual */
} subject;

typedef struct training {
  int n; /* steps */
  double loss[TRAINING_STEPS], norm[TRAINING_STEPS];
  size_t slab; /* of the plan of a full batch */
  int n_copies; /* parameters that have one in 16 bits */
  int64_t n_parameters;
  float *parameters; /* all, one after another; freed by training_free */
} training;

typedef struct training_data {
  void *x;
  int64_t *y;
  ig_dataset *dataset;
} training_data;

static inline bool is_text(const subject *s) { return s->task == IG_TASK_LANGUAGE; }

/* Noise around a picture of its class that is drawn once. */
static inline void fill_images(const subject *s, float *x, int64_t *y) {
  int64_t pixels = ig_shape_count(&s->spec.input);
  ig_rng noise = ig_rng_stream(5, IG_RNG_TEST, 0, 0), pictures = ig_rng_stream(5, IG_RNG_TEST, 1, 0);
  ig_rng_normals(&noise, 0, TRAINING_IMAGES * pixels, x);
  for (int64_t i = 0; i < TRAINING_IMAGES; i++) {
    y[i] = i % TRAINING_CLASSES;
    for (int64_t p = 0; p < pixels; p++) {
      x[i * pixels + p] += 0.5f * ig_rng_normal(&pictures, (uint64_t)(y[i] * pixels + p));
    }
  }
}

/* A chain in which four tokens of five follow from the one before. */
static inline void fill_text(const subject *s, int64_t *x, int64_t *y) {
  ig_rng rng = ig_rng_stream(5, IG_RNG_TEST, 2, 0);
  int64_t token = 0, count = TRAINING_WINDOWS * s->spec.input.dims[0];
  for (int64_t i = 0; i < count; i++) {
    uint64_t draw = ig_rng_below(&rng, (uint64_t)i, 5 * TRAINING_TOKENS);
    x[i] = token;
    token = draw % 5 == 0 ? (int64_t)draw / 5 : (3 * token + 1) % TRAINING_TOKENS;
    y[i] = token;
  }
}

static inline training_data training_data_create(const subject *s) {
  bool text = is_text(s);
  training_data d;
  int64_t samples = text ? TRAINING_WINDOWS : TRAINING_IMAGES;
  int64_t elements = samples * ig_shape_count(&s->spec.input);
  d.x = ig_alloc((size_t)elements * (text ? sizeof(int64_t) : sizeof(float)));
  d.y = ig_alloc((size_t)(text ? elements : samples) * sizeof *d.y);
  assert_true(d.x && d.y);
  if (text) fill_text(s, d.x, d.y);
  if (!text) fill_images(s, d.x, d.y);
  ig_field fields[2] = {{.name = "x",
                         .kind = text ? IG_FIELD_TOKENS : IG_FIELD_FEATURES,
                         .dtype = text ? IG_I64 : IG_F32,
                         .shape = s->spec.input,
                         .n_classes = text ? TRAINING_TOKENS : 0},
                        {.name = "y",
                         .kind = text ? IG_FIELD_TOKENS : IG_FIELD_CLASS,
                         .dtype = IG_I64,
                         .shape = text ? s->spec.input : IG_SCALAR,
                         .n_classes = text ? TRAINING_TOKENS : TRAINING_CLASSES}};
  assert_int_equal(ig_dataset_from_arrays(samples, 2, fields, (const void *[]){d.x, d.y}, &d.dataset),
                   IG_OK);
  return d;
}

static inline void training_data_destroy(training_data *d) {
  ig_dataset_destroy(d->dataset);
  ig_free(d->x);
  ig_free(d->y);
}

static inline ig_status training_note(void *context, const ig_train_step *step) {
  training *t = context;
  if (t->n == TRAINING_STEPS) return IG_OK;
  t->loss[t->n] = step->loss;
  t->norm[t->n++] = step->grad_norm;
  return IG_OK;
}

static inline void training_read_parameters(ig_trainer *trainer, training *out) {
  const ig_store *store = ig_trainer_store(trainer);
  for (int pass = 0; pass < 2; pass++) {
    int64_t n = 0;
    for (int64_t i = 0; i < ig_store_count(store); i++) {
      const ig_store_entry *e = ig_store_entry_at(store, i);
      if (e->role != IG_ROLE_PARAMETER || e->dtype != IG_F32) continue;
      if (pass == 1) assert_int_equal(ig_store_read(store, e, out->parameters + n), IG_OK);
      n += ig_shape_count(&e->shape);
    }
    out->n_parameters = n;
    if (pass == 0) out->parameters = ig_alloc((size_t)n * sizeof *out->parameters);
    assert_non_null(out->parameters);
  }
}

/* Copies in 16 bits are what a cast of the parameter would give, and no step casts one. */
static inline int training_check_copies(ig_trainer *trainer) {
  const ig_store *store = ig_trainer_store(trainer);
  int copies = 0;
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    const ig_store_entry *copy = ig_store_entry_at(store, i);
    if (copy->role != IG_ROLE_COPY) continue;
    const ig_store_entry *param = ig_store_find(store, copy->name + strlen("copy."));
    assert_non_null(param);
    int64_t n = ig_shape_count(&param->shape);
    float *wide = ig_alloc((size_t)n * sizeof *wide);
    uint16_t *narrow = ig_alloc((size_t)n * sizeof *narrow), *cast = ig_alloc((size_t)n * 2);
    assert_true(wide && narrow && cast);
    assert_int_equal(ig_store_read(store, param, wide), IG_OK);
    assert_int_equal(ig_store_read(store, copy, narrow), IG_OK);
    ig_convert(IG_F32, wide, copy->dtype, cast, n);
    assert_memory_equal(narrow, cast, (size_t)n * 2);
    ig_free(wide);
    ig_free(narrow);
    ig_free(cast);
    copies++;
  }
  const ig_graph *graph = ig_plan_graph(ig_trainer_plan(trainer));
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    bool cast = ig_node_is_live(node) && strcmp(node->op->name, "Cast") == 0;
    assert_false(cast && node->inputs[0]->kind == IG_VALUE_PARAM);
  }
  return copies;
}

static inline void training_set_scale(ig_trainer *trainer, float scale) {
  ig_store *store = ig_trainer_store(trainer);
  ig_store_entry *entry;
  assert_int_equal(ig_store_get(store, "optimizer.loss_scale", IG_ROLE_OPTIMIZER, IG_F32,
                                &(ig_shape){0}, &entry),
                   IG_OK);
  assert_int_equal(ig_store_write(store, entry, &scale), IG_OK);
}

/* Trains for options->steps steps of s->batch samples; task and batch are filled in here. */
static inline training train_subject(const subject *s, ig_backend *backend,
                                     const ig_train_options *options) {
  training out = {0};
  ig_train_options o = *options;
  ig_train_observer observer = {.context = &out, .on_step = training_note};
  training_data data = training_data_create(s);
  ig_graph *model;
  ig_trainer *trainer;
  o.task = s->task;
  o.batch = s->batch;
  if (o.accumulate == 0) o.accumulate = 1;
  assert_int_equal(ig_model_build(s->model, &s->spec, &model), IG_OK);
  ig_status status = ig_trainer_create(model, backend, NULL, data.dataset, NULL, 0, NULL, &o,
                                       &observer, &trainer);
  if (status == IG_OK && s->loss_scale > 0) training_set_scale(trainer, (float)s->loss_scale);
  if (status == IG_OK) status = ig_trainer_run(trainer);
  if (status != IG_OK) fail_msg("%s on %s: %s", s->model, backend->vtable->name, ig_last_error());
  out.slab = ig_plan_memory_use(ig_trainer_plan(trainer)).slab;
  training_read_parameters(trainer, &out);
  out.n_copies = training_check_copies(trainer);
  ig_trainer_destroy(trainer);
  ig_graph_destroy(model);
  training_data_destroy(&data);
  return out;
}

static inline void training_free(training *t) { ig_free(t->parameters); }

#endif
