/* The feeder: every sample once an epoch in the order that the generator names, whatever the
 * number of workers; seeking, sharing among ranks, errors from a worker's thread, and what
 * augmentation and normalisation do to values, held against plain recomputation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/train/feeder.h"

/* A set of small images and labels, computed from the index; `slow` makes samples take uneven time,
 * `broken` fails one of them. */
#define CHANNELS 3
#define SIDE 8
#define PIXELS (CHANNELS * SIDE * SIDE)

typedef struct synthetic {
  ig_dataset base;
  bool slow;
  int64_t broken;
  atomic_int reads;
} synthetic;

static uint8_t pixel(int64_t sample, int64_t at) {
  return (uint8_t)(((uint64_t)sample * 7919 + (uint64_t)at * 104729) % 251);
}

static ig_status synthetic_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                                void *const *buffers) {
  synthetic *s = (synthetic *)dataset;
  s->reads++;
  for (int64_t i = 0; i < count; i++) {
    if (indices[i] == s->broken) return ig_fail(IG_ERR_IO, "here: sample %d is broken", 37);
    if (s->slow && indices[i] % 5 == 0) {
      nanosleep(&(struct timespec){.tv_nsec = 1000 * (indices[i] % 97)}, NULL);
    }
    for (int64_t p = 0; buffers[0] && p < PIXELS; p++) {
      ((uint8_t *)buffers[0])[i * PIXELS + p] = pixel(indices[i], p);
    }
    if (buffers[1]) ((uint8_t *)buffers[1])[i] = (uint8_t)(indices[i] % 10);
  }
  return IG_OK;
}

static const ig_dataset_vtable synthetic_vtable = {.read = synthetic_read};

static synthetic make(int64_t n) {
  synthetic s = {.broken = -1};
  s.base = (ig_dataset){.vtable = &synthetic_vtable, .path = "here", .format = "synthetic",
                        .n_samples = n, .n_fields = 2};
  s.base.fields[0] = (ig_field){.name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_U8,
                                .shape = IG_SHAPE(CHANNELS, SIDE, SIDE)};
  s.base.fields[1] = (ig_field){.name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_U8,
                                .shape = IG_SCALAR, .n_classes = 10};
  return s;
}

static ig_feeder *feed(ig_dataset *dataset, ig_feeder_options options) {
  ig_feeder *feeder;
  ig_status status = ig_feeder_create(dataset, &options, &feeder);
  if (status != IG_OK) fail_msg("%s", ig_last_error());
  return feeder;
}

static const ig_batch *next(ig_feeder *feeder) {
  const ig_batch *batch;
  if (ig_feeder_next(feeder, &batch) != IG_OK) fail_msg("%s", ig_last_error());
  return batch;
}

static void every_sample_once_an_epoch(void **state) {
  (void)state;
  synthetic s = make(103);
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 10, .seed = 5, .shuffle = true,
                                                        .workers = 3, .depth = 4});
  int64_t first_order[103];
  for (int64_t epoch = 0; epoch < 3; epoch++) {
    int seen[103] = {0}, moved = 0;
    ig_rng rng = ig_rng_stream(5, IG_RNG_SHUFFLE, (uint64_t)epoch, 0);
    for (int64_t at = 0; at < 103; at += 10) {
      const ig_batch *batch = next(feeder);
      assert_int_equal(batch->epoch, epoch);
      assert_int_equal(batch->epoch_samples, at);
      assert_int_equal(batch->count, at == 100 ? 3 : 10);
      for (int64_t i = 0; i < batch->count; i++) {
        int64_t index = batch->indices[i];
        assert_int_equal(index, ig_rng_permute(&rng, (uint64_t)(at + i), 103));
        seen[index]++;
        assert_int_equal(((const int64_t *)batch->fields[1])[i], index % 10);
        assert_float_equal(((const float *)batch->fields[0])[i * PIXELS + 9], pixel(index, 9), 0);
        if (epoch == 0) first_order[at + i] = index;
        moved += first_order[at + i] != index;
      }
    }
    for (int i = 0; i < 103; i++) assert_int_equal(seen[i], 1);
    if (epoch) assert_true(moved > 80);
  }
  ig_feeder_destroy(feeder);
}

static void in_order_without_shuffle(void **state) {
  (void)state;
  synthetic s = make(25);
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 8, .once = true, .workers = 2});
  int64_t expected = 0;
  for (const ig_batch *batch; (batch = next(feeder));) {
    for (int64_t i = 0; i < batch->count; i++) assert_int_equal(batch->indices[i], expected++);
  }
  assert_int_equal(expected, 25);
  assert_null(next(feeder)); /* and stays at the end */
  assert_int_equal(ig_feeder_seek(feeder, 0, 24), IG_OK);
  assert_int_equal(next(feeder)->indices[0], 24);
  assert_null(next(feeder));
  assert_int_equal(ig_feeder_seek(feeder, 0, 25), IG_OK);
  assert_null(next(feeder));
  ig_feeder_destroy(feeder);
}

#define STEPS 60

/* The bytes of STEPS batches, from the given place on. */
static float *record(ig_dataset *dataset, ig_feeder_options options, int64_t epoch, int64_t samples,
                     int64_t *floats) {
  ig_feeder *feeder = feed(dataset, options);
  if (epoch || samples) assert_int_equal(ig_feeder_seek(feeder, epoch, samples), IG_OK);
  float *all = calloc((size_t)STEPS * 16 * PIXELS, sizeof *all);
  *floats = 0;
  for (int step = 0; step < STEPS; step++) {
    const ig_batch *batch = next(feeder);
    memcpy(all + *floats, batch->fields[0], (size_t)(batch->count * PIXELS) * sizeof *all);
    *floats += batch->count * PIXELS;
  }
  ig_feeder_destroy(feeder);
  return all;
}

static void workers_change_nothing(void **state) {
  (void)state;
  synthetic s = make(211);
  s.slow = true;
  ig_feeder_options options = {.batch = 16, .seed = 11, .shuffle = true, .workers = 1, .depth = 2,
                               .augment = {.flip = true, .crop_padding = 2, .cutout = 3}};
  int64_t n, m;
  float *one = record(&s.base, options, 0, 0, &n);
  static const int settings[][2] = {{2, 2}, {5, 3}, {16, 64}};
  for (int i = 0; i < 3; i++) {
    options.workers = settings[i][0];
    options.depth = settings[i][1];
    float *many = record(&s.base, options, 0, 0, &m);
    assert_int_equal(n, m);
    assert_memory_equal(one, many, (size_t)n * sizeof *one);
    free(many);
  }
  /* Epochs have 14 batches: 5 batches into epoch 2 is batch 33. */
  float *later = record(&s.base, options, 2, 80, &m);
  int64_t skipped = (2 * 211 + 80) * PIXELS;
  assert_memory_equal(one + skipped, later, (size_t)(n - skipped) * sizeof *one);
  free(later);
  free(one);
}

static void seek_while_workers_run(void **state) {
  (void)state;
  synthetic s = make(64);
  s.slow = true;
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 4, .seed = 1, .shuffle = true,
                                                        .workers = 4, .depth = 8});
  for (int64_t i = 0; i < 40; i++) {
    int64_t epoch = i % 3, at = i * 4 % 64;
    assert_int_equal(ig_feeder_seek(feeder, epoch, at), IG_OK);
    for (int64_t j = 0; j < i % 5; j++) {
      const ig_batch *batch = next(feeder);
      assert_int_equal(batch->epoch * 64 + batch->epoch_samples, epoch * 64 + at + 4 * j);
    }
  }
  assert_int_equal(ig_feeder_seek(feeder, -1, 0), IG_ERR_USAGE);
  assert_int_equal(ig_feeder_seek(feeder, 0, 65), IG_ERR_USAGE);
  ig_feeder_destroy(feeder);
}

/* 50 samples in batches of 16 end with one of 2, which has nothing for one of three parts. */
static void parts_share_every_batch(void **state) {
  (void)state;
  synthetic s = make(50);
  ig_feeder_options options = {.batch = 16, .seed = 3, .shuffle = true, .workers = 1};
  ig_feeder *whole = feed(&s.base, options), *parts[3];
  options.parts = 3;
  options.n_parts = 1;
  for (int r = 0; r < 3; r++) {
    options.first_part = r;
    parts[r] = feed(&s.base, options);
  }
  int empty = 0;
  for (int step = 0; step < 9; step++) {
    const ig_batch *all = next(whole);
    int64_t at = 0;
    for (int r = 0; r < 3; r++) {
      const ig_batch *part = next(parts[r]);
      assert_int_equal(part->total, all->count);
      assert_int_equal(part->part, r);
      assert_in_range(part->share, all->count / 3, all->count / 3 + 1);
      assert_int_equal(part->count, part->share ? part->share : 1);
      assert_int_equal(part->first, part->share ? at : 0);
      for (int64_t i = 0; i < part->share; i++) {
        assert_int_equal(part->indices[i], all->indices[at++]);
      }
      if (part->share > 0) continue;
      assert_int_equal(part->indices[0], all->indices[0]);
      empty++;
    }
    assert_int_equal(at, all->count);
  }
  assert_int_equal(empty, 2);
  ig_feeder_destroy(whole);
  for (int r = 0; r < 3; r++) ig_feeder_destroy(parts[r]);
}

/* One process with parts 2 and 3 of 4 gets them by turns, also after a seek and across epochs. */
static void several_parts_come_in_turn(void **state) {
  (void)state;
  synthetic s = make(50);
  ig_feeder_options options = {.batch = 16, .seed = 3, .shuffle = true, .workers = 3};
  ig_feeder *whole = feed(&s.base, options);
  options.parts = 4;
  options.first_part = 2;
  options.n_parts = 2;
  ig_feeder *half = feed(&s.base, options);
  for (int round = 0; round < 2; round++) {
    for (int step = 0; step < 9; step++) {
      const ig_batch *all = next(whole);
      int64_t at = all->count / 2;
      for (int p = 2; p < 4; p++) {
        const ig_batch *part = next(half);
        assert_int_equal(part->part, p);
        assert_int_equal(part->epoch_samples, all->epoch_samples);
        for (int64_t i = 0; i < part->share; i++) {
          assert_int_equal(part->indices[i], all->indices[at++]);
        }
      }
      assert_int_equal(at, all->count);
    }
    next(half); /* leaves it in the middle of a batch */
    assert_int_equal(ig_feeder_seek(whole, 1, 32), IG_OK);
    assert_int_equal(ig_feeder_seek(half, 1, 32), IG_OK);
  }
  ig_feeder_destroy(whole);
  ig_feeder_destroy(half);
}

static void a_readers_failure_comes_out(void **state) {
  (void)state;
  synthetic s = make(64);
  s.broken = 37;
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 8, .workers = 3});
  const ig_batch *batch;
  for (int i = 0; i < 4; i++) assert_int_equal(ig_feeder_next(feeder, &batch), IG_OK);
  for (int i = 0; i < 2; i++) {
    ig_clear_error();
    assert_int_equal(ig_feeder_next(feeder, &batch), IG_ERR_IO);
    assert_string_equal(ig_last_error(), "here: sample 37 is broken");
  }
  assert_int_equal(ig_feeder_seek(feeder, 0, 40), IG_OK);
  assert_int_equal(ig_feeder_next(feeder, &batch), IG_OK);
  ig_feeder_destroy(feeder);
}

static void bad_options_are_named(void **state) {
  (void)state;
  synthetic s = make(10), empty = make(0);
  ig_feeder *feeder;
  static const struct {
    ig_feeder_options options;
    const char *says;
  } cases[] = {
      {{.batch = 0}, "batch of 0 samples"},
      {{.batch = 1, .workers = 17}, "17 data workers; expected 1 to 16"},
      {{.batch = 1, .depth = 1}, "1 batches ahead; expected 2 to 64"},
      {{.batch = 1, .parts = 2, .first_part = 2, .n_parts = 1}, "1 parts from 2 on of batches in 2 parts"},
      {{.batch = 1, .augment = {.crop_padding = -1}}, "crop padding -1"},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    assert_int_equal(ig_feeder_create(&s.base, &cases[i].options, &feeder), IG_ERR_USAGE);
    assert_non_null(strstr(ig_last_error(), cases[i].says));
  }
  ig_feeder_options options = {.batch = 1};
  assert_int_equal(ig_feeder_create(&empty.base, &options, &feeder), IG_ERR_INPUT);
  ig_normalization wrong = {.field = "x", .scale = 1, .count = 2, .mean = (double[2]){0, 0},
                            .std = (double[2]){1, 1}};
  options.n_normalizations = 1;
  options.normalizations = &wrong;
  assert_int_equal(ig_feeder_create(&s.base, &options, &feeder), IG_ERR_SHAPE);
  assert_non_null(strstr(ig_last_error(), "has 3 channels; its normalisation is for 2"));
}

static int reflect(int i) { return i < 0 ? -i : i >= SIDE ? 2 * (SIDE - 1) - i : i; }

/* Finds the (dy, dx, flip) that explains every pixel of an augmented image. */
static bool explain(int64_t sample, const float *image, int padding, bool reflected, bool *flipped,
                    int *shift) {
  for (int flip = 0; flip < 2; flip++) {
    for (int code = 0; code < (2 * padding + 1) * (2 * padding + 1); code++) {
      int dy = code / (2 * padding + 1) - padding, dx = code % (2 * padding + 1) - padding;
      bool fits = true;
      for (int at = 0; at < PIXELS && fits; at++) {
        int c = at / (SIDE * SIDE), y = at / SIDE % SIDE, x = at % SIDE;
        if (flip) x = SIDE - 1 - x;
        int sy = reflected ? reflect(y + dy) : y + dy, sx = reflected ? reflect(x + dx) : x + dx;
        bool inside = sy >= 0 && sy < SIDE && sx >= 0 && sx < SIDE;
        float want = inside ? pixel(sample, c * SIDE * SIDE + sy * SIDE + sx) : 0;
        fits = image[at] == want;
      }
      if (fits) {
        *flipped = flip;
        *shift = code;
        return true;
      }
    }
  }
  return false;
}

static void augmentation_moves_and_mirrors(void **state) {
  (void)state;
  synthetic s = make(400);
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 400, .seed = 9,
                                                        .augment = {.flip = true,
                                                                    .crop_padding = 2}});
  const ig_batch *batch = next(feeder);
  int flips = 0, shifts[25] = {0};
  for (int64_t i = 0; i < 400; i++) {
    bool flipped = false;
    int shift = 0;
    const float *image = (const float *)batch->fields[0] + i * PIXELS;
    assert_true(explain(i, image, 2, false, &flipped, &shift));
    flips += flipped;
    shifts[shift]++;
  }
  assert_in_range(flips, 160, 240); /* 4 sigma of 400 fair coins */
  for (int i = 0; i < 25; i++) assert_in_range(shifts[i], 1, 16 * 4); /* each of 25 comes up */
  /* The next epoch draws anew. */
  float first[PIXELS];
  memcpy(first, batch->fields[0], sizeof first);
  int changed = memcmp(first, next(feeder)->fields[0], sizeof first);
  changed |= memcmp(first, next(feeder)->fields[0], sizeof first);
  assert_int_not_equal(changed, 0);
  ig_feeder_destroy(feeder);
}

/* Beyond the border lies what lies inside of it, and each sample is mirrored every other epoch. */
static void reflections_and_turns(void **state) {
  (void)state;
  synthetic s = make(60);
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 60, .seed = 9,
                                                        .augment = {.flip = true,
                                                                    .crop_padding = 3,
                                                                    .reflect = true}});
  bool last[60];
  for (int epoch = 0; epoch < 4; epoch++) {
    const ig_batch *batch = next(feeder);
    for (int64_t i = 0; i < 60; i++) {
      const float *image = (const float *)batch->fields[0] + i * PIXELS;
      bool flipped = false;
      int shift = 0;
      assert_true(explain(i, image, 3, true, &flipped, &shift));
      if (epoch > 0) assert_true(flipped != last[i]);
      last[i] = flipped;
    }
  }
  ig_feeder_destroy(feeder);
}

static void cutout_clears_a_square(void **state) {
  (void)state;
  synthetic s = make(300);
  double mean[] = {0.3, 0.4, 0.5}, std[] = {0.2, 0.25, 0.3};
  ig_normalization norm = {.field = "x", .scale = 1.0 / 255, .count = 3, .mean = mean, .std = std};
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 300, .augment = {.cutout = 4},
                                                        .n_normalizations = 1,
                                                        .normalizations = &norm});
  const ig_batch *batch = next(feeder);
  int full = 0;
  for (int64_t i = 0; i < 300; i++) {
    const float *image = (const float *)batch->fields[0] + i * PIXELS;
    int cleared = 0, top = SIDE, bottom = -1, left = SIDE, right = -1;
    for (int at = 0; at < PIXELS; at++) {
      int c = at / (SIDE * SIDE), y = at / SIDE % SIDE, x = at % SIDE;
      double plain = (pixel(i, at) / 255.0 - mean[c]) / std[c];
      if (image[at] == 0 && fabs(plain) > 1e-3) {
        cleared++;
        top = IG_MIN(top, y), bottom = IG_MAX(bottom, y);
        left = IG_MIN(left, x), right = IG_MAX(right, x);
      } else {
        assert_float_equal(image[at], plain, 2e-6 * fmax(1, fabs(plain)));
      }
    }
    assert_in_range(bottom - top + 1, 2, 4); /* hanging over a border leaves at least half */
    assert_in_range(right - left + 1, 2, 4);
    assert_true(cleared <= 3 * (bottom - top + 1) * (right - left + 1));
    full += bottom - top == 3 && right - left == 3;
  }
  assert_in_range(full, 60, 250);
  ig_feeder_destroy(feeder);
}

/* ---- numbers ---- */

#define ROWS 500

typedef struct table {
  double x[ROWS][4];
  float y[ROWS];
  ig_dataset *dataset;
} table;

static int set_up_table(void **state) {
  static const char *const columns[] = {"year", "tiny", "constant", "wide"};
  table *t = calloc(1, sizeof *t);
  ig_rng rng = ig_rng_stream(1, IG_RNG_TEST, 0, 0);
  for (int i = 0; i < ROWS; i++) {
    t->x[i][0] = 1.0e9 + (double)ig_rng_normal(&rng, (uint64_t)i);
    t->x[i][1] = 1e-8 * (double)ig_rng_uniform(&rng, (uint64_t)i);
    t->x[i][2] = 0.1;
    t->x[i][3] = 1e6 * (double)ig_rng_normal(&rng, (uint64_t)(i + ROWS));
    t->y[i] = (float)i;
  }
  ig_field fields[] = {
      {.name = "x", .kind = IG_FIELD_FEATURES, .dtype = IG_F64, .shape = IG_SHAPE(4),
       .columns = columns},
      {.name = "y", .kind = IG_FIELD_TARGETS, .dtype = IG_F32, .shape = IG_SCALAR}};
  assert_int_equal(ig_dataset_from_arrays(ROWS, 2, fields, (const void *[]){t->x, t->y},
                                          &t->dataset), IG_OK);
  *state = t;
  return 0;
}

static int tear_down_table(void **state) {
  table *t = *state;
  ig_dataset_destroy(t->dataset);
  free(t);
  return 0;
}

/* Two passes in long double, the plain definition. */
static void expected_statistics(const table *t, int column, double *mean, double *std) {
  long double sum = 0, square = 0;
  for (int i = 0; i < ROWS; i++) sum += t->x[i][column];
  for (int i = 0; i < ROWS; i++) {
    long double d = t->x[i][column] - sum / ROWS;
    square += d * d;
  }
  *mean = (double)(sum / ROWS);
  *std = sqrt((double)(square / ROWS));
}

static void measured_statistics(void **state) {
  table *t = *state;
  ig_arena *arena = ig_arena_create();
  int count;
  ig_normalization *norms;
  assert_int_equal(ig_normalization_measure(t->dataset, 0, arena, &count, &norms), IG_OK);
  assert_int_equal(count, 1);
  assert_string_equal(norms[0].field, "x");
  assert_int_equal(norms[0].count, 4);
  for (int c = 0; c < 4; c++) {
    double mean, std;
    expected_statistics(t, c, &mean, &std);
    assert_true(fabs(norms[0].mean[c] - mean) <= 1e-9 * fabs(mean) + 1e-12 * std);
    if (c == 2) assert_true(norms[0].std[c] == 1.0);
    else assert_true(fabs(norms[0].std[c] - std) <= 1e-6 * std);
  }
  /* Delivered values have mean 0 and spread 1, the column around 1e9 too. */
  ig_feeder *feeder = feed(t->dataset, (ig_feeder_options){.batch = ROWS, .n_normalizations = count,
                                                           .normalizations = norms});
  const float *x = next(feeder)->fields[0];
  for (int c = 0; c < 4; c++) {
    double sum = 0, square = 0;
    for (int i = 0; i < ROWS; i++) sum += (double)x[4 * i + c];
    for (int i = 0; i < ROWS; i++) square += (double)x[4 * i + c] * (double)x[4 * i + c];
    assert_true(fabs(sum / ROWS) < 1e-6);
    assert_true(c == 2 ? square == 0 : fabs(square / ROWS - 1) < 1e-5);
  }
  ig_feeder_destroy(feeder);
  /* Of 5 evenly spaced samples: 0, 100, 200, 300, 400. */
  assert_int_equal(ig_normalization_measure(t->dataset, 5, arena, &count, &norms), IG_OK);
  double few = 0;
  for (int i = 0; i < ROWS; i += 100) few += t->x[i][3] / 5;
  assert_float_equal(norms[0].mean[3] / few, 1.0, 1e-12);
  ig_arena_destroy(arena);
}

static void measured_images(void **state) {
  (void)state;
  synthetic s = make(77);
  ig_arena *arena = ig_arena_create();
  int count;
  ig_normalization *norms;
  assert_int_equal(ig_normalization_measure(&s.base, 0, arena, &count, &norms), IG_OK);
  assert_int_equal(count, 1);
  assert_int_equal(norms[0].count, 3);
  for (int c = 0; c < 3; c++) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < 77; i++) {
      for (int64_t p = 0; p < SIDE * SIDE; p++) {
        double value = pixel(i, c * SIDE * SIDE + p) / 255.0;
        sum += value;
        square += value * value;
      }
    }
    double n = 77 * SIDE * SIDE, mean = sum / n;
    assert_float_equal(norms[0].mean[c], mean, 1e-12);
    assert_float_equal(norms[0].std[c], sqrt(square / n - mean * mean), 1e-12);
  }
  ig_arena_destroy(arena);
}

static void a_nan_is_named(void **state) {
  table *t = *state;
  t->x[123][3] = NAN;
  ig_arena *arena = ig_arena_create();
  int count;
  ig_normalization *norms;
  assert_int_equal(ig_normalization_measure(t->dataset, 0, arena, &count, &norms), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "memory: sample 123, field 'x', column 'wide': expected a "
                                       "finite number, found NaN or Inf");
  ig_feeder *feeder = feed(t->dataset, (ig_feeder_options){.batch = 100});
  const ig_batch *batch;
  assert_int_equal(ig_feeder_next(feeder, &batch), IG_OK);
  assert_int_equal(ig_feeder_next(feeder, &batch), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "memory: sample 123, field 'x', column 'wide': found NaN; "
                                       "expected a finite number");
  ig_feeder_destroy(feeder);
  t->x[123][3] = 0;
  t->y[2] = INFINITY;
  feeder = feed(t->dataset, (ig_feeder_options){.batch = 100});
  assert_int_equal(ig_feeder_next(feeder, &batch), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "memory: sample 2, field 'y', element 0: found Inf; "
                                       "expected a finite number");
  ig_feeder_destroy(feeder);
  ig_arena_destroy(arena);
}

static void a_class_out_of_range_is_named(void **state) {
  (void)state;
  synthetic s = make(20);
  s.base.fields[1].n_classes = 8;
  ig_feeder *feeder = feed(&s.base, (ig_feeder_options){.batch = 5});
  const ig_batch *batch;
  assert_int_equal(ig_feeder_next(feeder, &batch), IG_OK);
  assert_int_equal(ig_feeder_next(feeder, &batch), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(),
                      "here: sample 8, field 'y': found class 8; expected 0 to 7");
  ig_feeder_destroy(feeder);
}

#define TABLE(name) cmocka_unit_test_setup_teardown(name, set_up_table, tear_down_table)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_sample_once_an_epoch),
      cmocka_unit_test(in_order_without_shuffle),
      cmocka_unit_test(workers_change_nothing),
      cmocka_unit_test(seek_while_workers_run),
      cmocka_unit_test(parts_share_every_batch),
      cmocka_unit_test(several_parts_come_in_turn),
      cmocka_unit_test(a_readers_failure_comes_out),
      cmocka_unit_test(bad_options_are_named),
      cmocka_unit_test(augmentation_moves_and_mirrors),
      cmocka_unit_test(reflections_and_turns),
      cmocka_unit_test(cutout_clears_a_square),
      TABLE(measured_statistics),
      cmocka_unit_test(measured_images),
      TABLE(a_nan_is_named),
      cmocka_unit_test(a_class_out_of_range_is_named),
  };
  return cmocka_run_group_tests_name("feeder", tests, NULL, NULL);
}
