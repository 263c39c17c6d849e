/* See text_file.h. Memory grows with what was read, so a file that lies about its size costs nothing. */
#include "formats/text_file.h"

#include <stdio.h>

#include "engine/base/memory.h"

ig_status ig_read_text(const char *path, size_t limit, char **text, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return ig_fail_errno("open", path);
  char *bytes = NULL;
  int64_t capacity = 0;
  size_t used = 0, got;
  ig_status status = IG_OK;
  do {
    if (!ig_grow((void **)&bytes, &capacity, (int64_t)used + 65537, 1)) {
      status = ig_fail(IG_ERR_MEMORY, "%s: no memory for %zu bytes", path, used + 65537);
      break;
    }
    got = fread(bytes + used, 1, 65536, file);
    used += got;
    if (ferror(file)) status = ig_fail_errno("read", path);
    if (used > limit) {
      status = ig_fail(IG_ERR_INPUT, "%s: more than %zu MiB", path, limit >> 20);
    }
  } while (got > 0 && status == IG_OK);
  fclose(file);
  if (status != IG_OK) {
    ig_free(bytes);
    return status;
  }
  bytes[used] = '\0';
  *text = bytes;
  *length = used;
  return IG_OK;
}
