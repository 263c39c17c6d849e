/* Which of cuBLASLt's algorithms a product takes: the heuristic's first, or, where tuning is asked
 * for, the fastest of the first few, which is then remembered in a text file of the user's cache
 * folder: a line of form and algorithm each, which holds for one GPU model and version of the
 * library. A line that is damaged, or that the library no longer accepts, is passed over. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/choices.h"
#include "engine/base/memory.h"
#include "kernels/lib/cuda/cublas_parts.h"

#define CANDIDATES 8
#define ROUNDS 5

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ig_choices *choices; /* NULL: not read yet */

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

/* --- what is remembered ----------------------------------------------------------------------- */

static void open_choices(const ig_cublas_library *lib) {
  struct cudaDeviceProp properties;
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
    return;
  }
  char *name = ig_format("cublaslt-%s-%zu.txt", properties.name, lib->version);
  if (name) choices = ig_choices_open(name);
  ig_free(name);
}

/* The algorithm's words in hexadecimal. */
static bool read_algo(const char *text, cublasLtMatmulAlgo_t *algo) {
  for (int i = 0; i < IG_COUNT(algo->data); i++) {
    char *end;
    errno = 0;
    algo->data[i] = strtoull(text, &end, 16);
    if (end == text || errno) return false;
    text = end;
  }
  return *text == 0;
}

static void keep_algo(const char *key, const cublasLtMatmulAlgo_t *algo) {
  char text[17 * sizeof algo->data / sizeof *algo->data + 1];
  size_t used = 0;
  for (int i = 0; i < IG_COUNT(algo->data); i++) {
    int n = snprintf(text + used, sizeof text - used, "%s%" PRIx64, i ? " " : "", algo->data[i]);
    used += (size_t)n;
  }
  if (choices) ig_choices_keep(choices, key, text);
}

/* --- choosing --------------------------------------------------------------------------------- */

/* A remembered algorithm that the library still accepts. */
static bool recall(const ig_cublas_library *lib, const ig_cublas_form *form,
                   cublasLtMatmulAlgo_t *algo, size_t *workspace) {
  cublasLtMatmulHeuristicResult_t result;
  const char *text = choices ? ig_choices_find(choices, form->key) : NULL;
  if (!text || !read_algo(text, algo) ||
      lib->cublasLtMatmulAlgoCheck(lib->handle, form->desc, form->a, form->b, form->c, form->c,
                                   algo, &result) != CUBLAS_STATUS_SUCCESS ||
      result.workspaceSize > IG_CUBLAS_WORKSPACE) {
    return false;
  }
  *workspace = result.workspaceSize;
  return true;
}

static ig_status choose_locked(const ig_cublas_library *lib, const ig_cublas_form *form,
                               cublasLtMatmulAlgo_t *algo, size_t *workspace) {
  cublasLtMatmulHeuristicResult_t results[CANDIDATES];
  int count = 0, chosen = 0;
  if (!choices) open_choices(lib);
  if (recall(lib, form, algo, workspace)) return IG_OK;
  IG_TRY(candidates(lib, form, lib->autotune ? CANDIDATES : 1, results, &count));
  if (lib->autotune) {
    chosen = fastest(lib, form, results, count);
    keep_algo(form->key, &results[chosen].algo);
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
