/* See text_file.h. Memory grows with what was read, so a file that lies about its size costs nothing. */
#include "formats/text_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "formats/checkpoint_files.h"

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

ig_status ig_write_text(const char *path, const char *text, size_t length) {
  ig_partial file;
  IG_TRY(ig_partial_open(path, &file));
  ig_status status = IG_OK;
  for (size_t done = 0; done < length && status == IG_OK;) {
    ssize_t n = write(file.fd, text + done, length - done);
    if (n < 0 && errno != EINTR) status = ig_fail_errno("write", path);
    if (n > 0) done += (size_t)n;
  }
  if (status == IG_OK && fsync(file.fd) != 0) status = ig_fail_errno("write to disk", path);
  return ig_partial_close(&file, status);
}
