/* Cases and reference of the class losses: SoftmaxCrossEntropyLoss and ingot.SoftmaxCrossEntropy. */
#ifndef IG_TESTS_LOSS_CASES_H
#define IG_TESTS_LOSS_CASES_H

#include <string.h>

#include "elementwise_cases.h"

/* The attributes as the operators keep them. */
typedef struct class_attrs {
  const char *reduction;
  int64_t ignore_index;
  float label_smoothing;
} class_attrs;

/* Softmax of row (n, p) of scores [N, C, P], by definition; 60-digit cancellations are no concern
 * with logits of a few units. */
static inline double log_probability(const ig_case_array *scores, int64_t n, int64_t c, int64_t p) {
  int64_t classes = scores->shape.dims[1];
  int64_t area = ig_shape_span(&scores->shape, 2, scores->shape.rank);
  const double *x = scores->data + n * classes * area + p;
  double most = -INFINITY, total = 0;
  for (int64_t k = 0; k < classes; k++) most = fmax(most, x[k * area]);
  for (int64_t k = 0; k < classes; k++) total += exp(x[k * area] - most);
  return x[c * area] - most - log(total);
}

/* The loss of one row and its weight, 0 where ignored. */
static inline double class_loss(const class_attrs *a, const ig_case_array *scores,
                                const ig_case_array *labels, const ig_case_array *weights,
                                int64_t r, double *factor) {
  int64_t classes = scores->shape.dims[1];
  int64_t area = ig_shape_span(&scores->shape, 2, scores->shape.rank);
  int64_t label = (int64_t)labels->data[r];
  bool counts = label != a->ignore_index;
  double mean = 0;
  for (int64_t c = 0; c < classes && a->label_smoothing > 0; c++)
    mean += log_probability(scores, r / area, c, r % area) / (double)classes;
  double own = counts ? log_probability(scores, r / area, label, r % area) : 0;
  *factor = !counts ? 0 : weights && weights->data ? weights->data[label] : 1;
  return -*factor * ((1 - a->label_smoothing) * own + a->label_smoothing * mean);
}

static inline double reduce_losses(const class_attrs *a, int64_t rows, const double *losses,
                                   const double *factors, double *each) {
  double total = 0, weight = 0;
  for (int64_t r = 0; r < rows; r++) {
    total += losses[r];
    weight += factors[r];
    if (strcmp(a->reduction, "none") == 0) each[r] = losses[r];
  }
  return strcmp(a->reduction, "mean") == 0 ? total / weight : total;
}

#define MOST_ROWS 4096

static inline void class_loss_reference(const ig_node *node, const ig_case_array *in,
                                        ig_case_array *out) {
  static double losses[MOST_ROWS], factors[MOST_ROWS];
  const class_attrs *a = node->attrs;
  int64_t rows = ig_shape_count(&in[1].shape);
  const ig_case_array *weights = node->n_inputs > 2 ? &in[2] : NULL;
  for (int64_t r = 0; r < rows; r++)
    losses[r] = class_loss(a, &in[0], &in[1], weights, r, &factors[r]);
  double reduced = reduce_losses(a, rows, losses, factors, out[0].data);
  if (strcmp(a->reduction, "none") != 0) out[0].data[0] = reduced;
}

#define REDUCTION(value) {.name = "reduction", .type = IG_ATTR_STRING, .s = (value)}
#define IGNORE(value) {.name = "ignore_index", .type = IG_ATTR_INT, .i = (value)}
#define SMOOTHING {.name = "label_smoothing", .type = IG_ATTR_FLOAT, .f = 0.125f}
#define SCORES(...) SPREAD(IG_F32, -5, 5, __VA_ARGS__)
#define LABELS(type, classes, ...)                                                                 \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .high = (classes) - 1 }
/* The last class is the one that IGNORE(classes - 1) leaves out, or labels may be -1. */
#define LABELS_OR_MINUS_ONE(classes, ...)                                                          \
  { .dtype = IG_I64, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = -1,                   \
    .high = (classes) - 1 }
#define CLASS_WEIGHTS(classes)                                                                     \
  { .dtype = IG_F32, .shape = DIMS(classes), .fill = IG_FILL_UNIFORM, .low = 0.25, .high = 2,      \
    .no_grad = true }

#define CLASS_LOSS_CASES                                                                           \
  {.name = "mean", .inputs = {SCORES(7, 10), LABELS(IG_I64, 10, 7)}},                              \
  {.name = "i32 labels", .inputs = {SCORES(7, 10), LABELS(IG_I32, 10, 7)}},                        \
  {.name = "sum", .inputs = {SCORES(7, 10), LABELS(IG_I64, 10, 7)}, .n_attrs = 1,                  \
   .attrs = {REDUCTION("sum")}},                                                                   \
  {.name = "none", .inputs = {SCORES(7, 10), LABELS(IG_I64, 10, 7)}, .n_attrs = 1,                 \
   .attrs = {REDUCTION("none")}},                                                                  \
  {.name = "weights", .inputs = {SCORES(9, 5), LABELS(IG_I64, 5, 9), CLASS_WEIGHTS(5)}},           \
  {.name = "weights, ignored class",                                                               \
   .inputs = {SCORES(19, 5), LABELS(IG_I64, 5, 19), CLASS_WEIGHTS(5)}, .n_attrs = 1,               \
   .attrs = {IGNORE(4)}},                                                                          \
  {.name = "ignored", .inputs = {SCORES(19, 4), LABELS_OR_MINUS_ONE(4, 19)}, .n_attrs = 1,         \
   .attrs = {IGNORE(-1)}},                                                                         \
  {.name = "ignored, none", .inputs = {SCORES(19, 4), LABELS_OR_MINUS_ONE(4, 19)}, .n_attrs = 2,   \
   .attrs = {IGNORE(-1), REDUCTION("none")}},                                                      \
  {.name = "pixels", .inputs = {SCORES(2, 5, 3, 4), LABELS(IG_I64, 5, 2, 3, 4)}},                  \
  {.name = "pixels, none", .inputs = {SCORES(2, 5, 7), LABELS(IG_I64, 5, 2, 7)}, .n_attrs = 1,     \
   .attrs = {REDUCTION("none")}},                                                                  \
  {.name = "tiles", .inputs = {SCORES(1, 3, 130), LABELS(IG_I64, 3, 1, 130)}},                     \
  {.name = "long", .inputs = {SCORES(3, 1100), LABELS(IG_I64, 1100, 3)}},                          \
  {.name = "threads", .inputs = {SCORES(150, 70), LABELS(IG_I64, 70, 150)}, .no_grad_check = true, \
   .why = REASON_SIZE},                                                                            \
  {.name = "f64", .inputs = {SPREAD(IG_F64, -5, 5, 6, 4), LABELS(IG_I64, 4, 6)}}

#endif
