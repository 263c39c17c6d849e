/* cuDNN found and opened: its functions by name from the shared library, and a handle for each device,
 * made on first use. Where something is amiss this is said once and remembered, as the library is
 * large and the next node would only ask again. */
#include <pthread.h>
#include <stdio.h>

#include "kernels/lib/cuda/cudnn_parts.h"
#include "kernels/lib/cuda/load.h"

#define MOST_DEVICES 64

#define TEXT_OF(x) #x
#define VALUE_TEXT(x) TEXT_OF(x)
#define LIBRARY "libcudnn.so." VALUE_TEXT(CUDNN_MAJOR)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ig_cudnn_library functions; /* without handle; version 0: not loaded yet */
static ig_cudnn_library by_device[MOST_DEVICES];
static char failure[512]; /* why the library cannot be used; "" so far */

ig_status ig_cudnn_status(const ig_cudnn_library *library, cudnnStatus_t status, ig_status code,
                          const char *what) {
  char detail[256] = "";
  if (status == CUDNN_STATUS_SUCCESS) return IG_OK;
  library->cudnnGetLastErrorString(detail, sizeof detail);
  detail[sizeof detail - 1] = 0;
  for (char *c = detail; *c; c++) {
    if (*c == '\n' || *c == '\r') *c = ' ';
  }
  return ig_fail(code, "%s: %s%s%s", what, library->cudnnGetErrorString(status),
                 *detail ? ": " : "", detail);
}

static ig_status load_functions(ig_cudnn_library *out) {
  void *library;
  IG_TRY(ig_load_library(LIBRARY, IG_CUDNN_FOLDER, &library));
#define LOAD(name) IG_TRY(ig_load_function(library, #name, &out->name));
  IG_CUDNN_FUNCTIONS(LOAD)
#undef LOAD
  out->version = out->cudnnGetVersion();
  return IG_OK;
}

static ig_status open_locked(const ig_cudnn_library **out) {
  int device = 0;
  IG_TRY_CUDA(cudaGetDevice(&device));
  IG_CHECK(device < MOST_DEVICES, IG_ERR_UNSUPPORTED, "cuDNN on GPU %d, of at most %d", device,
           MOST_DEVICES);
  if (functions.version == 0) {
    ig_cudnn_library loaded = {0};
    IG_TRY(load_functions(&loaded));
    functions = loaded;
  }
  ig_cudnn_library *mine = &by_device[device];
  if (!mine->handle) {
    ig_cudnn_library opened = functions;
    IG_TRY(ig_cudnn_status(&opened, opened.cudnnCreate(&opened.handle), IG_ERR_UNSUPPORTED,
                           "cudnnCreate"));
    *mine = opened;
  }
  *out = mine;
  return IG_OK;
}

ig_status ig_cudnn_open(const ig_cudnn_library **out) {
  pthread_mutex_lock(&lock);
  ig_status status = *failure ? ig_fail(IG_ERR_UNSUPPORTED, "%s", failure) : open_locked(out);
  if (status == IG_ERR_UNSUPPORTED && !*failure) {
    snprintf(failure, sizeof failure, "%s", ig_last_error());
  }
  pthread_mutex_unlock(&lock);
  return status;
}
