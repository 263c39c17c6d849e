/* cuBLASLt found and opened: its functions by name from the shared library, and a handle for each
 * device, made on first use. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/lib/cuda/cublas_parts.h"
#include "kernels/lib/cuda/load.h"

#define MOST_DEVICES 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ig_cublas_library functions; /* without handle; version 0: not loaded yet */
static ig_cublas_library by_device[MOST_DEVICES];

ig_status ig_cublas_status(const ig_cublas_library *library, cublasStatus_t status,
                           const char *what) {
  if (status == CUBLAS_STATUS_SUCCESS) return IG_OK;
  bool declined = status == CUBLAS_STATUS_NOT_SUPPORTED;
  return ig_fail(declined ? IG_ERR_UNSUPPORTED : IG_ERR_DEVICE, "%s: %s", what,
                 library->cublasLtGetStatusString(status));
}

#ifdef IG_EMULATED_CUBLASLT

static ig_status load_functions(ig_cublas_library *out) {
#define LOAD(name) out->name = name;
  IG_CUBLAS_FUNCTIONS(LOAD)
#undef LOAD
  return IG_OK;
}

#else

#define TEXT_OF(x) #x
#define VALUE_TEXT(x) TEXT_OF(x)
/* CUDA's parts bear its major version since 12. */
#define LIBRARY "libcublasLt.so." VALUE_TEXT(CUBLAS_VER_MAJOR)

static ig_status load_functions(ig_cublas_library *out) {
  void *library;
  IG_TRY(ig_load_library(LIBRARY, IG_CUBLAS_FOLDER, &library));
#define LOAD(name) IG_TRY(ig_load_function(library, #name, &out->name));
  IG_CUBLAS_FUNCTIONS(LOAD)
#undef LOAD
  return IG_OK;
}

#endif

static bool is_on(const char *variable) {
  const char *value = getenv(variable);
  return value && *value && strcmp(value, "0") != 0;
}

static ig_status open_locked(const ig_cublas_library **out) {
  int device = 0;
  IG_TRY_CUDA(cudaGetDevice(&device));
  IG_CHECK(device < MOST_DEVICES, IG_ERR_UNSUPPORTED, "cuBLASLt on GPU %d, of at most %d", device,
           MOST_DEVICES);
  if (functions.version == 0) {
    ig_cublas_library loaded = {0};
    IG_TRY(load_functions(&loaded));
    loaded.autotune = is_on("IG_AUTOTUNE");
    loaded.version = loaded.cublasLtGetVersion();
    functions = loaded;
  }
  ig_cublas_library *mine = &by_device[device];
  if (!mine->handle) {
    ig_cublas_library opened = functions;
    IG_TRY_CUBLAS(&opened, cublasLtCreate(&opened.handle));
    *mine = opened;
  }
  *out = mine;
  return IG_OK;
}

ig_status ig_cublas_open(const ig_cublas_library **out) {
  pthread_mutex_lock(&lock);
  ig_status status = open_locked(out);
  pthread_mutex_unlock(&lock);
  return status;
}
