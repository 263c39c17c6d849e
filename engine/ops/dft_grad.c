/* ingot.DFTGrad: the gradient of DFT's input, which the transposed transform gives: the other direction,
 * not divided where the forward one is not. */
#include "engine/ops/dft.h"

#include <string.h>

static ig_status infer(ig_node *node) {
  ig_dft dft;
  ig_shape y;
  IG_TRY(ig_dft_describe(node, &dft, &y));
  return ig_twin_infer(&ig_dft_twin, node, &y);
}

static void transform(const ig_dft *s, const double *dy, double *dx, double *tables) {
  double *line = tables + ig_dft_tables(s->n);
  bool to_real = s->inverse && s->onesided;
  int64_t known = IG_MIN(s->length, to_real ? s->n / 2 + 1 : s->n);
  memset(line, 0, 2 * (size_t)s->n * sizeof(double));
  for (int64_t j = 0; j < s->out_length; j++) {
    for (int64_t k = 0; k < s->out_parts; k++) line[2 * j + k] = dy[j * s->inner * s->out_parts + k];
  }
  ig_dft_run(s->n, !s->inverse, line, tables);
  double factor = s->inverse ? 1 / (double)s->n : 1;
  for (int64_t j = 0; j < known; j++) {
    bool alone = j == 0 || 2 * j == s->n; /* without a mirror image; its imaginary part is not read */
    for (int64_t k = 0; k < s->parts; k++) {
      double twice = !to_real ? 1 : !alone ? 2 : k == 0;
      dx[j * s->inner * s->parts + k] = factor * twice * line[2 * j + k];
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
    int64_t dy = (i / s.inner * s.out_length * s.inner + i % s.inner) * s.out_parts;
    int64_t dx = (i / s.inner * s.length * s.inner + i % s.inner) * s.parts;
    transform(&s, d.in[3] + dy, d.out[0] + dx, tables);
  }
  ig_doubles_close(call, &d);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){80.0 * (double)ig_value_count(node->inputs[3]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "reference", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_dft_grad = {
    .name = "ingot.DFTGrad",
    .n_in = {1, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_dft_fields,
    .attrs_size = sizeof(ig_dft_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
