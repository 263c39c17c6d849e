/* Between the files of the importer. */
#ifndef IG_FORMATS_ONNX_IMPORT_PARTS_H
#define IG_FORMATS_ONNX_IMPORT_PARTS_H

#include "engine/ops/op.h"
#include "formats/onnx_import.h"

/* Attributes of the call that a function's body is inlined for; "ref_attr_name" looks them up. */
typedef struct ig_onnx_env {
  int n;
  const ig_attr *attrs;
} ig_onnx_env;

/* From names, borrowed, to what they stand for: open addressing, a power of two of slots. */
typedef struct ig_onnx_names {
  int64_t n, n_slots;
  struct ig_onnx_binding {
    const char *name;
    void *what;
  } *slots;
} ig_onnx_names;

/* The names that nodes of one graph, body or inlined function see. */
typedef struct ig_onnx_scope {
  struct ig_onnx_scope *parent; /* of a body: the graph around it */
  ig_graph *graph;
  int64_t n_opsets;
  const ig_onnx_opset *opsets;
  const ig_onnx_env *env; /* NULL outside of functions */
  int depth;              /* of inlining and bodies */
  ig_onnx_names names; /* of values */
  /* Of a body: values of the parent that its last inputs stand for, and the inputs' names. */
  int n_captures;
  int64_t capture_capacity, capture_name_capacity;
  ig_value **captures;
  const char **capture_names;
} ig_onnx_scope;

typedef struct ig_onnx_importer {
  ig_onnx_model *model;
  const char *root; /* of external data; NULL for the model's folder */
  int64_t n_nodes;  /* made so far, functions inlined */
  bool placed; /* the failure's message names its node */
  /* Operators that Ingot lacks, each once: "Name (node 'n', 3 times)". */
  int n_missing;
  int64_t missing_capacity;
  struct ig_onnx_missing {
    const char *op, *node;
    int64_t times;
  } *missing;
} ig_onnx_importer;

/* A node on its way: what the file says, as values and attributes of ours. Upgrades change it in place. */
typedef struct ig_onnx_call {
  ig_graph *graph;
  const char *op;   /* with its domain, as ig_op.name */
  const char *name; /* or NULL */
  int64_t opset;    /* of the operator's domain */
  int n_in, n_attrs, n_out;
  ig_value **in; /* room for IG_ONNX_SPARE more */
  ig_attr *attrs;
  const char **out_names; /* NULL makes one up */
  ig_value **out;         /* results */
  bool done;              /* an upgrade made nodes and results itself */
} ig_onnx_call;

#define IG_ONNX_SPARE 8

/* --- names (onnx_scope.c) ---------------------------------------------------------------------- */

/* NULL when the table lacks it. */
void *ig_onnx_names_find(const ig_onnx_names *names, const char *name);
/* Sets, and says in *taken what the name stood for before, if anything. */
ig_status ig_onnx_names_set(ig_onnx_names *names, const char *name, void *what, void **taken);
void ig_onnx_names_release(ig_onnx_names *names);

void ig_onnx_scope_release(ig_onnx_scope *scope);
/* Binds a name; one that is bound already fails. */
ig_status ig_onnx_bind(ig_onnx_importer *importer, ig_onnx_scope *scope, const char *name,
                       ig_value *value);
/* *out is NULL when nothing has that name. A body that reads a name of the graph around it gets an input
 * for it. */
ig_status ig_onnx_lookup(ig_onnx_importer *importer, ig_onnx_scope *scope, const char *name,
                         ig_value **out);
/* Gives a body an input for a value of the parent that it need not read. */
ig_status ig_onnx_capture(ig_onnx_importer *importer, ig_onnx_scope *scope, const char *name,
                          ig_value *outer, ig_value **out);

/* --- nodes (onnx_import_node.c) ---------------------------------------------------------------- */

ig_status ig_onnx_import_nodes(ig_onnx_importer *importer, ig_onnx_scope *scope, int64_t n,
                               const ig_onnx_node *nodes);
/* "Conv", "ai.onnx.ml.Scaler"; in the model's arena, or the node's own text. */
const char *ig_onnx_op_name(ig_onnx_importer *importer, const ig_onnx_node *node);

/* --- graphs (onnx_import.c) -------------------------------------------------------------------- */

/* A body as a deferred graph of its own. `scope` is fresh, with the parent and the captures that it must
 * have set by the caller: `captured` names and values of them are made inputs first. */
ig_status ig_onnx_import_body(ig_onnx_importer *importer, const ig_onnx_graph *source,
                              ig_onnx_scope *scope, int captured, ig_value *const *values,
                              const char *const *names);
ig_value *ig_onnx_constant(ig_graph *graph, const char *name, const ig_literal *literal);

/* --- older operators (onnx_upgrade.c) ---------------------------------------------------------- */

/* Rewrites a call of an older opset into one with the meaning that the operators' descriptors have. */
ig_status ig_onnx_upgrade(ig_onnx_call *call);
/* onnx_upgrade_ml.c */
ig_status ig_onnx_array_feature_extractor(ig_onnx_call *call);
ig_status ig_onnx_zip_map(ig_onnx_call *call);
/* Whether some call of that name is rewritten: it need not be an operator of ours. */
bool ig_onnx_is_upgraded(const char *op);
/* The attribute of that name, or NULL. */
const ig_attr *ig_onnx_call_attr(const ig_onnx_call *call, const char *name);

/* --- classical models (onnx_classic.c, onnx_trees.c) ------------------------------------------- */

/* Operators of ai.onnx.ml as others: linear models as Gemm, support vectors as products with them, trees as
 * TreeEnsemble. */
ig_status ig_onnx_linear_regressor(ig_onnx_call *call);
ig_status ig_onnx_linear_classifier(ig_onnx_call *call);
ig_status ig_onnx_svm_regressor(ig_onnx_call *call);
ig_status ig_onnx_svm_classifier(ig_onnx_call *call);
ig_status ig_onnx_tree_regressor(ig_onnx_call *call);
ig_status ig_onnx_tree_classifier(ig_onnx_call *call);
/* What they share. Lists are empty where the attribute is absent; of another type, they fail. */
ig_status ig_onnx_floats_of(const ig_onnx_call *call, const char *name, ig_floats *out);
ig_status ig_onnx_ints_of(const ig_onnx_call *call, const char *name, ig_ints *out);
const char *ig_onnx_text_attr(const ig_onnx_call *call, const char *name, const char *fallback);
/* Names of classes: integers or texts; both empty is an error. */
typedef struct ig_onnx_labels {
  ig_ints ints;
  ig_strings texts;
  int n;
} ig_onnx_labels;
ig_status ig_onnx_labels_of(const ig_onnx_call *call, const char *ints, ig_onnx_labels *out);
/* [N] of labels from [N] of i64 indices of classes. */
ig_value *ig_onnx_label(ig_onnx_call *call, const ig_onnx_labels *labels, ig_value *indices);
/* Applies `post_transform` over the last dimension of [N, targets]. */
ig_status ig_onnx_transform(ig_onnx_call *call, ig_value *scores, ig_value **out);
/* Two scores from the positive class' alone, [N, 1]: with `complement` 1 - s and s, otherwise -s and s; and
 * `post_transform`. */
ig_status ig_onnx_two_scores(ig_onnx_call *call, ig_value *score, bool complement, ig_value **out);
/* Sets result `index` of the call, under its name, to a value of [N, targets] in f32. */
void ig_onnx_result(ig_onnx_call *call, int index, ig_value *value);

#endif
