/* Option tables: what the command line and a settings file accept, what they refuse and in which
 * words, which of them wins, and that saved settings read back as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/options.h"

typedef struct sample {
  bool flip;
  int64_t batch;
  double lr;
  const char *model, *optimizer, *file;
  size_t memory;
} sample;

static const ig_option table[] = {
    IG_FLAG_OPTION(sample, flip, "flip", "mirror images"),
    IG_INT_OPTION(sample, batch, "batch", "64", 1, 65536, "samples of a batch"),
    IG_FLOAT_OPTION(sample, lr, "lr", "0.1", 0, 10, "learning rate"),
    IG_STRING_OPTION(sample, model, "model", "M", IG_OPTION_REQUIRED, "what to train"),
    IG_ENUM_OPTION(sample, optimizer, "optimizer", "adamw", "sgd|adam|adamw|lamb", "update rule"),
    IG_SIZE_OPTION(sample, memory, "memory-limit", NULL, "most memory"),
    IG_STRING_OPTION(sample, file, "file", "FILE", IG_OPTION_POSITIONAL | IG_OPTION_TRANSIENT,
                     "a file"),
    {.name = NULL}};

typedef struct fixture {
  sample values;
  ig_options options;
} fixture;

static fixture *begin(void) {
  fixture *f = ig_alloc_zero(1, sizeof *f);
  assert_non_null(f);
  assert_int_equal(
      ig_options_init(&f->options, 1, (const ig_option *[]){table}, (void *[]){&f->values}), IG_OK);
  return f;
}

static void end(fixture *f) {
  ig_options_release(&f->options);
  ig_free(f);
}

static ig_status parse(fixture *f, char *const *argv) {
  int argc = 0;
  while (argv[argc]) argc++;
  return ig_options_parse(&f->options, argc, argv);
}

#define ARGS(...) ((char *[]){__VA_ARGS__, NULL})

static ig_status read_text(fixture *f, const char *text) {
  return ig_options_read_text(&f->options, "c.yaml", text, strlen(text));
}

static void accepts(void **state) {
  (void)state;
  fixture *f = begin();
  assert_int_equal(f->values.batch, 64);
  assert_true(f->values.lr == 0.1);
  assert_string_equal(f->values.optimizer, "adamw");
  assert_int_equal(parse(f, ARGS("--batch", "128", "--lr=1e-3", "--flip", "in.h5", "--optimizer",
                                 "lamb", "--memory-limit", "2G", "--model", "mlp:16")),
                   IG_OK);
  assert_int_equal(f->values.batch, 128);
  assert_true(f->values.lr == 1e-3);
  assert_true(f->values.flip);
  assert_string_equal(f->values.file, "in.h5");
  assert_string_equal(f->values.optimizer, "lamb");
  assert_true(f->values.memory == (size_t)2 << 30);
  assert_int_equal(ig_options_check_required(&f->options), IG_OK);
  assert_int_equal(ig_options_origin(&f->options, "batch"), IG_FROM_COMMAND);
  assert_int_equal(parse(f, ARGS("--no-flip")), IG_OK);
  assert_false(f->values.flip);
  end(f);
}

static void after_two_dashes_all_are_arguments(void **state) {
  (void)state;
  fixture *f = begin();
  assert_int_equal(parse(f, ARGS("--", "--flip")), IG_OK);
  assert_string_equal(f->values.file, "--flip");
  end(f);
}

typedef struct refusal {
  char *args[4];
  const char *message;
} refusal;

static const refusal refusals[] = {
    {{"--bacth", "3"}, "unknown option '--bacth'; did you mean '--batch'?"},
    {{"--zzz"}, "unknown option '--zzz'; --help lists all"},
    {{"-b"}, "unknown option '-b'; options begin with two dashes"},
    {{"--no-batch"}, "unknown option '--no-batch'; --help lists all"},
    {{"--file", "x"}, "unknown option '--file'; --help lists all"},
    {{"--batch"}, "--batch needs a value: N"},
    {{"--batch", "--flip"}, "--batch needs a value: N"},
    {{"--flip=yes"}, "--flip takes no value"},
    {{"--batch", "12x"}, "--batch: '12x' is not a whole number"},
    {{"--batch", " 12"}, "--batch: ' 12' is not a whole number"},
    {{"--batch", "0x10"}, "--batch: '0x10' is not a whole number"},
    {{"--batch", "1.5"}, "--batch: '1.5' is not a whole number"},
    {{"--batch", "0"}, "--batch: 0 is outside 1 to 65536"},
    {{"--batch", "99999999999999999999"}, "--batch: 99999999999999999999 is beyond 64 bits"},
    {{"--lr", "nan"}, "--lr: 'nan' is not a number"},
    {{"--lr", "inf"}, "--lr: 'inf' is not a number"},
    {{"--lr", "1e999"}, "--lr: '1e999' is not a number"},
    {{"--lr", "-1"}, "--lr: -1 is outside 0 to 10"},
    {{"--lr="}, "--lr: '' is not a number"},
    {{"--model="}, "--model: an empty value"},
    {{"--optimizer", "adma"},
     "--optimizer: 'adma' is unknown; did you mean 'adam'? (valid: sgd|adam|adamw|lamb)"},
    {{"--optimizer", "newton"}, "--optimizer: 'newton' is unknown (valid: sgd|adam|adamw|lamb)"},
    {{"--memory-limit", "2X"},
     "--memory-limit: '2X' is not a number of bytes such as 4096, 512M or 2G"},
    {{"--memory-limit", "-1"},
     "--memory-limit: '-1' is not a number of bytes such as 4096, 512M or 2G"},
    {{"--memory-limit", "99999999T"}, "--memory-limit: 99999999T is beyond 64 bits"},
    {{"a.h5", "b.h5"}, "unexpected argument 'b.h5'"},
};

static void refuses(void **state) {
  (void)state;
  for (int i = 0; i < IG_COUNT(refusals); i++) {
    fixture *f = begin();
    assert_int_equal(parse(f, refusals[i].args), IG_ERR_USAGE);
    assert_string_equal(ig_last_error(), refusals[i].message);
    end(f);
  }
}

static void names_what_is_missing(void **state) {
  (void)state;
  fixture *f = begin();
  assert_int_equal(ig_options_check_required(&f->options), IG_ERR_USAGE);
  assert_string_equal(ig_last_error(), "--model is missing: what to train");
  end(f);
}

static void the_command_line_wins_over_the_file(void **state) {
  (void)state;
  fixture *f = begin();
  assert_int_equal(parse(f, ARGS("--batch", "8")), IG_OK);
  assert_int_equal(read_text(f, "# settings\nbatch: 16\nlr: 0.5\nflip: true\nmodel: \"gpt\"\n"),
                   IG_OK);
  assert_int_equal(f->values.batch, 8);
  assert_true(f->values.lr == 0.5);
  assert_true(f->values.flip);
  assert_string_equal(f->values.model, "gpt");
  assert_int_equal(ig_options_origin(&f->options, "lr"), IG_FROM_FILE);
  assert_int_equal(ig_options_check_required(&f->options), IG_OK);
  end(f);
}

typedef struct bad_file {
  const char *text, *message;
} bad_file;

static const bad_file bad_files[] = {
    {"batch: 8\nbacth: 8\n", "c.yaml:2: unknown key 'bacth'; did you mean 'batch'?"},
    {"zzz: 1", "c.yaml:1: unknown key 'zzz'; --help lists all options"},
    {"batch: many", "c.yaml:1: batch: 'many' is not a whole number"},
    {"batch: [1, 2]", "c.yaml:1: batch: expected a single value, found a list, mapping or alias"},
    {"batch: {a: 1}", "c.yaml:1: batch: expected a single value, found a list, mapping or alias"},
    {"lr: &a 1\nbatch: *a",
     "c.yaml:2: batch: expected a single value, found a list, mapping or alias"},
    {"flip: yes", "c.yaml:1: flip: 'yes' is neither true nor false"},
    {"model:", "c.yaml:1: model: an empty value"},
    {"batch: 1\nbatch: 2", "c.yaml:2: duplicate key"},
    {"batch: [1", "c.yaml:2: flow sequence without a closing bracket"},
    {"- 1\n- 2", "c.yaml: expected lines such as 'batch: 64'"},
    {"optimizer: sdg",
     "c.yaml:1: optimizer: 'sdg' is unknown; did you mean 'sgd'? (valid: sgd|adam|adamw|lamb)"},
};

static void refuses_files(void **state) {
  (void)state;
  for (int i = 0; i < IG_COUNT(bad_files); i++) {
    fixture *f = begin();
    assert_int_equal(read_text(f, bad_files[i].text), IG_ERR_USAGE);
    if (strncmp(ig_last_error(), bad_files[i].message, strlen(bad_files[i].message)) != 0) {
      fail_msg("'%s': got \"%s\", want \"%s\"", bad_files[i].text, ig_last_error(),
               bad_files[i].message);
    }
    end(f);
  }
}

static void takes_empty_files(void **state) {
  (void)state;
  fixture *f = begin();
  assert_int_equal(read_text(f, ""), IG_OK);
  assert_int_equal(read_text(f, "\n  \n"), IG_OK);
  assert_int_equal(read_text(f, "# nothing\n"), IG_OK);
  assert_int_equal(ig_options_read_file(&f->options, "/does/not/exist.yaml"), IG_ERR_INPUT);
  assert_int_equal(ig_options_read_file(&f->options, "/"), IG_ERR_INPUT);
  end(f);
}

static void saved_settings_read_back(void **state) {
  (void)state;
  char path[] = "/tmp/ingot_options_XXXXXX";
  close(mkstemp(path));
  fixture *f = begin(), *again = begin();
  assert_int_equal(parse(f, ARGS("--lr", "0.30000000000000004", "--flip", "--memory-limit", "3K",
                                 "--model", "a \"b\": #\\ \xc3\xa9\ty", "in.h5")),
                   IG_OK);
  assert_int_equal(ig_options_write_yaml(&f->options, path), IG_OK);
  assert_int_equal(ig_options_read_file(&again->options, path), IG_OK);
  assert_true(again->values.lr == f->values.lr);
  assert_true(again->values.flip);
  assert_int_equal(again->values.memory, 3072);
  assert_string_equal(again->values.model, f->values.model);
  assert_string_equal(again->values.optimizer, "adamw");
  assert_null(again->values.file); /* transient */
  json_t *json = ig_options_json(&f->options);
  assert_int_equal(json_object_size(json), 6);
  assert_int_equal(json_integer_value(json_object_get(json, "batch")), 64);
  json_decref(json);
  end(f);
  end(again);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(accepts),
                                     cmocka_unit_test(after_two_dashes_all_are_arguments),
                                     cmocka_unit_test(refuses),
                                     cmocka_unit_test(names_what_is_missing),
                                     cmocka_unit_test(the_command_line_wins_over_the_file),
                                     cmocka_unit_test(refuses_files),
                                     cmocka_unit_test(takes_empty_files),
                                     cmocka_unit_test(saved_settings_read_back)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
