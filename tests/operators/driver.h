/* The operator driver's parts: a case made into a graph of one node with its data and wanted
 * results (instance), its execution between guard bytes (run), its gradient (gradient). A check
 * that fails records what was found in the operator's report; the first is printed. */
#ifndef IG_TESTS_OPERATORS_DRIVER_H
#define IG_TESTS_OPERATORS_DRIVER_H

#include "engine/backend/backend.h"
#include "op_case.h"

typedef struct report {
  int failures;
  char first[768]; /* case, implementation, what was found */
  int cases, runs, gradients, refused;
} report;

/* One case, in its own dtypes or with f32 replaced by a 16-bit type. */
typedef struct instance {
  const ig_op *op;
  const ig_op_cases *cases;
  const ig_op_case *sample;
  ig_dtype replaces_f32; /* IG_F32: as written */
  bool tf32; /* products may round to tf32; inputs are rounded further, so that nothing is lost */
  report *report;
  ig_graph *graph;
  ig_node *node;
  int n_in, n_out;
  bool declined; /* the last run: the implementation's prepare does not take this case */
  ig_value *in[IG_CASE_MAX_INPUTS];
  ig_case_array given[IG_CASE_MAX_INPUTS];   /* as rounded to the inputs' dtypes */
  ig_case_array wanted[IG_CASE_MAX_OUTPUTS]; /* the reference's */
} instance;

/* Memory that ends the program when it is short: tests have nothing better to do. */
void *must_alloc(size_t size);

/* Builds graph and data. False when it cannot be made: `*error` has the engine's message. */
bool instance_open(instance *it, const char **error);
void instance_close(instance *it);
/* Doubles to and from a value's dtype and layout, where blocked layouts pad with zeros. */
void pack_value(const ig_value *value, const ig_case_array *array, void *bytes);
void unpack_value(const ig_value *value, const void *bytes, ig_case_array *array);
ig_case_array array_like(const ig_shape *shape);
/* Every node of the graph in order, on the CPU; buffers by value id, allocated for results. */
ig_status evaluate_graph(const ig_graph *graph, void **buffers);

/* What implementations are looked up for and run on. */
extern ig_backend *driver_backend;
/* Bytes before and after every buffer that no kernel may touch. */
#define GUARD 256
/* One call on driver_backend, over host buffers between guard bytes. */
ig_status evaluate(instance *it, const ig_impl *impl, uint8_t **in, uint8_t **out);

/* Records a failure of `impl` (may be NULL). */
void fail(const instance *it, const ig_impl *impl, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fails at the first element that differs by more than `tolerance` * max(1, |want|). */
bool same_values(const instance *it, const ig_impl *impl, const char *what, ig_dtype dtype,
                 const ig_case_array *got, const ig_case_array *want, double tolerance);

/* All checks of one implementation's forward run; false when it declines the case. */
bool check_runs(instance *it, const ig_impl *impl);
/* The checks of one that declines rows: in the other layouts, where they apply. */
void check_layouts(instance *it, const ig_impl *impl);
/* The gradient against finite differences of the reference. */
void check_gradient(instance *it);

#endif
