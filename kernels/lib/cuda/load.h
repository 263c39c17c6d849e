/* Shared libraries that are opened when they are first needed, and their functions by name. */
#ifndef IG_KERNELS_LIB_CUDA_LOAD_H
#define IG_KERNELS_LIB_CUDA_LOAD_H

#include "engine/base/status.h"

/* From where the loader looks, or from `folder`. It stays open until the process ends.
 * IG_ERR_UNSUPPORTED, with the loader's reason, where there is none. */
ig_status ig_load_library(const char *file, const char *folder, void **out);
/* Sets the function pointer at `function`. */
ig_status ig_load_function(void *library, const char *name, void *function);

#endif
