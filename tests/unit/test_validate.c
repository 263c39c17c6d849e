/* Validation: each expectation is broken alone and must be the only one found, by kind and subject. */
#include "scratch.h"

#include <math.h>

#include "lifecycle/validate.h"

enum { N = 60, COLUMNS = 3 };

typedef struct data {
  float x[N * COLUMNS];
  int64_t y[N];
} data;

static const char *const columns[] = {"age", "height", "weight"};
static const char *const classes[] = {"cat", "dog"};

static data sound(void) {
  data d;
  for (int i = 0; i < N; i++) {
    d.x[i * COLUMNS] = (float)(20 + (i * 37) % 50);
    d.x[i * COLUMNS + 1] = 1.5f + 0.01f * (float)((i * 17) % 40);
    d.x[i * COLUMNS + 2] = 50 + 0.25f * (float)((i * 29) % 120);
    d.y[i] = i % 2;
  }
  return d;
}

static void fields_of(ig_field fields[2]) {
  fields[0] = (ig_field){.name = "x",
                         .kind = IG_FIELD_FEATURES,
                         .dtype = IG_F32,
                         .shape = {1, {COLUMNS}},
                         .columns = columns};
  fields[1] = (ig_field){
      .name = "y", .kind = IG_FIELD_CLASS, .dtype = IG_I64, .n_classes = 2, .classes = classes};
}

static ig_dataset *dataset_of(const data *d, const ig_field fields[2]) {
  const void *buffers[] = {d->x, d->y};
  ig_dataset *dataset;
  assert_int_equal(ig_dataset_from_arrays(N, 2, fields, buffers, &dataset), IG_OK);
  return dataset;
}

typedef struct session {
  ig_arena *arena;
  data good;
  ig_dataset *reference;
  ig_expectations expected;
  ig_validation found;
} session;

/* Expectations from the sound data itself. */
static void begin(session *s) {
  static ig_field fields[2];
  fields_of(fields);
  s->arena = ig_arena_create();
  s->good = sound();
  s->reference = dataset_of(&s->good, fields);
  s->expected =
      (ig_expectations){.n_fields = 2, .fields = fields, .max_drift = 0.5, .min_samples = 10};
  ig_column *known;
  assert_int_equal(ig_profile_columns(s->reference, 0, 0, NULL, true, s->arena,
                                      &s->expected.n_reference, &known),
                   IG_OK);
  s->expected.reference = known;
}

static void end(session *s) {
  ig_dataset_destroy(s->reference);
  ig_arena_destroy(s->arena);
}

/* Validates and expects exactly this finding (or none, with NULL). */
static void expect(session *s, const data *d, const ig_field *fields, const char *check,
                   const char *subject, const char *words) {
  ig_field own[2];
  fields_of(own);
  ig_dataset *dataset = dataset_of(d, fields ? fields : own);
  assert_int_equal(ig_validate(dataset, &s->expected, s->arena, &s->found), IG_OK);
  for (int i = 0; i < s->found.n_findings; i++) {
    const ig_finding *f = &s->found.findings[i];
    bool wanted = check && strcmp(f->check, check) == 0 && strstr(f->text, words) &&
                  (subject ? f->subject && strcmp(f->subject, subject) == 0 : !f->subject);
    if (!wanted) fail_msg("found %s: %s", f->check, f->text);
  }
  if (s->found.n_findings != (check ? 1 : 0)) fail_msg("%s was not found", check);
  ig_validation_release(&s->found);
  ig_dataset_destroy(dataset);
}

static void sound_data_passes(void **state) {
  (void)state;
  session s;
  begin(&s);
  expect(&s, &s.good, NULL, NULL, NULL, NULL);
  assert_int_equal(s.found.n_columns, 4);
  assert_int_equal(s.found.n_drifts, 4);
  assert_true(s.found.drift_share == 0);
  assert_int_equal(s.found.duplicates, 0);
  end(&s);
}

static void values(void **state) {
  (void)state;
  session s;
  begin(&s);
  data d = s.good;
  d.x[7] = NAN;
  expect(&s, &d, NULL, "missing", "x.height", "1.667 %");
  s.expected.max_missing = 0.02;
  expect(&s, &d, NULL, NULL, NULL, NULL);
  d.x[7] = INFINITY;
  expect(&s, &d, NULL, "infinite", "x.height", "1 infinite");
  d = s.good;
  for (int i = 0; i < N; i++) d.x[i * COLUMNS + 1] = 1.7f;
  expect(&s, &d, NULL, "constant", "x.height", "every value is 1.7");
  s.expected.allow_constant = true;
  expect(&s, &d, NULL, NULL, NULL, NULL);
  d = s.good;
  d.x[4] = 1700; /* one height in millimetres */
  expect(&s, &d, NULL, "range", "x.height", "values from 1.5 to 1700, expected about 1.5 to 1.89");
  end(&s);
}

static void samples(void **state) {
  (void)state;
  session s;
  begin(&s);
  data d = s.good;
  memcpy(&d.x[3 * COLUMNS], &d.x[1 * COLUMNS], COLUMNS * sizeof *d.x);
  expect(&s, &d, NULL, "duplicates", NULL, "1 samples are equal");
  d.y[3] = 1 - d.y[1]; /* another label: not the same sample */
  expect(&s, &d, NULL, NULL, NULL, NULL);
  d.y[3] = d.y[1];
  s.expected.allow_duplicates = true;
  expect(&s, &d, NULL, NULL, NULL, NULL);
  s.expected.min_samples = N + 1;
  expect(&s, &s.good, NULL, "samples", NULL, "60 samples, expected at least 61");
  end(&s);
}

static void schema(void **state) {
  (void)state;
  session s;
  begin(&s);
  ig_field fields[2];
  fields_of(fields);
  fields[1].name = "label";
  expect(&s, &s.good, fields, "schema", "label", "expected 'y'");
  static const char *const swapped[] = {"cat", "fox"};
  fields_of(fields);
  fields[1].classes = swapped;
  expect(&s, &s.good, fields, "schema", "y", "class 1 is 'fox', expected 'dog'");
  fields_of(fields);
  fields[1].classes = NULL;
  fields[1].n_classes = 3;
  expect(&s, &s.good, fields, "schema", "y", "3 classes, expected at most 2");
  fields_of(fields);
  fields[0].dtype = IG_I32; /* the bytes of floats as integers: out of range too, so alone */
  s.expected.n_reference = 0;
  expect(&s, &s.good, fields, "schema", "x", "features of i32, expected features of f32");
  fields_of(fields);
  fields[0].shape = IG_SHAPE(1, 3);
  expect(&s, &s.good, fields, "schema", "x", "samples of shape [1, 3], expected [3]");
  s.expected.n_fields = 1;
  expect(&s, &s.good, NULL, "schema", NULL, "2 fields, expected 1");
  end(&s);
}

/* Drift of one column of four passes, of two does not. */
static void drift(void **state) {
  (void)state;
  session s;
  begin(&s);
  data d = s.good;
  for (int i = 0; i < N; i++) d.x[i * COLUMNS] += 25;
  expect(&s, &d, NULL, NULL, NULL, NULL);
  assert_true(s.found.drift_share == 0.25);
  for (int i = 0; i < N; i++) d.x[i * COLUMNS + 1] += 0.25f;
  expect(&s, &d, NULL, "drift", NULL, "50 % of columns have drifted, expected less than 50 %");
  s.expected.max_drift = 0.6;
  expect(&s, &d, NULL, NULL, NULL, NULL);
  end(&s);
}

static void without_a_reference(void **state) {
  (void)state;
  session s;
  begin(&s);
  s.expected = (ig_expectations){.max_drift = 0.5};
  expect(&s, &s.good, NULL, NULL, NULL, NULL);
  assert_int_equal(s.found.n_drifts, 0);
  assert_true(isnan(s.found.drift_share));
  end(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sound_data_passes),
      cmocka_unit_test(values),
      cmocka_unit_test(samples),
      cmocka_unit_test(schema),
      cmocka_unit_test(drift),
      cmocka_unit_test(without_a_reference),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
