/* The tuner of cuBLASLt's algorithms and its file, damaged and whole, with the emulated library,
 * whose heuristic names first an algorithm that needs workspace, and then one that needs none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/backend/backend.h"
#include "kernels/lib/cuda/cublas.h"

static char folder[] = "/tmp/ingot-cublas-XXXXXX";
static char path[sizeof folder + 64];
static ig_backend *backend;

static int open_all(void **state) {
  char inner[sizeof folder + 16];
  IG_UNUSED(state);
  if (!mkdtemp(folder)) return 1;
  snprintf(inner, sizeof inner, "%s/ingot", folder);
  snprintf(path, sizeof path, "%s/cublaslt-emulated-130000.txt", inner);
  setenv("XDG_CACHE_HOME", folder, 1);
  setenv("IG_AUTOTUNE", "1", 1);
  return mkdir(inner, 0700) || ig_backend_cuda_create(0, &backend) != IG_OK;
}

static int close_all(void **state) {
  IG_UNUSED(state);
  ig_backend_destroy(backend);
  unlink(path);
  path[strlen(folder) + strlen("/ingot")] = 0;
  rmdir(path);
  return rmdir(folder);
}

static ig_matmul product(int64_t n) {
  return (ig_matmul){.dtype = IG_F32,
                     .b_dtype = IG_F32,
                     .c_dtype = IG_F32,
                     .rank = 2,
                     .alpha = 1,
                     .a_dims = {4, 8},
                     .a_strides = {8, 1},
                     .b_dims = {8, n},
                     .b_strides = {n, 1},
                     .c_dims = {4, n},
                     .c_strides = {n, 1}};
}

static size_t workspace_of(int64_t n) {
  ig_matmul spec = product(n);
  ig_cublas_matmul *made = NULL;
  assert_int_equal(ig_cublas_matmul_create(&spec, 1, &made), IG_OK);
  size_t size = ig_cublas_matmul_workspace(made);
  ig_cublas_matmul_destroy(made);
  return size;
}

static int lines_with(const char *text) {
  char line[1024];
  int count = 0;
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) count += strstr(line, text) != NULL;
  if (file) fclose(file);
  return count;
}

/* The form of product(n), as the file has it. */
#define FORM "f32,nn,%dx4x8,batch=1,ld=%d:8:%d,stride=0:0:0,epilogue=1,beta=0,align=64"

/* What is remembered is used as it is; lines of rubbish, of an algorithm that the library does not
 * know, and one that was cut off, are passed over, and their products tuned. */
static void choices_are_kept(void **state) {
  IG_UNUSED(state);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "rubbish\n\n   \n");
  for (int i = 0; i < 3000; i++) fputc('x', file);
  fprintf(file, "\n" FORM " 1e0701 10 0 0 0 0 0 0\n", 24, 24, 24);
  fprintf(file, FORM " 1e0702 10 0 0 0 0 0 0\n", 40, 40, 40);
  fprintf(file, FORM " ffffffffffffffff 10 0 0 0 0 0 0\n", 56, 56, 56);
  fprintf(file, FORM " 1e0701 10 0", 72, 72, 72);
  fclose(file);
  assert_int_equal(workspace_of(24), 0);
  assert_int_equal(workspace_of(40), 4096);
  assert_int_equal(lines_with("rubbish"), 1); /* nothing was written yet */
  workspace_of(56);
  assert_int_equal(lines_with("f32,nn,56x4x8"), 2); /* the later line counts */
  workspace_of(72);
  workspace_of(72);
  assert_int_equal(lines_with("f32,nn,72x4x8"), 1);
  assert_int_equal(lines_with("f32,nn,24x4x8"), 1);
  assert_int_equal(lines_with("rubbish"), 0);
}

/* Where nothing can be written, products are made all the same. */
static void folder_is_read_only(void **state) {
  IG_UNUSED(state);
  unlink(path);
  assert_int_equal(mkdir(path, 0700), 0);
  workspace_of(88);
  assert_int_equal(rmdir(path), 0);
}

/* Operands that lie by neither rows nor columns are declined, with the reason. */
static void other_strides(void **state) {
  IG_UNUSED(state);
  ig_matmul spec = product(16);
  ig_cublas_matmul *made = NULL;
  spec.b_strides[0] = 32;
  spec.b_strides[1] = 2;
  assert_int_equal(ig_cublas_matmul_create(&spec, 1, &made), IG_ERR_UNSUPPORTED);
  assert_non_null(strstr(ig_last_error(), "strides 32 and 2"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(choices_are_kept),
      cmocka_unit_test(folder_is_read_only),
      cmocka_unit_test(other_strides),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
