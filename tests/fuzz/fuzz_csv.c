/* CSV tables, with every way of reading words and holes. */
#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const ig_dataset_open_options ways[] = {
      {.header = IG_HEADER_AUTO},
      {.header = IG_HEADER_YES, .categorical = IG_INDEX, .missing = IG_MISSING_NAN},
      {.header = IG_HEADER_NO, .no_target = true, .missing = IG_MISSING_NAN},
      {.target = "a,b", .memory_limit = 1 << 20},
  };
  fuzz_dataset(data, size, &ways[size % IG_COUNT(ways)]);
  return 0;
}

void make_seeds(void) {
  seed_text("a,b,c\n1,2,3\n4,5,6\n");
  seed_text("size;color;kind\r\n1;red;cat\r\n2;\"blue; \"\"x\"\"\";dog\r\n");
  seed_text("\xef\xbb\xbf\"two\nlines\"\ta\tb\n1\t0.5\t1\n-2e3\t?\t0\n");
  seed_text("1,2,x\n3,NA,y\ninf,-.5,z");
}
