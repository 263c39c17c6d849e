/* The growing file of append.h. */
#include "lifecycle/append.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/memory.h"

#define BUFFER_BYTES ((size_t)64 << 10)

struct ig_append {
  char *path;
  int fd;
  int error; /* errno of the first failure */
  size_t used;
  char buffer[BUFFER_BYTES];
};

static ig_status fail(ig_append *append) {
  errno = append->error;
  return ig_fail_errno("write", append->path);
}

ig_status ig_append_open(const char *path, bool fresh, ig_append **out) {
  ig_append *append = ig_alloc_zero(1, sizeof *append);
  IG_CHECK_ALLOC(append);
  append->path = ig_strdup(path);
  if (!append->path) {
    ig_free(append);
    return ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (fresh ? O_TRUNC : 0);
  append->fd = open(path, flags, 0666);
  if (append->fd < 0) {
    ig_status status = ig_fail_errno("create", path);
    ig_free(append->path);
    ig_free(append);
    return status;
  }
  *out = append;
  return IG_OK;
}

static ig_status write_out(ig_append *append, const char *bytes, size_t size) {
  for (size_t done = 0; done < size && !append->error;) {
    ssize_t put = write(append->fd, bytes + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      append->error = put < 0 ? errno : EIO;
    } else {
      done += (size_t)put;
    }
  }
  return append->error ? fail(append) : IG_OK;
}

ig_status ig_append_flush(ig_append *append, bool sync) {
  if (append->error) return fail(append);
  size_t used = append->used;
  append->used = 0;
  IG_TRY(write_out(append, append->buffer, used));
  while (sync && fsync(append->fd) != 0) {
    if (errno == EINTR) continue;
    append->error = errno;
    return fail(append);
  }
  return IG_OK;
}

ig_status ig_append_write(ig_append *append, const void *bytes, size_t size) {
  if (append->error) return fail(append);
  if (size > BUFFER_BYTES - append->used) IG_TRY(ig_append_flush(append, false));
  if (size > BUFFER_BYTES) return write_out(append, bytes, size);
  memcpy(append->buffer + append->used, bytes, size);
  append->used += size;
  return IG_OK;
}

ig_status ig_append_close(ig_append *append) {
  if (!append) return IG_OK;
  ig_status status = ig_append_flush(append, false);
  if (close(append->fd) != 0 && errno != EINTR && status == IG_OK) {
    append->error = errno;
    status = fail(append);
  }
  ig_free(append->path);
  ig_free(append);
  return status;
}
