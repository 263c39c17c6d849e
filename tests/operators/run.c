/* One implementation on one case: every buffer stands between guard bytes and outputs start as
 * rubbish, so that a stray write and an element never written both show. Then the same with another
 * number of threads (equal bits, unless the implementation says otherwise), with outputs over the
 * inputs they may overwrite (equal bits), and in the other memory layouts where they apply. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "driver.h"

#define GUARD_BYTE 0x5a
#define RUBBISH_BYTE 0xc7

static void set_threads(int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#else
  IG_UNUSED(threads);
#endif
}

static uint8_t *guarded_alloc(size_t size) {
  uint8_t *block = must_alloc(size + 2 * GUARD);
  memset(block, GUARD_BYTE, GUARD);
  memset(block + GUARD, RUBBISH_BYTE, size);
  memset(block + GUARD + size, GUARD_BYTE, GUARD);
  return block + GUARD;
}

static bool guards_intact(const uint8_t *data, size_t size) {
  for (size_t i = 0; i < GUARD; i++) {
    if (data[(ptrdiff_t)i - GUARD] != GUARD_BYTE || data[size + i] != GUARD_BYTE) return false;
  }
  return true;
}

static void guarded_free(uint8_t *data) {
  if (data) ig_free(data - GUARD);
}

typedef struct buffers {
  uint8_t *in[IG_CASE_MAX_INPUTS], *out[IG_CASE_MAX_OUTPUTS];
} buffers;

static void buffers_open(const instance *it, buffers *b) {
  memset(b, 0, sizeof *b);
  for (int i = 0; i < it->n_in; i++) {
    if (!it->in[i]) continue;
    b->in[i] = guarded_alloc(ig_value_storage(it->in[i]));
    pack_value(it->in[i], &it->given[i], b->in[i]);
  }
  for (int i = 0; i < it->n_out; i++) {
    b->out[i] = guarded_alloc(ig_value_storage(it->node->outputs[i]));
  }
}

static void buffers_close(buffers *b) {
  for (int i = 0; i < IG_CASE_MAX_INPUTS; i++) guarded_free(b->in[i]);
  for (int i = 0; i < IG_CASE_MAX_OUTPUTS; i++) guarded_free(b->out[i]);
}

/* Runs once; `over[o]` is the input whose memory output o takes, or -1. */
static bool run_once(instance *it, const ig_impl *impl, buffers *b, const int *over) {
  uint8_t *in[IG_CASE_MAX_INPUTS], *out[IG_CASE_MAX_OUTPUTS];
  bool overwritten[IG_CASE_MAX_INPUTS] = {false};
  for (int i = 0; i < it->n_in; i++) in[i] = b->in[i];
  for (int i = 0; i < it->n_out; i++) {
    out[i] = over[i] >= 0 ? b->in[over[i]] : b->out[i];
    if (over[i] >= 0) overwritten[over[i]] = true;
  }
  it->report->runs++;
  ig_status status = evaluate(it, impl, in, out);
  it->declined = status == IG_ERR_UNSUPPORTED;
  if (it->declined) return false;
  if (status != IG_OK) {
    fail(it, impl, "run failed: %s", ig_last_error());
    return false;
  }
  for (int i = 0; i < it->n_in; i++) {
    if (!b->in[i]) continue;
    size_t size = ig_value_storage(it->in[i]);
    bool intact = guards_intact(b->in[i], size);
    if (intact && !overwritten[i]) {
      uint8_t *before = must_alloc(size);
      pack_value(it->in[i], &it->given[i], before);
      intact = memcmp(before, b->in[i], size) == 0;
      ig_free(before);
    }
    if (!intact) {
      fail(it, impl, "wrote to input %d or beside it", i);
      return false;
    }
  }
  for (int i = 0; i < it->n_out; i++) {
    if (!guards_intact(b->out[i], ig_value_storage(it->node->outputs[i]))) {
      fail(it, impl, "wrote beside output %d", i);
      return false;
    }
  }
  return true;
}

/* --- comparing ------------------------------------------------------------------------------- */

/* What rounding the result to `dtype` may cost: one unit in the last place, relative. */
static double rounding(ig_dtype dtype) {
  return dtype == IG_BF16 ? 0x1p-7 : dtype == IG_F16 ? 0x1p-10 : 0;
}

static double tolerance_for(const instance *it, ig_dtype dtype) {
  if (!ig_dtype_is_float(dtype)) return 0;
  if (dtype == IG_F64 && it->sample->tolerance == 0) return 1e-11;
  return (it->sample->tolerance > 0 ? it->sample->tolerance : 1e-5) + rounding(dtype);
}

bool same_values(const instance *it, const ig_impl *impl, const char *what, ig_dtype dtype,
                 const ig_case_array *got, const ig_case_array *want, double tolerance) {
  int64_t count = ig_shape_count(&want->shape);
  for (int64_t i = 0; i < count; i++) {
    double g = got->data[i], w = want->data[i], rounded = 0;
    ig_store_f64(dtype, &rounded, 0, w); /* what overflows the dtype is infinite there */
    if (!isfinite(ig_load_f64(dtype, &rounded, 0))) w = ig_load_f64(dtype, &rounded, 0);
    bool same = isnan(w)   ? isnan(g)
                : isinf(w) ? g == w
                           : fabs(g - w) <= tolerance * fmax(1, fabs(w));
    if (!same) {
      fail(it, impl, "%s: index %lld of %s: got %.9g, want %.9g (tolerance %.2g)", what,
           (long long)i, IG_SHAPE_STR(&want->shape), g, w, tolerance);
      return false;
    }
  }
  return true;
}

/* Lanes that a blocked layout adds must stay zero, since kernels rely on it. */
static bool padding_is_zero(const ig_value *value, const uint8_t *bytes, ig_case_array *array) {
  size_t size = ig_value_storage(value);
  uint8_t *clean = must_alloc(size);
  pack_value(value, array, clean);
  bool same = memcmp(clean, bytes, size) == 0;
  ig_free(clean);
  return same;
}

static bool outputs_match(instance *it, const ig_impl *impl, const buffers *b, const char *what) {
  ig_case_array got[IG_CASE_MAX_OUTPUTS];
  bool same = true;
  for (int i = 0; i < it->n_out; i++) {
    const ig_value *v = it->node->outputs[i];
    got[i] = array_like(&v->shape);
    unpack_value(v, b->out[i], &got[i]);
    char label[64];
    snprintf(label, sizeof label, "%soutput %d", what, i);
    if (same && it->cases->reference) {
      same = same_values(it, impl, label, v->dtype, &got[i], &it->wanted[i],
                         tolerance_for(it, v->dtype));
    }
    if (same && v->layout == IG_LAYOUT_BLOCK16 && !padding_is_zero(v, b->out[i], &got[i])) {
      fail(it, impl, "%s: the padding is not zero", label);
      same = false;
    }
  }
  if (same && it->cases->check) {
    const char *fault = it->cases->check(it->node, it->given, got);
    if (fault) fail(it, impl, "%s", fault);
    same = !fault;
  }
  for (int i = 0; i < it->n_out; i++) ig_free(got[i].data);
  return same;
}

/* --- the checks ------------------------------------------------------------------------------ */

static bool equal_bits(instance *it, const ig_impl *impl, const buffers *one, const buffers *two,
                       const int *over, const char *what) {
  for (int i = 0; i < it->n_out; i++) {
    const uint8_t *other = over[i] >= 0 ? two->in[over[i]] : two->out[i];
    if (memcmp(one->out[i], other, ig_value_storage(it->node->outputs[i])) != 0) {
      fail(it, impl, "output %d differs %s", i, what);
      return false;
    }
  }
  return true;
}

static int overwritten_input(const instance *it, int output) {
  const ig_op *op = it->op;
  if (op->inplace) return op->inplace(it->node, output);
  if (!(op->flags & IG_OP_INPLACE) || output || !it->n_in || !it->in[0]) return -1;
  return ig_value_storage(it->in[0]) == ig_value_storage(it->node->outputs[0]) ? 0 : -1;
}

static const int nowhere[IG_CASE_MAX_OUTPUTS] = {-1, -1, -1, -1, -1, -1};

static bool run_again(instance *it, const ig_impl *impl, const buffers *first, int threads,
                      const int *over, const char *what) {
  buffers again;
  buffers_open(it, &again);
  set_threads(threads);
  bool ok = run_once(it, impl, &again, over);
  if (ok && threads > 1 && impl->sums_by_thread) {
    ok = outputs_match(it, impl, &again, "with three threads: ");
  } else if (ok) {
    ok = equal_bits(it, impl, first, &again, over, what);
  }
  set_threads(1);
  buffers_close(&again);
  return ok;
}

static bool run_in_place(instance *it, const ig_impl *impl, const buffers *first) {
  int over[IG_CASE_MAX_OUTPUTS];
  bool any = false, taken[IG_CASE_MAX_INPUTS] = {false};
  memcpy(over, nowhere, sizeof over);
  for (int o = 0; o < it->n_out; o++) {
    int i = overwritten_input(it, o);
    if (i >= it->n_in ||
        (i >= 0 && (!it->in[i] || taken[i] ||
                    ig_value_storage(it->in[i]) != ig_value_storage(it->node->outputs[o])))) {
      fail(it, impl, "output %d cannot overwrite input %d: absent, taken or of another size", o, i);
      return false;
    }
    if (i < 0) continue;
    over[o] = i;
    any = taken[i] = true;
  }
  return !any || run_again(it, impl, first, 1, over, "in place");
}

/* Operand `i`, inputs first, where it may be in another layout than rows; else NULL. */
static ig_value *layout_operand(const instance *it, int i) {
  const ig_op *op = it->op;
  bool input = i < it->n_in;
  ig_value *v = input ? it->in[i] : it->node->outputs[i - it->n_in];
  if (!v || v->shape.rank != 4) return NULL;
  if (op->flags & IG_OP_ELEMENTWISE) {
    return ig_shape_equal(&v->shape, &it->node->outputs[0]->shape) ? v : NULL;
  }
  bool rows = input ? op->rows_in >> i & 1 : op->rows_out >> (i - it->n_in) & 1;
  return (op->flags & IG_OP_LAYOUT) && !rows ? v : NULL;
}

/* Whether layouts are a matter for this case: an elementwise operator must not care about one that all
 * operands share; one that knows layouts must work where it does not reject. */
static bool has_layouts(const instance *it) {
  bool elementwise = it->op->flags & IG_OP_ELEMENTWISE, any = false;
  for (int i = 0; i < it->n_in; i++) {
    bool takes = layout_operand(it, i) != NULL;
    if (elementwise && it->in[i] && !takes && ig_value_count(it->in[i]) != 1) return false;
    any = any || takes;
  }
  return any;
}

static void set_layout(instance *it, ig_layout layout) {
  for (int i = 0; i < it->n_in + it->n_out; i++) {
    ig_value *v = layout_operand(it, i);
    if (v) v->layout = layout;
  }
}

static bool run_layout(instance *it, const ig_impl *impl, ig_layout layout, const char *what) {
  if (!has_layouts(it)) return true;
  set_layout(it, layout);
  bool ok = true;
  if (!impl->reject || !impl->reject(it->node)) {
    buffers b;
    buffers_open(it, &b);
    ok = run_once(it, impl, &b, nowhere) && outputs_match(it, impl, &b, what);
    buffers_close(&b);
  }
  set_layout(it, IG_LAYOUT_ROWS);
  return ok;
}

void check_layouts(instance *it, const ig_impl *impl) {
  if (run_layout(it, impl, IG_LAYOUT_NHWC, "channels last: ")) {
    run_layout(it, impl, IG_LAYOUT_BLOCK16, "blocked layout: ");
  }
}

bool check_runs(instance *it, const ig_impl *impl) {
  buffers b;
  buffers_open(it, &b);
  set_threads(1);
  if (run_once(it, impl, &b, nowhere) && outputs_match(it, impl, &b, "") &&
      run_again(it, impl, &b, 3, nowhere, "with three threads") && run_in_place(it, impl, &b)) {
    check_layouts(it, impl);
  }
  buffers_close(&b);
  return !it->declined;
}
