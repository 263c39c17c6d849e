/* Cases of ingot.Observe: bins by logarithms and divisions instead of the bits of a float. */
#include "case_tools.h"

/* The state's places, as kernels/observe.h has them: 48 octaves of 64 bins on either side of the bin of
 * what is below 2^-28, then counts and extremes, then those of the last 2,042 calls. */
enum {
  SIDE = 48 * 64,
  NANS = 2 * SIDE + 1,
  INFINITIES,
  MOST,
  MOST_NEGATED,
  CALLS,
  RECENT,
  WORDS = 8192
};

static int bin_of(double v) {
  double size = fabs(v);
  if (size < ldexp(1, -28)) return SIDE;
  int exponent = (int)floor(log2(size));
  double fraction = size / ldexp(1, exponent);
  if (fraction >= 2) fraction /= 2, exponent++; /* log2 rounds up just below a power */
  if (fraction < 1) fraction *= 2, exponent--;
  int side = (exponent + 28) * 64 + (int)floor((fraction - 1) * 64) + 1;
  side = IG_MIN(side, SIDE);
  return SIDE + (v < 0 ? -side : side);
}

/* Floats in ascending order, numbered from minus infinity's bits turned over on. */
static double key_of(double v) {
  float x = (float)v + 0.0f;
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return v < 0 ? 0xffffffffu - bits : bits + 0x80000000u;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double *state = out->data, least = INFINITY, most = -INFINITY;
  IG_UNUSED(node);
  memcpy(state, in[1].data, WORDS * sizeof *state);
  for (int64_t i = 0; i < count_of(in); i++) {
    double v = in[0].data[i];
    if (isnan(v)) {
      state[NANS]++;
      continue;
    }
    least = fmin(least, v);
    most = fmax(most, v);
    state[isinf(v) ? INFINITIES : bin_of(v)]++;
  }
  if (least > most) return;
  double high = key_of(most), low = key_of(-least);
  int64_t calls = (int64_t)state[CALLS];
  state[RECENT + calls % (WORDS - RECENT)] =
      (double)(int64_t)((uint64_t)high << 32 | (uint64_t)low);
  state[CALLS]++;
  state[MOST] = fmax(state[MOST], high);
  state[MOST_NEGATED] = fmax(state[MOST_NEGATED], low);
}

#define STATE INTS(IG_I64, 0, 9, WORDS)
#define NO_GRAD .no_grad_check = true, .why = "nothing is differentiated"

static const double odd[] = {0,     -0.0,    NAN,     INFINITY, -INFINITY, 1e-30,    -1e-45,   3e38,
                             -3e38, 1048575, 1048576, 0x1p-28,  -0x1p-28,  1.984374, 1.984375, 2};

static const ig_op_case cases[] = {
    {.name = "normal", NO_GRAD, .inputs = {FIXED(IG_F32, 7, 31), STATE}},
    {.name = "odd numbers",
     NO_GRAD,
     .inputs = {{.dtype = IG_F32,
                 .shape = DIMS(IG_COUNT(odd)),
                 .fill = IG_FILL_VALUES,
                 .values = odd,
                 .n_values = IG_COUNT(odd),
                 .no_grad = true},
                STATE}},
    {.name = "one number", NO_GRAD, .inputs = {SCALAR_AS(IG_F32, false, -3), STATE}},
    {.name = "no number", NO_GRAD, .inputs = {SCALAR_AS(IG_F32, false, NAN), STATE}},
    {.name = "empty", NO_GRAD, .inputs = {FIXED(IG_F32, 0), STATE}},
    {.name = "f64", NO_GRAD, .inputs = {FIXED(IG_F64, 1500), STATE}},
    {.name = "threads", NO_GRAD, .inputs = {FIXED(IG_F32, 300007), STATE}},
};

const ig_op_cases ig_cases_observe = {
    .op = "ingot.Observe", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
