/* ingot.STFTGrad: the gradients of signal and window, from the transposed transform of every frame. */
#include "engine/ops/stft.h"

#include <string.h>

static ig_status infer(ig_node *node) {
  ig_stft s;
  ig_shape y;
  IG_TRY(ig_stft_describe(node, &s, &y));
  return ig_twin_infer(&ig_stft_twin, node, &y);
}

static ig_status run(const ig_call *call) {
  ig_doubles d;
  ig_stft s;
  ig_shape shape;
  double *tables = (double *)(void *)((char *)call->workspace + ig_doubles_workspace(call->node));
  IG_TRY(ig_stft_describe(call->node, &s, &shape));
  IG_TRY(ig_doubles_open(call, &d));
  double *line = tables + ig_dft_tables(s.n);
  double *dx = ig_twin_out(&ig_stft_twin, call->node, &d, 0);
  double *dw = ig_twin_out(&ig_stft_twin, call->node, &d, 2);
  ig_dft_prepare(s.n, tables);
  for (int64_t i = 0; i < s.batch * s.frames; i++) {
    int64_t from = (i / s.frames * s.length + i % s.frames * s.step) * s.parts;
    memset(line, 0, 2 * (size_t)s.n * sizeof(double));
    memcpy(line, d.in[4] + i * s.bins * 2, 2 * (size_t)s.bins * sizeof(double));
    ig_dft_run(s.n, true, line, tables);
    for (int64_t j = 0; j < s.window; j++) {
      double weight = d.in[2] ? d.in[2][j] : 1;
      for (int64_t k = 0; k < s.parts; k++) {
        dx[from + j * s.parts + k] += weight * line[2 * j + k];
        if (dw) dw[j] += d.in[0][from + j * s.parts + k] * line[2 * j + k];
      }
    }
  }
  ig_doubles_close(call, &d);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){80.0 * (double)ig_value_count(node->inputs[4]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "reference", .workspace = ig_stft_workspace, .run = run}, {0}};

const ig_op ig_op_stft_grad = {
    .name = "ingot.STFTGrad",
    .n_in = {2, 5},
    .n_out = {1, 2},
    .flags = IG_OP_PURE,
    .attrs = ig_stft_fields,
    .attrs_size = sizeof(ig_stft_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
