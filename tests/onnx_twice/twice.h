/* The second opinion on our reader of ONNX files: protobuf-c's generated unpacker for Debian's onnx.proto
 * reads the same bytes, and what both found is compared field by field. */
#ifndef IG_TESTS_ONNX_TWICE_H
#define IG_TESTS_ONNX_TWICE_H

#include <stddef.h>

typedef enum twice_verdict {
  TWICE_SAME,     /* both read the same */
  TWICE_REFUSED,  /* both refuse it */
  TWICE_STRICTER, /* ours refuses by one of its stated rules, or the other cannot be asked: see `why` */
  TWICE_DIFFERENT
} twice_verdict;

twice_verdict twice(const void *bytes, size_t size, size_t size_why, char *why);

#endif
