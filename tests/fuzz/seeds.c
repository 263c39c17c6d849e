/* Writing seeds, and beginning a target. A failure here ends the program: it is a broken test. */
#include "seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;
static int count;

static void give_up(const char *what) {
  perror(what);
  abort();
}

void seed(const void *bytes, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/seed-%03d", folder, count++);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) give_up(path);
}

void seed_text(const char *text) { seed(text, strlen(text)); }

void seed_file(const char *path) {
  static char full[4096], bytes[1 << 20];
  snprintf(full, sizeof full, "%s/%s", IG_SOURCE_DIR, path);
  FILE *file = fopen(full, "rb");
  if (!file) give_up(full);
  size_t n = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  seed(bytes, n);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  folder = getenv("FUZZ_SEEDS");
  if (!folder) return 0;
  make_seeds();
  exit(0);
}
