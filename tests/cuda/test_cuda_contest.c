/* Contests between implementations: what the file says is taken, what it does not know is measured and
 * kept, and nothing of the kind happens unless it is asked for. */
#include "graph_run.h"
#include "scratch.h"

#include "engine/passes/pass.h"

static scratch folder;
static char file_name[512];
static ig_backend *backend;

/* The form of the convolution of `channels` channels, as the file has it. */
#define FORM                                                                                       \
  "Conv,f32[2,%d,8,8]nhwc,f32[%d,1,3,3]->,f32[2,%d,8,8]nhwc;kernel_shape=3,3;pads=1,1,1,1;"        \
  "group=%d"

static int open_all(void **state) {
  IG_UNUSED(state);
  folder = scratch_make();
  setenv("XDG_CACHE_HOME", folder.folder, 1);
  if (ig_backend_cuda_create(0, &backend) != IG_OK) return 1;
  int n =
      snprintf(file_name, sizeof file_name, "ingot/implementations-%s.txt", backend->description);
  for (int i = (int)strlen("ingot/"); i < n; i++) {
    char c = file_name[i];
    bool plain =
        c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain) file_name[i] = '-';
  }
  return mkdir(scratch_path(&folder, "ingot"), 0700);
}

static int close_all(void **state) {
  IG_UNUSED(state);
  ig_backend_destroy(backend);
  scratch_remove(&folder);
  return 0;
}

/* As many groups as channels: a kernel for these and the general one are contenders. The name of the
 * implementation that was taken is copied; the first number of the result is returned. */
static double convolve(int channels, bool measure, char taken[64]) {
  ig_graph *g;
  ig_store *store;
  ig_plan *plan;
  int64_t pads[] = {1, 1, 1, 1}, kernel[] = {3, 3};
  const ig_init noise = {.kind = IG_INIT_NORMAL, .value = 0.1f};
  GOOD(ig_graph_create("depthwise", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, channels, 8, 8));
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(channels, 1, 3, 3), noise, true);
  ig_value *y = ig_op1(g, "Conv", "conv", IG_INS(x, w),
                       IG_ATTRS(IG_INTS("pads", 4, pads), IG_INTS("kernel_shape", 2, kernel),
                                IG_INT("group", channels)));
  ig_graph_output(g, "y", ig_op1(g, "Relu", NULL, IG_INS(y), IG_NO_ATTRS));
  GOOD(ig_graph_status(g));
  const ig_pass_options passes = {.device = IG_CUDA, .compute = IG_F32};
  GOOD(ig_passes_run(g, (const char *const[]){"layout", NULL}, &passes));
  GOOD(ig_store_create(backend, &store));
  GOOD(ig_store_add_graph(store, g, 3));
  const ig_plan_options options = {.measure = measure};
  GOOD(ig_plan_create(g, backend, store, &options, &plan));
  taken[0] = 0;
  for (int i = 0; i < ig_plan_step_count(plan); i++) {
    ig_plan_step step = ig_plan_step_at(plan, i);
    if (strcmp(step.node->op->name, "Conv") == 0) snprintf(taken, 64, "%s", step.impl->name);
  }
  double sum = 0;
  if (!measure) {
    void *input = run_input(g->inputs[0], 0);
    GOOD(ig_plan_bind_input(plan, 0, input));
    GOOD(ig_plan_run(plan, &(ig_rng_state){.seed = 1}));
    const float *out = ig_plan_output(plan, 0);
    for (int64_t i = 0; i < ig_value_count(g->outputs[0]); i++) sum += (double)out[i];
    free(input);
  }
  ig_plan_destroy(plan);
  ig_store_destroy(store);
  ig_graph_destroy(g);
  return sum;
}

static void write_choice(FILE *file, int channels, const char *name) {
  fprintf(file, FORM " %s\n", channels, channels, channels, channels, name);
}

static int lines_with(const char *text) {
  char line[1024];
  int count = 0;
  FILE *file = fopen(scratch_path(&folder, file_name), "r");
  while (file && fgets(line, sizeof line, file)) count += strstr(line, text) != NULL;
  if (file) fclose(file);
  return count;
}

static bool is_contender(const char *name) {
  return strcmp(name, "depthwise") == 0 || strcmp(name, "product") == 0 ||
         strcmp(name, "cudnn") == 0; /* on a GPU */
}

static void the_file_decides(void **state) {
  char first[64], taken[64];
  IG_UNUSED(state);
  FILE *file = fopen(scratch_path(&folder, file_name), "w");
  assert_non_null(file);
  write_choice(file, 16, "product");
  write_choice(file, 24, "nonsense");
  write_choice(file, 32, "reference");
  fclose(file);
  unsetenv("IG_AUTOTUNE");
  double sum = convolve(16, false, first);
  assert_string_equal(first, "depthwise");
  setenv("IG_AUTOTUNE", "1", 1);
  double other = convolve(16, false, taken);
  assert_string_equal(taken, "product");
  assert_true(sum > 1 && other > sum - 1e-3 && other < sum + 1e-3);
  convolve(16, true, taken);
  assert_string_equal(taken, "product");
  assert_int_equal(lines_with("Conv"), 3); /* nothing was measured */
}

static void unknown_forms_are_measured(void **state) {
  char taken[64], again[64];
  IG_UNUSED(state);
  convolve(40, true, taken);
  assert_string_equal(taken, "depthwise"); /* a plan that takes no memory measures nothing */
  assert_int_equal(lines_with("[2,40,8,8]"), 0);
  convolve(40, false, taken);
  assert_true(is_contender(taken));
  assert_int_equal(lines_with("[2,40,8,8]"), 1);
  assert_int_equal(lines_with(taken), 1 + (strcmp(taken, "product") == 0));
  convolve(40, false, again);
  assert_string_equal(again, taken);
  assert_int_equal(lines_with("[2,40,8,8]"), 1);
}

/* A name that no contender has, or that of an implementation that is none. */
static void other_names_are_passed_over(void **state) {
  char taken[64];
  IG_UNUSED(state);
  convolve(24, false, taken);
  assert_true(is_contender(taken));
  assert_int_equal(lines_with("[2,24,8,8]"), 2);
  convolve(32, false, taken);
  assert_true(is_contender(taken));
  assert_int_equal(lines_with("[2,32,8,8]"), 2);
}

/* The step of a product of `rows` rows; its strings outlive the plan. */
static ig_plan_step multiply(int64_t rows) {
  ig_graph *g;
  ig_store *store;
  ig_plan *plan;
  GOOD(ig_graph_create("product", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(rows, 16));
  ig_value *w = ig_graph_input(g, "w", IG_F32, IG_SHAPE(16, 24));
  ig_graph_output(g, "y", ig_op1(g, "MatMul", NULL, IG_INS(x, w), IG_NO_ATTRS));
  GOOD(ig_graph_status(g));
  GOOD(ig_store_create(backend, &store));
  GOOD(ig_plan_create(g, backend, store, &(ig_plan_options){0}, &plan));
  assert_int_equal(ig_plan_step_count(plan), 1);
  ig_plan_step step = ig_plan_step_at(plan, 0);
  ig_plan_destroy(plan);
  ig_store_destroy(store);
  ig_graph_destroy(g);
  return step;
}

/* cuBLASLt's products against ours, and what a plan says of its choice. */
static void products_compete(void **state) {
  IG_UNUSED(state);
  ig_plan_step step = multiply(8);
  bool library = strcmp(step.impl->name, "cublaslt") == 0;
  assert_true(step.fastest && (library || strcmp(step.impl->name, "tiles") == 0));
  assert_int_equal(lines_with("MatMul,f32[8,16]"), 1);
  if (library) assert_null(step.passed);
  if (!library) assert_string_equal(step.passed, "cublaslt");
  if (!library) assert_string_equal(step.reason, "slower");
  step = multiply(0);
  assert_string_equal(step.impl->name, "tiles");
  assert_string_equal(step.passed, "cublaslt");
  assert_string_equal(step.reason, "an operand is empty");
  unsetenv("IG_AUTOTUNE");
  step = multiply(8);
  assert_string_equal(step.impl->name, "cublaslt");
  assert_true(!step.fastest && !step.passed);
  setenv("IG_AUTOTUNE", "1", 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_file_decides),
      cmocka_unit_test(unknown_forms_are_measured),
      cmocka_unit_test(other_names_are_passed_over),
      cmocka_unit_test(products_compete),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
