/* Cases of ingot.CumProdGrad: each result's product without one operand, summed. */
#include "cumulative_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in->shape;
  int axis = axis_of((int64_t)in[2].data[0], shape);
  int64_t n = shape->dims[axis];
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t own = place_of(shape, axis, i);
    out->data[i] = 0;
    for (int64_t y = 0; y < n; y++) {
      if (!takes_part(node, y, own)) continue;
      double others = in[0].data[beside(shape, axis, i, y)];
      for (int64_t j = 0; j < n; j++) {
        if (j != own && takes_part(node, y, j)) others *= in[1].data[beside(shape, axis, i, j)];
      }
      out->data[i] += others;
    }
  }
}

#define PAIR(...) NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__)
#define NO_GRAD .no_grad_check = true, .why = "it is a gradient"

static const ig_op_case cases[] = {
    {.name = "row", .inputs = {PAIR(7), ALONG(0)}, NO_GRAD},
    {.name = "exclusive",
     .inputs = {PAIR(3, 5), ALONG(-1)},
     .no_grad_check = true,
     .why = "it is a gradient",
     WAYS(1, 0)},
    {.name = "reverse",
     .inputs = {PAIR(3, 5, 2), ALONG(1)},
     .no_grad_check = true,
     .why = "it is a gradient",
     WAYS(0, 1)},
    {.name = "zeros",
     .inputs = {NORMAL(IG_F64, 6), LIST_AS(IG_F64, false, 2, 0, 3, 0, 5, 1), ALONG(0)},
     NO_GRAD},
    {.name = "one zero",
     .inputs = {NORMAL(IG_F64, 5), LIST_AS(IG_F64, false, 2, 0, 3, 4, 5), ALONG(0)},
     NO_GRAD},
    {.name = "long",
     .inputs = {NORMAL(IG_F32, 2, 300),
                {.dtype = IG_F32,
                 .shape = DIMS(2, 300),
                 .fill = IG_FILL_UNIFORM,
                 .low = 0.98,
                 .high = 1.02},
                ALONG(1)},
     .tolerance = 1e-4,
     NO_GRAD},
};

const ig_op_cases ig_cases_cum_prod_grad = {
    .op = "ingot.CumProdGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
