/* Linear quantization against ONNX's own node tests (onnx/backend/test/case/node: quantizelinear.py,
 * dequantizelinear.py, dynamicquantizelinear.py), whose results where they are given as a formula were
 * evaluated with NumPy 2 in float32: np.clip(np.rint(x / scale) + zero, 0, 255). So were the blocks,
 * with scale and zero repeated along the axis (np.repeat). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/ops/op.h"

/* Runs one node over constants by every implementation of the CPU. */
static void check(const char *op, int n_in, const ig_literal *in, int n_attrs, const ig_attr *attrs,
                  int n_out, const ig_literal *want) {
  ig_graph *g;
  ig_value *values[3];
  const void *bytes[3];
  assert_int_equal(ig_graph_create("example", &g), IG_OK);
  for (int i = 0; i < n_in; i++) {
    values[i] = ig_graph_input(g, NULL, in[i].dtype, in[i].shape);
    bytes[i] = in[i].data;
  }
  ig_node *node = ig_graph_node(g, op, NULL, n_in, values, n_attrs, attrs, n_out);
  if (!node) fail_msg("%s", ig_last_error());
  int runs = 0;
  for (const ig_impl *impl = node->op->impls; impl->name; impl++) {
    uint8_t out[3][256] = {{0}};
    void *results[] = {out[0], out[1], out[2]};
    if (impl->reject && impl->reject(node)) continue;
    assert_int_equal(ig_op_evaluate(node, impl, bytes, results), IG_OK);
    for (int i = 0; i < n_out; i++) {
      assert_int_equal(node->outputs[i]->dtype, want[i].dtype);
      assert_true(ig_shape_equal(&node->outputs[i]->shape, &want[i].shape));
      assert_memory_equal(out[i], want[i].data, ig_value_bytes(node->outputs[i]));
    }
    runs++;
  }
  assert_true(runs > 0);
  ig_graph_destroy(g);
}

#define F32(shape, ...)                                                                            \
  {                                                                                                \
    IG_F32, shape, (const float[]) {                                                               \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define U8(shape, ...)                                                                             \
  {                                                                                                \
    IG_U8, shape, (const uint8_t[]) {                                                              \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

static void quantizes(void **state) {
  (void)state;
  const ig_literal in[] = {F32(IG_SHAPE(6), 0, 2, 3, 1000, -254, -1000), F32(IG_SCALAR, 2),
                           U8(IG_SCALAR, 128)};
  const ig_literal want[] = {U8(IG_SHAPE(6), 128, 129, 130, 255, 1, 0)};
  check("QuantizeLinear", 3, in, 0, NULL, 1, want);
}

static void quantizes_channels(void **state) {
  (void)state;
  const ig_literal in[] = {F32(IG_SHAPE(1, 3, 3, 2), -162, 10, -100, 232, -20, -50, -76, 0, 0, 252,
                               32, -44, 245, -485, -960, -270, -375, -470),
                           F32(IG_SHAPE(3), 2, 4, 5), U8(IG_SHAPE(3), 84, 24, 196)};
  const ig_literal want[] = {U8(IG_SHAPE(1, 3, 3, 2), 3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13,
                                245, 99, 4, 142, 121, 102)};
  check("QuantizeLinear", 3, in, 0, NULL, 1, want);
}

static void quantizes_blocks(void **state) {
  (void)state;
  const ig_literal in[] = {F32(IG_SHAPE(3, 4), 6, 12, 50, 5, 50, 12, 12, 1, 1, 8, 4, 2),
                           F32(IG_SHAPE(3, 2), 1.5f, 2.5f, 3, 4.9f, 5.1f, 6.9f),
                           U8(IG_SHAPE(3, 2), 0, 1, 1, 0, 2, 3)};
  const ig_attr attrs[] = {IG_INT("axis", 1), IG_INT("block_size", 2)};
  const ig_literal want[] = {U8(IG_SHAPE(3, 4), 4, 8, 21, 3, 18, 5, 2, 0, 2, 4, 4, 3)};
  check("QuantizeLinear", 3, in, 2, attrs, 1, want);
}

static void dequantizes(void **state) {
  (void)state;
  const ig_literal in[] = {U8(IG_SHAPE(4), 0, 3, 128, 255), F32(IG_SCALAR, 2), U8(IG_SCALAR, 128)};
  const ig_literal want[] = {F32(IG_SHAPE(4), -256, -250, 0, 254)};
  check("DequantizeLinear", 3, in, 0, NULL, 1, want);
}

static void dequantizes_channels(void **state) {
  (void)state;
  const ig_literal in[] = {U8(IG_SHAPE(1, 3, 3, 2), 3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13,
                              245, 99, 4, 142, 121, 102),
                           F32(IG_SHAPE(3), 2, 4, 5), U8(IG_SHAPE(3), 84, 24, 196)};
  const ig_literal want[] = {F32(IG_SHAPE(1, 3, 3, 2), -162, 10, -100, 232, -20, -50, -76, 0, 0,
                                 252, 32, -44, 245, -485, -960, -270, -375, -470)};
  check("DequantizeLinear", 3, in, 0, NULL, 1, want);
}

static void quantizes_by_range(void **state) {
  (void)state;
  const ig_literal in[] = {F32(IG_SHAPE(6), 0, 2, -3, -2.5f, 1.34f, 0.5f)};
  const ig_literal want[] = {U8(IG_SHAPE(6), 153, 255, 0, 26, 221, 179),
                             F32(IG_SCALAR, 5.0f / 255.0f), U8(IG_SCALAR, 153)};
  check("DynamicQuantizeLinear", 1, in, 0, NULL, 3, want);
  const ig_literal below[] = {F32(IG_SHAPE(6), -1, -2.1f, -1.3f, -2.5f, -3.34f, -4)};
  const ig_literal shifted[] = {U8(IG_SHAPE(6), 191, 121, 172, 96, 42, 0),
                                F32(IG_SCALAR, 4.0f / 255.0f), U8(IG_SCALAR, 255)};
  check("DynamicQuantizeLinear", 1, below, 0, NULL, 3, shifted);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantizes),
      cmocka_unit_test(quantizes_channels),
      cmocka_unit_test(quantizes_blocks),
      cmocka_unit_test(dequantizes),
      cmocka_unit_test(dequantizes_channels),
      cmocka_unit_test(quantizes_by_range),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
