/* ig_convert and ig_convert_small by parts. */
#include "kernels/convert.h"

#include <string.h>

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

void ig_cpu_convert_small(ig_dtype from, const void *source, ig_dtype to, void *target,
                          int64_t count, ig_narrowing how) {
  int64_t size = (int64_t)ig_dtype_size(from), parts = ig_parts(count, 1 << 11, 1024);
  IG_PARALLEL_FOR(count > 1 << 11)
  for (int64_t part = 0; part < parts; part++) {
    int64_t begin = ig_part_begin(count, parts, part);
    ig_convert_small(from, (const char *)source + begin * size, to, (char *)target + begin,
                     ig_part_begin(count, parts, part + 1) - begin, how);
  }
}

ig_status ig_cpu_copy_segments(ig_dtype from, ig_dtype to, const ig_segment *segments, int n,
                               void *stream) {
  (void)stream;
  for (int i = 0; i < n; i++) {
    const ig_segment *s = &segments[i];
    if (s->from) ig_cpu_convert(from, s->from, to, s->to, s->count);
    else memset(s->to, 0, (size_t)s->count * ig_dtype_size(to));
  }
  return IG_OK;
}
