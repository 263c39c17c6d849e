/* Copying out of mapped files (mapped.h). */
#include "formats/mapped.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/status.h"

/* As large as what a thread copies between two calls of the system may be without being felt in the peak. */
#define PIECE ((size_t)4 << 20)

void ig_mapped_forget(const void *bytes, size_t size) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)bytes;
  uintptr_t first = (at + page - 1) / page * page, end = (at + size) / page * page;
  if (end > first) madvise((void *)first, end - first, MADV_DONTNEED);
}

void ig_mapped_copy(void *to, const void *from, size_t size) {
  int64_t pieces = (int64_t)((size + PIECE - 1) / PIECE);
#pragma omp parallel for schedule(dynamic) if (pieces > 1)
  for (int64_t i = 0; i < pieces; i++) {
    size_t at = (size_t)i * PIECE, length = IG_MIN(PIECE, size - at);
    memcpy((char *)to + at, (const char *)from + at, length);
    ig_mapped_forget((const char *)from + at, length);
  }
}
