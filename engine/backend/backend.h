/* A backend is where tensors live and steps run. The vtable is small on purpose: what a kernel
 * needs goes through ig_call, what a plan needs is here. */
#ifndef IG_BACKEND_BACKEND_H
#define IG_BACKEND_BACKEND_H

#include "engine/base/status.h"
#include "engine/ops/op.h"

typedef struct ig_backend ig_backend;

typedef struct ig_backend_vtable {
  const char *name; /* "cpu", "cuda" */
  ig_device device;
  bool host_memory; /* tensors are host memory: copies are not needed */
  ig_status (*alloc)(ig_backend *backend, size_t bytes, void **out); /* 64-byte aligned at least */
  void (*free)(ig_backend *backend, void *memory);
  ig_status (*zero)(ig_backend *backend, void *memory, size_t bytes);
  ig_status (*upload)(ig_backend *backend, void *device, const void *host, size_t bytes);
  ig_status (*download)(ig_backend *backend, void *host, const void *device, size_t bytes);
  ig_status (*copy)(ig_backend *backend, void *to, const void *from, size_t bytes);
  ig_status (*synchronize)(ig_backend *backend);
  /* Bytes free and in total. */
  ig_status (*memory)(ig_backend *backend, size_t *available, size_t *total);
  void (*destroy)(ig_backend *backend);
} ig_backend_vtable;

struct ig_backend {
  const ig_backend_vtable *vtable;
  int index;    /* device ordinal */
  void *stream; /* given to every ig_call */
};

/* `threads` 0 means one per core. */
ig_status ig_backend_cpu_create(int threads, ig_backend **out);
/* Opens "auto", "cpu", "cuda" or "cuda:N"; a device that is absent fails with IG_ERR_DEVICE. */
ig_status ig_backend_open(const char *device, int threads, ig_backend **out);
void ig_backend_destroy(ig_backend *backend);

#endif
