/* What an operator is: one const descriptor per file of engine/ops/, found by file name. The
 * descriptor's tables drive parsing, printing, CSE, serialisation, planning, tests and
 * documentation, so that a new operator is new files only. */
#ifndef IG_OPS_OP_H
#define IG_OPS_OP_H

#include "engine/backend/comm.h"
#include "engine/graph/datum.h"
#include "engine/graph/graph.h"

/* IG_ANY_DEVICE is an implementation's that calls the communicator alone: one serves all. */
typedef enum ig_device { IG_CPU = 0, IG_CUDA = 1, IG_ANY_DEVICE = 2 } ig_device;

enum {
  IG_OP_INPLACE = 1 << 0,     /* output 0 may overwrite input 0 (same bytes); op->inplace refines */
  IG_OP_ELEMENTWISE = 1 << 1, /* out[i] depends on in[i] alone (after broadcasting): any layout
                                 that all operands share will do */
  IG_OP_PURE = 1 << 2,        /* same inputs, same outputs: may be folded and merged */
  IG_OP_RANDOM = 1 << 3,      /* draws from the plan's generator: never folded or merged */
  IG_OP_VIEW = 1 << 4,        /* output 0 is input 0's bytes under another shape: no copy, no run */
  IG_OP_LAYOUT = 1 << 5,      /* implementations accept layouts other than rows; see the layout pass */
  IG_OP_SHAPE = 1 << 7,       /* the outputs depend on the inputs' shapes alone (Shape, Size): they
                                 are evaluated when a graph is specialised, with NULL inputs */
  IG_OP_UPDATE = 1 << 6,      /* output i may overwrite the input that op->inplace names (optimizers) */
  IG_OP_EAGER = 1 << 8,       /* placed right behind the last of its inputs: the sooner begun the better */
  IG_OP_BUCKET = 1 << 9       /* output 0 lives in memory of the plan's communicator, not in the slab */
};

/* One row of an attribute table: where in the attrs struct, of what type, and the default. */
typedef struct ig_attr_field {
  const char *name; /* NULL ends the table */
  ig_attr_type type;
  size_t offset;
  int64_t default_i;
  float default_f;
  const char *default_s; /* for INTS, "" or NULL is the empty list */
  bool required;
} ig_attr_field;

#define IG_FIELD_INT(type_, member, value)                                                         \
  {.name = #member, .type = IG_ATTR_INT, .offset = offsetof(type_, member), .default_i = (value)}
#define IG_FIELD_FLOAT(type_, member, value)                                                       \
  {.name = #member, .type = IG_ATTR_FLOAT, .offset = offsetof(type_, member), .default_f = (value)}
#define IG_FIELD_STRING(type_, member, value)                                                      \
  {.name = #member, .type = IG_ATTR_STRING, .offset = offsetof(type_, member), .default_s = (value)}
#define IG_FIELD_FLOATS(type_, member)                                                             \
  {.name = #member, .type = IG_ATTR_FLOATS, .offset = offsetof(type_, member)}
#define IG_FIELD_STRINGS(type_, member)                                                            \
  {.name = #member, .type = IG_ATTR_STRINGS, .offset = offsetof(type_, member)}
#define IG_FIELD_TENSOR(type_, member)                                                             \
  {.name = #member, .type = IG_ATTR_TENSOR, .offset = offsetof(type_, member)}
#define IG_FIELD_GRAPH(type_, member)                                                              \
  {.name = #member, .type = IG_ATTR_GRAPH, .offset = offsetof(type_, member)}
#define IG_FIELD_INTS(type_, member)                                                               \
  {.name = #member, .type = IG_ATTR_INTS, .offset = offsetof(type_, member)}

/* What one execution of a node costs: the roofline's two axes. */
typedef struct ig_cost {
  double flops; /* multiplications and additions each count one */
  double bytes; /* read and written, each tensor once */
} ig_cost;

/* The generator's position, read by random operators at run time. */
typedef struct ig_rng_state {
  uint64_t seed;
  uint64_t step;
  uint64_t first_sample; /* global index of this rank's first sample of the batch */
} ig_rng_state;

/* One call of an implementation: the node, bound memory, and what prepare left. Pointers follow
 * node->inputs and node->outputs; an absent optional input is NULL. */
typedef struct ig_call {
  const ig_node *node;
  const void **in;
  void **out;
  void *workspace; /* 64-byte aligned, this call's alone while it runs, uninitialised */
  size_t workspace_size;
  void *state; /* made by prepare, e.g. a oneDNN primitive */
  /* Set by prepare: bit i says that it keeps input i's bytes in its own form, so that running does not
   * read in[i], which may be NULL then. */
  uint64_t packed;
  bool tf32; /* products of f32 may round their operands to tf32 */
  const ig_rng_state *rng; /* in the device's memory */
  ig_comm *comm;           /* the plan's; NULL for one process */
  void *stream;            /* device stream; NULL on the CPU */
} ig_call;

/* What runs graphs node by node (engine/plan/interpret.h). */
typedef struct ig_interpreter ig_interpreter;

typedef struct ig_impl {
  const char *name; /* "reference", "onednn", "avx512", "cublaslt" ... */
  ig_device device;
  /* A library's sums, whose order and thus last bits depend on the number of threads. */
  bool sums_by_thread;
  /* A library orders its sums, for some shapes by the number of threads. Where a plan has `fixed_sums`,
   * these two are prepared and run on one thread. */
  bool library_sums;
  /* On a device, one of several that may be the fastest, by shape and GPU: with IG_AUTOTUNE=1 they are
   * timed against each other instead of going by their order. */
  bool contender;
  /* NULL accepts; otherwise a constant reason. NULL function accepts all. */
  const char *(*reject)(const ig_node *node);
  /* Scratch bytes of a call; NULL function means none. */
  size_t (*workspace)(const ig_node *node);
  /* Once per plan, before memory is laid out: in[i] is non-NULL exactly when input i's bytes are
   * known and never change while the plan lives (constants; frozen parameters and what is computed
   * from them alone), so that they may be packed now. May set call->state and raise
   * call->workspace_size. NULL when there is nothing to prepare. */
  ig_status (*prepare)(ig_call *call);
  void (*release)(ig_call *call);
  ig_status (*run)(const ig_call *call);
} ig_impl;

/* The gradient builder's view of one node. */
typedef struct ig_grad {
  ig_graph *graph;
  ig_node *node;
  ig_value *const *dy; /* by output; NULL when no gradient flows into it */
  ig_value **dx;       /* to fill, by input; NULL means zero */
  const bool *need;    /* by input: whether dx is wanted */
} ig_grad;

struct ig_op {
  const char *name;   /* the ONNX name, with its domain where that is not ONNX's first
                         ("ai.onnx.ml.Scaler"), or "ingot.Name" */
  int since;          /* first opset with these semantics; 0 for our own domain */
  int n_in[2];        /* least and most inputs; the most is IG_VARIADIC for lists */
  int n_out[2];       /* least and most outputs */
  unsigned flags;
  /* With IG_OP_LAYOUT: bits of operands that are row-major all the same although they have four
   * dimensions, e.g. filters. */
  unsigned rows_in, rows_out;
  const ig_attr_field *attrs; /* NULL when there are none */
  size_t attrs_size;          /* sizeof the attrs struct */
  /* Sets dtype and shape of every output, from inputs whose dtype and shape are known. The only
   * place where they are checked. Messages need not name the node: the caller does. */
  ig_status (*infer)(ig_node *node);
  /* Appends gradient nodes with the builders; NULL for operators without one. */
  void (*grad)(const ig_grad *grad);
  ig_cost (*cost)(const ig_node *node);
  /* Input that output `output` may overwrite, or -1. NULL with IG_OP_INPLACE means output 0 over
   * input 0 when their bytes agree. */
  int (*inplace)(const ig_node *node, int output);
  /* Byte of input 0 at which output `output` lies, always: the node runs, and writes there only what
   * it changes. -1 for an output with memory of its own. NULL: IG_OP_VIEW says it. */
  int64_t (*within)(const ig_node *node, int output);
  /* Byte of output 0 to which the node copies input `input` as it is, or -1: a plan may have it made
   * there, and the node leaves alone what is there already. NULL: none. */
  int64_t (*gathers)(const ig_node *node, int input);
  /* Leading inputs that it reads; the others only come first, and need not stay. NULL: all. */
  int (*reads)(const ig_node *node);
  /* Bits of float inputs that are settings rather than data (the scales of Resize, those of
   * QuantizeLinear): an importer takes their initializers as constants, not as parameters. */
  unsigned settings;
  /* For what no plan can hold: outputs whose shape depends on what the inputs hold (NonZero), texts,
   * sequences, optionals, and bodies of such. `in` follows node->inputs, NULL for an absent one; makes
   * out[i] for every output, each the caller's to release. Beside it an operator may have
   * implementations for the cases in which the shapes follow from those of the inputs; without any,
   * `infer` is NULL, and specialising a graph that holds it fails with IG_ERR_UNSUPPORTED. */
  ig_status (*interpret)(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                         ig_datum **out);
  const ig_impl *impls; /* on the CPU: ordered, ended by a row with a NULL name; the reference last */
};

/* Another device's implementations: one descriptor per file of that device's folder (for CUDA
 * `const ig_device_ops ig_cuda_ops_<file>` in engine/ops/cuda/<file>.c), found by file name, so that no
 * operator's file names a device library. An operator stands in one file per device. */
typedef struct ig_device_ops {
  const struct ig_op_impls {
    const char *op;       /* ig_op.name; NULL ends the list */
    const ig_impl *impls; /* as ig_op.impls */
  } *ops;
} ig_device_ops;

/* Generated, NULL-ended; empty in a build without CUDA. */
extern const ig_device_ops *const ig_device_ops_registry[];

#define IG_VARIADIC 65535

/* All operators, NULL-ended; generated. */
extern const ig_op *const ig_op_registry[];
/* By ONNX name; NULL when unknown. */
const ig_op *ig_op_find(const char *name);
/* Implementations of `op` on `device`, in order, by index; NULL past the end. */
const ig_impl *ig_op_impl(const ig_op *op, ig_device device, int index);
/* Byte of input 0 at which output `output` of the node lies by its operator's word (IG_OP_VIEW,
 * `within`), or -1. */
int64_t ig_op_within(const ig_node *node, int output);
/* Leading inputs that the node reads. */
static inline int ig_op_reads(const ig_node *node) {
  return node->op->reads ? node->op->reads(node) : node->n_inputs;
}
/* The first that does not reject, or NULL with an error that lists every reason. */
ig_status ig_op_choose(const ig_node *node, ig_device device, const ig_impl **out);

/* Runs a node on the CPU over the given buffers, outside any plan: constant folding and tests. With
 * a NULL `impl`, the first that does not decline. */
ig_status ig_op_evaluate(const ig_node *node, const ig_impl *impl, const void **in, void **out);
/* The same with the position of the generator of random operators; NULL is all zero. */
ig_status ig_op_evaluate_at(const ig_node *node, const ig_impl *impl, const ig_rng_state *rng,
                            const void **in, void **out);

/* Attributes of a node as the operator's struct. */
#define IG_ATTRS_OF(type, node) ((const type *)(node)->attrs)

/* --- helpers that many operators share (engine/ops/common.c) --------------------------------- */

/* Output `i` gets this dtype and shape. */
ig_status ig_infer_set(ig_node *node, int i, ig_dtype dtype, const ig_shape *shape);
/* All outputs like input 0. */
ig_status ig_infer_same(ig_node *node);
/* Output 0 is the broadcast of all inputs, which share a dtype. */
ig_status ig_infer_broadcast(ig_node *node);
/* Fails unless input `i` has a float dtype. */
ig_status ig_require_float(const ig_node *node, int i);
/* One flop an output element; bytes of all operands. */
ig_cost ig_cost_elementwise(const ig_node *node);
/* No flops; bytes of all operands. */
ig_cost ig_cost_copy(const ig_node *node);
/* Sums `grad` over the dimensions in which `like` was broadcast: the gradient of a broadcast. */
ig_value *ig_grad_unbroadcast(ig_graph *graph, ig_value *grad, const ig_value *like);
/* A scalar constant of the dtype of `like`. */
ig_value *ig_scalar_like(ig_graph *graph, const ig_value *like, double value);
/* `value` through a Cast node, or itself when it has that dtype. */
ig_value *ig_cast(ig_graph *graph, ig_value *value, ig_dtype dtype);
/* NULL (accept) when every float operand is f32. */
const char *ig_reject_not_f32(const ig_node *node);

#endif
