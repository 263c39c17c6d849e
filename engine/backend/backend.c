/* Choice of a backend by the name that users give. */
#include "engine/backend/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* N of "cuda" or "cuda:N", or -1. */
static int cuda_index(const char *device) {
  if (strncmp(device, "cuda", 4) != 0) return -1;
  if (device[4] == '\0') return 0;
  char *end;
  long index = device[4] == ':' && device[5] >= '0' && device[5] <= '9'
                   ? strtol(device + 5, &end, 10)
                   : -1;
  return index >= 0 && index < 4096 && *end == '\0' ? (int)index : -1;
}

ig_status ig_backend_open(const char *device, int threads, ig_backend **out) {
  IG_CHECK(threads >= 0, IG_ERR_USAGE, "threads: expected 0 to 4096, found %d", threads);
  if (strcmp(device, "cpu") == 0) return ig_backend_cpu_create(threads, out);
  if (strcmp(device, "auto") == 0) {
    if (ig_backend_cuda_create(0, out) == IG_OK) return IG_OK;
    ig_clear_error();
    return ig_backend_cpu_create(threads, out);
  }
  int index = cuda_index(device);
  IG_CHECK(index >= 0, IG_ERR_USAGE, "device: expected auto, cpu, cuda or cuda:N, found '%s'",
           device);
  ig_status status = ig_backend_cuda_create(index, out);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "device '%s'", device);
}

ig_status ig_backend_check_fp8(const ig_backend *backend) {
  int found = backend->capability;
  IG_CHECK(backend->vtable->device == IG_CPU || found >= 89, IG_ERR_DEVICE,
           "fp8 needs a GPU of compute capability 8.9 or newer, this one has %d.%d", found / 10,
           found % 10);
  return IG_OK;
}

void ig_backend_destroy(ig_backend *backend) {
  if (backend) backend->vtable->destroy(backend);
}

void ig_backend_drain(ig_backend *backend) {
  char before[1024];
  snprintf(before, sizeof before, "%s", ig_last_error());
  if (backend->vtable->synchronize(backend) == IG_OK) return;
  ig_clear_error();
  if (before[0]) ig_fail(IG_ERR_DEVICE, "%s", before);
}
