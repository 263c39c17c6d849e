/* Between the files of the exporter. */
#ifndef IG_FORMATS_ONNX_EXPORT_PARTS_H
#define IG_FORMATS_ONNX_EXPORT_PARTS_H

#include "engine/ops/op.h"
#include "formats/onnx_export.h"
#include "formats/onnx_import_parts.h"

/* What is known of a value when the model is written: of values in bodies and behind operators whose
 * results decide their shapes, little. */
typedef struct ig_onnx_known {
  ig_dtype dtype; /* IG_NONE: unknown */
  int rank;       /* -1: unknown */
  int64_t dims[IG_MAX_RANK]; /* -1: it follows from the inputs' */
  const char *symbols[IG_MAX_RANK]; /* of an input's dimension that it equals; or NULL */
} ig_onnx_known;

/* An operand on its way out. */
typedef struct ig_onnx_arg {
  const char *name; /* "" is absent */
  ig_onnx_known known;
  const void *data; /* a constant's bytes; NULL when not known */
} ig_onnx_arg;

typedef struct ig_onnx_exporter {
  ig_arena *arena;
  const ig_onnx_export_options *options;
  const char *path;
  int64_t opset;
  ig_status status;    /* of the first failure that is no problem of the list */
  ig_onnx_names names; /* taken, over all graphs */
  int64_t made_up;
  int n_problems;      /* what the opset cannot say, each operator once */
  int64_t problem_capacity;
  struct ig_onnx_problem {
    const char *op, *why, *node;
    int64_t times;
  } *problems;
  int64_t n_domains, domain_capacity;
  ig_onnx_opset *domains; /* besides ONNX's own */
  ig_onnx_exported report;
} ig_onnx_exporter;

/* One graph or body as it grows. */
typedef struct ig_onnx_block {
  ig_onnx_exporter *exporter;
  const ig_graph *graph;
  ig_onnx_arg *args; /* by value id */
  int64_t n_nodes, node_capacity, n_initializers, initializer_capacity;
  ig_onnx_node *nodes;
  ig_onnx_tensor *initializers;
} ig_onnx_block;

/* A node on its way out; downgrades change it in place. */
typedef struct ig_onnx_out {
  ig_onnx_block *block;
  const char *op;   /* with its domain, as ig_op.name */
  const char *name; /* of the node */
  int n_in, n_attrs, n_out, n_bodies;
  ig_onnx_arg *in; /* room for IG_ONNX_SPARE more */
  ig_attr *attrs;  /* those that are written, without bodies; room likewise */
  const ig_onnx_arg *out;
  const ig_onnx_attr *bodies;
  bool done; /* a downgrade wrote other nodes instead */
} ig_onnx_out;

/* --- building (onnx_emit.c) -------------------------------------------------------------------- */

/* A name that nothing has yet: `wanted`, or that with a number. NULL on failure (exporter->status). */
const char *ig_onnx_claim(ig_onnx_exporter *exporter, const char *wanted);
/* Writes a node, as older ones where the opset asks for it. */
void ig_onnx_emit(ig_onnx_out *out);
/* One node with one new result beside `like`, from which its names come. */
ig_onnx_arg ig_onnx_new(ig_onnx_out *like, const char *op, int n_in, const ig_onnx_arg *in, int n_attrs,
                        const ig_attr *attrs);
/* The same, giving output `index` of `like`. */
void ig_onnx_give(ig_onnx_out *like, int index, const char *op, int n_in, const ig_onnx_arg *in,
                  int n_attrs, const ig_attr *attrs);
#define IG_ARGS(...)                                                                               \
  (int)(sizeof((ig_onnx_arg[]){__VA_ARGS__}) / sizeof(ig_onnx_arg)), (ig_onnx_arg[]) { __VA_ARGS__ }

/* Constants as initializers. */
ig_onnx_arg ig_onnx_const(ig_onnx_out *like, ig_dtype dtype, ig_shape shape, const void *data);
ig_onnx_arg ig_onnx_i64s(ig_onnx_out *like, int n, const int64_t *values);
/* A scalar of the type of `as`. */
ig_onnx_arg ig_onnx_scalar(ig_onnx_out *like, const ig_onnx_arg *as, double value);
/* Adds an initializer; the bytes are borrowed. */
void ig_onnx_initializer(ig_onnx_block *block, const char *name, ig_dtype dtype, const ig_shape *shape,
                         const void *data);
/* The same, once a node reads it. */
void ig_onnx_constant_later(ig_onnx_block *block, const char *name, ig_dtype dtype,
                            const ig_shape *shape, const void *data);
ig_status ig_onnx_tensor_of(ig_arena *arena, const char *name, ig_dtype dtype, const ig_shape *shape,
                            const void *data, ig_onnx_tensor *out);
/* Sets exporter->status, unless one is set. */
void ig_onnx_fail(ig_onnx_exporter *exporter, ig_status status);
/* Puts an operator on the list of problems: `why` completes "Op: ". */
void ig_onnx_problem(const ig_onnx_out *out, const char *why);

const ig_attr *ig_onnx_find_attr(const ig_onnx_out *out, const char *name);

/* --- older operators (onnx_downgrade.c) -------------------------------------------------------- */

/* Rewrites a node that the opset has in another form, or not at all. What it cannot say goes on the list
 * of problems. */
void ig_onnx_downgrade(ig_onnx_out *out);

typedef void (*ig_onnx_rewrite)(ig_onnx_out *out);
/* Decompositions (onnx_decompose.c, onnx_decompose_attention.c). */
void ig_onnx_lower_attention(ig_onnx_out *out);
void ig_onnx_lower_rotary_embedding(ig_onnx_out *out);
void ig_onnx_lower_gelu(ig_onnx_out *out);
void ig_onnx_lower_hard_swish(ig_onnx_out *out);
void ig_onnx_lower_mish(ig_onnx_out *out);
void ig_onnx_lower_swish(ig_onnx_out *out);
void ig_onnx_lower_layer_normalization(ig_onnx_out *out);
void ig_onnx_lower_rms_normalization(ig_onnx_out *out);
void ig_onnx_lower_group_normalization(ig_onnx_out *out);

/* --- what each opset has (onnx_history.c) ------------------------------------------------------ */

/* The least opset that has a call of one of ONNX's own operators with these attributes, this many inputs
 * and operands of these types (bits by ig_dtype). */
int64_t ig_onnx_needs(const char *op, int n_attrs, const ig_attr *attrs, int n_in, uint32_t types);
/* The least of ONNX's IR versions for an opset, and the oldest opset with a type; 0 when all have it. */
int64_t ig_onnx_ir_version(int64_t opset);
int64_t ig_onnx_type_since(ig_dtype dtype);

/* --- types of values (onnx_probe.c) ------------------------------------------------------------ */

/* known[id] for every value of the graph, by specialising it twice. Graphs that cannot be specialised
 * leave what they do not know. */
void ig_onnx_probe(const ig_graph *graph, ig_onnx_known *known);

#endif
