/* The spool's file: a head of fixed size with the identity, a mark a batch, the records. */
#include "formats/row_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/checkpoint_files.h"

#define HEAD_BYTES 65536

static const char magic[16] = "ingot rows 1\n";

/* At the beginning of the head; the identity follows. */
typedef struct head {
  char magic[16];
  uint64_t length; /* of the identity */
  uint64_t digest; /* of the identity */
} head;

struct ig_row_spool {
  char *path;
  int fd;
  int64_t rows, batch, n_batches;
  size_t record;
  uint64_t records; /* where they begin */
};

/* --- bytes at their places --------------------------------------------------------------------- */

static ig_status write_at(const char *path, int fd, const void *bytes, size_t size, uint64_t at) {
  const char *next = bytes;
  while (size > 0) {
    ssize_t n = pwrite(fd, next, size, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ENOSPC;
    if (n <= 0) return ig_fail_errno("write", path);
    next += n;
    at += (uint64_t)n;
    size -= (size_t)n;
  }
  return IG_OK;
}

/* What lies behind the file's end is 0: a batch there was never written. */
static ig_status read_at(const char *path, int fd, void *bytes, size_t size, uint64_t at) {
  char *next = bytes;
  while (size > 0) {
    ssize_t n = pread(fd, next, size, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ig_fail_errno("read", path);
    if (n == 0) {
      memset(next, 0, size);
      return IG_OK;
    }
    next += n;
    at += (uint64_t)n;
    size -= (size_t)n;
  }
  return IG_OK;
}

/* --- opening ----------------------------------------------------------------------------------- */

static ig_status read_identity(const char *path, int fd, char **identity) {
  char *bytes = ig_alloc(HEAD_BYTES + 1);
  IG_CHECK_ALLOC(bytes);
  ig_status status = read_at(path, fd, bytes, HEAD_BYTES, 0);
  head h;
  memcpy(&h, bytes, sizeof h);
  *identity = NULL;
  if (status == IG_OK && memcmp(h.magic, magic, sizeof magic) == 0 &&
      h.length <= HEAD_BYTES - sizeof h && XXH3_64bits(bytes + sizeof h, h.length) == h.digest) {
    memmove(bytes, bytes + sizeof h, h.length);
    bytes[h.length] = '\0';
    *identity = bytes;
    return IG_OK;
  }
  bool empty = status == IG_OK && h.magic[0] == '\0'; /* killed before the head was written */
  ig_free(bytes);
  IG_TRY(status);
  IG_CHECK(empty, IG_ERR_INPUT, "%s: is no file of unfinished results", path);
  return IG_OK;
}

ig_status ig_row_spool_identity(const char *out, char **identity) {
  *identity = NULL;
  char *path = ig_format("%s.resume", out);
  IG_CHECK_ALLOC(path);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ig_status status = IG_OK;
  if (fd >= 0) status = read_identity(path, fd, identity);
  else if (errno != ENOENT) status = ig_fail_errno("open", path);
  if (fd >= 0) close(fd);
  ig_free(path);
  return status;
}

static ig_status make(const char *out, const ig_row_spool_info *info, ig_row_spool **made) {
  ig_row_spool *s = ig_alloc_zero(1, sizeof *s);
  IG_CHECK_ALLOC(s);
  s->fd = -1;
  s->path = ig_format("%s.resume", out);
  *made = s;
  IG_CHECK_ALLOC(s->path);
  s->rows = info->rows;
  s->batch = info->batch;
  s->record = info->record;
  s->n_batches = info->rows / info->batch + (info->rows % info->batch != 0);
  size_t marks, all, batch;
  IG_CHECK(ig_mul_size((size_t)s->n_batches, sizeof(uint64_t), &marks) &&
               ig_mul_size((size_t)info->rows, info->record, &all) &&
               ig_mul_size((size_t)info->batch, info->record, &batch) &&
               ig_add_size(marks, HEAD_BYTES, &marks) && ig_add_size(marks, all, &all) &&
               all <= PTRDIFF_MAX,
           IG_ERR_MEMORY, "%s: %" PRId64 " rows of %zu bytes exceed the address space", s->path,
           info->rows, info->record);
  s->records = marks;
  return IG_OK;
}

static ig_status write_head(ig_row_spool *s, const char *identity) {
  head h = {.length = strlen(identity), .digest = XXH3_64bits(identity, strlen(identity))};
  memcpy(h.magic, magic, sizeof magic);
  IG_CHECK(h.length <= HEAD_BYTES - sizeof h, IG_ERR_UNSUPPORTED,
           "%s: %zu bytes to describe the results, expected at most %zu", s->path,
           strlen(identity), HEAD_BYTES - sizeof h);
  char *bytes = ig_alloc_zero(HEAD_BYTES, 1);
  IG_CHECK_ALLOC(bytes);
  memcpy(bytes, &h, sizeof h);
  memcpy(bytes + sizeof h, identity, h.length);
  ig_status status = write_at(s->path, s->fd, bytes, HEAD_BYTES, 0);
  ig_free(bytes);
  return status;
}

ig_status ig_row_spool_create(const char *out, const ig_row_spool_info *info, ig_row_spool **spool) {
  ig_row_spool *s = NULL;
  ig_status status = make(out, info, &s);
  if (status == IG_OK) status = ig_open_locked(s->path, false, &s->fd);
  if (status == IG_OK) status = write_head(s, info->identity);
  if (status != IG_OK) {
    ig_row_spool_close(s, true);
    return status;
  }
  *spool = s;
  return IG_OK;
}

/* Names the first line in which the two differ. */
static ig_status compare(const char *path, const char *was, const char *is) {
  while (*was || *is) {
    size_t a = strcspn(was, "\n"), b = strcspn(is, "\n");
    IG_CHECK(a == b && memcmp(was, is, a) == 0, IG_ERR_USAGE,
             "%s: was begun with %.*s, this run has %.*s; start over without --resume", path,
             (int)IG_MIN(a, 200), was, (int)IG_MIN(b, 200), is);
    was += a + (was[a] == '\n');
    is += b + (is[b] == '\n');
  }
  return IG_OK;
}

ig_status ig_row_spool_open(const char *out, const ig_row_spool_info *info, bool lock,
                            ig_row_spool **spool) {
  ig_row_spool *s = NULL;
  char *identity = NULL;
  ig_status status = make(out, info, &s);
  if (status == IG_OK && lock) status = ig_open_locked(s->path, true, &s->fd);
  if (status == IG_OK && !lock) {
    s->fd = open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (s->fd < 0) status = ig_fail_errno("open", s->path);
  }
  if (status == IG_OK) status = read_identity(s->path, s->fd, &identity);
  if (status == IG_OK) {
    status = identity ? compare(s->path, identity, info->identity)
                      : ig_fail(IG_ERR_INPUT, "%s: is empty", s->path);
  }
  ig_free(identity);
  if (status != IG_OK) {
    ig_row_spool_close(s, false);
    return status;
  }
  *spool = s;
  return IG_OK;
}

/* --- batches ----------------------------------------------------------------------------------- */

static int64_t rows_of(const ig_row_spool *s, int64_t batch) {
  return IG_MIN(s->batch, s->rows - batch * s->batch);
}

/* Never 0, which stands where nothing was written. */
static uint64_t mark_of(const void *records, size_t bytes) {
  uint64_t hash = XXH3_64bits(records, bytes);
  return hash ? hash : 1;
}

ig_status ig_row_spool_find(const ig_row_spool *s, uint8_t *done, int64_t *count) {
  size_t bytes = (size_t)s->batch * s->record;
  uint64_t *marks = ig_alloc((size_t)s->n_batches * sizeof *marks);
  char *records = ig_alloc(bytes);
  ig_status status = IG_OK;
  *count = 0;
  IG_CHECK_DONE(marks && records, IG_ERR_MEMORY, "%s: out of memory", s->path);
  IG_TRY_DONE(read_at(s->path, s->fd, marks, (size_t)s->n_batches * sizeof *marks, HEAD_BYTES));
  for (int64_t b = 0; b < s->n_batches; b++) {
    done[b] = 0;
    if (!marks[b]) continue;
    int64_t n = rows_of(s, b);
    IG_TRY_DONE(ig_row_spool_read(s, b * s->batch, n, records));
    done[b] = mark_of(records, (size_t)n * s->record) == marks[b];
    *count += done[b];
  }
done:
  ig_free(marks);
  ig_free(records);
  return status;
}

ig_status ig_row_spool_write(ig_row_spool *s, int64_t batch, const void *records) {
  size_t bytes = (size_t)rows_of(s, batch) * s->record;
  uint64_t mark = mark_of(records, bytes);
  IG_TRY(write_at(s->path, s->fd, records, bytes,
                  s->records + (uint64_t)(batch * s->batch) * s->record));
  return write_at(s->path, s->fd, &mark, sizeof mark, HEAD_BYTES + (uint64_t)batch * sizeof mark);
}

ig_status ig_row_spool_read(const ig_row_spool *s, int64_t first, int64_t count, void *records) {
  return read_at(s->path, s->fd, records, (size_t)count * s->record,
                 s->records + (uint64_t)first * s->record);
}

ig_status ig_row_spool_sync(ig_row_spool *s) {
  if (fsync(s->fd) != 0 && errno != EINVAL) return ig_fail_errno("write to disk", s->path);
  return IG_OK;
}

void ig_row_spool_close(ig_row_spool *s, bool remove) {
  if (!s) return;
  if (remove && s->fd >= 0) unlink(s->path);
  if (s->fd >= 0) close(s->fd);
  ig_free(s->path);
  ig_free(s);
}
