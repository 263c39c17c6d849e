/* Choice of a backend by the name that users give. */
#include "engine/backend/backend.h"

#include <string.h>

ig_status ig_backend_open(const char *device, int threads, ig_backend **out) {
  if (strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0) {
    return ig_backend_cpu_create(threads, out);
  }
  bool cuda = strncmp(device, "cuda", 4) == 0 && (device[4] == '\0' || device[4] == ':');
  IG_CHECK(!cuda, IG_ERR_DEVICE, "device '%s': this build of Ingot has no CUDA backend", device);
  return ig_fail(IG_ERR_USAGE, "device: expected auto, cpu, cuda or cuda:N, found '%s'", device);
}

void ig_backend_destroy(ig_backend *backend) {
  if (backend) backend->vtable->destroy(backend);
}
