/* The data's schema as JSON: what is written reads back, and what nobody would write is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/schema_json.h"

static void round_trip(void **state) {
  (void)state;
  const char *const classes[] = {"cat", "d\"og", "\xc3\xa9t\xc3\xa9"};
  const char *const columns[] = {"a", "b"};
  const ig_dataset data = {.path = "x.csv",
                           .format = "csv",
                           .n_samples = 7,
                           .n_fields = 2,
                           .fields = {{.name = "x",
                                       .kind = IG_FIELD_FEATURES,
                                       .dtype = IG_F32,
                                       .shape = IG_SHAPE(2),
                                       .columns = columns},
                                      {.name = "y",
                                       .kind = IG_FIELD_CLASS,
                                       .dtype = IG_I64,
                                       .shape = IG_SCALAR,
                                       .n_classes = 3,
                                       .classes = classes,
                                       .columns = columns}},
                           .digest = 0xfedcba9876543210u};
  ig_arena *arena = ig_arena_create();
  const char *json;
  assert_int_equal(ig_schema_to_json(&data, arena, &json), IG_OK);
  assert_non_null(strstr(json, "\"digest\":\"fedcba9876543210\""));
  int n;
  ig_field *fields;
  assert_int_equal(ig_schema_from_json(json, "f", arena, &n, &fields), IG_OK);
  assert_int_equal(n, 2);
  for (int f = 0; f < 2; f++) {
    assert_string_equal(fields[f].name, data.fields[f].name);
    assert_int_equal(fields[f].kind, data.fields[f].kind);
    assert_int_equal(fields[f].dtype, data.fields[f].dtype);
    assert_true(ig_shape_equal(&fields[f].shape, &data.fields[f].shape));
    assert_int_equal(fields[f].n_classes, data.fields[f].n_classes);
  }
  for (int k = 0; k < 3; k++) assert_string_equal(fields[1].classes[k], classes[k]);
  for (int k = 0; k < 2; k++) assert_string_equal(fields[0].columns[k], columns[k]);
  assert_string_equal(fields[1].columns[0], columns[0]); /* a scalar has one */
  assert_null(fields[0].classes);
  ig_arena_destroy(arena);
}

static void refuses(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "[]",
      "{\"fields\":[]}",
      "{\"fields\":[1]}",
      "{\"fields\":[{\"name\":\"x\",\"kind\":\"image\"}]}",
      "{\"fields\":[{\"name\":\"x\",\"kind\":\"picture\",\"dtype\":\"u8\",\"shape\":[1]}]}",
      "{\"fields\":[{\"name\":\"x\",\"kind\":\"image\",\"dtype\":\"u7\",\"shape\":[1]}]}",
      "{\"fields\":[{\"name\":\"x\",\"kind\":\"image\",\"dtype\":\"u8\",\"shape\":[-1]}]}",
      "{\"fields\":[{\"name\":\"x\",\"kind\":\"image\",\"dtype\":\"u8\",\"shape\":[\"3\"]}]}",
      "{\"fields\":[{\"name\":\"x\",\"kind\":\"image\",\"dtype\":\"u8\",\"shape\":"
      "[4611686018427387904,4611686018427387904]}]}",
      "{\"fields\":[{\"name\":\"x\",\"kind\":\"image\",\"dtype\":\"u8\",\"shape\":"
      "[1,1,1,1,1,1,1,1]}]}",
      "{\"fields\":[{\"name\":\"y\",\"kind\":\"class\",\"dtype\":\"i64\",\"shape\":[],"
      "\"n_classes\":-3}]}",
      "{\"fields\":[{\"name\":\"y\",\"kind\":\"class\",\"dtype\":\"i64\",\"shape\":[],"
      "\"n_classes\":2,\"classes\":[\"a\"]}]}",
      "{\"fields\":[{\"name\":\"y\",\"kind\":\"class\",\"dtype\":\"i64\",\"shape\":[],"
      "\"n_classes\":1,\"classes\":[1]}]}",
  };
  for (int i = 0; i < IG_COUNT(bad); i++) {
    ig_arena *arena = ig_arena_create();
    int n;
    ig_field *fields;
    if (ig_schema_from_json(bad[i], "f.h5", arena, &n, &fields) != IG_ERR_INPUT) {
      fail_msg("accepted %s", bad[i]);
    }
    assert_int_equal(strncmp(ig_last_error(), "f.h5: ", 6), 0);
    ig_arena_destroy(arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(refuses)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
