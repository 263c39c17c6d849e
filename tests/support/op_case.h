/* Sample cases of an operator: tests/cases/<op>.c ends in `const ig_op_cases ig_cases_<op> = {...}`.
 * The driver (tests/operators/) checks for every case and implementation: inferred against produced
 * shape, output against the float64 reference given here, gradient against finite differences of
 * that reference, in-place against out-of-place, one thread against three (equal bits), guard
 * bytes, cost; each f32 case also in bf16 and f16 where inference accepts them, with one unit in
 * the last place added to the tolerance. An operator without cases fails. Cases of more than a few
 * thousand elements are for code paths that need them: the reference runs a hundred times for a
 * gradient. Operators that are only interpreted are tests/unit/test_interpreted_*.c's matter.
 * `test_operators NAME` checks one operator. */
#ifndef IG_TESTS_OP_CASE_H
#define IG_TESTS_OP_CASE_H

#include "engine/ops/op.h"

#define IG_CASE_MAX_INPUTS 12
#define IG_CASE_MAX_OUTPUTS 6

typedef enum ig_fill {
  IG_FILL_NORMAL = 0, /* standard normal */
  IG_FILL_UNIFORM,    /* [low, high) of the tensor spec */
  IG_FILL_INT,        /* integers in [low, high] */
  IG_FILL_DISTINCT,   /* a shuffled grid without ties or values near 0: for max, relu, abs, sort */
  IG_FILL_VALUES,     /* values[] repeated */
  IG_FILL_ABSENT      /* an optional input that is not given */
} ig_fill;

typedef struct ig_case_tensor {
  ig_dtype dtype; /* IG_NONE ends the list unless the fill is IG_FILL_ABSENT */
  ig_shape shape;
  ig_fill fill;
  double low, high;
  const double *values;
  int n_values;
  bool constant; /* known at plan time (shapes, axes) */
  bool no_grad;  /* not differentiated although a float */
} ig_case_tensor;

/* A tensor as doubles, row-major. */
typedef struct ig_case_array {
  ig_shape shape;
  double *data; /* NULL when absent */
} ig_case_array;

typedef struct ig_op_case {
  const char *name;
  ig_case_tensor inputs[IG_CASE_MAX_INPUTS];
  int n_attrs;
  ig_attr attrs[16];
  int n_outputs; /* 0 means 1 */
  double tolerance;      /* max |got - want| / max(1, |want|) for f32; 0 means 1e-5 */
  double grad_tolerance; /* 0 means 1e-3 */
  unsigned grad_outputs; /* bit i: output i is differentiated; 0 means output 0 alone */
  bool no_grad_check;    /* with the reason in `why` */
  const char *why;
} ig_op_case;

/* The operator in plain float64, written from its definition, independent of the kernels. `out`
 * arrays are allocated with the inferred shapes; `data` is NULL for outputs that the case does not
 * ask for, though the node may have them by then. */
typedef void (*ig_case_reference)(const ig_node *node, const ig_case_array *in,
                                  ig_case_array *out);

typedef struct ig_op_cases {
  const char *op; /* the operator's name */
  ig_case_reference reference;
  int n_cases;
  const ig_op_case *cases;
  /* For random operators: checks of its own instead of the reference (e.g. dropout's rate). NULL
   * when all is well, otherwise what is wrong. */
  const char *(*check)(const ig_node *node, const ig_case_array *in, const ig_case_array *out);
  /* For operators with bodies: the deferred graph of the attribute `name`, the driver's to destroy. */
  ig_graph *(*body)(const ig_op_case *sample, const char *name);
} ig_op_cases;

#endif
