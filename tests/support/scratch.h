/* Scratch folders and whole files for tests; failures end the test through cmocka's assertions. */
#ifndef IG_TESTS_SCRATCH_H
#define IG_TESTS_SCRATCH_H

#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define SCRATCH_PATH 512

typedef struct scratch {
  char folder[SCRATCH_PATH];
} scratch;

static inline scratch scratch_make(void) {
  scratch s;
  const char *root = getenv("TMPDIR");
  snprintf(s.folder, sizeof s.folder, "%s/ingot-test-XXXXXX", root ? root : "/tmp");
  assert_non_null(mkdtemp(s.folder));
  return s;
}

/* FOLDER/name, in one of four rotating buffers. */
static inline const char *scratch_path(const scratch *s, const char *name) {
  static char paths[4][2 * SCRATCH_PATH];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", s->folder, name);
  return path;
}

static inline int scratch_remove_one(const char *path, const struct stat *info, int kind,
                                     struct FTW *walk) {
  (void)info;
  (void)kind;
  (void)walk;
  return remove(path);
}

static inline void scratch_remove(scratch *s) {
  nftw(s->folder, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Entries of the folder, without "." and "..". */
static inline int scratch_count(const scratch *s) {
  int count = 0;
  DIR *dir = opendir(s->folder);
  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  }
  closedir(dir);
  return count;
}

/* The whole file, followed by a zero byte; free() releases it. */
static inline unsigned char *scratch_read(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  long length = ftell(file);
  assert_true(length >= 0);
  rewind(file);
  unsigned char *bytes = malloc((size_t)length + 1);
  assert_non_null(bytes);
  assert_int_equal(fread(bytes, 1, (size_t)length, file), (size_t)length);
  bytes[length] = 0;
  fclose(file);
  if (size) *size = (size_t)length;
  return bytes;
}

static inline void scratch_write(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

#endif
