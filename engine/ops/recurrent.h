/* What RNN, GRU, LSTM and their gradients share. The gradients are twins (engine/ops/doubles.h) of the
 * forward operators with eight inputs (X W R B sequence_lens initial_h initial_c P) and three outputs
 * (Y Y_h Y_c); RNN and GRU have six and two. */
#ifndef IG_OPS_RECURRENT_H
#define IG_OPS_RECURRENT_H

#include "engine/ops/doubles.h"
#include "kernels/recurrent.h"

typedef struct ig_recurrent_attrs {
  ig_floats activation_alpha, activation_beta;
  ig_strings activations;
  float clip;
  const char *direction;
  int64_t hidden_size, input_forget, layout, linear_before_reset;
} ig_recurrent_attrs;

#define IG_RECURRENT_FIELDS                                                                        \
  {.name = "activation_alpha",                                                                     \
   .type = IG_ATTR_FLOATS,                                                                         \
   .offset = offsetof(ig_recurrent_attrs, activation_alpha)},                                      \
      {.name = "activation_beta",                                                                  \
       .type = IG_ATTR_FLOATS,                                                                     \
       .offset = offsetof(ig_recurrent_attrs, activation_beta)},                                   \
      IG_FIELD_STRINGS(ig_recurrent_attrs, activations),                                           \
      IG_FIELD_FLOAT(ig_recurrent_attrs, clip, 0),                                                 \
      IG_FIELD_STRING(ig_recurrent_attrs, direction, "forward"),                                   \
      IG_FIELD_INT(ig_recurrent_attrs, hidden_size, 0), IG_FIELD_INT(ig_recurrent_attrs, layout, 0)

extern const ig_attr_field ig_rnn_fields[], ig_gru_fields[], ig_lstm_fields[];
extern const ig_twin ig_rnn_twin, ig_gru_twin, ig_lstm_twin;

/* Checks a node of the forward operator, or of its gradient, whose first inputs are the same. */
ig_status ig_recurrent_describe(const ig_node *node, ig_cell_kind kind, ig_recurrent *out);
ig_status ig_recurrent_infer(ig_node *node, ig_cell_kind kind);
ig_status ig_recurrent_grad_infer(ig_node *node, ig_cell_kind kind);
/* Two flops a weight and step; three times as many for the gradient. */
ig_cost ig_recurrent_cost(const ig_node *node, ig_cell_kind kind, double passes);
size_t ig_recurrent_workspace(const ig_node *node, ig_cell_kind kind, bool backward);
ig_status ig_recurrent_run(const ig_call *call, ig_cell_kind kind);
ig_status ig_recurrent_run_grad(const ig_call *call, ig_cell_kind kind);

/* The functions and tables of a forward file, and of a gradient's. */
#define IG_RECURRENT_FUNCTIONS(kind, backward)                                                     \
  static ig_cost cost(const ig_node *node) {                                                       \
    return ig_recurrent_cost(node, kind, (backward) ? 3 : 1);                                      \
  }                                                                                                \
  static size_t workspace(const ig_node *node) {                                                   \
    return ig_recurrent_workspace(node, kind, backward);                                           \
  }                                                                                                \
  static ig_status infer(ig_node *node) {                                                          \
    return (backward) ? ig_recurrent_grad_infer(node, kind) : ig_recurrent_infer(node, kind);      \
  }                                                                                                \
  static ig_status run(const ig_call *call) {                                                      \
    return (backward) ? ig_recurrent_run_grad(call, kind) : ig_recurrent_run(call, kind);          \
  }                                                                                                \
  static const ig_impl impls[] = {{.name = "steps", .workspace = workspace, .run = run}, {0}};

#endif
