/* Cases of Clip. */
#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t n = ig_shape_count(&out->shape);
  double least = node->n_inputs > 1 && in[1].data ? in[1].data[0] : -INFINITY;
  double most = node->n_inputs > 2 && in[2].data ? in[2].data[0] : INFINITY;
  for (int64_t i = 0; i < n; i++) {
    double x = in[0].data[i];
    out->data[i] = fmin(fmax(x, least), most);
  }
}

static const double zero[] = {0}, six[] = {6}, minus_two[] = {-2};

#define BOUND(type, list)                                                                          \
  { .dtype = (type), .fill = IG_FILL_VALUES, .values = (list), .n_values = 1, .no_grad = true }
#define NO_BOUND                                                                                   \
  { .fill = IG_FILL_ABSENT }

static const ig_op_case cases[] = {
    {.name = "both",
     .inputs = {SPREAD(IG_F32, -4, 9, 3, 37), BOUND(IG_F32, zero), BOUND(IG_F32, six)}},
    {.name = "image",
     .inputs = {SPREAD(IG_F32, -4, 9, 2, 20, 3, 3), BOUND(IG_F32, minus_two), BOUND(IG_F32, six)}},
    {.name = "min alone", .inputs = {SPREAD(IG_F32, -4, 9, 5), BOUND(IG_F32, minus_two)}},
    {.name = "max alone", .inputs = {SPREAD(IG_F32, -4, 9, 5), NO_BOUND, BOUND(IG_F32, six)}},
    {.name = "none", .inputs = {SPREAD(IG_F32, -4, 9, 5)}},
    {.name = "f64", .inputs = {SPREAD(IG_F64, -4, 9, 40), BOUND(IG_F64, zero), BOUND(IG_F64, six)}},
    {.name = "i64",
     .inputs = {INT_OPERAND(IG_I64, -9, 9), BOUND(IG_I64, minus_two), BOUND(IG_I64, six)}},
    {.name = "u8", .inputs = {INT_OPERAND(IG_U8, 0, 9), NO_BOUND, BOUND(IG_U8, six)}},
    {.name = "i16", .inputs = {INT_OPERAND(IG_I16, -99, 99), BOUND(IG_I16, minus_two), BOUND(IG_I16, six)}},
    {.name = "u64", .inputs = {INT_OPERAND(IG_U64, 0, 9), BOUND(IG_U64, six)}},
    {.name = "i32 crossed",
     .inputs = {INT_OPERAND(IG_I32, -9, 9), BOUND(IG_I32, six), BOUND(IG_I32, minus_two)}},
    {.name = "crossed", .inputs = {SPREAD(IG_F32, -4, 9, 40), BOUND(IG_F32, six), BOUND(IG_F32, minus_two)}},
    {.name = "threads",
     .inputs = {SPREAD(IG_F32, -4, 9, 40000), BOUND(IG_F32, zero), BOUND(IG_F32, six)},
     .no_grad_check = true,
     .why = REASON_SIZE},
};

const ig_op_cases ig_cases_clip = {
    .op = "Clip", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
