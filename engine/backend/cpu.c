/* The CPU backend: host memory, and OpenMP's threads. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine/backend/backend.h"
#include "engine/base/memory.h"

static ig_status cpu_alloc(ig_backend *backend, size_t bytes, void **out) {
  IG_UNUSED(backend);
  *out = ig_alloc(bytes);
  IG_CHECK(*out, IG_ERR_MEMORY, "out of memory: %zu bytes were asked for", bytes);
  return IG_OK;
}

static void cpu_free(ig_backend *backend, void *memory) {
  IG_UNUSED(backend);
  ig_free(memory);
}

static ig_status cpu_zero(ig_backend *backend, void *memory, size_t bytes) {
  IG_UNUSED(backend);
  memset(memory, 0, bytes);
  return IG_OK;
}

static ig_status cpu_copy(ig_backend *backend, void *to, const void *from, size_t bytes) {
  IG_UNUSED(backend);
  if (bytes) memcpy(to, from, bytes);
  return IG_OK;
}

static ig_status cpu_synchronize(ig_backend *backend) {
  IG_UNUSED(backend);
  return IG_OK;
}

static ig_status cpu_memory(ig_backend *backend, size_t *available, size_t *total) {
  IG_UNUSED(backend);
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  *available = page * (size_t)sysconf(_SC_AVPHYS_PAGES);
  *total = page * (size_t)sysconf(_SC_PHYS_PAGES);
  return IG_OK;
}

static void cpu_destroy(ig_backend *backend) { ig_free(backend); }

static const ig_backend_vtable cpu_vtable = {
    .name = "cpu",
    .device = IG_CPU,
    .host_memory = true,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .zero = cpu_zero,
    .upload = cpu_copy,
    .download = cpu_copy,
    .copy = cpu_copy,
    .synchronize = cpu_synchronize,
    .memory = cpu_memory,
    .destroy = cpu_destroy,
};

ig_status ig_backend_cpu_create(int threads, ig_backend **out) {
  IG_CHECK(threads >= -1 && threads <= 4096, IG_ERR_USAGE,
           "threads: expected 0 to 4096, found %d", threads);
#ifdef _OPENMP
  if (threads >= 0) omp_set_num_threads(threads > 0 ? threads : omp_get_num_procs());
  omp_set_dynamic(0);
#endif
  ig_backend *backend = ig_alloc_zero(1, sizeof *backend);
  IG_CHECK_ALLOC(backend);
  backend->vtable = &cpu_vtable;
  snprintf(backend->description, sizeof backend->description, "cpu");
  *out = backend;
  return IG_OK;
}
