/* ig_convert by parts. */
#include "kernels/convert.h"

#include "kernels/cpu/parallel.h"

void ig_cpu_convert(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t count) {
  int64_t from_size = (int64_t)ig_dtype_size(from), to_size = (int64_t)ig_dtype_size(to);
  int64_t parts = ig_parts(count, 1 << 13, 1024);
  IG_PARALLEL_FOR(ig_worth_team(count * (from_size + to_size)))
  for (int64_t part = 0; part < parts; part++) {
    int64_t begin = ig_part_begin(count, parts, part);
    ig_convert(from, (const char *)source + begin * from_size, to, (char *)target + begin * to_size,
               ig_part_begin(count, parts, part + 1) - begin);
  }
}
