/* The parts of a Scan, for the operator and the pass that unrolls it. */
#ifndef IG_OPS_SCAN_H
#define IG_OPS_SCAN_H

#include "engine/ops/op.h"

typedef struct ig_scan_attrs {
  ig_graph *body;
  int64_t num_scan_inputs;
  ig_ints scan_input_axes, scan_input_directions, scan_output_axes, scan_output_directions;
  int64_t captured;
} ig_scan_attrs;

typedef struct ig_scan_form {
  const ig_scan_attrs *attrs;
  const ig_graph *body;
  int states, scanned, stacked, captured; /* values of each kind */
} ig_scan_form;

/* Checks the node's counts and attributes against the body's. */
ig_status ig_scan_form_of(const ig_node *node, ig_scan_form *out);
/* Axis of scanned input `i` of that shape, and the common length so far (-1 before the first). */
ig_status ig_scan_axis(const ig_scan_form *form, int i, const ig_shape *shape, int *axis,
                       int64_t *length);
bool ig_scan_backwards(const ig_ints *directions, int i);
/* Axis of stacked output `i`, which may be negative. */
int64_t ig_scan_output_axis(const ig_scan_form *form, int i);

#endif
