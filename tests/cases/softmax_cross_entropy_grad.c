/* Cases of ingot.SoftmaxCrossEntropyGrad. The wanted gradient is a central difference of the row's
 * loss, a class at a time. */
#include "loss_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const class_attrs *a = node->attrs;
  const ig_case_array *weights = node->n_inputs > 3 ? &in[3] : NULL;
  int64_t rows = ig_shape_count(&in[2].shape), classes = in[1].shape.dims[1];
  int64_t area = ig_shape_span(&in[1].shape, 2, in[1].shape.rank);
  double weight = 0, factor;
  for (int64_t r = 0; r < rows; r++) {
    class_loss(a, &in[1], &in[2], weights, r, &factor);
    weight += factor;
  }
  if (strcmp(a->reduction, "mean") != 0) weight = 1;
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    int64_t row = i / (classes * area) * area + i % area;
    double *x = &in[1].data[i], at = *x, h = 1e-5;
    *x = at + h;
    double above = class_loss(a, &in[1], &in[2], weights, row, &factor);
    *x = at - h;
    double below = class_loss(a, &in[1], &in[2], weights, row, &factor);
    *x = at;
    double dloss = in[0].data[strcmp(a->reduction, "none") == 0 ? row : 0];
    out->data[i] = dloss * (above - below) / (2 * h) / weight;
  }
}

#define DLOSS(...)                                                                                 \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 0.5, .high = 2 }
#define DLOSS_ONE                                                                                  \
  { .dtype = IG_F32, .fill = IG_FILL_UNIFORM, .low = 0.5, .high = 2 }

static const ig_op_case cases[] = {
    {.name = "mean", .inputs = {DLOSS_ONE, SCORES(7, 10), LABELS(IG_I64, 10, 7)}},
    {.name = "none",
     .inputs = {DLOSS(7), SCORES(7, 10), LABELS(IG_I64, 10, 7)},
     .n_attrs = 1,
     .attrs = {REDUCTION("none")}},
    {.name = "weights, ignored, smoothing",
     .inputs = {DLOSS_ONE, SCORES(12, 5), LABELS(IG_I64, 5, 12), CLASS_WEIGHTS(5)},
     .n_attrs = 2,
     .attrs = {SMOOTHING, IGNORE(4)}},
    {.name = "pixels, sum",
     .inputs = {DLOSS_ONE, SCORES(2, 5, 7), LABELS(IG_I32, 5, 2, 7)},
     .n_attrs = 1,
     .attrs = {REDUCTION("sum")}},
    {.name = "long", .inputs = {DLOSS_ONE, SCORES(2, 600), LABELS(IG_I64, 600, 2)}},
    {.name = "threads", .inputs = {DLOSS_ONE, SCORES(200, 45), LABELS(IG_I64, 45, 200)}},
    {.name = "f64",
     .inputs = {{.dtype = IG_F64, .fill = IG_FILL_UNIFORM, .low = 0.5, .high = 2},
                SPREAD(IG_F64, -5, 5, 6, 4),
                LABELS(IG_I64, 4, 6)},
     .tolerance = 1e-8},
};

const ig_op_cases ig_cases_softmax_cross_entropy_grad = {.op = "ingot.SoftmaxCrossEntropyGrad",
                                                         .reference = reference,
                                                         .n_cases = IG_COUNT(cases),
                                                         .cases = cases};
