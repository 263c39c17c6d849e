/* What part a node plays when its neighbours are quantized, and what follows from all of them together: which
 * nodes hand on codes. Recipes list by these roles, and applying a recipe goes by them. */
#ifndef IG_QUANTIZE_ROLES_H
#define IG_QUANTIZE_ROLES_H

#include "engine/quantize/recipe.h"

typedef enum ig_quant_role {
  IG_QUANT_OTHER,
  IG_QUANT_PRODUCT, /* Conv, ConvTranspose, MatMul, Gemm with a parameter */
  IG_QUANT_TABLE,   /* Gather of rows of a parameter */
  IG_QUANT_JOIN,    /* Add, Concat, averages, functions of one number: the result has a scale of its own */
  IG_QUANT_MOVE     /* Reshape, Transpose, MaxPool, ...: the result has its input's scale */
} ig_quant_role;

/* Fills names, weight and axes of a layer (nothing else) for a PRODUCT or TABLE. */
ig_quant_role ig_quant_role_of(const ig_node *node, ig_quant_layer *layer);
/* Inputs [0, n) of the node are activations that may be codes. */
int ig_quant_activations(const ig_node *node);

/* Per node id of a graph: */
typedef struct ig_quant_flow {
  const ig_quant_layer **layer; /* of the recipe, or NULL */
  ig_quant_role *role;
  bool *coded;          /* computes on codes */
  const ig_node **root; /* of a node that ends the computation of another (a bias, Relu, Clip behind it): that */
  bool *quantized;      /* by value id: read as codes */
} ig_quant_flow;

typedef enum ig_quant_kind {
  IG_QUANT_CODES, /* of INT8 or FP8 */
  IG_QUANT_HALVES /* of F16 or BF16: all that is said here of codes goes for them, too */
} ig_quant_kind;

/* Which nodes compute on codes when the recipe's layers of that kind do, those between them where all that
 * they read is codes and somebody reads theirs. With a NULL recipe, as if all that may did. */
ig_status ig_quant_flow_create(const ig_graph *graph, const ig_recipe *recipe, ig_quant_kind kind,
                               ig_quant_flow *out);
void ig_quant_flow_release(ig_quant_flow *flow);
/* The result of a PRODUCT or JOIN with what ends its computation. */
const ig_value *ig_quant_result(const ig_graph *graph, const ig_quant_flow *flow, const ig_node *root);

#endif
