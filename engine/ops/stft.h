/* What STFT and its gradient share. */
#ifndef IG_OPS_STFT_H
#define IG_OPS_STFT_H

#include "engine/ops/dft.h"

typedef struct ig_stft_attrs {
  int64_t onesided;
} ig_stft_attrs;

extern const ig_attr_field ig_stft_fields[];
extern const ig_twin ig_stft_twin;

/* A checked node: `frames` of `n` samples (weighted by the first `window` weights, if there are any, and 0
 * beyond them), `step` apart. */
typedef struct ig_stft {
  int64_t batch, length, parts, n, step, frames, bins, window;
} ig_stft;

ig_status ig_stft_describe(const ig_node *node, ig_stft *out, ig_shape *y);
size_t ig_stft_workspace(const ig_node *node);

#endif
