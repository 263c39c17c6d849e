/* onnx_twice DIR...: every .onnx file below the folders, read by both readers (twice.h). Ends with 1 when they
 * differ on one, or when there is none. */
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"
#include "formats/dataset_reader.h"
#include "twice.h"

static int counts[4];

static int visit(const char *path, const struct stat *info, int kind, struct FTW *where) {
  (void)info;
  (void)where;
  size_t length = strlen(path);
  if (kind != FTW_F || length < 5 || strcmp(path + length - 5, ".onnx") != 0) return 0;
  ig_bytes bytes;
  char why[512];
  if (ig_bytes_map(path, &bytes) != IG_OK) {
    printf("%s: %s\n", path, ig_last_error());
    counts[TWICE_DIFFERENT]++;
    return 0;
  }
  twice_verdict verdict = twice(bytes.data, bytes.size, sizeof why, why);
  if (verdict != TWICE_SAME) printf("%s: %s\n", path, why);
  counts[verdict]++;
  ig_bytes_release(&bytes);
  return 0;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (nftw(argv[i], visit, 32, FTW_PHYS) != 0) perror(argv[i]);
  }
  printf("%d the same, %d refused by both, %d by ours alone, %d different\n", counts[TWICE_SAME],
         counts[TWICE_REFUSED], counts[TWICE_STRICTER], counts[TWICE_DIFFERENT]);
  return counts[TWICE_SAME] == 0 || counts[TWICE_DIFFERENT] > 0;
}
