/* Recurrent layers over sequences: RNN, GRU and LSTM with ONNX's equations (operators RNN, GRU, LSTM,
 * opset 22), forward and backward through time. */
#ifndef IG_KERNELS_RECURRENT_H
#define IG_KERNELS_RECURRENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ig_cell_kind { IG_CELL_RNN, IG_CELL_GRU, IG_CELL_LSTM } ig_cell_kind;

typedef enum ig_cell_function_kind {
  IG_CELL_RELU,
  IG_CELL_TANH,
  IG_CELL_SIGMOID,
  IG_CELL_AFFINE,
  IG_CELL_LEAKY_RELU,
  IG_CELL_THRESHOLDED_RELU,
  IG_CELL_SCALED_TANH,
  IG_CELL_HARD_SIGMOID,
  IG_CELL_ELU,
  IG_CELL_SOFTSIGN,
  IG_CELL_SOFTPLUS
} ig_cell_function_kind;

typedef struct ig_cell_function {
  ig_cell_function_kind kind;
  double alpha, beta;
} ig_cell_function;

typedef struct ig_recurrent {
  ig_cell_kind kind;
  int64_t steps, batch, input, hidden; /* T, B, I, H */
  int directions;                      /* 1 or 2 */
  bool backwards;                      /* the first direction goes from the end */
  bool batch_first;                    /* layout 1 */
  bool coupled;                        /* LSTM: the forget gate is 1 - the input gate */
  bool linear_before_reset;            /* GRU */
  double clip;                         /* of what activations get, to [-clip, clip]; 0 for none */
  ig_cell_function functions[2][3];    /* by direction: f, g, h */
} ig_recurrent;

/* Gates of a cell: 1, 3 (z r h) or 4 (i o f c). */
static inline int64_t ig_recurrent_gates(ig_cell_kind kind) {
  return kind == IG_CELL_RNN ? 1 : kind == IG_CELL_GRU ? 3 : 4;
}

/* All of one element type. Shapes with layout 0, in terms of D directions and G gates: x [T, B, I],
 * w [D, G H, I], r [D, G H, H], b [D, 2 G H], h0 and c0 [D, B, H], p [D, 3 H] (i o f), y [T, D, B, H],
 * yh and yc [D, B, H]; with layout 1, x [B, T, I], y [B, T, D, H] and states [B, D, H]. What is absent is
 * NULL. `lengths` holds a number of steps for each sequence: later results are 0, and the last state is
 * that of the last step; the other direction begins there. */
typedef struct ig_recurrent_data {
  const void *x, *w, *r, *b, *h0, *c0, *p;
  const int32_t *lengths;
  void *y, *yh, *yc;
} ig_recurrent_data;

/* Gradients: dy, dyh and dyc may be NULL; the others are not, and are written whole. `dp` is for LSTM. */
typedef struct ig_recurrent_grads {
  const void *dy, *dyh, *dyc;
  void *dx, *dw, *dr, *db, *dh0, *dc0, *dp;
} ig_recurrent_grads;

/* Numbers of scratch, of the element type. */
size_t ig_recurrent_scratch(const ig_recurrent *spec, bool backward);
void ig_cpu_recurrent_f32(const ig_recurrent *spec, const ig_recurrent_data *data, float *scratch);
void ig_cpu_recurrent_f64(const ig_recurrent *spec, const ig_recurrent_data *data, double *scratch);
/* Runs forward again (y, yh and yc are not written), then back. */
void ig_cpu_recurrent_grad_f32(const ig_recurrent *spec, const ig_recurrent_data *data,
                               const ig_recurrent_grads *grads, float *scratch);
void ig_cpu_recurrent_grad_f64(const ig_recurrent *spec, const ig_recurrent_data *data,
                               const ig_recurrent_grads *grads, double *scratch);

#endif
