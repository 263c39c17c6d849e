/* ONNX files by both readers: ours and protobuf-c's agree on which bytes are a model, but for our stated limits,
 * and on what it holds. */
#include <stdio.h>
#include <stdlib.h>

#include "onnx_bytes.h"
#include "seeds.h"
#include "twice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char why[512];
  if (twice(data, size, sizeof why, why) == TWICE_DIFFERENT) {
    fprintf(stderr, "%s\n", why);
    abort();
  }
  return 0;
}

enum { FLOAT = 1 };

void make_seeds(void) {
  const int64_t dims[] = {-1, 2}, two[] = {2, 2}, ones[] = {1, 1};
  const float weights[4] = {0.5F, -1};
  message node = node_bytes("Conv", "x w", "y"), g = {0};
  put_ints_attr(&node, "strides", 2, ones);
  put_text_attr(&node, "auto_pad", "VALID");
  put_message(&g, 1, node);
  put_message(&g, 5, tensor_bytes("w", FLOAT, 2, two, weights, sizeof weights));
  put_message(&g, 11, value_bytes("x", FLOAT, 2, dims));
  put_message(&g, 12, value_bytes("y", FLOAT, 2, dims));
  message m = model_bytes(g, 18);
  seed(m.at, m.size);
  free(m.at);
}
