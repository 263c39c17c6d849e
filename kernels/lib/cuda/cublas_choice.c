/* Which of cuBLASLt's algorithms a product takes: the heuristic's first, or, where tuning is asked
 * for, the fastest of the first few, which is then remembered in a text file of the user's cache
 * folder: a line of form and algorithm each, which holds for one GPU model and version of the
 * library. A line that is damaged, or that the library no longer accepts, is passed over. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "kernels/lib/cuda/cublas_parts.h"

#define CANDIDATES 8
#define ROUNDS 5
#define MOST_CHOICES 65536
#define LINE_TEXT 512

typedef struct choice {
  char key[sizeof((ig_cublas_form *)0)->key];
  cublasLtMatmulAlgo_t algo;
} choice;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static choice *choices;
static int64_t choice_count, choice_capacity;
static char *choice_path; /* NULL: not read yet; "": there is no cache folder */

/* --- the heuristic ---------------------------------------------------------------------------- */

static ig_status ask(const ig_cublas_library *lib, const ig_cublas_form *form,
                     cublasLtMatmulPreference_t preference, int most,
                     cublasLtMatmulHeuristicResult_t *results, int *count) {
  size_t workspace = IG_CUBLAS_WORKSPACE;
  const cublasLtMatmulPreferenceAttributes_t ends[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  IG_TRY_CUBLAS(lib, cublasLtMatmulPreferenceSetAttribute(preference,
                                                          CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                          &workspace, sizeof workspace));
  for (int i = 0; i < IG_COUNT(ends); i++) {
    IG_TRY_CUBLAS(lib, cublasLtMatmulPreferenceSetAttribute(preference, ends[i], &form->alignment,
                                                            sizeof form->alignment));
  }
  IG_TRY_CUBLAS(lib,
                cublasLtMatmulAlgoGetHeuristic(lib->handle, form->desc, form->a, form->b, form->c,
                                               form->c, preference, most, results, count));
  IG_CHECK(*count > 0 && results[0].state == CUBLAS_STATUS_SUCCESS, IG_ERR_UNSUPPORTED,
           "cuBLASLt has no algorithm for %s", form->key);
  return IG_OK;
}

static ig_status candidates(const ig_cublas_library *lib, const ig_cublas_form *form, int most,
                            cublasLtMatmulHeuristicResult_t *results, int *count) {
  cublasLtMatmulPreference_t preference;
  IG_TRY_CUBLAS(lib, cublasLtMatmulPreferenceCreate(&preference));
  ig_status status = ask(lib, form, preference, most, results, count);
  lib->cublasLtMatmulPreferenceDestroy(preference);
  return status;
}

/* --- timing ----------------------------------------------------------------------------------- */

typedef struct bench {
  cudaStream_t stream;
  cudaEvent_t start, stop;
  char *memory; /* a, b, c, workspace, each at a multiple of 256 bytes */
  size_t b, c, workspace;
} bench;

static size_t padded(size_t bytes) {
  return (bytes + 255) / 256 * 256;
}

static ig_status bench_open(const ig_cublas_form *form, bench *t) {
  t->b = padded(form->a_bytes);
  t->c = t->b + padded(form->b_bytes);
  t->workspace = t->c + padded(form->c_bytes);
  IG_TRY_CUDA(cudaStreamCreateWithFlags(&t->stream, cudaStreamNonBlocking));
  IG_TRY_CUDA(cudaEventCreate(&t->start));
  IG_TRY_CUDA(cudaEventCreate(&t->stop));
  IG_TRY_CUDA(cudaMallocAsync((void **)&t->memory, t->workspace + IG_CUBLAS_WORKSPACE, t->stream));
  IG_TRY_CUDA(cudaMemsetAsync(t->memory, 0, t->workspace, t->stream));
  return IG_OK;
}

static void bench_close(bench *t) {
  if (t->memory) cudaFreeAsync(t->memory, t->stream);
  if (t->stream) {
    cudaStreamSynchronize(t->stream);
    cudaStreamDestroy(t->stream);
  }
  if (t->start) cudaEventDestroy(t->start);
  if (t->stop) cudaEventDestroy(t->stop);
}

static ig_status run_once(const ig_cublas_library *lib, const ig_cublas_form *form, const bench *t,
                          const cublasLtMatmulHeuristicResult_t *candidate) {
  IG_TRY_CUBLAS(lib, cublasLtMatmul(lib->handle, form->desc, &form->alpha, t->memory, form->a,
                                    t->memory + t->b, form->b, &form->beta, t->memory + t->c,
                                    form->c, t->memory + t->c, form->c, &candidate->algo,
                                    t->memory + t->workspace, candidate->workspaceSize, t->stream));
  return IG_OK;
}

/* Milliseconds of ROUNDS calls, after one that is not counted. */
static ig_status time_candidate(const ig_cublas_library *lib, const ig_cublas_form *form,
                                const bench *t, const cublasLtMatmulHeuristicResult_t *candidate,
                                float *out) {
  IG_TRY(run_once(lib, form, t, candidate));
  IG_TRY_CUDA(cudaEventRecord(t->start, t->stream));
  for (int i = 0; i < ROUNDS; i++) IG_TRY(run_once(lib, form, t, candidate));
  IG_TRY_CUDA(cudaEventRecord(t->stop, t->stream));
  IG_TRY_CUDA(cudaEventSynchronize(t->stop));
  IG_TRY_CUDA(cudaEventElapsedTime(out, t->start, t->stop));
  return IG_OK;
}

/* The fastest; the first when memory for the operands cannot be had. */
static int fastest(const ig_cublas_library *lib, const ig_cublas_form *form,
                   const cublasLtMatmulHeuristicResult_t *results, int count) {
  bench t = {0};
  float best = 0, time;
  int chosen = 0;
  bool any = false;
  if (bench_open(form, &t) == IG_OK) {
    const void *bias = t.memory;
    if (form->bias) {
      lib->cublasLtMatmulDescSetAttribute(form->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                          sizeof bias);
    }
    for (int i = 0; i < count; i++) {
      if (results[i].state != CUBLAS_STATUS_SUCCESS) continue;
      if (time_candidate(lib, form, &t, &results[i], &time) != IG_OK) continue;
      if (!any || time < best) {
        best = time;
        chosen = i;
      }
      any = true;
    }
  }
  bench_close(&t);
  return chosen;
}

/* --- the file --------------------------------------------------------------------------------- */

/* $XDG_CACHE_HOME/ingot or ~/.cache/ingot, made if need be; NULL where neither can be. */
static char *cache_folder(void) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char *parent = cache && *cache == '/' ? ig_strdup(cache)
                 : home && *home == '/' ? ig_format("%s/.cache", home)
                                        : NULL;
  if (!parent) return NULL;
  char *folder = ig_format("%s/ingot", parent);
  bool made = folder && (mkdir(parent, 0700) == 0 || errno == EEXIST) &&
              (mkdir(folder, 0700) == 0 || errno == EEXIST);
  ig_free(parent);
  if (made) return folder;
  ig_free(folder);
  return NULL;
}

static char *path_of(const ig_cublas_library *lib) {
  struct cudaDeviceProp properties;
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
    return NULL;
  }
  for (char *c = properties.name; *c; c++) {
    bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
    if (!plain) *c = '-';
  }
  char *folder = cache_folder();
  char *path =
      folder ? ig_format("%s/cublaslt-%s-%zu.txt", folder, properties.name, lib->version) : NULL;
  ig_free(folder);
  return path;
}

static void remember(const char *key, const cublasLtMatmulAlgo_t *algo) {
  size_t length = strlen(key);
  if (choice_count >= MOST_CHOICES || length >= sizeof choices->key ||
      !ig_grow((void **)&choices, &choice_capacity, choice_count + 1, sizeof *choices)) {
    return;
  }
  choice *c = &choices[choice_count++];
  memcpy(c->key, key, length + 1);
  c->algo = *algo;
}

/* "FORM WORD WORD ..." with the algorithm's words in hexadecimal. */
static void read_line(char *line) {
  cublasLtMatmulAlgo_t algo;
  char *rest = strchr(line, ' ');
  if (!rest) return;
  *rest++ = 0;
  for (int i = 0; i < IG_COUNT(algo.data); i++) {
    char *end;
    errno = 0;
    algo.data[i] = strtoull(rest, &end, 16);
    if (end == rest || errno) return;
    rest = end;
  }
  if (*rest == '\n') remember(line, &algo);
}

static void read_choices(const ig_cublas_library *lib) {
  char line[LINE_TEXT];
  choice_path = path_of(lib);
  FILE *file = choice_path ? fopen(choice_path, "r") : NULL;
  if (!choice_path) choice_path = ig_strdup("");
  while (file && fgets(line, sizeof line, file)) read_line(line);
  if (file) fclose(file);
}

static void write_choices(void) {
  char *draft =
      choice_path && *choice_path ? ig_format("%s.%ld", choice_path, (long)getpid()) : NULL;
  FILE *file = draft ? fopen(draft, "w") : NULL;
  bool whole = file != NULL;
  for (int64_t i = 0; file && i < choice_count; i++) {
    whole = fprintf(file, "%s", choices[i].key) > 0 && whole;
    for (int w = 0; w < IG_COUNT(choices[i].algo.data); w++) {
      whole = fprintf(file, " %" PRIx64, choices[i].algo.data[w]) > 0 && whole;
    }
    whole = fputc('\n', file) != EOF && whole;
  }
  if (file) whole = fclose(file) == 0 && whole;
  if (file && (!whole || rename(draft, choice_path) != 0)) unlink(draft);
  ig_free(draft);
}

/* --- choosing --------------------------------------------------------------------------------- */

/* A remembered algorithm that the library still accepts. */
static bool recall(const ig_cublas_library *lib, const ig_cublas_form *form,
                   cublasLtMatmulAlgo_t *algo, size_t *workspace) {
  for (int64_t i = choice_count - 1; i >= 0; i--) {
    cublasLtMatmulHeuristicResult_t result;
    if (strcmp(choices[i].key, form->key) != 0) continue;
    *algo = choices[i].algo;
    if (lib->cublasLtMatmulAlgoCheck(lib->handle, form->desc, form->a, form->b, form->c, form->c,
                                     algo, &result) != CUBLAS_STATUS_SUCCESS ||
        result.workspaceSize > IG_CUBLAS_WORKSPACE) {
      return false;
    }
    *workspace = result.workspaceSize;
    return true;
  }
  return false;
}

static ig_status choose_locked(const ig_cublas_library *lib, const ig_cublas_form *form,
                               cublasLtMatmulAlgo_t *algo, size_t *workspace) {
  cublasLtMatmulHeuristicResult_t results[CANDIDATES];
  int count = 0, chosen = 0;
  if (!choice_path) read_choices(lib);
  if (recall(lib, form, algo, workspace)) return IG_OK;
  IG_TRY(candidates(lib, form, lib->autotune ? CANDIDATES : 1, results, &count));
  if (lib->autotune) {
    chosen = fastest(lib, form, results, count);
    remember(form->key, &results[chosen].algo);
    write_choices();
  }
  *algo = results[chosen].algo;
  *workspace = results[chosen].workspaceSize;
  return IG_OK;
}

ig_status ig_cublas_choose(const ig_cublas_library *lib, const ig_cublas_form *form,
                           cublasLtMatmulAlgo_t *algo, size_t *workspace) {
  pthread_mutex_lock(&lock);
  ig_status status = choose_locked(lib, form, algo, workspace);
  pthread_mutex_unlock(&lock);
  return status;
}
