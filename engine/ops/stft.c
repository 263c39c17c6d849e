/* STFT: the Fourier transforms of overlapping frames of a signal [batch, length, 1 or 2]. */
#include "engine/ops/stft.h"

#include <inttypes.h>
#include <string.h>

#define MOST ((int64_t)1 << 30)

const ig_attr_field ig_stft_fields[] = {IG_FIELD_INT(ig_stft_attrs, onesided, 1), {0}};

const ig_twin ig_stft_twin = {.op = "ingot.STFTGrad", .n_in = 4, .n_out = 1, .wrt = 1u << 0 | 1u << 2};

ig_status ig_stft_describe(const ig_node *node, ig_stft *out, ig_shape *y) {
  const ig_value *x = node->inputs[0], *window = ig_input_or_null(node, 2);
  bool onesided = IG_ATTRS_OF(ig_stft_attrs, node)->onesided != 0;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank == 3 && (x->shape.dims[2] == 1 || x->shape.dims[2] == 2), IG_ERR_SHAPE,
           "expected a signal of shape [batch, length, 1 or 2], found %s", IG_SHAPE_STR(&x->shape));
  IG_CHECK(!window || (window->dtype == x->dtype && window->shape.rank == 1), IG_ERR_SHAPE,
           "the window is %s%s, expected a list of %s", window ? ig_dtype_name(window->dtype) : "",
           window ? IG_SHAPE_STR(&window->shape) : "", ig_dtype_name(x->dtype));
  *out = (ig_stft){.batch = x->shape.dims[0], .length = x->shape.dims[1], .parts = x->shape.dims[2]};
  IG_TRY(ig_dft_scalar(node, 1, "frame_step", 0, &out->step));
  IG_TRY(ig_dft_scalar(node, 3, "frame_length", window ? window->shape.dims[0] : out->length, &out->n));
  out->window = window ? window->shape.dims[0] : out->n;
  IG_CHECK(out->step >= 1 && out->n >= 1 && out->n <= MOST && out->n <= out->length &&
               out->window <= out->n,
           IG_ERR_SHAPE,
           "frames of %" PRId64 " every %" PRId64 " with a window of %" PRId64
           " do not fit a signal of %" PRId64,
           out->n, out->step, out->window, out->length);
  IG_CHECK(!onesided || out->parts == 1, IG_ERR_SHAPE,
           "a one-sided transform is that of real numbers, found %s", IG_SHAPE_STR(&x->shape));
  out->frames = 1 + (out->length - out->n) / out->step;
  out->bins = onesided ? out->n / 2 + 1 : out->n;
  *y = IG_SHAPE(out->batch, out->frames, out->bins, 2);
  return IG_OK;
}

size_t ig_stft_workspace(const ig_node *node) {
  ig_stft s;
  ig_shape y;
  if (ig_stft_describe(node, &s, &y) != IG_OK) return 0;
  return ig_doubles_workspace(node) + (ig_dft_tables(s.n) + 2 * (size_t)s.n) * sizeof(double);
}

static ig_status infer(ig_node *node) {
  ig_stft s;
  ig_shape y;
  IG_TRY(ig_stft_describe(node, &s, &y));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_stft_twin, g);
}

static ig_status run(const ig_call *call) {
  ig_doubles d;
  ig_stft s;
  ig_shape shape;
  double *tables = (double *)(void *)((char *)call->workspace + ig_doubles_workspace(call->node));
  IG_TRY(ig_stft_describe(call->node, &s, &shape));
  IG_TRY(ig_doubles_open(call, &d));
  double *line = tables + ig_dft_tables(s.n);
  ig_dft_prepare(s.n, tables);
  for (int64_t i = 0; i < s.batch * s.frames; i++) {
    const double *x = d.in[0] + (i / s.frames * s.length + i % s.frames * s.step) * s.parts;
    memset(line, 0, 2 * (size_t)s.n * sizeof(double));
    for (int64_t j = 0; j < s.window; j++) {
      double weight = d.in[2] ? d.in[2][j] : 1;
      for (int64_t k = 0; k < s.parts; k++) line[2 * j + k] = weight * x[j * s.parts + k];
    }
    ig_dft_run(s.n, false, line, tables);
    memcpy(d.out[0] + i * s.bins * 2, line, 2 * (size_t)s.bins * sizeof(double));
  }
  ig_doubles_close(call, &d);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){80.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "reference", .workspace = ig_stft_workspace, .run = run}, {0}};

const ig_op ig_op_stft = {
    .name = "STFT",
    .since = 17,
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_stft_fields,
    .attrs_size = sizeof(ig_stft_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
