/* Faults on demand, in the way SQLite is tested: this file is linked into a copy of the program with
 * the linker's --wrap for the calls below, so that the N-th of a kind fails as it would on a bad day.
 * Only Ingot's own calls are wrapped, not those inside libraries.
 *   IG_FAULT       alloc, write, sync, rename, open or stream; nothing fails without it
 *   IG_FAULT_AT    which call of that kind fails, from 1; 0 only counts
 *   IG_FAULT_AS    EIO, ENOSPC or short (write alone: half of the bytes, then ENOSPC)
 *   IG_FAULT_ON    1: all later calls of that kind fail too
 *   IG_FAULT_COUNT a file that receives the number of calls at exit */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { NONE, ALLOC, WRITE, SYNC, RENAME, OPEN, STREAM };

static int kind, code = EIO, all_later, shortened;
static long at;
static atomic_long calls;

static void write_count(void) {
  FILE *file = fopen(getenv("IG_FAULT_COUNT"), "w");
  if (!file) return;
  fprintf(file, "%ld\n", atomic_load(&calls));
  fclose(file);
}

__attribute__((constructor)) static void read_settings(void) {
  static const char *const kinds[] = {"none", "alloc", "write", "sync", "rename", "open", "stream"};
  const char *wanted = getenv("IG_FAULT"), *as = getenv("IG_FAULT_AS"), *n = getenv("IG_FAULT_AT");
  for (int i = 0; wanted && i < 7; i++) {
    if (strcmp(wanted, kinds[i]) == 0) kind = i;
  }
  if (n) at = atol(n);
  if (as && strcmp(as, "EIO") != 0) code = ENOSPC;
  shortened = as && strcmp(as, "short") == 0;
  all_later = getenv("IG_FAULT_ON") != NULL;
  if (getenv("IG_FAULT_COUNT")) atexit(write_count);
}

static int fails(int which) {
  if (which != kind) return 0;
  long n = atomic_fetch_add(&calls, 1) + 1;
  return at > 0 && (n == at || (all_later && n > at));
}

#define WRAPPED(type, name, ...)                                                                   \
  type __real_##name(__VA_ARGS__);                                                                 \
  type __wrap_##name(__VA_ARGS__);                                                                 \
  type __wrap_##name(__VA_ARGS__)

WRAPPED(void *, malloc, size_t size) {
  return fails(ALLOC) ? (errno = ENOMEM, NULL) : __real_malloc(size);
}
WRAPPED(void *, calloc, size_t count, size_t size) {
  return fails(ALLOC) ? (errno = ENOMEM, NULL) : __real_calloc(count, size);
}
WRAPPED(void *, realloc, void *block, size_t size) {
  return fails(ALLOC) ? (errno = ENOMEM, NULL) : __real_realloc(block, size);
}
WRAPPED(void *, aligned_alloc, size_t alignment, size_t size) {
  return fails(ALLOC) ? (errno = ENOMEM, NULL) : __real_aligned_alloc(alignment, size);
}
WRAPPED(int, posix_memalign, void **block, size_t alignment, size_t size) {
  return fails(ALLOC) ? ENOMEM : __real_posix_memalign(block, alignment, size);
}

/* Pipes and terminals are not disks. */
static int is_file(int fd) {
  struct stat info;
  return fd > 2 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

WRAPPED(ssize_t, write, int fd, const void *data, size_t size) {
  if (!is_file(fd) || !fails(WRITE)) return __real_write(fd, data, size);
  if (shortened && size > 1) return __real_write(fd, data, size / 2);
  errno = code;
  return -1;
}
WRAPPED(ssize_t, pwrite, int fd, const void *data, size_t size, off_t offset) {
  if (!is_file(fd) || !fails(WRITE)) return __real_pwrite(fd, data, size, offset);
  if (shortened && size > 1) return __real_pwrite(fd, data, size / 2, offset);
  errno = code;
  return -1;
}
WRAPPED(int, ftruncate, int fd, off_t size) {
  return fails(WRITE) ? (errno = code, -1) : __real_ftruncate(fd, size);
}
WRAPPED(int, fsync, int fd) {
  return fails(SYNC) ? (errno = code, -1) : __real_fsync(fd);
}
WRAPPED(int, rename, const char *from, const char *to) {
  return fails(RENAME) ? (errno = code, -1) : __real_rename(from, to);
}
WRAPPED(int, link, const char *from, const char *to) {
  return fails(RENAME) ? (errno = code, -1) : __real_link(from, to);
}
WRAPPED(int, mkdir, const char *path, mode_t mode) {
  return fails(OPEN) ? (errno = code, -1) : __real_mkdir(path, mode);
}
WRAPPED(FILE *, fopen, const char *path, const char *mode) {
  return fails(OPEN) ? (errno = code, NULL) : __real_fopen(path, mode);
}
WRAPPED(int, fflush, FILE *file) {
  int result = __real_fflush(file);
  return file && file != stdout && file != stderr && fails(STREAM) ? (errno = code, EOF) : result;
}
WRAPPED(int, fclose, FILE *file) {
  int result = __real_fclose(file);
  return fails(STREAM) ? (errno = code, EOF) : result;
}
