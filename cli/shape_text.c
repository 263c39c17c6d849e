/* Shapes as people type them. */
#include "cli/shape_text.h"

#include <errno.h>
#include <stdlib.h>

ig_status ig_shape_parse(const char *text, ig_shape *out) {
  ig_shape shape = {0};
  const char *at = text;
  for (;;) {
    char *end;
    errno = 0;
    long long dim = strtoll(at, &end, 10);
    bool digit = *at >= '0' && *at <= '9';
    IG_CHECK(digit && errno == 0 && dim >= 1 && (*end == ',' || *end == '\0'), IG_ERR_USAGE,
             "shape '%s': expected positive numbers such as 1,28,28", text);
    IG_CHECK(shape.rank < IG_MAX_RANK - 1, IG_ERR_USAGE, "shape '%s': more than %d dimensions",
             text, IG_MAX_RANK - 1);
    shape.dims[shape.rank++] = dim;
    if (*end == '\0') break;
    at = end + 1;
  }
  ig_status status = ig_shape_check(&shape, IG_F64);
  if (status != IG_OK) return ig_fail_in(IG_ERR_USAGE, "shape '%s'", text);
  *out = shape;
  return IG_OK;
}
