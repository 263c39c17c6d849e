/* DFT: the discrete Fourier transform along one axis of a tensor whose last dimension holds real and
 * imaginary parts (or real ones alone). One-sided: the first half of the result of real numbers, and with
 * `inverse`, real numbers from such a half. */
#include "engine/ops/dft.h"

#include <inttypes.h>
#include <string.h>

#define MOST ((int64_t)1 << 30)

const ig_attr_field ig_dft_fields[] = {
    IG_FIELD_INT(ig_dft_attrs, inverse, 0), IG_FIELD_INT(ig_dft_attrs, onesided, 0), {0}};

const ig_twin ig_dft_twin = {.op = "ingot.DFTGrad", .n_in = 3, .n_out = 1, .wrt = 1};

ig_status ig_dft_scalar(const ig_node *node, int i, const char *what, int64_t fallback,
                        int64_t *out) {
  const ig_value *v = ig_input_or_null(node, i);
  int n;
  *out = fallback;
  if (!v) return IG_OK;
  IG_TRY(ig_value_const_ints(v, what, 1, out, &n));
  IG_CHECK(n == 1, IG_ERR_SHAPE, "%s must be one number", what);
  return IG_OK;
}

ig_status ig_dft_describe(const ig_node *node, ig_dft *out, ig_shape *y) {
  const ig_dft_attrs *a = IG_ATTRS_OF(ig_dft_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape;
  int64_t axis, n;
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_dft_scalar(node, 2, "axis", -2, &axis));
  int d = ig_shape_axis(x, axis), last = x->rank - 1;
  IG_CHECK(d >= 0 && d < last && (x->dims[last] == 1 || x->dims[last] == 2), IG_ERR_SHAPE,
           "axis %" PRId64 " of %s: expected one before the last, which holds 1 or 2 parts", axis,
           IG_SHAPE_STR(x));
  *out = (ig_dft){.inverse = a->inverse != 0,
                  .onesided = a->onesided != 0,
                  .outer = ig_shape_span(x, 0, d),
                  .inner = ig_shape_span(x, d + 1, last),
                  .length = x->dims[d],
                  .parts = x->dims[last]};
  bool to_real = out->inverse && out->onesided;
  IG_CHECK(out->length >= 1 && out->length <= MOST, IG_ERR_SHAPE, "a signal of %" PRId64 " numbers",
           out->length);
  IG_TRY(ig_dft_scalar(node, 1, "dft_length", to_real ? 2 * (out->length - 1) : out->length, &n));
  IG_CHECK(n >= 1 && n <= MOST, IG_ERR_SHAPE, "a transform of length %" PRId64 ", expected 1 to 2^30",
           n);
  IG_CHECK(to_real || !out->onesided || out->parts == 1, IG_ERR_SHAPE,
           "a one-sided transform is that of real numbers, found %s", IG_SHAPE_STR(x));
  out->n = n;
  out->out_length = out->onesided && !out->inverse ? n / 2 + 1 : n;
  out->out_parts = to_real ? 1 : 2;
  *y = *x;
  y->dims[d] = out->out_length;
  y->dims[last] = out->out_parts;
  return IG_OK;
}

size_t ig_dft_scratch(const ig_dft *dft) {
  return (ig_dft_tables(dft->n) + 2 * (size_t)dft->n) * sizeof(double);
}

static ig_status infer(ig_node *node) {
  ig_dft dft;
  ig_shape y;
  IG_TRY(ig_dft_describe(node, &dft, &y));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_dft_twin, g);
}

/* The other half of the spectrum of real numbers; what must be real is taken as such. */
static void mirror(int64_t n, double *line) {
  line[1] = 0;
  if (n % 2 == 0) line[n + 1] = 0;
  for (int64_t k = n / 2 + 1; k < n; k++) {
    line[2 * k] = line[2 * (n - k)];
    line[2 * k + 1] = -line[2 * (n - k) + 1];
  }
}

static void transform(const ig_dft *s, const double *x, double *y, double *tables) {
  double *line = tables + ig_dft_tables(s->n);
  bool to_real = s->inverse && s->onesided;
  int64_t known = IG_MIN(s->length, to_real ? s->n / 2 + 1 : s->n);
  memset(line, 0, 2 * (size_t)s->n * sizeof(double));
  for (int64_t j = 0; j < known; j++) {
    for (int64_t k = 0; k < s->parts; k++) line[2 * j + k] = x[j * s->inner * s->parts + k];
  }
  if (to_real) mirror(s->n, line);
  ig_dft_run(s->n, s->inverse, line, tables);
  double factor = s->inverse ? 1 / (double)s->n : 1;
  for (int64_t j = 0; j < s->out_length; j++) {
    for (int64_t k = 0; k < s->out_parts; k++) {
      y[j * s->inner * s->out_parts + k] = factor * line[2 * j + k];
    }
  }
}

static size_t workspace(const ig_node *node) {
  ig_dft dft;
  ig_shape y;
  if (ig_dft_describe(node, &dft, &y) != IG_OK) return 0;
  return ig_doubles_workspace(node) + ig_dft_scratch(&dft);
}

static ig_status run(const ig_call *call) {
  ig_doubles d;
  ig_dft s;
  ig_shape y;
  double *tables = (double *)(void *)((char *)call->workspace + ig_doubles_workspace(call->node));
  IG_TRY(ig_dft_describe(call->node, &s, &y));
  IG_TRY(ig_doubles_open(call, &d));
  ig_dft_prepare(s.n, tables);
  for (int64_t i = 0; i < s.outer * s.inner; i++) {
    const double *x = d.in[0] + (i / s.inner * s.length * s.inner + i % s.inner) * s.parts;
    transform(&s, x, d.out[0] + (i / s.inner * s.out_length * s.inner + i % s.inner) * s.out_parts,
              tables);
  }
  ig_doubles_close(call, &d);
  return IG_OK;
}

/* Five n log n for a complex transform, as the field counts it; log n taken as 16. */
static ig_cost cost(const ig_node *node) {
  return (ig_cost){80.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "reference", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_dft = {
    .name = "DFT",
    .since = 20,
    .n_in = {1, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_dft_fields,
    .attrs_size = sizeof(ig_dft_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
