/* The graph: nodes (operator calls) and values (tensors) in single-assignment form, with ONNX
 * semantics. Passes edit it in place through the functions below, which keep uses and producers
 * consistent. All memory is the graph's arena. A failed builder returns NULL and leaves its error
 * in the graph; later builders given that NULL do nothing, so that one check at the end is enough.
 *
 * A template graph (from a preset or a file) has free input dimensions; ig_graph_specialize makes
 * the graph for given input shapes, in which every value has a dtype and a concrete shape. The
 * templates of presets are inferred at the dimensions that they name; those of imported models are
 * `deferred`: the results of their nodes have neither dtype nor shape until they are specialised.
 *
 * Control flow (If, Loop, Scan, SequenceMap) is a node with deferred graphs as attributes. Such a
 * body refers to nothing outside: what it reads of the graph around it ("captures") are the node's
 * last inputs and the body's last inputs, `captured` of them. */
#ifndef IG_GRAPH_GRAPH_H
#define IG_GRAPH_GRAPH_H

#include "engine/base/layout.h"
#include "engine/base/memory.h"
#include "engine/base/shape.h"

typedef struct ig_op ig_op;

typedef enum ig_value_kind {
  IG_VALUE_INPUT,    /* bound before each run */
  IG_VALUE_PARAM,    /* in the store; what training changes */
  IG_VALUE_STATE,    /* in the store; changed by assignments (running statistics, moments, caches) */
  IG_VALUE_CONST,    /* known bytes */
  IG_VALUE_RESULT    /* output of a node */
} ig_value_kind;

/* How a parameter gets its first values, drawn from (seed, IG_RNG_INIT, 0, hash of its name). */
typedef enum ig_init_kind {
  IG_INIT_ZERO,
  IG_INIT_ONE,
  IG_INIT_CONSTANT, /* value */
  IG_INIT_NORMAL,   /* mean 0, standard deviation `value` */
  IG_INIT_UNIFORM,  /* [-value, value) */
  IG_INIT_DIRAC,    /* filters [out, in, ...]: filter o hands on channel o as it is; those with no such
                       channel as IG_INIT_UNIFORM */
  IG_INIT_DATA      /* the bytes at ig_value.data (an imported model's weights) */
} ig_init_kind;

typedef struct ig_init {
  ig_init_kind kind;
  float value;
} ig_init;

typedef struct ig_use {
  ig_node *node;
  int input; /* index in node->inputs */
} ig_use;

struct ig_value {
  int32_t id; /* dense index into graph->values */
  ig_value_kind kind;
  ig_dtype dtype;
  ig_layout layout;
  ig_shape shape;
  const char *name; /* unique in the graph, as users know it */
  ig_node *producer; /* RESULT only */
  int output;        /* index in producer->outputs */
  const void *data;  /* CONST, and PARAM with IG_INIT_DATA: row-major bytes, outliving the graph */
  ig_init init;      /* PARAM and STATE */
  bool decay;        /* PARAM: weight decay applies (matrices and filters; not biases and norms) */
  bool frozen;       /* PARAM: training leaves it alone */
  float lr_scale;    /* PARAM: learning rate as a multiple of the others'; 0 for the same */
  /* INPUT of a template: symbol[d] names dimension d when it is free, NULL when fixed. */
  const char *symbols[IG_MAX_RANK];
  bool any_shape; /* INPUT of a deferred graph of unknown rank; with dtype IG_NONE also of unknown type */
  int32_t n_uses;
  int64_t use_capacity;
  ig_use *uses; /* heap, freed with the graph */
};

struct ig_node {
  int32_t id; /* dense index into graph->nodes; order of nodes is a valid execution order */
  const ig_op *op;
  const char *name; /* unique in the graph */
  int n_inputs, n_outputs;
  ig_value **inputs; /* an absent optional input is NULL */
  ig_value **outputs;
  void *attrs; /* the struct described by op->attrs */
  /* Backward nodes name the forward node they belong to, for reports; NULL otherwise. */
  const ig_node *forward;
};

/* At the end of a run `target` (PARAM or STATE) takes the value that `source` had. The planner lets
 * the producer write in place when all readers of the old value come before it. An output that is a
 * target, or a view of one, shows the new value. */
typedef struct ig_assign {
  ig_value *target, *source;
} ig_assign;

struct ig_graph {
  ig_arena *arena;
  ig_status status;   /* of the first failed builder */
  char *error;        /* its message */
  const char *name;
  int32_t holders;    /* its maker, and the graphs of which it is a body */
  bool deferred;      /* a template whose nodes are inferred only when it is specialised */
  int32_t n_values, n_nodes, n_inputs, n_outputs, n_assigns;
  int64_t value_capacity, node_capacity, input_capacity, output_capacity, assign_capacity;
  ig_value **values; /* dead values stay, without uses, until ig_graph_compact */
  ig_node **nodes;   /* in execution order */
  ig_value **inputs;
  ig_value **outputs;
  const char **output_names; /* as users know them; output_names[i] goes with outputs[i] */
  ig_assign *assigns;
  int32_t n_bodies;
  int64_t body_capacity;
  ig_graph **bodies; /* graphs that are attributes of its nodes, once for each */
  const ig_node *forward; /* stamped on nodes that builders append (ig_node.forward) */
  struct ig_names *names; /* taken names of values and nodes; names.h */
};

ig_status ig_graph_create(const char *name, ig_graph **out);
/* Lets go of it; NULL is allowed. A graph that is an attribute of nodes (a body) lives until its maker and
 * all graphs with such nodes have let go, and must not be changed any more. */
void ig_graph_destroy(ig_graph *graph);
/* The same one, let go of once more. */
ig_graph *ig_graph_hold(const ig_graph *graph);
/* IG_OK, or the first builder's failure, set again as the thread's last error. */
ig_status ig_graph_status(const ig_graph *graph);
/* Records a failure in the graph (the first one stays) from the thread's last error. */
ig_value *ig_graph_fail(ig_graph *graph, ig_status status);

/* --- attributes ------------------------------------------------------------------------------ */

typedef enum ig_attr_type {
  IG_ATTR_INT,    /* int64_t */
  IG_ATTR_FLOAT,  /* float */
  IG_ATTR_STRING, /* const char * */
  IG_ATTR_INTS,   /* ig_ints */
  IG_ATTR_FLOATS, /* ig_floats */
  IG_ATTR_TENSOR, /* const ig_literal * */
  IG_ATTR_GRAPH,  /* ig_graph *, for control flow: held by the graph of the node, see ig_graph_destroy */
  IG_ATTR_STRINGS /* ig_strings */
} ig_attr_type;

typedef struct ig_ints {
  int n;
  const int64_t *v;
} ig_ints;

typedef struct ig_floats {
  int n;
  const float *v;
} ig_floats;

typedef struct ig_strings {
  int n;
  const char *const *v;
} ig_strings;

/* Constant bytes with a type. */
typedef struct ig_literal {
  ig_dtype dtype;
  ig_shape shape;
  const void *data;
} ig_literal;

/* One named attribute given to a builder. */
typedef struct ig_attr {
  const char *name;
  ig_attr_type type;
  int64_t i;
  float f;
  const char *s;
  ig_ints ints;
  ig_floats floats;
  const ig_literal *tensor;
  ig_graph *graph;
  ig_strings strings;
} ig_attr;

#define IG_INT(n, value) ((ig_attr){.name = (n), .type = IG_ATTR_INT, .i = (value)})
#define IG_FLOAT(n, value) ((ig_attr){.name = (n), .type = IG_ATTR_FLOAT, .f = (value)})
#define IG_STRING(n, value) ((ig_attr){.name = (n), .type = IG_ATTR_STRING, .s = (value)})
#define IG_INTS(n, count, values)                                                                  \
  ((ig_attr){.name = (n), .type = IG_ATTR_INTS, .ints = {(count), (values)}})

/* --- builders (on template and concrete graphs alike) ---------------------------------------- */

/* Names are copied; a taken name gets a suffix; NULL makes one up. */
ig_value *ig_graph_input(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape);
/* An input of a deferred graph of which the shape is not known, nor (IG_NONE) the type. */
ig_value *ig_graph_input_any(ig_graph *graph, const char *name, ig_dtype dtype);
/* Marks dimension `dim` of a template's input as free, under that symbol ("N", "T"). */
void ig_value_set_symbol(ig_graph *graph, ig_value *input, int dim, const char *symbol);
ig_value *ig_graph_param(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape,
                         ig_init init, bool decay);
ig_value *ig_graph_state(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape,
                         ig_init init);
/* The bytes are copied. */
ig_value *ig_graph_const(ig_graph *graph, const char *name, ig_dtype dtype, ig_shape shape,
                         const void *data);
ig_value *ig_graph_const_f32(ig_graph *graph, float value);                     /* scalar */
ig_value *ig_graph_const_i64s(ig_graph *graph, int count, const int64_t *values); /* [count] */
void ig_graph_output(ig_graph *graph, const char *name, ig_value *value);
void ig_graph_assign(ig_graph *graph, ig_value *target, ig_value *source);

/* Appends a node and infers its outputs. `name` may be NULL. Writes `n_out` outputs. Fails when the
 * operator or an attribute is unknown, a count is out of range, or inference refuses. */
ig_node *ig_graph_node(ig_graph *graph, const char *op, const char *name, int n_in,
                       ig_value *const *in, int n_attrs, const ig_attr *attrs, int n_out);

/* The same with a name for each output (a NULL makes one up), for graphs that come from files; with
 * NULL for `out_names`, the outputs are called after the node. */
ig_node *ig_graph_node_named(ig_graph *graph, const char *op, const char *name, int n_in,
                             ig_value *const *in, int n_attrs, const ig_attr *attrs, int n_out,
                             const char *const *out_names);

/* The same with an operator and its attributes' struct at hand, the latter in the graph's arena, for
 * copies of nodes. Counts are taken as checked. */
ig_node *ig_graph_append(ig_graph *graph, const ig_op *op, const char *name, int n_in,
                         ig_value *const *in, void *attrs, int n_out,
                         const char *const *out_names);

#define IG_INS(...)                                                                                \
  (int)(sizeof((ig_value *[]){__VA_ARGS__}) / sizeof(ig_value *)), (ig_value *[]) { __VA_ARGS__ }
#define IG_ATTRS(...)                                                                              \
  (int)(sizeof((ig_attr[]){__VA_ARGS__}) / sizeof(ig_attr)), (ig_attr[]) { __VA_ARGS__ }
#define IG_NO_ATTRS 0, NULL

/* The common case, one output: ig_op1(g, "Softmax", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", 1)))*/
ig_value *ig_op1(ig_graph *graph, const char *op, const char *name, int n_in, ig_value *const *in,
                 int n_attrs, const ig_attr *attrs);

/* --- editing, for passes --------------------------------------------------------------------- */

/* Every use of `from` (inputs, outputs, assignment sources) becomes a use of `to`. The graph
 * output keeps its name. */
ig_status ig_value_replace(ig_graph *graph, ig_value *from, ig_value *to);
ig_status ig_node_set_input(ig_graph *graph, ig_node *node, int index, ig_value *value);
/* Output `index` of a node, which gets it (and those before) now when it was made with fewer: a
 * gradient builder asks for the statistics or the mask that the forward node can also give. */
ig_value *ig_node_output(ig_graph *graph, ig_node *node, int index);
/* Removes a node whose outputs nothing reads. Until ig_graph_compact it stays in graph->nodes with id
 * -1, so that loops over the array stay valid: skip such nodes (ig_node_is_live). */
void ig_node_remove(ig_graph *graph, ig_node *node);
static inline bool ig_node_is_live(const ig_node *node) { return node->id >= 0; }
/* Infers this node's outputs again after its inputs or attributes changed. */
ig_status ig_node_infer(ig_node *node);
/* Puts nodes back into a valid order, stable otherwise; fails naming a node of a cycle. */
ig_status ig_graph_sort(ig_graph *graph);
/* Drops removed nodes and values that nothing uses, and renumbers ids. PARAMs and STATEs that nothing
 * uses are dropped only with `all`; inputs stay. */
ig_status ig_graph_compact(ig_graph *graph, bool all);
/* Structure, uses, order, dtypes and shapes (by inferring again); names the first fault. */
ig_status ig_graph_verify(ig_graph *graph);

/* A copy with the given shape for each graph input (in order); infers everything, evaluates what depends
 * on shapes and constants alone, and puts the chosen body in the place of an If whose condition is known
 * so. With NULL shapes, the inputs keep theirs. The copy needs nothing of `graph`, which may be destroyed
 * first. Fails naming the input or node that does not fit; with IG_ERR_UNSUPPORTED where a shape depends
 * on what the inputs hold, or a value is no tensor of numbers: then it can only be interpreted. */
ig_status ig_graph_specialize(const ig_graph *graph, const ig_shape *input_shapes,
                              ig_graph **out);
/* The same with the dtypes of the inputs too, where the graph leaves them open. */
ig_status ig_graph_specialize_typed(const ig_graph *graph, const ig_dtype *input_dtypes,
                                    const ig_shape *input_shapes, ig_graph **out);
/* The same for a body: its inputs get dtype and shape of `like`, whatever the body says, and those that
 * are constants there are known in the copy (and inputs of it all the same, which nothing reads). */
ig_status ig_graph_specialize_body(const ig_graph *body, ig_value *const *like, ig_graph **out);
/* Appends the body's nodes to a concrete graph, `in` in the place of its inputs; out[i] is what stands
 * for the body's output i, and may be one of `in`. Evaluates as specialising does. Every PARAM of the
 * body is a constant: bodies have none in the store. */
ig_status ig_graph_inline(ig_graph *graph, const ig_graph *body, ig_value *const *in,
                          ig_value **out);

/* --- queries --------------------------------------------------------------------------------- */

ig_value *ig_graph_find_value(const ig_graph *graph, const char *name);
ig_node *ig_graph_find_node(const ig_graph *graph, const char *name); /* looks at one after the other */
bool ig_value_is_output(const ig_graph *graph, const ig_value *value);
/* Uses by nodes, graph outputs and assignments together. */
int ig_value_use_count(const ig_graph *graph, const ig_value *value);
/* True when the bytes are known now; *count elements are at value->data. */
static inline bool ig_value_is_const(const ig_value *value) {
  return value && value->kind == IG_VALUE_CONST;
}
/* Reads a constant integer tensor (i64 or i32) of at most `capacity` elements into `out`; fails
 * when it is not known at plan time, too long, or of another type. `what` names it in messages. */
ig_status ig_value_const_ints(const ig_value *value, const char *what, int capacity, int64_t *out,
                              int *count);
/* Element 0 of a constant, as double; `fallback` when value is NULL. */
ig_status ig_value_const_scalar(const ig_value *value, const char *what, double fallback,
                                double *out);
/* Elements and bytes of the logical tensor, without layout padding. */
static inline int64_t ig_value_count(const ig_value *v) { return ig_shape_count(&v->shape); }
static inline size_t ig_value_bytes(const ig_value *v) { return ig_shape_bytes(&v->shape, v->dtype); }
/* Bytes in memory in the value's layout (IG_LAYOUT_BLOCK16 pads channels). */
size_t ig_value_storage(const ig_value *v);

#endif
