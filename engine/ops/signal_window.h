/* HannWindow, HammingWindow and BlackmanWindow: sums of cosines over `size` samples. */
#ifndef IG_OPS_SIGNAL_WINDOW_H
#define IG_OPS_SIGNAL_WINDOW_H

#include "engine/ops/op.h"

extern const ig_attr_field ig_signal_window_fields[];

typedef struct ig_signal_window_attrs {
  int64_t output_datatype, periodic;
} ig_signal_window_attrs;

ig_status ig_signal_window_infer(ig_node *node);
/* y[i] = a - b cos(x) + c cos(2 x), with x = 2 pi i / size (periodic), or / (size - 1). */
ig_status ig_signal_window_run(const ig_call *call, double a, double b, double c);

#define IG_SIGNAL_WINDOW(a, b, c)                                                                  \
  static ig_status run(const ig_call *call) {                                                      \
    return ig_signal_window_run(call, a, b, c);                                                    \
  }                                                                                                \
  static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

#endif
