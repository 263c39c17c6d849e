/* oneDNN behind its plain interface: reorders between layouts against index arithmetic, products and
 * convolutions of sizes that take its blocked paths against float64, and what it cannot do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "kernels/lib/onednn.h"

static float *random_floats(int64_t count, uint64_t sample) {
  float *x = ig_alloc((size_t)count * sizeof *x);
  assert_non_null(x);
  ig_rng rng = ig_rng_stream(7, IG_RNG_TEST, 0, sample);
  for (int64_t i = 0; i < count; i++) x[i] = ig_rng_normal(&rng, (uint64_t)i);
  return x;
}

static void run(ig_dnn *dnn, const void *const *operands) {
  void *workspace = ig_alloc(ig_dnn_workspace(dnn));
  assert_non_null(workspace);
  memset(workspace, 0xa5, ig_dnn_workspace(dnn)); /* nothing may be expected of its content */
  assert_int_equal(ig_dnn_run(dnn, operands, workspace), IG_OK);
  ig_free(workspace);
}

/* --- reorders --------------------------------------------------------------------------------- */

static int64_t storage(const int64_t d[4], ig_layout layout) {
  int64_t channels = layout == IG_LAYOUT_BLOCK16 ? (d[1] + 15) / 16 * 16 : d[1];
  return d[0] * channels * d[2] * d[3];
}

static int64_t place(const int64_t d[4], ig_layout layout, int64_t n, int64_t c, int64_t p) {
  int64_t area = d[2] * d[3];
  switch (layout) {
  case IG_LAYOUT_NHWC: return (n * area + p) * d[1] + c;
  case IG_LAYOUT_BLOCK16: return ((n * ((d[1] + 15) / 16) + c / 16) * area + p) * 16 + c % 16;
  default: return (n * d[1] + c) * area + p;
  }
}

static void check_reorder(const int64_t d[4], ig_layout from, ig_layout to) {
  int64_t from_count = storage(d, from), to_count = storage(d, to), area = d[2] * d[3];
  float *x = ig_alloc_zero((size_t)from_count, sizeof *x);
  float *y = random_floats(to_count, 1), *want = ig_alloc_zero((size_t)to_count, sizeof *want);
  assert_true(x && want);
  for (int64_t n = 0; n < d[0]; n++) {
    for (int64_t c = 0; c < d[1]; c++) {
      for (int64_t p = 0; p < area; p++) {
        float value = (float)(1 + (n * d[1] + c) * area + p);
        x[place(d, from, n, c, p)] = value;
        want[place(d, to, n, c, p)] = value;
      }
    }
  }
  ig_dnn *dnn;
  assert_int_equal(ig_dnn_reorder_create(IG_F32, d, from, to, &dnn), IG_OK);
  run(dnn, (const void *[]){x, y});
  assert_memory_equal(y, want, (size_t)to_count * sizeof *want); /* padding is zero too */
  ig_dnn_destroy(dnn);
  ig_free(x);
  ig_free(y);
  ig_free(want);
}

static void reorders(void **state) {
  IG_UNUSED(state);
  const int64_t shapes[][4] = {{2, 32, 5, 7}, {3, 17, 4, 4}, {1, 3, 9, 2}, {2, 16, 1, 1}};
  for (int s = 0; s < IG_COUNT(shapes); s++) {
    for (int from = IG_LAYOUT_ROWS; from <= IG_LAYOUT_BLOCK16; from++) {
      for (int to = IG_LAYOUT_ROWS; to <= IG_LAYOUT_BLOCK16; to++) {
        check_reorder(shapes[s], (ig_layout)from, (ig_layout)to);
      }
    }
  }
}

/* --- products --------------------------------------------------------------------------------- */

typedef struct product {
  int64_t m, k, n;
  bool trans_a, trans_b, bias, fixed;
} product;

static void describe(const product *p, ig_matmul *s) {
  *s = (ig_matmul){.dtype = IG_F32,
                   .b_dtype = IG_F32,
                   .c_dtype = IG_F32,
                   .rank = 2,
                   .a_dims = {p->m, p->k},
                   .a_strides = {p->trans_a ? 1 : p->k, p->trans_a ? p->m : 1},
                   .b_dims = {p->k, p->n},
                   .b_strides = {p->trans_b ? 1 : p->n, p->trans_b ? p->k : 1},
                   .c_dims = {p->m, p->n},
                   .c_strides = {p->n, 1},
                   .alpha = 1,
                   .addend = p->bias,
                   .addend_dims = {1, p->n}};
}

static void check_product(const product *p) {
  ig_matmul s;
  ig_dnn *dnn;
  float *a = random_floats(p->m * p->k, 2), *b = random_floats(p->k * p->n, 3);
  float *bias = random_floats(p->n, 4), *c = random_floats(p->m * p->n, 5);
  describe(p, &s);
  assert_int_equal(ig_dnn_matmul_create(&s, p->fixed ? b : NULL, &dnn), IG_OK);
  run(dnn, (const void *[]){a, p->fixed ? NULL : b, bias, c});
  for (int64_t i = 0; i < p->m; i++) {
    for (int64_t j = 0; j < p->n; j++) {
      double want = p->bias ? bias[j] : 0, size = 1;
      for (int64_t k = 0; k < p->k; k++) {
        double term = (double)a[i * s.a_strides[0] + k * s.a_strides[1]] *
                      b[k * s.b_strides[0] + j * s.b_strides[1]];
        want += term;
        size += fabs(term);
      }
      assert_true(fabs(c[i * p->n + j] - want) < 1e-6 * size);
    }
  }
  ig_dnn_destroy(dnn);
  ig_free(a);
  ig_free(b);
  ig_free(bias);
  ig_free(c);
}

static void products(void **state) {
  IG_UNUSED(state);
  const int64_t sizes[][3] = {{64, 784, 256}, {100, 33, 65}, {1, 300, 70}, {300, 1, 5}};
  for (int i = 0; i < IG_COUNT(sizes); i++) {
    for (int flags = 0; flags < 16; flags++) {
      check_product(&(product){sizes[i][0], sizes[i][1], sizes[i][2], flags & 1, flags & 2,
                               flags & 4, flags & 8});
    }
  }
}

/* --- convolutions ----------------------------------------------------------------------------- */

/* Elements of a tensor in memory, all finite, padding zero. */
static float *random_activation(const int64_t d[4], ig_layout layout, uint64_t sample) {
  int64_t count = d[0] * d[1] * d[2] * d[3];
  float *rows = random_floats(count, sample), *x = ig_alloc_zero((size_t)storage(d, layout), 4);
  assert_non_null(x);
  for (int64_t i = 0; i < count; i++) {
    int64_t area = d[2] * d[3], p = i % area, c = i / area % d[1], n = i / area / d[1];
    x[place(d, layout, n, c, p)] = rows[i];
  }
  ig_free(rows);
  return x;
}

/* One result from its window; weights are [out, in, 3, 3], pads 1. */
static double window_sum(const ig_conv *s, const float *x, const float *w, int64_t n, int64_t oc,
                         int64_t p, int64_t q) {
  double sum = 0;
  for (int64_t ic = 0; ic < s->src[1]; ic++) {
    for (int64_t t = 0; t < 9; t++) {
      int64_t h = p + t / 3 - 1, v = q + t % 3 - 1;
      if (h < 0 || v < 0 || h >= s->src[2] || v >= s->src[3]) continue;
      sum += (double)x[place(s->src, s->src_layout, n, ic, h * s->src[3] + v)] *
             w[(oc * s->src[1] + ic) * 9 + t];
    }
  }
  return sum;
}

/* Whatever the layouts of the two sides, by fast code; enough tiles for Winograd's. */
static void check_conv(ig_layout src, ig_layout dst, bool fixed) {
  ig_conv s = {.dtype = IG_F32,
               .groups = 1,
               .src = {3, 35, 20, 19},
               .dst = {3, 48, 20, 19},
               .kernel = {3, 3},
               .stride = {1, 1},
               .dilation = {1, 1},
               .pad_begin = {1, 1},
               .pad_end = {1, 1},
               .src_layout = src,
               .dst_layout = dst};
  float *x = random_activation(s.src, src, 6), *w = random_floats(48 * 35 * 9, 7);
  float *y = random_activation(s.dst, dst, 8);
  ig_dnn *dnn;
  assert_int_equal(ig_dnn_conv_create(&s, fixed ? w : NULL, &dnn), IG_OK);
  assert_true(strncmp(ig_dnn_code(dnn), "ref", 3) != 0);
  run(dnn, (const void *[]){x, fixed ? NULL : w, NULL, y});
  for (int64_t i = 0; i < 500; i++) {
    int64_t n = i % 3, oc = i * 7 % 48, p = i * 13 % 20, q = i * 5 % 19;
    double want = window_sum(&s, x, w, n, oc, p, q);
    assert_true(fabs(y[place(s.dst, dst, n, oc, p * 19 + q)] - want) < 2e-4);
  }
  ig_dnn_destroy(dnn);
  ig_free(x);
  ig_free(w);
  ig_free(y);
}

static void convolutions(void **state) {
  IG_UNUSED(state);
  for (int src = IG_LAYOUT_ROWS; src <= IG_LAYOUT_BLOCK16; src++) {
    for (int dst = IG_LAYOUT_ROWS; dst <= IG_LAYOUT_BLOCK16; dst++) {
      check_conv((ig_layout)src, (ig_layout)dst, false);
      check_conv((ig_layout)src, (ig_layout)dst, true);
    }
  }
}

/* A type without code on this machine is refused, not computed slowly. */
static void refuses(void **state) {
  IG_UNUSED(state);
  assert_true(ig_dnn_supports(IG_F32));
  assert_false(ig_dnn_supports(IG_F64));
  ig_matmul s;
  ig_dnn *dnn = NULL;
  describe(&(product){.m = 2, .k = 3, .n = 4}, &s);
  s.dtype = s.c_dtype = IG_F64;
  assert_int_equal(ig_dnn_matmul_create(&s, NULL, &dnn), IG_ERR_UNSUPPORTED);
  assert_null(dnn);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reorders),
      cmocka_unit_test(products),
      cmocka_unit_test(convolutions),
      cmocka_unit_test(refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
