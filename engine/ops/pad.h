/* Padding as a map from output to input coordinates, shared by Pad and its gradient. */
#ifndef IG_OPS_PAD_H
#define IG_OPS_PAD_H

#include "engine/ops/op.h"
#include "kernels/movement.h"

ig_status ig_pad_mode_parse(const char *text, ig_pad_mode *out);
/* The shape of `in` with pads[d] before and pads[rank + d] after dimension d; negative pads crop. */
ig_status ig_pad_shape(const ig_shape *in, ig_pad_mode mode, const int64_t *pads, ig_shape *out);
/* Bytes of the coordinate tables of a padded shape. */
size_t ig_pad_workspace(const ig_shape *padded);
/* All pads of a Pad node, begins then ends, with 0 for axes that are not named. */
ig_status ig_pad_list(const ig_node *node, int64_t pads[2 * IG_MAX_RANK]);
/* Fills `axes`, with tables in `workspace`. */
void ig_pad_axes(const ig_shape *in, const ig_shape *padded, ig_pad_mode mode, const int64_t *pads,
                 void *workspace, ig_pad_axis axes[IG_MAX_RANK]);

#endif
