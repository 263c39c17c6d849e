/* Attention over long sequences against a naive float64 version, its memory against the lengths,
 * 16-bit gradients, and decoding against the whole. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "kernels/attention.h"

typedef struct tensors {
  ig_attention a;
  size_t count, y_count; /* elements of x and dx; of y and dy */
  void *x, *dx, *y, *dy; /* x and dx packed: [B, T, (heads + 2 kv_heads) * size] */
  float *lse;
} tensors;

static void *alloc(size_t bytes) {
  void *block = ig_alloc(bytes);
  assert_non_null(block);
  memset(block, 0xa5, bytes);
  return block;
}

static void fill(ig_dtype dtype, void *x, size_t count, uint64_t sample) {
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, sample);
  for (size_t i = 0; i < count; i++) ig_store_f64(dtype, x, (int64_t)i, ig_rng_normal(&rng, i));
}

static tensors open(ig_dtype dtype, int64_t batch, int64_t heads, int64_t kv_heads, int64_t t,
                    int64_t size) {
  int64_t width = (heads + 2 * kv_heads) * size, y_width = heads * size;
  ig_rows packed = {t * width, size, width};
  tensors m = {.a = {.dtype = dtype,
                     .batch = batch,
                     .heads = heads,
                     .kv_heads = kv_heads,
                     .queries = t,
                     .keys = t,
                     .size = size,
                     .v_size = size,
                     .q = packed,
                     .k = packed,
                     .v = packed,
                     .y = {t * y_width, size, y_width},
                     .scale = (float)(1 / sqrt((double)size)),
                     .causal = true,
                     .mask_keys = t}};
  m.count = (size_t)(batch * t * width);
  m.y_count = (size_t)(batch * t * y_width);
  m.x = alloc(m.count * ig_dtype_size(dtype));
  m.dx = alloc(m.count * ig_dtype_size(dtype));
  m.y = alloc(m.y_count * ig_dtype_size(dtype));
  m.dy = alloc(m.y_count * ig_dtype_size(dtype));
  m.lse = alloc((size_t)(batch * heads * t) * sizeof(float));
  fill(dtype, m.x, m.count, 0);
  fill(dtype, m.dy, m.y_count, 1);
  return m;
}

static void close(tensors *m) {
  ig_free(m->x);
  ig_free(m->dx);
  ig_free(m->y);
  ig_free(m->dy);
  ig_free(m->lse);
}

static void run(tensors *m, size_t threads) {
  size_t forward = threads * ig_cpu_attention_workspace(&m->a);
  size_t backward = threads * ig_cpu_attention_grad_workspace(&m->a);
  void *workspace = alloc(IG_MAX(forward, backward));
  ig_attention_inputs in, out;
  ig_attention_parts(&m->a, m->x, NULL, NULL, &in);
  ig_attention_parts(&m->a, m->dx, NULL, NULL, &out);
  ig_cpu_attention(&m->a, &in, m->y, m->lse, workspace, forward);
  ig_cpu_attention_grad(&m->a, &in, m->y, m->lse, m->dy, (void *)out.q, (void *)out.k,
                        (void *)out.v, workspace, backward);
  ig_free(workspace);
}

/* --- against float64 -------------------------------------------------------------------------- */

static double *doubles(ig_dtype dtype, const void *x, size_t count) {
  double *d = alloc((count + 1) * sizeof *d);
  for (size_t i = 0; i < count; i++) d[i] = ig_load_f64(dtype, x, (int64_t)i);
  return d;
}

/* One query of one head: adds its part of the gradients to dx and checks its result. */
static void naive_query(const ig_attention *a, const double *x, const double *dy, int64_t b,
                        int64_t h, int64_t i, double *p, double *y, double *dx) {
  int64_t group = h / (a->heads / a->kv_heads), d = a->size;
  const double *q = x + b * a->q.batch + i * a->q.row + h * d, *base = x + b * a->q.batch;
  int64_t k_first = (a->heads + group) * d, v_first = (a->heads + a->kv_heads + group) * d;
  double top = -INFINITY, sum = 0, delta = 0;
  for (int64_t j = 0; j <= i; j++) {
    p[j] = 0;
    for (int64_t e = 0; e < d; e++) p[j] += a->scale * q[e] * base[j * a->k.row + k_first + e];
    top = fmax(top, p[j]);
  }
  for (int64_t j = 0; j <= i; j++) sum += p[j] = exp(p[j] - top);
  for (int64_t e = 0; e < d; e++) y[e] = 0;
  for (int64_t j = 0; j <= i; j++) {
    p[j] /= sum;
    for (int64_t e = 0; e < d; e++) y[e] += p[j] * base[j * a->v.row + v_first + e];
  }
  for (int64_t e = 0; e < d; e++) delta += dy[e] * y[e];
  for (int64_t j = 0; j <= i; j++) {
    double dp = 0, *grad = dx + b * a->q.batch;
    for (int64_t e = 0; e < d; e++) dp += dy[e] * base[j * a->v.row + v_first + e];
    double ds = a->scale * p[j] * (dp - delta);
    for (int64_t e = 0; e < d; e++) {
      grad[j * a->v.row + v_first + e] += p[j] * dy[e];
      grad[j * a->k.row + k_first + e] += ds * q[e];
      grad[i * a->q.row + h * d + e] += ds * base[j * a->k.row + k_first + e];
    }
  }
}

static void check_against_naive(ig_dtype dtype, int64_t batch, int64_t heads, int64_t kv_heads,
                                int64_t t, int64_t size, double tolerance) {
  tensors m = open(dtype, batch, heads, kv_heads, t, size);
  const ig_attention *a = &m.a;
  run(&m, 2);
  double *x = doubles(dtype, m.x, m.count), *dy = doubles(dtype, m.dy, m.y_count);
  double *p = alloc((size_t)t * sizeof *p), *y = alloc((size_t)size * sizeof *y);
  double *dx = ig_alloc_zero(m.count, sizeof *dx);
  assert_non_null(dx);
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t h = 0; h < heads; h++) {
      for (int64_t i = 0; i < t; i++) {
        int64_t at = b * a->y.batch + i * a->y.row + h * size;
        naive_query(a, x, dy + at, b, h, i, p, y, dx);
        for (int64_t e = 0; e < size; e++) {
          assert_true(fabs(ig_load_f64(dtype, m.y, at + e) - y[e]) < tolerance);
        }
      }
    }
  }
  for (size_t i = 0; i < m.count; i++) {
    double got = ig_load_f64(dtype, m.dx, (int64_t)i);
    if (!(fabs(got - dx[i]) < tolerance * fmax(1, fabs(dx[i])))) {
      fail_msg("gradient %zu: got %g, want %g", i, got, dx[i]);
    }
  }
  ig_free(x);
  ig_free(dy);
  ig_free(p);
  ig_free(y);
  ig_free(dx);
  close(&m);
}

static void long_sequences(void **state) {
  IG_UNUSED(state);
  check_against_naive(IG_F32, 1, 2, 2, 700, 32, 2e-5);
  check_against_naive(IG_F32, 2, 4, 2, 161, 64, 2e-5);
  check_against_naive(IG_F32, 1, 3, 1, 97, 20, 2e-5);
}

/* Sums are made in f32 even where operands have 16 bits: only results are rounded. */
static void sixteen_bits(void **state) {
  IG_UNUSED(state);
  check_against_naive(IG_BF16, 1, 2, 1, 150, 32, 0.02);
  check_against_naive(IG_F16, 1, 2, 2, 150, 24, 0.003);
}

/* --- memory, threads, decoding ---------------------------------------------------------------- */

static void memory_does_not_grow(void **state) {
  IG_UNUSED(state);
  ig_attention a = {
      .dtype = IG_F32, .batch = 1, .heads = 1, .kv_heads = 1, .size = 64, .v_size = 64};
  a.queries = a.keys = 64;
  size_t forward = ig_cpu_attention_workspace(&a), backward = ig_cpu_attention_grad_workspace(&a);
  a.queries = a.keys = 1 << 20;
  assert_int_equal(ig_cpu_attention_workspace(&a), forward);
  assert_int_equal(ig_cpu_attention_grad_workspace(&a), backward);
  assert_true(forward + backward < 300000);
  a.dtype = IG_BF16; /* f32 sums of dk and dv, one head at a time */
  assert_int_equal(ig_cpu_attention_grad_workspace(&a), backward + (2u << 20) * 64 * sizeof(float));
}

static void same_bits_with_more_threads(void **state) {
  IG_UNUSED(state);
  tensors one = open(IG_F32, 2, 2, 1, 200, 16), four = open(IG_F32, 2, 2, 1, 200, 16);
  run(&one, 1);
  run(&four, 4);
  assert_memory_equal(one.y, four.y, one.y_count * sizeof(float));
  assert_memory_equal(one.dx, four.dx, one.count * sizeof(float));
  close(&one);
  close(&four);
}

/* The last query on its own, over a cache of keys and values, gives the last row of the whole. */
static void decoding_agrees(void **state) {
  IG_UNUSED(state);
  tensors m = open(IG_F32, 2, 4, 2, 300, 32);
  run(&m, 1);
  int64_t t = m.a.queries, width = m.a.heads * m.a.size, lengths[] = {t, t};
  ig_attention a = m.a;
  a.queries = 1;
  a.causal = false;
  a.y = (ig_rows){width, a.size, width};
  ig_attention_inputs in;
  ig_attention_parts(&a, m.x, NULL, NULL, &in);
  in.q = (const float *)in.q + (t - 1) * a.q.row;
  in.lengths = lengths;
  float *y = alloc((size_t)(2 * width) * sizeof *y);
  void *workspace = alloc(ig_cpu_attention_workspace(&a));
  ig_cpu_attention(&a, &in, y, NULL, workspace, ig_cpu_attention_workspace(&a));
  for (int64_t b = 0; b < 2; b++) {
    const float *last = (const float *)m.y + b * m.a.y.batch + (t - 1) * m.a.y.row;
    for (int64_t e = 0; e < width; e++) assert_true(fabsf(y[b * width + e] - last[e]) < 1e-5f);
  }
  ig_free(y);
  ig_free(workspace);
  close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(long_sequences),       cmocka_unit_test(sixteen_bits),
      cmocka_unit_test(memory_does_not_grow), cmocka_unit_test(same_bits_with_more_threads),
      cmocka_unit_test(decoding_agrees),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
