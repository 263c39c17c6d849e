/* The reference of Cast and CastLike: what becomes of a number, by the element types of both sides. Small
 * floats are given normal numbers alone; test_dtype.c has all of their codes. */
#ifndef IG_TESTS_CAST_CASES_H
#define IG_TESTS_CAST_CASES_H

#include "case_tools.h"
#include "small_rounding.h"

static inline double wrapped(double x, int bits, bool natural) {
  double range = ldexp(1, bits), low = x - range * floor(x / range);
  return !natural && low >= range / 2 ? low - range : low;
}

/* To an integer of so many bits; from floats by saturation, but below a byte, where all wrap. */
static inline double whole(double x, int bits, bool natural, bool from_int) {
  if (from_int || bits < 8) return wrapped(trunc(x), bits, natural);
  double least = natural ? 0 : -ldexp(1, bits - 1), most = ldexp(1, natural ? bits : bits - 1) - 1;
  return fmin(fmax(trunc(x), least), most);
}

static inline double power_above(double x, const char *mode) {
  double exponent = log2(x), low = floor(exponent);
  if (strcmp(mode, "up") == 0) return exp2(ceil(exponent));
  return exp2(strcmp(mode, "nearest") == 0 && x >= 1.5 * exp2(low) ? low + 1 : low);
}

static inline void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  ig_dtype from = node->inputs[0]->dtype;
  bool whole_from = !ig_dtype_is_float(from) && !ig_dtype_is_small_float(from);
  bool saturate = attr_int(node, "saturate");
  for (int64_t i = 0; i < count_of(in); i++) {
    double x = in->data[i];
    switch (node->outputs[0]->dtype) {
    case IG_F32: x = (double)(float)x; break;
    case IG_U8: x = whole(x, 8, true, whole_from); break;
    case IG_I8: x = whole(x, 8, false, whole_from); break;
    case IG_U16: x = whole(x, 16, true, whole_from); break;
    case IG_I16: x = whole(x, 16, false, whole_from); break;
    case IG_U32: x = whole(x, 32, true, whole_from); break;
    case IG_I32: x = whole(x, 32, false, whole_from); break;
    case IG_I64:
    case IG_U64: x = trunc(x); break;
    case IG_U4: x = whole(x, 4, true, whole_from); break;
    case IG_I4: x = whole(x, 4, false, whole_from); break;
    case IG_U2: x = whole(x, 2, true, whole_from); break;
    case IG_I2: x = whole(x, 2, false, whole_from); break;
    case IG_BOOL: x = x != 0; break;
    case IG_F16: x = rounded(x, 11); break;
    case IG_BF16: x = rounded(x, 8); break;
    case IG_F8E4M3: x = limited(rounded(x, 4), 448, saturate, NAN); break;
    case IG_F8E5M2: x = limited(rounded(x, 3), 57344, saturate, INFINITY); break;
    case IG_F8E4M3FNUZ: x = limited(rounded(x, 4), 240, saturate, NAN); break;
    case IG_F8E5M2FNUZ: x = limited(rounded(x, 3), 57344, saturate, NAN); break;
    case IG_F4E2M1: x = limited(rounded(x, 2), 6, true, 6); break;
    case IG_F8E8M0: x = power_above(x, attr_of(node, "round_mode").s); break;
    default: break;
    }
    out->data[i] = x;
  }
}

#define BETWEEN(type, lo, hi, ...)                                                                 \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = (lo), .high = (hi) \
  }
#define NO_GRADIENT .no_grad_check = true, .why = "rounding has no finite difference"

#endif
