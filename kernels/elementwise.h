/* Elementwise kernels: functions of one element, their derivatives, functions of two elements with
 * broadcasting, and selection. `vector` launchers take f32, bf16 and f16 (16-bit types are computed
 * in f32); `reference` launchers take every float to compute in, integers of 8 bits and more and bools:
 * in double or, for integers, in 64-bit integers that wrap. Results may overwrite an input of the same
 * size. */
#ifndef IG_KERNELS_ELEMENTWISE_H
#define IG_KERNELS_ELEMENTWISE_H

#include "engine/base/dtype.h"

typedef enum ig_unary {
  IG_UNARY_NEG,
  IG_UNARY_ABS,
  IG_UNARY_SIGN,
  IG_UNARY_SQRT,
  IG_UNARY_EXP,
  IG_UNARY_LOG,
  IG_UNARY_ERF,
  IG_UNARY_TANH,
  IG_UNARY_SIGMOID,
  IG_UNARY_RELU,
  IG_UNARY_LEAKY_RELU, /* a: slope below zero */
  IG_UNARY_CLIP,       /* a: least, b: most */
  IG_UNARY_GELU,       /* x Phi(x) (Hendrycks and Gimpel 2016) */
  IG_UNARY_GELU_TANH,  /* their tanh approximation */
  IG_UNARY_HARD_SWISH, /* x clip(x / 6 + 1/2, 0, 1) (Howard et al. 2019) */
  IG_UNARY_SOFTPLUS,
  IG_UNARY_NOT, /* bool, reference only */
  /* From here on the CPU's alone. */
  IG_UNARY_BITWISE_NOT, /* integers, reference only */
  IG_UNARY_RECIPROCAL,
  IG_UNARY_CEIL,
  IG_UNARY_FLOOR,
  IG_UNARY_ROUND, /* half to even */
  IG_UNARY_SIN,
  IG_UNARY_COS,
  IG_UNARY_TAN,
  IG_UNARY_ASIN,
  IG_UNARY_ACOS,
  IG_UNARY_ATAN,
  IG_UNARY_SINH,
  IG_UNARY_COSH,
  IG_UNARY_ASINH,
  IG_UNARY_ACOSH,
  IG_UNARY_ATANH,
  IG_UNARY_ELU,              /* below zero a (e^x - 1) (Clevert et al. 2015) */
  IG_UNARY_CELU,             /* below zero a (e^(x/a) - 1) (Barron 2017) */
  IG_UNARY_SELU,             /* b times elu with a (Klambauer et al. 2017) */
  IG_UNARY_HARD_SIGMOID,     /* clip(a x + b, 0, 1) */
  IG_UNARY_THRESHOLDED_RELU, /* x above a, else 0 */
  IG_UNARY_SHRINK,           /* within [-a, a] 0, outside b nearer to 0 */
  IG_UNARY_SOFTSIGN,         /* x / (1 + |x|) */
  IG_UNARY_MISH,             /* x tanh(softplus(x)) (Misra 2019) */
  IG_UNARY_SWISH,            /* x sigmoid(a x) (Ramachandran et al. 2017) */
  IG_UNARY_COUNT
} ig_unary;

typedef enum ig_binary {
  IG_BINARY_ADD,
  IG_BINARY_SUB,
  IG_BINARY_MUL,
  IG_BINARY_DIV, /* integers: towards zero, x / 0 is 0 */
  IG_BINARY_POW,
  /* Up to comparisons the CPU's alone. */
  IG_BINARY_PRELU, /* a above zero, a b below */
  IG_BINARY_MOD,   /* integers: the sign of b, x mod 0 is 0 */
  IG_BINARY_FMOD,  /* the sign of a; of integers too, x mod 0 is 0 */
  IG_BINARY_SHIFT_LEFT, /* natural numbers; 0 from the type's width on */
  IG_BINARY_SHIFT_RIGHT,
  IG_BINARY_BITWISE_AND, /* integers */
  IG_BINARY_BITWISE_OR,
  IG_BINARY_BITWISE_XOR,
  IG_BINARY_EQUAL, /* from here on the result is bool */
  IG_BINARY_GREATER,
  IG_BINARY_LESS,
  IG_BINARY_GREATER_OR_EQUAL,
  IG_BINARY_LESS_OR_EQUAL,
  IG_BINARY_AND, /* bool, reference only */
  IG_BINARY_OR,
  IG_BINARY_XOR,
  IG_BINARY_COUNT
} ig_binary;

/* How up to three operands are read while a dense result is written in order: dimensions with
 * adjacent ones merged where every operand allows it, and each operand's strides in elements, 0
 * where it repeats. The innermost stride is 0 or 1. */
#define IG_WALK_OPERANDS 3
typedef struct ig_walk {
  int rank; /* at least 1 */
  int64_t dims[8];
  int64_t strides[IG_WALK_OPERANDS][8];
} ig_walk;

/* y[i] = f(x[i]) for n elements; a and b as the kind says. */
void ig_cpu_unary_vector(ig_unary kind, ig_dtype dtype, const void *x, void *y, int64_t n, float a,
                         float b);
void ig_cpu_unary_reference(ig_unary kind, ig_dtype dtype, const void *x, void *y, int64_t n,
                            double a, double b);

/* Integers limited to [low, high], of their type; NULL for no bound. Where they cross, high holds. */
void ig_cpu_clip_int(ig_dtype dtype, const void *x, const void *low, const void *high, void *y,
                     int64_t n);
/* Which of the named kinds of numbers x[i] is one of. Floats, the small ones too. */
typedef struct ig_special {
  bool nan, infinity, minus_infinity;
} ig_special;
void ig_cpu_is_special(ig_special wanted, ig_dtype dtype, const void *x, uint8_t *y, int64_t n);

/* dx[i] = dy[i] f'(x[i]). For kinds whose derivative is simplest in terms of the result (EXP, SQRT,
 * TANH, SIGMOID, RELU) `x` is that result: ig_unary_grad_reads_result. Where f has a kink, the
 * derivative is 0 for ABS and RELU and 1 within the closed range for CLIP. */
bool ig_unary_grad_reads_result(ig_unary kind);
void ig_cpu_unary_grad_vector(ig_unary kind, ig_dtype dtype, const void *dy, const void *x,
                              void *dx, int64_t n, float a, float b);
void ig_cpu_unary_grad_reference(ig_unary kind, ig_dtype dtype, const void *dy, const void *x,
                                 void *dx, int64_t n, double a, double b);

/* y = f(a, b) over the walk. `dtype` is that of a, and of b where `b_dtype` is not given;
 * comparisons give bool. A power of an integer by a float is cut to an integer, saturating. */
void ig_cpu_binary_vector(ig_binary kind, ig_dtype dtype, const ig_walk *walk, const void *a,
                          const void *b, void *y);
void ig_cpu_binary_reference(ig_binary kind, ig_dtype dtype, ig_dtype b_dtype, const ig_walk *walk,
                             const void *a, const void *b, void *y);

/* What becomes of one element of each of several tensors. */
typedef enum ig_fold { IG_FOLD_SUM, IG_FOLD_MEAN, IG_FOLD_MAX, IG_FOLD_MIN } ig_fold;
/* y = f(x[0], ..., x[n - 1]), n at least 1, where walks[k] has x[k] as its operand 0 and y's elements in
 * order. Floats, f32 and narrower in f32; integers, whose sums wrap (no MEAN). NaN stays NaN. y may
 * be an x[k] that no walk repeats. */
void ig_cpu_fold(ig_fold fold, ig_dtype dtype, int n, const ig_walk *walks, const void *const *x,
                 void *y);

/* y = condition ? a : b for elements of `size` bytes (1, 2, 4 or 8). */
void ig_cpu_where(size_t size, const ig_walk *walk, const uint8_t *condition, const void *a,
                  const void *b, void *y);

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream` --------------- */

/* y[i] = f(x[i]). f32, bf16, f16. */
ig_status ig_cuda_unary(ig_unary kind, ig_dtype dtype, const void *x, void *y, int64_t n, float a,
                        float b, void *stream);
/* The same with the bounds of CLIP, or without any (NULL), in device memory, as `dtype`; also for
 * the kinds that integers have, and NOT for bools. */
ig_status ig_cuda_unary_bounded(ig_unary kind, ig_dtype dtype, const void *x, const void *low,
                                const void *high, void *y, int64_t n, void *stream);
/* dx[i] = dy[i] f'(x[i]) as ig_cpu_unary_grad_vector; a is a slope, `low` and `high` are bounds of
 * CLIP as above. f32, bf16, f16. */
ig_status ig_cuda_unary_grad(ig_unary kind, ig_dtype dtype, const void *dy, const void *x, void *dx,
                             int64_t n, float a, const void *low, const void *high, void *stream);
/* y = f(a, b) over the walk. All dtypes but f64; a `b_dtype` other than `dtype` is taken for POW. */
ig_status ig_cuda_binary(ig_binary kind, ig_dtype dtype, ig_dtype b_dtype, const ig_walk *walk,
                         const void *a, const void *b, void *y, void *stream);
ig_status ig_cuda_where(size_t size, const ig_walk *walk, const uint8_t *condition, const void *a,
                        const void *b, void *y, void *stream);

/* --- chains of functions as one kernel ---------------------------------------------------------- */

#define IG_FUSED_INPUTS 8
#define IG_FUSED_STEPS 24
#define IG_FUSED_REGISTERS 8

typedef enum ig_step_family { IG_STEP_UNARY, IG_STEP_UNARY_GRAD, IG_STEP_BINARY } ig_step_family;

/* to = f(a, b), for UNARY f(a) and for UNARY_GRAD a f'(b). An operand of -1 is the number x; unary
 * functions take x and y as their a and b. */
typedef struct ig_step {
  uint8_t family, kind; /* kind: an ig_unary or ig_binary */
  int8_t a, b, to;
  float x, y;
} ig_step;

/* Operands name values: the inputs, then the steps' results. A device's launcher takes a program whose
 * operands name registers; at the start the inputs are in the first ones. The last step's result is
 * the program's. */
typedef struct ig_program {
  int n_inputs, n_steps;
  ig_step steps[IG_FUSED_STEPS];
} ig_program;

/* An input of `dtype`; element i of the result reads element i (period 0), or i % period. */
typedef struct ig_fused_operand {
  const void *data;
  ig_dtype dtype;
  int64_t period;
} ig_fused_operand;

/* From f32, bf16 and f16 inputs, mixed, to n results of `dtype`, computed in f32 without rounding in
 * between. y may be an input of period 0 and that dtype. */
ig_status ig_cuda_fused(const ig_program *program, const ig_fused_operand *operands, ig_dtype dtype,
                        void *y, int64_t n, void *stream);

#endif
