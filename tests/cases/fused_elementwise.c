/* Cases of ingot.FusedElementwise: programs against the same written out as formulas. */
#include "case_tools.h"

/* Families and kinds as the attribute `code` numbers them. */
enum { UNARY, UNARY_GRAD, BINARY };
enum { ADD, SUB, MUL, DIV, POW };
enum { TANH = 7, RELU = 9, CLIP = 11, GELU = 12 };

/* Element i of an operand that repeats along leading dimensions. */
static double at(const ig_case_array *in, int64_t i) {
  return in->data[i % count_of(in)];
}

static double gelu(double x) {
  return x * 0.5 * erfc(-x * M_SQRT1_2);
}

/* The case is known by its number of steps and inputs. */
static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int steps = attr_of(node, "code").ints.n / 4;
  for (int64_t i = 0; i < count_of(out); i++) {
    double a = at(&in[0], i), b = node->n_inputs > 1 ? at(&in[1], i) : 0;
    double *y = &out->data[i];
    if (steps == 1) {
      *y = 1 - a;
    } else if (steps == 2) { /* bias and activation */
      *y = gelu(a + b);
    } else if (steps == 3) { /* d (3 x) gated where the result y > 0 */
      *y = (b > 0 ? 3 * a : 0) * (1 - at(&in[2], i) * at(&in[2], i));
    } else if (steps == 4) {
      *y = fmin(fmax(pow(a / b, 2) - 0.25, -0.5), 0.75);
    } else if (steps == 7) { /* the sum of eight */
      *y = 0;
      for (int k = 0; k < 8; k++) *y += at(&in[k], i);
    } else { /* 24 times: x becomes x / 2 + b */
      for (int k = 0; k < 12; k++) a = a * 0.5 + b;
      *y = a;
    }
  }
}

#define PROGRAM(to_, code_, numbers_)                                                              \
  .n_attrs = 3, .attrs = {                                                                         \
      {.name = "code", .type = IG_ATTR_INTS, .ints = {IG_COUNT(code_), (code_)}},                  \
      {.name = "numbers", .type = IG_ATTR_FLOATS, .floats = {IG_COUNT(numbers_), (numbers_)}},     \
      A_INT("to", to_)}
#define F32 1 /* as Cast has it */
#define F16 10
#define POSITIVE_F32(...)                                                                              \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 1, .high = 2 }

static const int64_t from_one[] = {BINARY, SUB, -1, 0};
static const float from_one_numbers[] = {1, 0};

static const int64_t bias_gelu[] = {BINARY, ADD,  0, 1,
                                    UNARY,  GELU, 2, -1};
static const float two_steps[4] = {0};

static const int64_t gated[] = {BINARY,     MUL,  0, -1,
                                UNARY_GRAD, RELU, 3, 1,
                                UNARY_GRAD, TANH, 4, 2};
static const float gated_numbers[6] = {3};

static const int64_t clipped[] = {BINARY, DIV, 0, 1,  BINARY, POW,
                                  2,              -1,            BINARY, SUB,
                                  3,              -1,            UNARY,  CLIP,
                                  4,              -1};
static const float clipped_numbers[] = {0, 0, 2, 0, 0.25f, 0, -0.5f, 0.75f};

#define SUM(a, b) BINARY, ADD, a, b
static const int64_t eight[] = {SUM(0, 1),  SUM(2, 3),  SUM(4, 5), SUM(6, 7),
                                SUM(8, 9),  SUM(10, 11), SUM(12, 13)};
static const float eight_numbers[14] = {0};

#define HALVE(from) BINARY, MUL, from, -1, SUM((from) + (from > 0 ? 1 : 2), 1)
static const int64_t longest[] = {HALVE(0),  HALVE(3),  HALVE(5),  HALVE(7),  HALVE(9),  HALVE(11),
                                  HALVE(13), HALVE(15), HALVE(17), HALVE(19), HALVE(21), HALVE(23)};
#define H 0.5f, 0, 0, 0
static const float longest_numbers[] = {H, H, H, H, H, H, H, H, H, H, H, H};

static const ig_op_case cases[] = {
    {.name = "one step", .inputs = {NORMAL(IG_F32, 37)}, PROGRAM(F32, from_one, from_one_numbers)},
    {.name = "bias", .inputs = {NORMAL(IG_F32, 5, 3, 24), NORMAL(IG_F32, 24)},
     PROGRAM(F32, bias_gelu, two_steps)},
    {.name = "odd bias", .inputs = {NORMAL(IG_F32, 50, 27), NORMAL(IG_F32, 1, 27)},
     PROGRAM(F32, bias_gelu, two_steps)},
    {.name = "scalar", .inputs = {NORMAL(IG_F32, 9, 111), NORMAL(IG_F32, 1, 1)},
     PROGRAM(F32, bias_gelu, two_steps)},
    {.name = "mixed", .inputs = {NORMAL(IG_F16, 9, 33), NORMAL(IG_F32, 33)},
     PROGRAM(F16, bias_gelu, two_steps), .tolerance = 1e-3},
    {.name = "narrow", .inputs = {NORMAL(IG_F16, 30, 88), NORMAL(IG_F16, 88)},
     PROGRAM(F16, bias_gelu, two_steps), .tolerance = 1e-3},
    {.name = "gradients",
     .inputs = {NORMAL(IG_F32, 9, 29), {.dtype = IG_F32, .shape = DIMS(9, 29), .fill = IG_FILL_DISTINCT},
                NORMAL(IG_F32, 9, 29)},
     PROGRAM(F32, gated, gated_numbers)},
    {.name = "numbers", .inputs = {POSITIVE_F32(7, 13), POSITIVE_F32(7, 13)},
     PROGRAM(F32, clipped, clipped_numbers)},
    {.name = "eight inputs",
     .inputs = {NORMAL(IG_F32, 6, 10), NORMAL(IG_F32, 10), NORMAL(IG_F32, 6, 10), NORMAL(IG_F32, 1),
                NORMAL(IG_F32, 6, 10), NORMAL(IG_F32, 6, 10), NORMAL(IG_F32, 10), NORMAL(IG_F32, 6, 10)},
     PROGRAM(F32, eight, eight_numbers)},
    {.name = "most steps", .inputs = {NORMAL(IG_F32, 3, 1100), NORMAL(IG_F32, 1100)},
     PROGRAM(F32, longest, longest_numbers)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3)}, PROGRAM(F32, from_one, from_one_numbers)},
};

const ig_op_cases ig_cases_fused_elementwise = {
    .op = "ingot.FusedElementwise", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
