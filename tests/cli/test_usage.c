/* What a person types wrong: verbs, options, values, settings files, models. Each gets one line that
 * says what is wrong and offers the nearest valid word, and exit code 2. */
#include "program.h"

typedef struct slip {
  const char *args[16];
  const char *pattern;
} slip;

static const slip slips[] = {
    {{NULL}, "^ingot: a verb is missing"},
    {{"--thread", "2"}, "^ingot: a verb is missing before '--thread'"},
    {{"tarin"}, "^ingot: unknown verb 'tarin'; did you mean 'train'\\?$"},
    {{"evaluate"}, "^ingot: unknown verb 'evaluate'; 'ingot --help' lists all$"},
    {{"inspectt", "x"}, "^ingot: unknown verb 'inspectt'; did you mean 'inspect'\\?$"},
    {{"train"}, "^ingot train: --model is missing"},
    {{"train", "--model", "mlp"}, "^ingot train: --data is missing"},
    {{"train", "--model", "mlp", "--data", "d"}, "^ingot train: --out is missing"},
    {{"train", "--modle", "mlp"},
     "^ingot train: unknown option '--modle'; did you mean '--model'\\?$"},
    {{"train", "--optimizr", "sgd"}, "unknown option '--optimizr'; did you mean '--optimizer'\\?$"},
    {{"train", "--optimizer", "adamm"},
     "^ingot train: --optimizer: 'adamm' is unknown; did you mean 'adam'\\?"},
    {{"train", "--schedule", "cosin"}, "--schedule: 'cosin' is unknown; did you mean 'cosine'\\?"},
    {{"train", "--precision", "fp4"}, "--precision: 'fp4' is unknown.*\\(valid: f32.*bf16.*"},
    {{"train", "--batch", "0"}, "--batch: 0 is outside 1 to"},
    {{"train", "--batch", "sixty"}, "--batch: 'sixty' is not a whole number$"},
    {{"train", "--lr", "0,1"}, "--lr: '0,1' is not a number$"},
    {{"train", "--epochs"}, "--epochs needs a value"},
    {{"train", "--quiet=1"}, "--quiet takes no value$"},
    {{"train", "extra"}, "^ingot train: unexpected argument 'extra'$"},
    {{"train", "-q"}, "unknown option '-q'; options begin with two dashes$"},
    {{"train", "--model", "lenett", "--data", "d", "--out", "o"},
     "unknown model \"lenett\", did you mean \"lenet\""},
    {{"train", "--model", "gpt:layers=4,head=4", "--data", "d", "--out", "o"},
     "^ingot train: .*head"},
    {{"eval", "--model", "resnet8", "--data", "d"},
     "^ingot eval: unknown model \"resnet8\", did you mean \"resnet18\""},
    {{"eval", "--model", "lenet", "--data", "d"},
     "^ingot eval: 'lenet' is a preset, which has no parameters; expected a checkpoint"},
    {{"eval", "--model", "none/best.h5", "--data", "d"},
     "^ingot eval: none/best.h5: cannot open: No such file"},
    {{"infer", "--model", "m.h5"}, "^ingot infer: expected --data with --out, or --prompt$"},
    {{"infer", "--model", "m.h5", "--data", "d", "--out", "x.h5", "--top-p", "1.5"},
     "^ingot infer: --top-p: 1.5 is outside 0 to 1$"},
    {{"export", "--model", "mlp:8", "--shape", "4", "--out", "m.onnx", "--opset", "12"},
     "^ingot export: .*opset"},
    {{"export", "--model", "m.h5", "--out", "m.pt"},
     "^ingot export: --out: '.pt' is no format to export to \\(valid: .h5, .onnx, .safetensors, "
     ".npz, or FOLDER/ for transformers\\)$"},
    {{"export", "--model", "m.h5", "--out", "m.onnx"}, "^ingot export: m.h5: cannot open: "},
    {{"export", "--model", "m.h5", "--out", "m.onnx", "--opset", "28"}, "^ingot export: --opset"},
    {{"data"}, "^ingot data: action is missing: validate\\|stats\\|convert\\|split$"},
    {{"data", "validat", "x"},
     "^ingot data: action: 'validat' is unknown; did you mean 'validate'\\?"},
    {{"data", "stats"}, "^ingot data: data is missing"},
    {{"data", "stats", "no/such.csv"}, "^ingot data: no/such.csv: no such file"},
    {{"data", "convert", "x"}, "^ingot data: --out is missing"},
    {{"data", "convert", "x", "--out", "y.cvs"},
     "'.cvs' is no format to write; did you mean '.csv'\\?"},
    {{"data", "split", "x", "--train", "a.h5"}, "^ingot data: --train and --test are missing"},
    {{"data", "split", "x", "--train", "a.h5", "--test", "a.h5"}, "are one file$"},
    {{"bench", "ttrain"}, "^ingot bench: action: 'ttrain' is unknown; did you mean 'train'\\?"},
    {{"bench", "train", "--model", "mpl"}, "unknown model \"mpl\", did you mean \"mlp\""},
    {{"bench", "train", "--shape", "1x2"}, "shape '1x2': expected positive numbers"},
    {{"bench", "train", "--shape", "0"}, "shape '0': expected positive numbers"},
    {{"bench", "train", "--shape", "1,2,3,4,5,6,7,8"}, "more than 7 dimensions$"},
    {{"inspect"}, "^ingot inspect: file is missing"},
    {{"inspect", "lenet"}, "^ingot inspect: --shape is missing"},
    {{"inspect", "mlp", "--shape", "64", "--device", "cdua"}, "^ingot inspect: .*cdua"},
};

static void slips_are_answered(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++) {
    const program *p = program_run_limited(&(program_limits){0}, slips[i].args);
    assert_refused(p, 2, slips[i].pattern);
  }
}

typedef struct file_slip {
  const char *text, *pattern;
} file_slip;

static const file_slip file_slips[] = {
    {"model: mlp\nbacth: 3\n", "c.yaml:2: unknown key 'bacth'; did you mean 'batch'\\?$"},
    {"model: mlp\nlr: fast\n", "c.yaml:2: lr: 'fast' is not a number$"},
    {"optimizer: adamm\n", "c.yaml:1: optimizer: 'adamm' is unknown; did you mean 'adam'\\?"},
    {"config: other.yaml\n", "c.yaml:1: unknown key 'config'"},
    {"model: [mlp\n", "c.yaml:[0-9]: "},
    {"model: mlp\nmodel: lenet\n", "c.yaml:2: duplicate key$"},
    {"just words\n", "c.yaml: expected lines such as"},
    {"model:\n  name: mlp\n", "c.yaml:1: model: expected a single value"},
};

static void settings_files_are_checked(void **state) {
  (void)state;
  scratch s = scratch_make();
  const char *path = scratch_path(&s, "c.yaml");
  char keep[2 * SCRATCH_PATH];
  snprintf(keep, sizeof keep, "%s", path);
  for (size_t i = 0; i < sizeof file_slips / sizeof file_slips[0]; i++) {
    FILE *file = fopen(keep, "wb");
    assert_non_null(file);
    fputs(file_slips[i].text, file);
    fclose(file);
    assert_refused(RUN("train", "--config", keep), 2, file_slips[i].pattern);
  }
  assert_refused(RUN("train", "--config", s.folder), 2, "cannot (open|read): Is a directory$");
  assert_refused(RUN("train", "--config", "/no/such.yaml"), 2, "cannot open: No such file");
  scratch_remove(&s);
}

static void help_is_whole(void **state) {
  (void)state;
  const program *p = RUN("--help");
  assert_succeeded(p);
  assert_non_null(strstr(p->out, "train"));
  assert_int_equal(p->err[0], 0);
  p = RUN("train", "--help");
  assert_succeeded(p);
  assert_non_null(strstr(p->out, "--optimizer"));
  assert_non_null(strstr(p->out, "--seed"));
  assert_non_null(strstr(p->out, "lenet"));
  p = RUN("--version");
  assert_succeeded(p);
  assert_string_equal(p->out, "ingot 0.1.0\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(slips_are_answered),
                                     cmocka_unit_test(settings_files_are_checked),
                                     cmocka_unit_test(help_is_whole)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
