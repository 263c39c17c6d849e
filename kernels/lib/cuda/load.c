/* Shared libraries opened on first use. */
#include "kernels/lib/cuda/load.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

ig_status ig_load_library(const char *file, const char *folder, void **out) {
  char reason[256], path[4096];
  *out = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (*out) return IG_OK;
  const char *error = dlerror();
  snprintf(reason, sizeof reason, "%s", error ? error : file);
  int length = snprintf(path, sizeof path, "%s/%s", folder, file);
  if (*folder && length > 0 && (size_t)length < sizeof path) {
    *out = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  }
  IG_CHECK(*out, IG_ERR_UNSUPPORTED, "%s cannot be loaded (is its folder in LD_LIBRARY_PATH?): %s",
           file, reason);
  return IG_OK;
}

ig_status ig_load_function(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  IG_CHECK(symbol, IG_ERR_UNSUPPORTED, "the library lacks %s", name);
  memcpy(function, &symbol, sizeof symbol); /* POSIX lets a function's address be copied so */
  return IG_OK;
}
