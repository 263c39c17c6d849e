/* Cases of ingot.QuantizeFp8. Codes are exact: a scale is a power of two, so that the scaled number is
 * the input's own digits, and the reference rounds them by the spacing of the format's numbers. */
#include "case_tools.h"

/* Maxima of a history; the output that not every node has. */
#define HISTORY 16
#define OTHER 3

typedef struct format {
  int digits, least; /* of the significand; exponent of the smallest normal number */
  double largest;
} format;

static double rounded(const format *f, double x) {
  int exponent;
  if (isnan(x) || x == 0) return x;
  frexp(x, &exponent); /* x is below 2^exponent */
  double unit = ldexp(1, fmax(exponent - 1, f->least) - f->digits + 1);
  double y = nearbyint(x / unit) * unit;
  return fmin(fmax(y, -f->largest), f->largest);
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  bool e4m3 = attr_int(node, "to") == 17, turned = attr_int(node, "turned");
  format f = e4m3 ? (format){4, -6, 448} : (format){3, -14, 57344};
  int64_t count = count_of(&in[0]), cols = in[0].shape.dims[in[0].shape.rank - 1];
  int64_t rows = count / cols;
  double now = 0, past = 0;
  for (int64_t i = 0; i < count; i++) {
    now = isfinite(in[0].data[i]) ? fmax(now, fabs(in[0].data[i])) : INFINITY;
    if (isinf(now)) break;
  }
  for (int i = 0; i < HISTORY; i++) past = fmax(past, in[1].data[i]);
  double amax = past > 0 ? past : now;
  /* as the text of kernels/fp8.h has it */
  double exponent = amax > 0 && isfinite(amax) ? fmin(floor(log2(f.largest / amax)), 126) : 126;
  for (int64_t i = 0; i < count; i++) {
    double x = in[0].data[i];
    double q = isfinite(x) ? rounded(&f, ldexp(x, (int)exponent)) : (double)NAN;
    int64_t across = i % cols * rows + i / cols;
    out[0].data[turned ? across : i] = q;
    if (node->n_outputs > OTHER && out[3].data) out[3].data[turned ? i : across] = q;
  }
  out[1].data[0] = ldexp(1, -(int)exponent);
  bool kept = isfinite(now);
  for (int i = 0; i < HISTORY; i++) {
    out[2].data[i] = !kept ? in[1].data[i] : i == 0 ? now : in[1].data[i - 1];
  }
}

#define PAST(...)                                                                                  \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(HISTORY), .fill = IG_FILL_VALUES,                        \
    .values = (const double[]){__VA_ARGS__}, .n_values = COUNT_OF(__VA_ARGS__), .no_grad = true    \
  }
#define EMPTY PAST(0)
#define NONE .no_grad_check = true, .why = "nothing is differentiated"
#define E4M3 .n_attrs = 1, .attrs = {A_INT("to", 17)}, NONE
#define E5M2 .n_attrs = 1, .attrs = {A_INT("to", 19)}, NONE
#define TURNED(type) .n_attrs = 2, .attrs = {A_INT("to", type), A_INT("turned", 1)}, NONE
#define X(...)                                                                                     \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .no_grad = true }
#define VALUES(rows, cols, ...)                                                                    \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(rows, cols), .fill = IG_FILL_VALUES,                            \
    .values = (const double[]){__VA_ARGS__}, .n_values = COUNT_OF(__VA_ARGS__), .no_grad = true    \
  }

static const ig_op_case cases[] = {
    {.name = "first step", .inputs = {X(16, 32), EMPTY}, .n_outputs = 3, E4M3},
    {.name = "first step, e5m2", .inputs = {X(32, 16), EMPTY}, .n_outputs = 4, E5M2},
    {.name = "history",
     .inputs = {X(32, 16), PAST(0.5, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
     .n_outputs = 4,
     E4M3},
    {.name = "history full, its last the largest",
     .inputs = {X(32, 16), PAST(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 5000)},
     .n_outputs = 3,
     E5M2},
    {.name = "saturates", .inputs = {X(16, 16), PAST(0.25)}, .n_outputs = 4, E4M3},
    {.name = "saturates, e5m2", .inputs = {X(16, 16), PAST(0.25)}, .n_outputs = 3, E5M2},
    {.name = "turned alone", .inputs = {X(48, 32), PAST(4)}, .n_outputs = 3, TURNED(17)},
    {.name = "turned and plain", .inputs = {X(2, 24, 16), EMPTY}, .n_outputs = 4, TURNED(19)},
    {.name = "zeros", .inputs = {VALUES(16, 16, 0), EMPTY}, .n_outputs = 3, E4M3},
    {.name = "tiny", .inputs = {VALUES(16, 16, 1e-38, -3e-39, 2e-38), EMPTY}, .n_outputs = 3, E5M2},
    {.name = "huge", .inputs = {VALUES(16, 16, 3e38, -1e38, 1), EMPTY}, .n_outputs = 3, E4M3},
    {.name = "an infinity",
     .inputs = {VALUES(16, 16, 1, -HUGE_VAL, 0.5), PAST(2, 1)},
     .n_outputs = 4,
     E5M2},
    {.name = "a NaN", .inputs = {VALUES(16, 16, 1, (double)NAN, 3), PAST(2, 1)}, .n_outputs = 4, E4M3},
    {.name = "a NaN in the first step",
     .inputs = {VALUES(16, 16, 1, (double)NAN, 3), EMPTY},
     .n_outputs = 3,
     E4M3},
    {.name = "several blocks", .inputs = {X(144, 272), PAST(4.5)}, .n_outputs = 4, E4M3},
    {.name = "several blocks, first step", .inputs = {X(272, 144), EMPTY}, .n_outputs = 4, E5M2},
    {.name = "bf16",
     .inputs = {FIXED(IG_BF16, 48, 32), PAST(3)},
     .n_outputs = 4,
     E4M3},
    {.name = "bf16, first step", .inputs = {FIXED(IG_BF16, 160, 144), EMPTY}, .n_outputs = 4, E5M2},
    {.name = "f16", .inputs = {FIXED(IG_F16, 16, 160), PAST(3)}, .n_outputs = 3, TURNED(17)},
    {.name = "rows of three dimensions", .inputs = {X(4, 8, 32), PAST(4)}, .n_outputs = 4, E4M3},
};

const ig_op_cases ig_cases_quantize_fp8 = {
    .op = "ingot.QuantizeFp8", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
